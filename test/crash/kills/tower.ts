// Whoever commands the building whose agent is killed: sends commands without a pause, takes what is answered into the
// model, sends again what nobody answered, and keeps every event to the letter.

import { connectAsync, type MqttClient } from 'mqtt';
import type { Chance } from '../../world/seeded/chance.ts';
import type { Model } from './model.ts';
import { thing, Wrong, type Card, type Code } from './model.ts';
import { cardNumber, DOOR_NAMES, ENTRANCES, FACILITY } from './place.ts';

const BASE = `lintel/v1/${FACILITY}`;
const PEOPLE = 8;
/** On so many different cards and codes: each is made and taken back many times. */
const SECRETS = 60;
const MOST_WAITING = 12;
/** What nobody answered for so long is sent again, as a sender does. */
const AGAIN_MS = 10_000;
const EXPIRES_MS = 55_000;

export type Reply = {
  ok: boolean;
  result?: Record<string, unknown> & { acs_credential?: { acs_credential_id?: string }; events?: unknown[] };
  error?: { type: string; message: string };
};
export type Heard = Record<string, unknown> & { sequence: number; event_type: string };
type Waiting = {
  id: string;
  name: string;
  payload: string;
  touches: readonly string[];
  sentMs: number;
  /** Takes it into the model, in the turn in which it is heard. */
  done: (reply: Reply) => void;
  resolve: (reply: Reply) => void;
};
const nothing = (): void => undefined;

export class Tower {
  readonly model: Model;
  readonly #chance: Chance;
  #client: MqttClient | null = null;
  #count = 0;
  #isSettled = false;
  readonly #waiting = new Map<string, Waiting>();
  readonly #answers = new Map<string, string>();
  /** As they were delivered, by their numbers. */
  readonly events = new Map<number, string>();
  readonly counts = { sent: 0, ok: 0, refused: 0, again: 0, fetched: 0 };
  #onEvent: (event: Heard) => void = () => undefined;
  /** What is not right, and was heard in a callback. */
  problem: Wrong | null = null;
  unlocks = 0;

  constructor(model: Model, chance: Chance) {
    this.model = model;
    this.#chance = chance;
  }

  onEvent(listener: (event: Heard) => void): void {
    this.#onEvent = listener;
  }

  async connect(url: string): Promise<void> {
    const client = await connectAsync(url, {
      protocolVersion: 5,
      clean: false,
      clientId: 'tower',
      reconnectPeriod: 100,
      properties: { sessionExpiryInterval: 3600 },
    });
    this.#client = client;
    client.on('error', () => undefined);
    client.on('message', (topic, payload) => {
      try {
        if (topic.startsWith(`${BASE}/reply/`)) this.#replied(topic.slice(`${BASE}/reply/`.length), payload.toString());
        else this.#heard(payload.toString());
      } catch (error) {
        this.problem ??= error instanceof Wrong ? error : new Wrong(String(error));
      }
    });
    const listen = async (): Promise<void> => {
      await client.subscribeAsync([`${BASE}/reply/#`, `${BASE}/event/#`], { qos: 1 });
    };
    await listen();
    // A broker that lost its sessions must be told anew.
    client.on('connect', () => void listen().catch(() => undefined));
  }

  get isConnected(): boolean {
    return this.#client?.connected === true;
  }

  get waiting(): readonly { id: string; name: string }[] {
    return [...this.#waiting.values()];
  }

  /** Whether this command was answered with success. */
  get acknowledged(): string[] {
    return [...this.#answers].flatMap(([id, json]) => ((JSON.parse(json) as Reply).ok ? [id] : []));
  }

  command(
    name: string,
    params: object,
    touches: readonly string[] = [],
    done: (reply: Reply) => void = nothing,
  ): Promise<Reply> {
    const id = `c-${++this.#count}`;
    const expires = name === 'entrances/unlock' ? { expires_at: new Date(Date.now() + EXPIRES_MS).toISOString() } : {};
    this.model.touch(touches, 1);
    return new Promise((resolve) => {
      const payload = JSON.stringify({ command_id: id, ...expires, params });
      const waiting = { id, name, payload, touches, sentMs: performance.now(), done, resolve };
      this.#waiting.set(id, waiting);
      this.counts.sent += 1;
      this.#publish(waiting);
    });
  }

  #publish({ name, payload }: Waiting): void {
    // It stays with this client until the broker has it.
    this.#client?.publish(`${BASE}/command/${name}`, payload, { qos: 1 }, () => undefined);
  }

  /** What nobody has answered; also while the agent or broker is away. */
  sendAgain(): void {
    const now = performance.now();
    if (!this.isConnected) return;
    for (const waiting of this.#waiting.values()) {
      if (now - waiting.sentMs < AGAIN_MS) continue;
      waiting.sentMs = now;
      this.counts.again += 1;
      this.#publish(waiting);
    }
  }

  #replied(id: string, json: string): void {
    const known = this.#answers.get(id);
    if (known !== undefined) {
      if (known !== json) throw new Wrong(`${id} was answered twice, and not alike: ${known} | ${json}`);
      return;
    }
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) throw new Wrong(`an answer to ${id}, which nobody asked`);
    // A reading is answered anew each time.
    if (!/\/(digest|list|get)$/.test(waiting.name)) this.#answers.set(id, json);
    const reply = JSON.parse(json) as Reply;
    if (reply.error?.type === 'internal') throw new Wrong(`${waiting.name} ${id} met a mistake of ours: ${json}`);
    this.counts[reply.ok ? 'ok' : 'refused'] += 1;
    this.#waiting.delete(id);
    waiting.done(reply);
    this.model.touch(waiting.touches, -1);
    waiting.resolve(reply);
  }

  #heard(json: string): void {
    const event = JSON.parse(json) as Heard;
    const known = this.events.get(event.sequence);
    if (known !== undefined && known !== json)
      throw new Wrong(`event ${event.sequence} came in two forms: ${known} | ${json}`);
    this.events.set(event.sequence, json);
    if (known === undefined) this.#onEvent(event);
  }

  /** The people, and nothing that opens. */
  async settleIn(): Promise<void> {
    const ids = Array.from({ length: PEOPLE }, (_, i) => `c4a50000-0000-4000-8000-0000000001${i}0`);
    for (const id of ids) this.model.people.set(id, { isSuspended: false });
    const create = (id: string): Promise<Reply> => this.command('users/create', { acs_user_id: id, full_name: `Person ${id.slice(-2)}` }, [id]); // prettier-ignore
    const replies = await Promise.all(ids.map(create));
    if (replies.some((reply) => !reply.ok)) throw new Wrong(`no people: ${JSON.stringify(replies)}`);
    this.#isSettled = true;
  }

  /** One more command, where not too many wait for their answer. */
  next(): void {
    if (!this.#isSettled || this.#waiting.size >= MOST_WAITING) return;
    const { model } = this;
    const person = this.#chance.of([...model.people.keys()]);
    const all = [...model.holdings.values()].filter((one) => !model.isTouched(thing(one), one.person));
    const holding = all.length === 0 ? null : this.#chance.of(all);
    this.#chance.weighed<() => void>([
      [6, () => this.#create(person)],
      [3, () => holding !== null && this.#remove(holding)],
      [3, () => holding?.kind === 'card' && this.#move(holding)],
      [2, () => this.#suspend(person)],
      [2, () => this.#unlock()],
    ])();
  }

  #create(person: string): void {
    const { model } = this;
    const at = this.#chance.whole(0, SECRETS - 1);
    const holding: Card | Code = this.#chance.is(0.75)
      ? {
          kind: 'card',
          id: '',
          person,
          number: 1000 + at,
          doors: this.#chance.some(DOOR_NAMES, 0.6),
          isOneTime: this.#chance.is(0.3),
          isUsed: false,
        }
      : { kind: 'code', id: '', person, digits: String(52_170_000 + at * 137) };
    const name = thing(holding);
    if (model.holdings.has(name) || model.isTouched(name)) return;
    const secret =
      holding.kind === 'card'
        ? { card_number: cardNumber(holding.number), is_one_time_use: holding.isOneTime }
        : { code: holding.digits };
    const entrances = holding.kind === 'card' ? holding.doors.map((door) => ENTRANCES[door]) : [ENTRANCES.store];
    const params = { acs_user_id: person, access_method: holding.kind, ...secret, allowed_acs_entrance_ids: entrances };
    void this.command('credentials/create', params, [name], (reply) => {
      const id = reply.result?.acs_credential?.acs_credential_id;
      if (!reply.ok || id === undefined) this.problem ??= new Wrong(`${name} is not made: ${JSON.stringify(reply)}`);
      else model.holdings.set(name, { ...holding, id });
    });
  }

  #remove(holding: Card | Code): void {
    const name = thing(holding);
    void this.command('credentials/delete', { acs_credential_id: holding.id }, [name], (reply) => {
      if (reply.ok) this.model.holdings.delete(name);
      else this.problem ??= new Wrong(`${name} is not deleted: ${JSON.stringify(reply)}`);
    });
  }

  #move(card: Card): void {
    const doors = this.#chance.some(DOOR_NAMES, 0.5);
    const params = {
      acs_credential_id: card.id,
      allowed_acs_entrance_ids: doors.map((door) => ENTRANCES[door]),
    };
    void this.command('credentials/update', params, [thing(card)], (reply) => {
      if (reply.ok) card.doors = doors;
      else this.problem ??= new Wrong(`${thing(card)} is not changed: ${JSON.stringify(reply)}`);
    });
  }

  #suspend(person: string): void {
    const state = this.model.people.get(person);
    if (state === undefined || this.model.isTouched(person)) return;
    const isSuspended = !state.isSuspended;
    void this.command(isSuspended ? 'users/suspend' : 'users/unsuspend', { acs_user_id: person }, [person], (reply) => {
      if (reply.ok) state.isSuspended = isSuspended;
      else this.problem ??= new Wrong(`${person} is not changed: ${JSON.stringify(reply)}`);
    });
  }

  /** One at a time: each may open the gate once. */
  #unlock(): void {
    if (this.model.isTouched('gate')) return;
    this.unlocks += 1;
    void this.command('entrances/unlock', { acs_entrance_id: ENTRANCES.gate }, ['gate']);
  }

  /** Asks the agent for what a broker that was killed has lost. */
  async fetch(last: number): Promise<void> {
    for (let from = 1; from <= last; from++) {
      if (this.events.has(from)) continue;
      const reply = await this.command('events/list', { from_sequence: from, limit: 100 });
      for (const event of reply.result?.events ?? []) {
        const json = JSON.stringify(event);
        if (this.events.has((event as Heard).sequence)) continue;
        this.counts.fetched += 1;
        this.#heard(json);
      }
      if (!this.events.has(from)) throw new Wrong(`event ${from} of ${last} is neither delivered nor kept`);
    }
  }

  async end(): Promise<void> {
    await this.#client?.endAsync(true);
  }
}
