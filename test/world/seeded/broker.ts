// A broker in the world of a seed: it keeps the session of the agent, delivers each command until it is acknowledged,
// sometimes twice, and takes what is published. It outlives every process of the agent.

import type { Link, LinkPorts, OpenLink } from '../../../src/mqtt/link.ts';
import type { Outcome } from '../../../src/mqtt/sending.ts';
import type { VirtualTime } from '../../support/virtual-time.ts';
import type { Chance } from './chance.ts';

export type Sent = { commandId: string; name: string; payload: string };
export type Published = { sequence: number; eventType: string; json: string };

const RETRY_MS = 500;

export class SeededBroker {
  readonly #time: VirtualTime;
  readonly #chance: Chance;
  /** Not acknowledged yet, in order. */
  #session: Sent[] = [];
  #isUp = true;
  #connection: Connection | null = null;
  /** Every reply as it came, again where it came again. */
  onReply: (commandId: string, json: string) => void = () => undefined;
  onEvent: (event: Published) => void = () => undefined;
  readonly states = new Map<string, string>();
  /** How often a command that was acknowledged is delivered once more, and how often one overtakes another. */
  doubles = 0.05;
  overtakes = 0.05;
  delivered = 0;

  constructor(time: VirtualTime, chance: Chance) {
    this.#time = time;
    this.#chance = chance;
  }

  get waiting(): number {
    return this.#session.length;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  set isUp(isUp: boolean) {
    this.#isUp = isUp;
    if (!isUp) this.#connection?.lose();
  }

  send(sent: Sent): void {
    const at = this.#session.length > 0 && this.#chance.is(this.overtakes) ? this.#session.length - 1 : this.#session.length; // prettier-ignore
    this.#session.splice(at, 0, sent);
    this.#connection?.deliverSoon();
  }

  /** For one process; `isAlive`: it is not dead. */
  opener(isAlive: () => boolean): OpenLink {
    return (options, ports) => {
      const connection: Connection = new Connection(this.#time, this.#chance, ports, options.topics.base, isAlive, {
        isUp: () => this.#isUp,
        took: () => (this.#connection = connection),
        next: (given) => this.#session.find((one) => !given.has(one)),
        acknowledged: (sent) => {
          this.#session = this.#session.filter((one) => one !== sent);
          this.delivered += 1;
          return this.#chance.is(this.doubles);
        },
        reply: (commandId, json) => this.onReply(commandId, json),
        event: (event) => this.onEvent(event),
        state: (topic, json) => void this.states.set(topic.slice(`${options.topics.base}/state/`.length), json),
      });
      return connection;
    };
  }
}

type Holder = {
  isUp: () => boolean;
  took: () => void;
  next: (given: ReadonlySet<Sent>) => Sent | undefined;
  /** Whether it is delivered once more. */
  acknowledged: (sent: Sent) => boolean;
  reply: (commandId: string, json: string) => void;
  event: (event: Published) => void;
  state: (topic: string, json: string) => void;
};

class Connection implements Link {
  readonly #time: VirtualTime;
  readonly #chance: Chance;
  readonly #ports: LinkPorts;
  readonly #base: string;
  readonly #isAlive: () => boolean;
  readonly #holder: Holder;
  #isOpen = false;
  #isStopped = false;
  #isDelivering = false;
  /** Delivered on this connection, acknowledged or not. */
  #given = new Set<Sent>();
  #flying: ((outcome: Outcome) => void)[] = [];
  readonly #onlyHere = new Set<Parameters<Link['reply']>[0]>();
  #life = 0;

  constructor(
    time: VirtualTime,
    chance: Chance,
    ports: LinkPorts,
    base: string,
    isAlive: () => boolean,
    holder: Holder,
  ) {
    this.#time = time;
    this.#chance = chance;
    this.#ports = ports;
    this.#base = base;
    this.#isAlive = isAlive;
    this.#holder = holder;
  }

  readonly protocol = 5;
  readonly problem = null;

  get isConnected(): boolean {
    return this.#isOpen;
  }

  mostReplyBytes(): number {
    return Infinity;
  }

  report(): ReturnType<Link['report']> {
    return { problem: null, warnings: [], counts: {} };
  }

  start(): void {
    this.#holder.took();
    this.#connect();
  }

  #connect(): void {
    this.#after(this.#chance.whole(5, RETRY_MS), () => {
      if (this.#isStopped || this.#isOpen) return;
      if (!this.#holder.isUp()) {
        this.#connect();
        return;
      }
      this.#isOpen = true;
      this.#life += 1;
      this.#given = new Set();
      this.#ports.onConnected();
      for (const reply of [...this.#onlyHere]) this.reply(reply);
      this.#ports.onListening(true);
      this.deliverSoon();
    });
  }

  lose(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#life += 1;
    this.#isDelivering = false;
    if (!this.#isAlive()) return;
    for (const done of this.#flying.splice(0)) done({ type: 'lost' });
    this.#ports.onListening(false);
    this.#ports.onDisconnected();
    this.#connect();
  }

  redeliver(): void {
    this.lose();
  }

  stop(): Promise<void> {
    this.#isStopped = true;
    this.#isOpen = false;
    return Promise.resolve();
  }

  deliverSoon(): void {
    if (!this.#isOpen || this.#isDelivering) return;
    this.#isDelivering = true;
    this.#during(this.#chance.whole(1, 20), () => {
      this.#isDelivering = false;
      const sent = this.#holder.next(this.#given);
      if (sent === undefined) return;
      this.#given.add(sent);
      this.#deliver(sent);
      this.deliverSoon();
    });
  }

  /** As the intake does it: acknowledged behind the commit, not at all while it is held or the disk failed. */
  #deliver(sent: Sent): void {
    const [resource = '', verb = ''] = sent.name.split('/');
    const life = this.#life;
    const failed = (): void => this.lose();
    try {
      const waiting = this.#ports.dispatch(
        {
          resource, verb, payload: Buffer.from(sent.payload), source: 'mqtt', isRetained: false, responseTopic: null,
          isResponseTopicAllowed: true, correlation: null, expiresAtMs: null,
        },
        (reply) => this.reply(reply),
        failed,
      ); // prettier-ignore
      if (waiting === 'held') return;
      if (waiting !== null) {
        void waiting.then(() => this.#acknowledge(sent, life));
        return;
      }
      this.#ports.flush();
      this.#acknowledge(sent, life);
    } catch (error) {
      if (!/SQLITE|disk/i.test(String(error instanceof Error ? `${error.name} ${error.message} ${(error as { code?: string }).code ?? ''}` : error))) throw error; // prettier-ignore
      this.lose();
    }
  }

  #acknowledge(sent: Sent, life: number): void {
    if (!this.#isAlive() || life !== this.#life) return;
    if (!this.#holder.acknowledged(sent)) return;
    this.#during(this.#chance.whole(1, 2_000), () => this.#deliver(sent));
  }

  reply(reply: Parameters<Link['reply']>[0]): void {
    const { topic, commandId, json, isKept } = reply;
    if (topic === null || commandId === null) return;
    // What nobody else offers again waits here for the next connection.
    if (!isKept) this.#onlyHere.add(reply);
    this.#during(this.#chance.whole(1, 10), () => {
      this.#holder.reply(commandId, json);
      this.#onlyHere.delete(reply);
      if (isKept) this.#during(this.#chance.whole(1, 10), () => this.#ports.delivered(commandId));
    });
  }

  readonly publishEvent: Link['publishEvent'] = (event, json, _stub, done) => {
    if (!this.#isOpen) {
      done({ type: 'lost' });
      return;
    }
    this.#flying.push(done);
    this.#during(this.#chance.whole(1, 10), () => {
      this.#holder.event({ sequence: event.sequence, eventType: event.event_type, json });
      this.#during(this.#chance.whole(1, 10), () => {
        if (!this.#flying.includes(done)) return;
        this.#flying = this.#flying.filter((one) => one !== done);
        done({ type: 'acknowledged' });
      });
    });
  };

  publishState(topic: string, json: string, done: (outcome: Outcome) => void = () => undefined): void {
    if (!this.#isOpen) {
      done({ type: 'lost' });
      return;
    }
    this.#during(this.#chance.whole(1, 10), () => {
      this.#holder.state(topic, json);
      done({ type: 'acknowledged' });
    });
    if (!topic.startsWith(this.#base)) throw new Error(`a state under a strange topic: ${topic}`);
  }

  /** While this connection lives. What was under way when it ended is lost. */
  #during(delayMs: number, run: () => void): void {
    const life = this.#life;
    this.#after(delayMs, () => {
      if (this.#isOpen && life === this.#life) run();
    });
  }

  #after(delayMs: number, run: () => void): void {
    this.#time.at(this.#time.nowMs + delayMs, () => {
      if (this.#isAlive()) run();
    });
  }
}
