// The agent's half of the link to the broker: builds link, outbox and retained states over one connection, and goes on
// without it. A broker that cannot be spoken to for what stands on this machine (a port that is taken, a password that
// is missing) is no reason to leave the doors.

import { dirname } from 'node:path';
import type { Dispatcher } from '../commands/dispatcher.ts';
import { refuseCommand } from '../commands/refused.ts';
import { OperatingError, type ApiError } from '../domain/errors.ts';
import type { Facility, SecretSource } from '../domain/facility.ts';
import type { Clock, Log, Random, Timer } from '../domain/ports.ts';
import { readSecret, secretText, type Secret } from '../facility/secret.ts';
import { BROKER_USER, brokerPassword, layOut } from '../mqtt/broker-password.ts';
import { EmbeddedBroker } from '../mqtt/broker.ts';
import type { LinkSecrets } from '../mqtt/client-options.ts';
import { openMqttLink, type Link, type LinkPorts, type OpenLink } from '../mqtt/link.ts';
import { Outbox } from '../mqtt/outbox.ts';
import { Receipts } from '../mqtt/receipts.ts';
import { RetainedState, type StateSource } from '../mqtt/state.ts';
import type { Topics } from '../mqtt/topics.ts';
import type { Store } from '../store/store.ts';
import type { Survival } from './survival.ts';

export type UplinkOptions = {
  facility: Facility;
  clock: Clock;
  random: Random;
  log: Log;
  env: NodeJS.ProcessEnv;
  survival: Survival;
  topics: Topics;
  /** Null when the database was refused at the start: then the states are all that leaves. */
  served: { store: Store; dispatcher: Dispatcher } | null;
  /** Why the database is refused; null while it is not. */
  refusal: () => ApiError | null;
  /** Published anew at every connection, and when they change. */
  states: readonly StateSource[];
  /** By what our state is told from that of another agent under the same name. */
  identity: { started_at: string; host: string };
  /** Where the built-in broker's password is laid out for the members of the group; null: nowhere. */
  brokerFolder: string | null;
  /** Left out: over MQTT. */
  openLink?: OpenLink | undefined;
  /** Whether commands reach us: without them nobody can take a right away from above. */
  onListening: (isListening: boolean) => void;
};

/** Replies that nobody acknowledged are offered again at the next connection: this many, no older than this. */
const MOST_KEPT_REPLIES = 1000;
const REPLIES_KEPT_MS = 24 * 3_600_000;
const DELIVERED_EVERY_MS = 250;
const STOP_MS = 2000;
const AGAIN_MS = 30_000;
const PASSWORD_BYTES = 24;

export class Uplink {
  readonly #options: UplinkOptions;
  #broker: EmbeddedBroker | null = null;
  /** Of the built-in broker, where the facility file names none. */
  #brokerPassword: string | null = null;
  #link: Link | null = null;
  #problem: string | null = null;
  #timer: Timer | null = null;
  #outbox: Outbox | null = null;
  #receipts: Receipts | null = null;
  #state: RetainedState | null = null;
  #delivered: string[] = [];
  #deliveredTimer: Timer | null = null;
  #isStopped = false;

  constructor(options: UplinkOptions) {
    this.#options = options;
  }

  // ---- life ----

  /** Resolves when it was tried once; it is tried again without end. */
  async start(): Promise<void> {
    const { clock, log } = this.#options;
    try {
      await this.#open();
      this.#problem = null;
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      if (this.#problem !== error.message)
        log.error(
          `${error.message.replace(/\.?$/, '.')} Until then: doors are served, and nothing comes or goes over MQTT; it is tried again.`,
        );
      this.#problem = error.message;
      this.#timer = clock.after(AGAIN_MS, () => void this.start());
    }
  }

  async #open(): Promise<void> {
    const { facility, clock, random, log, served, survival, topics, states, identity, onListening } = this.#options;
    const { mqtt } = facility;
    const url = mqtt.embeddedPort === null ? mqtt.url : await this.#startBroker(mqtt.embeddedPort);
    if (this.#isStopped) return;
    if (url === null) throw new Error('a checked facility file names a broker');
    const outbox = served === null ? null : (survival.try(() => new Outbox(served.store, clock, random, log)) ?? null);
    const link = (this.#options.openLink ?? openMqttLink)(
      {
        url,
        clientId: mqtt.clientId,
        username: mqtt.embeddedPort === null ? mqtt.username : (mqtt.username ?? BROKER_USER),
        secrets: () => this.#secrets(),
        replyTopics: mqtt.replyTopics,
        topics,
        protocol: mqtt.embeddedPort === null ? 'auto' : 4,
        identity,
      },
      {
        clock,
        random,
        log,
        dispatch: this.#dispatch,
        flush: () => served?.store.flush(),
        delivered: (commandId) => this.#noteDelivered(commandId),
        onConnected: () => survival.try(() => this.#onConnected()),
        onDisconnected: () => survival.try(() => this.#onDisconnected()),
        onListening,
        onChange: () => this.touch(),
      },
    );
    this.#state = new RetainedState(clock, states, (topic, json) => link.publishState(topic, json));
    outbox?.onChange(() => {
      this.#receipts?.delivered();
      this.touch();
    });
    this.#outbox = outbox;
    this.#receipts = outbox === null ? null : (survival.try(() => this.#makeReceipts(outbox)) ?? null);
    this.#link = link;
    link.start();
  }

  /** Null where the broker's word is enough. */
  #makeReceipts(outbox: Outbox): Receipts | null {
    const { facility, clock, random, log, served } = this.#options;
    if (served === null) return null;
    const { store } = served;
    if (facility.mqtt.eventDelivery === 'broker') {
      if (store.events.received() !== null) store.now(() => store.events.forgetReceiver());
      return null;
    }
    return new Receipts(store, clock, random, log, {
      handed: () => outbox.handed,
      acknowledged: () => outbox.acknowledged,
      onChange: () => this.touch(),
    });
  }

  readonly #dispatch: LinkPorts['dispatch'] = (message, answer, failed) => {
    const { served, refusal, topics } = this.#options;
    const error = refusal();
    if (error !== null) return refuseCommand(message, error, (commandId) => topics.reply(commandId), answer);
    return served === null ? 'held' : served.dispatcher.dispatch(message, answer, failed);
  };

  #secrets(): LinkSecrets {
    const { facility, env } = this.#options;
    const { mqtt, file } = { mqtt: facility.mqtt, file: facility.file };
    const read = (source: SecretSource | null): Secret | null =>
      source === null ? null : readSecret(source, dirname(file), env);
    const password = read(mqtt.password);
    return {
      password: password === null ? this.#brokerPassword : secretText(password),
      ca: read(mqtt.ca)?.bytes ?? null,
      cert: read(mqtt.cert)?.bytes ?? null,
      key: read(mqtt.key)?.bytes ?? null,
    };
  }

  async #startBroker(port: number): Promise<string> {
    const { facility, random, log, brokerFolder } = this.#options;
    const { clientId, username } = facility.mqtt;
    const make = (): string => random.bytes(PASSWORD_BYTES).toString('base64url');
    const password = this.#secrets().password ?? brokerPassword(facility.store.path, make);
    this.#brokerPassword = password;
    const broker = new EmbeddedBroker({ username: username ?? BROKER_USER, password, owner: clientId });
    const listening = await broker.start(port);
    this.#broker = broker;
    if (brokerFolder !== null) {
      const file = layOut(brokerFolder, password);
      log.info('the built-in broker listens on this machine', { port: listening, password_file: file });
    }
    return `mqtt://127.0.0.1:${listening}`;
  }

  /** Says goodbye and closes, within a bound. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#deliveredTimer?.cancel();
    const link = this.#link;
    if (link === null) return;
    if (link.isConnected) {
      await new Promise<void>((resolve) => {
        const timer = this.#options.clock.after(STOP_MS, resolve);
        link.publishState(this.#options.topics.state('agent'), '{"online":false}', () => {
          timer.cancel();
          resolve();
        });
      });
    }
    this.#state?.disconnected();
    this.#receipts?.stop();
    this.#outbox?.stop();
    await link.stop(STOP_MS);
  }

  /** The built-in broker, where there is one: last of all. */
  async stopBroker(): Promise<void> {
    await this.#broker?.stop();
  }

  #onConnected(): void {
    const { clock, served, refusal } = this.#options;
    this.#state?.connected();
    if (refusal() !== null) return;
    for (const reply of served?.dispatcher.undelivered(clock.nowMs() - REPLIES_KEPT_MS, MOST_KEPT_REPLIES) ?? [])
      this.#link?.reply(reply);
    if (this.#link === null) return;
    this.#receipts?.connected(this.#link.publishEvent);
    this.#outbox?.connected(this.#link.publishEvent);
  }

  #onDisconnected(): void {
    this.#state?.disconnected();
    this.#outbox?.disconnected();
    this.#receipts?.disconnected();
  }

  // ---- what became of replies ----

  /** Acknowledged replies are noted together, a few times a second: each alone would cost a flush. */
  #noteDelivered(commandId: string): void {
    if (this.#isStopped) return;
    this.#delivered.push(commandId);
    this.#deliveredTimer ??= this.#options.clock.after(DELIVERED_EVERY_MS, () => this.saveDelivered());
  }

  saveDelivered(): void {
    this.#deliveredTimer = null;
    const { served, clock } = this.#options;
    const some = this.#delivered.splice(0, 200);
    if (served === null || some.length === 0) return;
    const { store } = served;
    store.group(() => {
      for (const commandId of some) store.journal.markDelivered(commandId);
    });
    if (this.#delivered.length > 0) clock.immediate(() => this.saveDelivered());
  }

  // ---- how it stands ----

  /** A state may have changed. */
  touch(): void {
    this.#state?.touch();
  }

  outbox(): { depth: number; acknowledged: number; blocked: string | null } | null {
    return this.#outbox?.state() ?? null;
  }

  /** Sends it where there is a connection. */
  reply(reply: Parameters<Link['reply']>[0]): void {
    this.#link?.reply(reply);
  }

  /** What the broker holds for us comes again: what could not be stored can be now. */
  redeliver(): void {
    this.#link?.redeliver();
  }

  /** Retention has taken events that somebody still waited for. */
  skipForgotten(): void {
    const events = this.#options.served?.store.events;
    if (events === undefined) return;
    this.#outbox?.skipTo(events.acknowledged());
    this.#receipts?.skipTo(events.received() ?? 0);
  }

  /** Who confirms events by a command; null: nobody is asked to. */
  get receipts(): Receipts | null {
    return this.#receipts;
  }

  report(): { connected: boolean; problem: string | null; warnings: string[]; counts: Record<string, unknown> } {
    const report = this.#link?.report() ?? { problem: this.#problem, warnings: [], counts: {} };
    return { connected: this.#link?.isConnected ?? false, ...report };
  }

  /** Most bytes that a reply should have to get through; Infinity while no bound is known. */
  mostReplyBytes(): number {
    return this.#link?.mostReplyBytes() ?? Infinity;
  }
}
