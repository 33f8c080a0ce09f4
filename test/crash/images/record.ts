// Two lives of the agent under strace, with commands and people: one that founds the folder, or brings an older one
// forward, and is killed; and one that finds what that left, and is stopped in order. What the agent promised in them,
// and when, is read from what it sent.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { connectAsync, type MqttClient } from 'mqtt';
import { systemClock } from '../../../src/ops/clock.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { eventJson, type StoredEvent } from '../../../src/store/events.ts';
import { Store } from '../../../src/store/store.ts';
import { until } from '../../support/ports.ts';
import { program } from '../../support/program.ts';
import { Model } from '../kills/model.ts';
import { leaveOlderDatabase } from '../kills/older.ts';
import { cardNumber, DOORS, ENTRANCES, FACILITY, GATE_OUTPUT, Place } from '../kills/place.ts';
import type { Image } from './disk.ts';
import { readTrace, traced, type Op } from './trace.ts';

const BASE = `lintel/v1/${FACILITY}`;
const SOON_MS = 240_000;
/** What the start does behind the doors, and the jobs of a night, come a minute after it. */
const NIGHT_MS = 64_000;

export type Life = { before: Image; ops: readonly Op[] };
export type Recorded = {
  folder: string;
  brokerPort: number;
  relayPort: number;
  lives: readonly Life[];
  /** In the order in which they were sent, which is that of their acknowledgements. */
  commands: readonly (readonly string[])[];
  /** Cards that work once, in the order in which they were shown at the workshop. */
  oneTime: readonly string[];
  /** Every event as it was kept in the end. */
  events: ReadonlyMap<number, string>;
  /** Files that are whole or not there, by their end. */
  whole: ReadonlyMap<string, Buffer>;
};

/** What the first of the two lives finds: nothing, a database of an earlier version, or one of this. */
export type Recording = { rounds: number; finds: 'nothing' | 'older' | 'founded'; isNight: boolean };

export async function record({ rounds, finds, isNight }: Recording): Promise<Recorded> {
  const place = await Place.raise();
  try {
    // As one that was kept already: it is noise, and never read.
    writeFileSync(join(place.state, 'lintel.reserve'), '');
    if (finds === 'older') leaveOlderDatabase(place, new Model());
    if (finds === 'founded') found(place);
    const driver = await Driver.connect(place);
    const lives: Life[] = [];
    lives.push(await live(place, driver, rounds, { end: 'SIGKILL', isNight }));
    lives.push(await live(place, driver, Math.ceil(rounds / 4), { end: 'SIGTERM', isNight: false }));
    await driver.end();
    return {
      folder: place.state,
      brokerPort: place.broker.port,
      relayPort: place.relayLine.port,
      lives,
      commands: driver.commands,
      oneTime: driver.oneTime,
      events: eventsOf(place),
      whole: new Map([...imageOf(place.state)].filter(([path]) => path.endsWith('.age')).map(([path, bytes]) => [path.slice(place.state.length + 1), bytes])), // prettier-ignore
    };
  } finally {
    await place.close();
  }
}

function found(place: Place): void {
  const path = join(place.state, 'lintel.db');
  const options = { path, masterKey: null, env: {}, clock: systemClock, random: systemRandom };
  new Store({ ...options, clockState: () => 'trusted' }).close();
}

async function live(
  place: Place,
  driver: Driver,
  rounds: number,
  { end, isNight }: { end: 'SIGKILL' | 'SIGTERM'; isNight: boolean },
): Promise<Life> {
  const before = imageOf(place.state);
  const trace = join(place.folder, 'trace');
  driver.begin();
  const child = traced(trace, program(), ['run', '--config', place.file, '--socket', join(place.folder, 'control.sock'), '--json'], process.env); // prettier-ignore
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (some: Buffer) => (said += some.toString()));
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  const agent = (): number | undefined => {
    const children = `/proc/${child.pid ?? 0}/task/${child.pid ?? 0}/children`;
    return existsSync(children) ? Number(readFileSync(children, 'utf8').trim().split(' ')[0]) || undefined : undefined;
  };
  const mayGoOn = (): void => {
    if (child.exitCode !== null) throw new Error(`the agent ended with ${child.exitCode}: ${said}`);
  };
  try {
    await driver.untilThere(mayGoOn);
    for (let round = 0; round < rounds; round++) await driver.round(mayGoOn);
    if (isNight) await new Promise((resolve) => setTimeout(resolve, NIGHT_MS));
    await driver.untilQuiet();
    const pid = agent();
    if (pid === undefined) throw new Error(`strace has no child: ${said}`);
    process.kill(pid, end);
    await ended;
  } finally {
    const pid = agent();
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    child.kill('SIGKILL');
  }
  return { before, ops: await readTrace(trace, place.state) };
}

/** Every file below, by its path. */
function imageOf(folder: string): Image {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const named = files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => !/-shm$|\.lock/.test(path));
  return new Map(named.map((path) => [path, readFileSync(path)]));
}

function eventsOf(place: Place): ReadonlyMap<number, string> {
  const db = new Database(join(place.state, 'lintel.db'), { readonly: true });
  try {
    const rows = db.prepare<[], StoredEvent>('SELECT * FROM events').all();
    return new Map(rows.map((row) => [row.sequence, eventJson(row)]));
  } finally {
    db.close();
  }
}

/** Sends and shows one thing after the other, in rounds. */
class Driver {
  readonly #place: Place;
  readonly #client: MqttClient;
  readonly #replied = new Map<string, { ok: boolean; result?: { acs_credential?: { acs_credential_id?: string } } }>();
  readonly #there = new Set<string>();
  #heardMs = 0;
  #count = 0;
  /** By life. */
  readonly commands: string[][] = [];
  readonly oneTime: string[] = [];
  #user: string | null = null;
  #kept: string[] = [];
  #pulses: number[] = [];

  static async connect(place: Place): Promise<Driver> {
    const client = await connectAsync(place.broker.url, {
      protocolVersion: 5,
      clientId: 'tower',
      reconnectPeriod: 100,
    });
    const driver = new Driver(place, client);
    await client.subscribeAsync(`${BASE}/#`, { qos: 1 });
    return driver;
  }

  private constructor(place: Place, client: MqttClient) {
    this.#place = place;
    this.#client = client;
    client.on('message', (topic, payload) => this.#heard(topic.slice(BASE.length + 1), payload.toString()));
  }

  #heard(topic: string, json: string): void {
    this.#heardMs = performance.now();
    if (topic.startsWith('reply/'))
      this.#replied.set(topic.slice('reply/'.length), JSON.parse(json) as { ok: boolean });
    if (topic.startsWith('state/')) {
      const isOnline = json.includes('"online":true');
      if (isOnline) this.#there.add(topic.slice('state/'.length));
      else this.#there.delete(topic.slice('state/'.length));
    }
  }

  begin(): void {
    this.commands.push([]);
    this.#there.clear();
  }

  async untilThere(mayGoOn: () => void): Promise<void> {
    const wanted = ['agent', 'controllers/relay-board', 'controllers/store-panel', 'controllers/lobby-reader', 'controllers/workshop-reader']; // prettier-ignore
    await this.#until(() => wanted.every((name) => this.#there.has(name)), 'the agent and its devices', mayGoOn);
    this.#place.takePulses();
  }

  async untilQuiet(): Promise<void> {
    await until(() => performance.now() - this.#heardMs > 1_500, 'all to be told', SOON_MS);
  }

  async #until(condition: () => boolean, what: string, mayGoOn: () => void): Promise<void> {
    await until(
      () => {
        mayGoOn();
        return condition();
      },
      what,
      SOON_MS,
    );
  }

  #send(name: string, params: object): string {
    const id = `i-${++this.#count}`;
    this.commands.at(-1)?.push(id);
    const expires = name === 'entrances/unlock' ? { expires_at: new Date(Date.now() + 50_000).toISOString() } : {};
    this.#client.publish(`${BASE}/command/${name}`, JSON.stringify({ command_id: id, ...expires, params }), { qos: 1 });
    return id;
  }

  async round(mayGoOn: () => void): Promise<void> {
    const answered = async (ids: readonly string[]): Promise<void> => {
      await this.#until(() => ids.every((id) => this.#replied.has(id)), `answers to ${ids.join()}`, mayGoOn);
    };
    this.#user ??= await this.#makeUser(answered);
    const acs_user_id = this.#user;
    const number = 5_000 + 4 * this.#count;
    const card = (offset: number, door: keyof typeof DOORS, more: object): string =>
      this.#send('credentials/create', {
        ...{ acs_user_id, access_method: 'card', card_number: cardNumber(number + offset), ...more },
        allowed_acs_entrance_ids: [ENTRANCES[door]],
      });
    const made = [card(0, 'lobby', {}), card(1, 'workshop', { is_one_time_use: true })];
    const code = this.#send('credentials/create', { acs_user_id, access_method: 'code', code: String(30_000_000 + 17 * number), allowed_acs_entrance_ids: [ENTRANCES.store] }); // prettier-ignore
    await answered([...made, code]);
    const [lobbyCard = '', onceCard = ''] = made.map((id) => this.#replied.get(id)?.result?.acs_credential?.acs_credential_id ?? ''); // prettier-ignore
    this.#kept.push(lobbyCard);
    this.oneTime.push(onceCard);
    await this.#show('workshop', number + 1, mayGoOn);
    await this.#show('lobby', number, mayGoOn);
    const old = this.#kept.length > 3 ? this.#kept.shift() : undefined;
    await answered([
      this.#send('credentials/update', { acs_credential_id: lobbyCard, ends_at: '2040-01-01T00:00:00Z' }),
      ...(old === undefined ? [] : [this.#send('credentials/delete', { acs_credential_id: old })]),
      this.#send('users/suspend', { acs_user_id }),
      this.#send('users/unsuspend', { acs_user_id }),
      this.#send('entrances/unlock', { acs_entrance_id: ENTRANCES.gate }),
    ]);
    await this.#until(() => !this.#place.isOn(GATE_OUTPUT), 'the gate to lock', mayGoOn);
  }

  async #makeUser(answered: (ids: readonly string[]) => Promise<void>): Promise<string> {
    const acs_user_id = 'c4a50000-0000-4000-8000-000000000900';
    await answered([this.#send('users/create', { acs_user_id, full_name: 'Jane' })]);
    return acs_user_id;
  }

  async #show(door: keyof typeof DOORS, card: number, mayGoOn: () => void): Promise<void> {
    await this.#until(() => !this.#place.isOn(DOORS[door]), `the ${door} to lock`, mayGoOn);
    this.#pulses = [];
    await this.#place.present(door, card);
    const opened = (): boolean => {
      this.#pulses.push(...this.#place.takePulses());
      return this.#pulses.includes(DOORS[door]);
    };
    await this.#until(opened, `the ${door} to open`, mayGoOn);
  }

  async end(): Promise<void> {
    await this.#client.endAsync(true);
  }
}

/** Whether runs can be traced here: some machines let nobody look at another process. */
export const canTrace = (): boolean => spawnSync('strace', ['-qq', '-e', 'trace=none', 'true']).status === 0;
