// The channel over a broker, for whoever sits elsewhere: the CLI is one more MQTT client, with a client id of its own,
// a Response Topic where the broker speaks MQTT 5 and the command's own reply topic where it speaks 3.1.1.

import { randomBytes } from 'node:crypto';
import { connect, type IClientOptions, type IClientPublishOptions, type MqttClient } from 'mqtt';
import type { CommandName } from '../commands/contract.ts';
import { withDeadline } from '../domain/deadline.ts';
import { OperatingError } from '../domain/errors.ts';
import { systemClock } from '../ops/clock.ts';
import { readReply, type Channel, type Envelope, type Reply } from './channel.ts';
import { senderHere } from './sender.ts';
import { isFields, type Fields } from '../domain/fields.ts';
import { isOver, pause } from './pause.ts';
import type { Terminal } from './terminal.ts';

export type BrokerAddress = {
  url: string;
  username: string | null;
  password: string | null;
  ca: Buffer | null;
  cert: Buffer | null;
  key: Buffer | null;
  /** `{prefix}/{facility}`. */
  base: string;
  facility: string;
};

const CONNECT_MS = 10_000;
/** Retained states come right behind their subscription: this long after the last of them it was the last. */
const STATES_SETTLE_MS = 400;
const RETRY_MS = 2_000;
const PAGE = 500;
const FILL_TIMEOUT_MS = 15_000;
const NO_MATCHING_SUBSCRIBERS = 0x10;

/** Connects, with MQTT 5 first. Throws an OperatingError that says why not, and what to do. */
export async function openMqttChannel(address: BrokerAddress, terminal: Terminal): Promise<MqttChannel> {
  const link = await openLink(address);
  return new MqttChannel(address, link, terminal);
}

type Message = { topic: string; payload: Buffer };
type Link = { client: MqttClient; protocol: 5 | 4; clientId: string };

async function openLink(address: BrokerAddress): Promise<Link> {
  const five = await tryLink(address, 5);
  if (!('problem' in five)) return five;
  if (five.isFinal) throw five.problem;
  const four = await tryLink(address, 4);
  if (!('problem' in four)) return four;
  throw four.problem;
}

/** Outcomes that another protocol version would not change. */
const FINAL_CODES = new Set<unknown>([2, 4, 5, 0x85, 0x86, 0x87, 0x8a]);

async function tryLink(
  address: BrokerAddress,
  protocol: 5 | 4,
): Promise<Link | { problem: OperatingError; isFinal: boolean }> {
  const clientId = `lintel-cli-${randomBytes(6).toString('hex')}`;
  const client = connect(address.url, clientOptions(address, protocol, clientId));
  let fault: unknown = null;
  client.on('error', (error) => (fault = error));
  const connected = new Promise<boolean>((resolve) => {
    client.once('connect', () => resolve(true));
    client.once('close', () => resolve(false));
  });
  const isUp = await withDeadline(systemClock, CONNECT_MS, address.url, connected).catch((error: unknown) => {
    fault = error;
    return false;
  });
  if (isUp) return { client, protocol, clientId };
  client.end(true);
  return { problem: explain(address, fault), isFinal: isFinalFault(fault) };
}

function isFinalFault(fault: unknown): boolean {
  if (!(fault instanceof Error)) return false;
  const code = 'code' in fault ? fault.code : null;
  return FINAL_CODES.has(code) || typeof code === 'string' || fault instanceof OperatingError;
}

const FAULTS: readonly (readonly [RegExp, string])[] = [
  [/ECONNREFUSED/, 'nobody listens there. Remedy: is the broker running, is the port right?'],
  [/ENOTFOUND|EAI_AGAIN/, 'there is no such host. Remedy: correct the name, or look at DNS'],
  [/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/, 'it cannot be reached from here. Remedy: look at the network'],
  [/self.signed|unable to (get|verify)|CERT|certificate/i, 'its certificate is not trusted. Remedy: --ca FILE'],
  [/ECONNRESET|EPIPE/, 'it hung up at once. Remedy: mqtts:// for a port with TLS, mqtt:// for one without'],
  [/EPROTO|SSL|wrong version/i, 'TLS was not agreed upon. Remedy: mqtt:// for a port without TLS, mqtts:// with it'],
  [/not authori[sz]ed|bad user|0x8[67]/i, 'it refuses this user. Remedy: user@ in --url and --password-file'],
];

function explain({ url }: BrokerAddress, fault: unknown): OperatingError {
  const text = fault instanceof Error ? `${fault.message} ${'code' in fault ? String(fault.code) : ''}` : '';
  const known = FAULTS.find(([pattern]) => pattern.test(text))?.[1];
  const said = fault instanceof Error ? fault.message : 'it closed the connection';
  return new OperatingError('controller_offline', `the broker ${url}: ${known ?? said}`);
}

function clientOptions(address: BrokerAddress, protocol: 5 | 4, clientId: string): IClientOptions {
  const { username, password, ca, cert, key } = address;
  return {
    protocolVersion: protocol,
    clientId,
    clean: true,
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS,
    rejectUnauthorized: true,
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  };
}

export class MqttChannel implements Channel {
  readonly where: string;
  readonly #address: BrokerAddress;
  readonly #terminal: Terminal;
  readonly #waiting = new Map<string, (reply: Reply) => void>();
  readonly #states = new Map<string, Fields>();
  readonly #listeners = new Set<(message: Message) => void>();
  #link: Link;
  #isWatchingStates = false;

  constructor(address: BrokerAddress, link: Link, terminal: Terminal) {
    this.#address = address;
    this.#terminal = terminal;
    this.where = `${address.url} (${address.base})`;
    this.#link = link;
    this.#listen();
  }

  get protocol(): 5 | 4 {
    return this.#link.protocol;
  }

  async command(name: CommandName, envelope: Envelope, timeoutMs: number): Promise<Reply> {
    const { protocol, clientId } = this.#link;
    const { base } = this.#address;
    const responseTopic = `${base}/reply/${clientId}`;
    const replyTopics = [`${base}/reply/${envelope.command_id}`, ...(protocol === 5 ? [responseTopic] : [])];
    await this.#subscribe(replyTopics);
    const replied = new Promise<Reply>((resolve) => this.#waiting.set(envelope.command_id, resolve));
    try {
      const options: IClientPublishOptions = {
        qos: 1,
        ...(protocol === 5 ? { properties: { responseTopic, correlationData: Buffer.from(envelope.command_id) } } : {}),
      };
      const stated = { sender: senderHere(true), ...envelope };
      await this.#publish(`${base}/command/${name}`, JSON.stringify(stated), options);
      return await withDeadline(systemClock, timeoutMs, 'reply', replied);
    } catch (error) {
      if (error instanceof OperatingError && error.type === 'timed_out') throw await this.#noReply(envelope, timeoutMs);
      throw error;
    } finally {
      this.#waiting.delete(envelope.command_id);
    }
  }

  async timeZone(): Promise<string | null> {
    const { time_zone: zone } = (await this.#readStates()).get('agent') ?? {};
    return typeof zone === 'string' ? zone : null;
  }

  async status(): Promise<Fields> {
    const states = await this.#readStates();
    const agent = states.get('agent');
    if (agent === undefined) throw this.#nobody();
    const controllers = [...states].filter(([name]) => name.startsWith('controllers/')).map(([, state]) => state);
    return { facility: this.#address.facility, ...agent, sync: states.get('sync') ?? null, controllers };
  }

  /** Comes back after a lost connection, and fills what was missed from the agent's own log. */
  async follow(fromSequence: number, onEvent: (event: Fields) => void, signal: AbortSignal): Promise<void> {
    const progress: Progress = { next: fromSequence };
    while (!isOver(signal)) {
      try {
        await this.#followOnce(progress, onEvent, signal);
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error;
        this.#terminal.err(`lintel: ${error.message}; trying again\n`);
        await pause(RETRY_MS, signal);
      }
      while (!isOver(signal) && !this.#link.client.connected) {
        await pause(RETRY_MS, signal);
        await this.#reconnect().catch(() => undefined);
      }
    }
  }

  async close(): Promise<void> {
    const { client } = this.#link;
    await new Promise<void>((resolve) => {
      const timer = systemClock.after(1_000, resolve);
      client.end(false, {}, () => {
        timer.cancel();
        resolve();
      });
    });
  }

  // ---- events -------------------------------------------------------------------------------------------------------

  /** Until the connection is lost or `signal` is aborted. */
  async #followOnce(progress: Progress, onEvent: (event: Fields) => void, signal: AbortSignal): Promise<void> {
    const arrived: Fields[] = [];
    let wake: () => void = () => undefined;
    const stop = this.#onMessage(({ topic, payload }) => {
      const event = topic.startsWith(`${this.#address.base}/event/`) ? parse(payload) : null;
      if (event === null) return;
      arrived.push(event);
      wake();
    });
    const { client } = this.#link;
    const closed = (): void => wake();
    client.once('close', closed);
    signal.addEventListener('abort', closed);
    try {
      await this.#subscribe([`${this.#address.base}/event/#`]);
      await this.#fill(progress, onEvent);
      while (!isOver(signal) && client.connected) {
        for (const event of arrived.splice(0)) await this.#take(event, progress, onEvent);
        if (arrived.length > 0) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (signal.aborted || !client.connected) resolve();
        });
      }
    } finally {
      stop();
      client.off('close', closed);
      signal.removeEventListener('abort', closed);
    }
  }

  /** In order and each once: a repeat is left out, a gap is filled first. */
  async #take(event: Fields, progress: Progress, onEvent: (event: Fields) => void): Promise<void> {
    const { sequence } = event;
    if (typeof sequence !== 'number') return;
    if (sequence > progress.next) await this.#fill(progress, onEvent);
    if (sequence < progress.next) return;
    progress.next = sequence + 1;
    onEvent(event);
  }

  async #fill(progress: Progress, onEvent: (event: Fields) => void): Promise<void> {
    for (;;) {
      const params = { from_sequence: progress.next, limit: PAGE };
      const envelope = { command_id: `events-${randomBytes(8).toString('hex')}`, params };
      const reply = await this.command('events/list', envelope, FILL_TIMEOUT_MS);
      if (!reply.ok) throw new OperatingError(reply.error.type, reply.error.message);
      const { events, next_sequence: next, last_sequence: last } = reply.result;
      for (const event of Array.isArray(events) ? events.filter(isFields) : []) onEvent(event);
      if (typeof next !== 'number') return;
      const isDone = next === progress.next || typeof last !== 'number' || next > last;
      progress.next = next;
      if (isDone) return;
    }
  }

  // ---- the link -----------------------------------------------------------------------------------------------------

  #listen(): void {
    const { client } = this.#link;
    client.on('message', (topic, payload) => {
      this.#note({ topic, payload });
      for (const listener of this.#listeners) listener({ topic, payload });
    });
  }

  async #reconnect(): Promise<void> {
    this.#link.client.end(true);
    this.#link = await openLink(this.#address);
    this.#isWatchingStates = false;
    this.#listen();
  }

  #onMessage(listener: (message: Message) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #note({ topic, payload }: Message): void {
    const { base } = this.#address;
    if (topic.startsWith(`${base}/state/`)) {
      const state = parse(payload);
      if (state !== null) this.#states.set(topic.slice(`${base}/state/`.length), state);
      return;
    }
    if (!topic.startsWith(`${base}/reply/`)) return;
    const reply = readReply(parse(payload));
    if (reply === null) return;
    this.#waiting.get(reply.command_id ?? '')?.(reply);
  }

  async #subscribe(topics: readonly string[]): Promise<void> {
    const granted = await new Promise<boolean>((resolve) => {
      this.#link.client.subscribe([...topics], { qos: 1 }, (error, grants) =>
        resolve(error === null && grants?.some((grant) => grant.qos >= 128) !== true),
      );
    });
    if (granted) return;
    throw new OperatingError(
      'not_permitted',
      `the broker does not let this client subscribe to ${topics.join(', ')}. Remedy: allow it to`,
    );
  }

  async #publish(topic: string, payload: string, options: IClientPublishOptions): Promise<void> {
    const outcome = await new Promise<Error | number>((resolve) => {
      this.#link.client.publish(topic, payload, options, (error, packet) => {
        const code = packet !== undefined && 'reasonCode' in packet ? packet.reasonCode : 0;
        resolve(error ?? (typeof code === 'number' ? code : 0));
      });
    });
    if (outcome === NO_MATCHING_SUBSCRIBERS) throw this.#nobody();
    if (outcome instanceof Error)
      throw new OperatingError(
        'not_permitted',
        `the broker does not take the command: ${outcome.message}. Remedy: allow this client to publish to ${topic}`,
      );
  }

  #nobody(): OperatingError {
    const { base, facility } = this.#address;
    return new OperatingError(
      'controller_offline',
      `no agent listens under ${base} at this broker. Remedy: correct --facility (${facility}) or --topic-prefix, or start the agent`,
    );
  }

  /** What is known about why nothing came back. */
  async #noReply(envelope: Envelope, timeoutMs: number): Promise<OperatingError> {
    const agent = (await this.#readStates()).get('agent');
    if (agent === undefined) return this.#nobody();
    const ends =
      envelope.expires_at === undefined
        ? 'the broker keeps the command for it'
        : `the command expires at ${envelope.expires_at} and does nothing after that`;
    const why =
      agent['online'] === true ? 'though the agent is online: look at its log' : `for the agent is offline; ${ends}`;
    return new OperatingError(
      'timed_out',
      `no reply within ${timeoutMs / 1000} s, ${why} (command ${envelope.command_id})`,
    );
  }

  async #readStates(): Promise<ReadonlyMap<string, Fields>> {
    if (this.#isWatchingStates) return this.#states;
    this.#isWatchingStates = true;
    let lastMs = systemClock.monotonicMs();
    const stop = this.#onMessage(() => (lastMs = systemClock.monotonicMs()));
    await this.#subscribe([`${this.#address.base}/state/#`]).catch(() => undefined);
    while (systemClock.monotonicMs() - lastMs < STATES_SETTLE_MS) await pause(50);
    stop();
    return this.#states;
  }
}

type Progress = { next: number };

function parse(payload: Buffer): Fields | null {
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'));
    return isFields(value) ? value : null;
  } catch {
    return null;
  }
}
