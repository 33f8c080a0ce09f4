// So many presentations and commands a second for so long, against the agent as it is, while broker and devices come and
// go: what it holds in memory, how late its loop turns, and what its files weigh.

import { fork, type ChildProcess } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { connectAsync, type MqttClient } from 'mqtt';
import { Chance } from '../world/seeded/chance.ts';
import type { Sample } from './agent.ts';
import { cardNumber, DOORS, entranceOf, FACILITY, raiseBlock, STORE_ROOM, type Block } from './block.ts';
import { slopeOf, type Slope } from './slope.ts';

const BASE = `lintel/v1/${FACILITY}`;
const EACH_PER_SECOND = 50;
const EVERY_MS = 1000 / EACH_PER_SECOND;
const PEOPLE = 100;
const CARDS = 600;
const CODES = 40;
/** A sender waits for its answers: more than this is not under way. */
const MOST_WAITING = 400;
const AGAIN_MS = 20_000;
/** Of ten thousand commands so many are about codes of the panel, which takes its time for each. */
const CODE_SHARE = 0.02;
const FAULT_EVERY_MS = 60_000;
const FAULT_MS = 5_000;
/** What the first part of the time showed is growing in, and no part of a slope. */
const WARM_UP = 0.2;
const MIB = 1024 * 1024;
const HOUR_MS = 3_600_000;

export type Kept = Sample & { atMs: number; databaseBytes: number; walBytes: number };
export type Soaked = {
  lastedMs: number;
  presented: number;
  strikes: number;
  commands: { sent: number; ok: number; refused: number };
  replyMs: { p50: number; p99: number };
  events: number;
  faults: Record<string, number>;
  samples: Kept[];
};

type Holding = { id: string; person: number };

export async function soak(options: {
  lastsMs: number;
  sampleMs: number;
  tell?: (kept: Kept) => void;
}): Promise<Soaked> {
  const block = await raiseBlock();
  const agent = fork(join(import.meta.dirname, 'agent.ts'), ['--config', block.file, '--socket', join(block.folder, 'control.sock'), '--json'], {
    execArgv: ['--expose-gc'],
    env: { ...process.env, LINTEL_LOG: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  }); // prettier-ignore
  agent.stdout?.resume();
  process.once('exit', () => agent.kill('SIGKILL'));
  const load = new Load(block);
  try {
    await load.connect();
    await load.settleIn();
    return await run(block, agent, load, options);
  } finally {
    load.end();
    const ended = new Promise<void>((resolve) => void agent.once('exit', () => resolve()));
    if (agent.exitCode === null) {
      agent.kill('SIGTERM');
      await ended;
    }
    await block.close();
  }
}

async function run(
  block: Block,
  agent: ChildProcess,
  load: Load,
  { lastsMs, sampleMs, tell = () => undefined }: { lastsMs: number; sampleMs: number; tell?: (kept: Kept) => void },
): Promise<Soaked> {
  const begunMs = performance.now();
  const samples: Kept[] = [];
  const lasted = (): number => performance.now() - begunMs;
  await ask(agent, 'begin');
  load.begin();
  const faults = bringFaults(block);
  for (let next = sampleMs; lasted() < lastsMs; next += sampleMs) {
    await pause(Math.max(1, next - lasted()));
    if (agent.exitCode !== null) throw new Error(`the agent ended with ${agent.exitCode}`);
    const kept = { ...(await ask(agent, 'sample')), atMs: lasted(), databaseBytes: sizeOf(block.database), walBytes: sizeOf(`${block.database}-wal`) }; // prettier-ignore
    samples.push(kept);
    tell(kept);
  }
  load.end();
  await faults.end();
  const waited = [...load.waitedMs].sort((a, b) => a - b);
  const at = (share: number): number => waited[Math.floor((waited.length - 1) * share)] ?? 0;
  return {
    lastedMs: lasted(),
    presented: load.presented,
    strikes: load.strikes,
    commands: load.commands,
    replyMs: { p50: at(0.5), p99: at(0.99) },
    events: load.events,
    faults: faults.counts,
    samples,
  };
}

/** In turn, every minute one thing is away for some seconds: the broker, a board, the panel, a reader. */
function bringFaults(block: Block): { counts: Record<string, number>; end: () => Promise<void> } {
  const counts: Record<string, number> = {};
  const { broker, boards, panel, readers } = block;
  const faults: readonly (readonly [string, () => Promise<void>, () => Promise<void>])[] = [
    ['broker', () => broker.end('SIGTERM'), () => broker.start()],
    ['board', async () => await boards[0]?.cut(), async () => await boards[0]?.start()],
    ['broker killed', () => broker.end('SIGKILL'), () => broker.start()],
    ['panel', () => panel.cut(), () => panel.start()],
    ['reader', async () => await readers[0]?.unplug(), async () => await readers[0]?.plug()],
  ];
  let turn = 0;
  let mending = Promise.resolve();
  const timer = setInterval(() => {
    const [name, breaks, mends] = faults[turn++ % faults.length] ?? faults[0] ?? ['', pauseNot, pauseNot];
    counts[name] = (counts[name] ?? 0) + 1;
    mending = breaks()
      .then(() => pause(FAULT_MS))
      .then(mends);
  }, FAULT_EVERY_MS);
  return {
    counts,
    end: async () => {
      clearInterval(timer);
      await mending;
    },
  };
}

const pauseNot = (): Promise<void> => Promise.resolve();

class Load {
  readonly #block: Block;
  readonly #chance = new Chance(1);
  readonly #cards = new Map<number, Holding>();
  readonly #codes = new Map<number, Holding>();
  readonly #waiting = new Map<
    string,
    { sentMs: number; askedMs: number; topic: string; payload: string; done: () => void }
  >();
  #client: MqttClient | null = null;
  #count = 0;
  #isThere = false;
  #timers: NodeJS.Timeout[] = [];
  presented = 0;
  events = 0;
  strikes = 0;
  readonly commands = { sent: 0, ok: 0, refused: 0 };
  readonly waitedMs: number[] = [];

  constructor(block: Block) {
    this.#block = block;
  }

  async connect(): Promise<void> {
    const client = await connectAsync(this.#block.broker.url, { protocolVersion: 5, clientId: 'tower', clean: false, reconnectPeriod: 200, properties: { sessionExpiryInterval: 3600 } }); // prettier-ignore
    this.#client = client;
    client.on('error', () => undefined);
    client.on('message', (topic, payload) => this.#heard(topic, payload));
    client.on('connect', () => void client.subscribeAsync([`${BASE}/reply/#`, `${BASE}/event/#`], { qos: 1 }).catch(() => undefined)); // prettier-ignore
    await client.subscribeAsync([`${BASE}/reply/#`, `${BASE}/event/#`, `${BASE}/state/agent`], { qos: 1 });
  }

  #heard(topic: string, payload: Buffer): void {
    if (topic.startsWith(`${BASE}/event/`)) {
      this.events += 1;
      if (topic.endsWith('/lock.unlocked')) this.strikes += 1;
      return;
    }
    if (topic === `${BASE}/state/agent`) this.#isThere ||= payload.includes('"online":true');
    const id = topic.slice(`${BASE}/reply/`.length);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    this.waitedMs.push(performance.now() - waiting.sentMs);
    const isOk = payload.includes('"ok":true');
    this.commands[isOk ? 'ok' : 'refused'] += 1;
    if (isOk) waiting.done();
  }

  #command(name: string, params: object, done: () => void = () => undefined): void {
    const id = `s-${++this.#count}`;
    const [topic, payload] = [`${BASE}/command/${name}`, JSON.stringify({ command_id: id, params })];
    const now = performance.now();
    this.#waiting.set(id, { sentMs: now, askedMs: now, topic, payload, done });
    this.commands.sent += 1;
    this.#client?.publish(topic, payload, { qos: 1 });
  }

  /** What a broker that was killed has lost, as a sender does. */
  #askAgain(): void {
    if (this.#client?.connected !== true) return;
    const now = performance.now();
    for (const waiting of this.#waiting.values()) {
      if (now - waiting.askedMs < AGAIN_MS) continue;
      waiting.askedMs = now;
      this.#client.publish(waiting.topic, waiting.payload, { qos: 1 });
    }
  }

  /** The people, and half of the cards. */
  async settleIn(): Promise<void> {
    // A broker keeps nothing for a client that it has never seen.
    while (!this.#isThere) await pause(20);
    for (let i = 0; i < PEOPLE; i++) this.#command('users/create', { acs_user_id: personId(i), full_name: `Person ${i}` }); // prettier-ignore
    for (let i = 0; i < CARDS / 2; i++) this.#make(i);
    while (this.#waiting.size > 0) await pause(20);
  }

  begin(): void {
    this.waitedMs.length = 0;
    Object.assign(this.commands, { sent: 0, ok: 0, refused: 0 });
    const [begunMs, done] = [performance.now(), { presented: 0, commanded: 0 }];
    // A timer that comes late makes up for what it missed, as people and senders do.
    const due = (): number => Math.floor((performance.now() - begunMs) / EVERY_MS);
    this.#timers = [
      setInterval(() => {
        for (; done.presented < due(); done.presented++) this.#present(done.presented);
        for (; done.commanded < due(); done.commanded++)
          if (this.#waiting.size < MOST_WAITING && this.#client?.connected === true) this.#next();
      }, EVERY_MS),
      setInterval(() => this.#askAgain(), 1_000),
    ];
  }

  #present(turn: number): void {
    const card = this.#chance.is(0.6) && this.#cards.size > 0 ? this.#chance.of([...this.#cards.keys()]) : this.#chance.whole(0, 2 * CARDS); // prettier-ignore
    this.#block.present(turn % DOORS, 1000 + card);
    this.presented += 1;
  }

  #next(): void {
    if (this.#chance.is(CODE_SHARE)) {
      this.#code(this.#chance.whole(0, CODES - 1));
      return;
    }
    const at = this.#chance.whole(0, CARDS - 1);
    const holding = this.#cards.get(at);
    if (holding === undefined) {
      this.#make(at);
      return;
    }
    const { id, person } = holding;
    const acs_user_id = personId(person);
    this.#chance.weighed<() => void>([
      [30, () => this.#command('credentials/delete', { acs_credential_id: id }, () => void this.#cards.delete(at))],
      [2, () => this.#command('users/suspend', { acs_user_id })],
      [18, () => this.#command('users/unsuspend', { acs_user_id })],
      [50, () => this.#command('credentials/update', { acs_credential_id: id, allowed_acs_entrance_ids: this.#doors() })],
    ])(); // prettier-ignore
  }

  #make(at: number): void {
    const person = at % PEOPLE;
    const id = `50a40000-0000-4000-8000-${String(++this.#count).padStart(12, '0')}`;
    const params = { acs_credential_id: id, acs_user_id: personId(person), access_method: 'card', card_number: cardNumber(1000 + at), allowed_acs_entrance_ids: this.#doors() }; // prettier-ignore
    this.#command('credentials/create', params, () => void this.#cards.set(at, { id, person }));
  }

  #code(at: number): void {
    const known = this.#codes.get(at);
    if (known !== undefined) {
      this.#command('credentials/delete', { acs_credential_id: known.id }, () => void this.#codes.delete(at));
      return;
    }
    const id = `50a40000-0000-4000-8000-${String(++this.#count).padStart(12, '0')}`;
    const params = { acs_credential_id: id, acs_user_id: personId(at), access_method: 'code', code: String(52_170_000 + at * 137), allowed_acs_entrance_ids: [STORE_ROOM] }; // prettier-ignore
    this.#command('credentials/create', params, () => void this.#codes.set(at, { id, person: at }));
  }

  #doors(): string[] {
    const from = this.#chance.whole(0, DOORS - 1);
    return Array.from({ length: DOORS * 0.8 }, (_, i) => entranceOf((from + i) % DOORS));
  }

  end(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers = [];
    if (this.#client !== null) void this.#client.endAsync(true);
    this.#client = null;
  }
}

const personId = (at: number): string => `50a40000-0000-4000-8000-00000001${String(at).padStart(4, '0')}`;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

function ask(agent: ChildProcess, what: 'begin' | 'sample'): Promise<Sample> {
  const { promise, resolve, reject } = Promise.withResolvers<Sample>();
  const ended = (code: number | null): void => reject(new Error(`the agent ended with ${code ?? 'a signal'}`));
  agent.once('exit', ended);
  agent.once('message', (message) => {
    agent.off('exit', ended);
    resolve(message as Sample);
  });
  agent.send(what);
  return promise;
}

export function inWords({
  lastedMs,
  presented,
  strikes,
  commands,
  replyMs,
  events,
  faults,
  samples,
}: Soaked): string[] {
  const warm = samples.filter(({ atMs }) => atMs >= WARM_UP * lastedMs);
  const slope = (what: (kept: Kept) => number): Slope => slopeOf(warm.map((kept) => ({ x: kept.atMs / HOUR_MS, y: what(kept) / MIB }))); // prettier-ignore
  const grows = ({ slope: by, error }: Slope): string => `${by >= 0 ? '+' : ''}${by.toFixed(1)} ± ${error.toFixed(1)} MiB an hour`; // prettier-ignore
  const last = samples.at(-1);
  const mib = (bytes: number | undefined): string => `${((bytes ?? 0) / MIB).toFixed(1)} MiB`;
  const seconds = lastedMs / 1000;
  const most = (what: (kept: Kept) => number): number => Math.max(0, ...samples.map(what));
  return [
    `${(seconds / 60).toFixed(1)} minutes: ${presented} presentations (${(presented / seconds).toFixed(1)} a second), ${strikes} doors opened; ${commands.sent} commands (${(commands.sent / seconds).toFixed(1)} a second): ${commands.ok} done, ${commands.refused} refused; ${events} events`,
    `away: ${Object.entries(faults).map(([name, times]) => `${name} ${times}`).join(', ') || 'nothing'}`,
    `from command to reply: median ${replyMs.p50.toFixed(0)} ms, p99 ${replyMs.p99.toFixed(0)} ms`,
    `RSS ${mib(last?.rssBytes)}, ${grows(slope((kept) => kept.rssBytes))}; heap after a collection ${mib(last?.heapBytes)}, ${grows(slope((kept) => kept.heapBytes))}; outside the heap ${mib(last?.externalBytes)}, ${grows(slope((kept) => kept.externalBytes))}`,
    `event loop late by: p99 ${(last?.allP99Ms ?? 0).toFixed(1)} ms, most ${most(({ delayMaxMs }) => delayMaxMs).toFixed(0)} ms`,
    `database ${mib(last?.databaseBytes)}, ${grows(slope((kept) => kept.databaseBytes))}; log at most ${mib(most(({ walBytes }) => walBytes))}; the agent took ${(((last?.cpuMs ?? 0) / lastedMs) * 100).toFixed(0)} % of a core`,
  ]; // prettier-ignore
}
