// The service above, as the demonstration plays it: an MQTT client like any other, which sends commands, takes their
// replies, and keeps every event in the order in which it came.

import { connect, type MqttClient } from 'mqtt';
import type { CommandName } from '../../commands/contract.ts';
import { withDeadline } from '../../domain/deadline.ts';
import { OperatingError } from '../../domain/errors.ts';
import { systemClock } from '../../ops/clock.ts';
import { systemRandom } from '../../ops/random.ts';
import { readReply, type Reply } from '../channel.ts';
import { isFields, type Fields } from '../../domain/fields.ts';

const CONNECT_MS = 5_000;
const REPLY_MS = 10_000;

export class Tower {
  /** Every event, in order of arrival; a repeat is here once. */
  readonly events: Fields[] = [];
  readonly #base: string;
  readonly #account: { username: string; password: string };
  readonly #onEvent: (event: Fields) => void;
  readonly #waiting = new Map<string, (reply: Reply) => void>();
  readonly #ids = new Set<unknown>();
  #client: MqttClient | null = null;

  constructor(base: string, account: { username: string; password: string }, onEvent: (event: Fields) => void) {
    this.#base = base;
    this.#account = account;
    this.#onEvent = onEvent;
  }

  /** Resolves once it hears events and replies. */
  async connect(port: number): Promise<void> {
    const client = connect(`mqtt://127.0.0.1:${port}`, {
      protocolVersion: 4,
      clientId: 'tower',
      ...this.#account,
      reconnectPeriod: 0,
      connectTimeout: CONNECT_MS,
    });
    client.on('error', () => undefined);
    client.on('message', (topic, payload) => this.#take(topic, payload));
    this.#client = client;
    const ready = new Promise<void>((resolve, reject) => {
      client.once('close', () => reject(new OperatingError('controller_offline', 'the broker closed the connection')));
      client.once('connect', () => {
        client.subscribe([`${this.#base}/event/#`, `${this.#base}/reply/#`], { qos: 1 }, (error) => {
          if (error === null) resolve();
          else reject(error);
        });
      });
    });
    await withDeadline(systemClock, CONNECT_MS, 'the broker', ready);
  }

  /** Publishes a command and resolves with its reply. */
  async command(name: CommandName, params: Fields): Promise<Reply> {
    const commandId = systemRandom.uuid();
    const replied = new Promise<Reply>((resolve) => this.#waiting.set(commandId, resolve));
    this.#client?.publish(`${this.#base}/command/${name}`, JSON.stringify({ command_id: commandId, params }), {
      qos: 1,
    });
    return await withDeadline(systemClock, REPLY_MS, `the reply to ${name}`, replied);
  }

  /** The first event behind `after` (a place in `events`) that `matches`. */
  find(after: number, matches: (event: Fields) => boolean): Fields | undefined {
    return this.events.slice(after).find(matches);
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    if (client === null) return;
    await new Promise<void>((resolve) => client.end(true, {}, () => resolve()));
  }

  #take(topic: string, payload: Buffer): void {
    const value: unknown = JSON.parse(payload.toString('utf8'));
    if (!isFields(value)) return;
    if (topic.startsWith(`${this.#base}/reply/`)) {
      const reply = readReply(value);
      if (reply !== null) this.#waiting.get(reply.command_id ?? '')?.(reply);
      return;
    }
    if (this.#ids.has(value['event_id'])) return;
    this.#ids.add(value['event_id']);
    this.events.push(value);
    this.#onEvent(value);
  }
}
