// The gateway of the world of a seed: its disk, and one process of the agent after the other on it. A process is killed
// at any moment, or its power is cut in the middle of a commit; what it had written stays, and no more.

import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { Agent } from '../../../src/agent/agent.ts';
import type { Facility } from '../../../src/domain/facility.ts';
import type { Clock, Log } from '../../../src/domain/ports.ts';
import { formatProblems } from '../../../src/facility/format.ts';
import { loadFacilityText } from '../../../src/facility/load.ts';
import type { Background } from '../../../src/store/background.ts';
import { verify } from '../../../src/store/verification.ts';
import type { VirtualTime } from '../../support/virtual-time.ts';
import type { SeededBroker } from './broker.ts';
import type { Chance } from './chance.ts';
import type { Hardware } from './hardware.ts';

const DATABASE = 'lintel.db';
const MICROTASKS = 1_000;

export type GatewayOptions = {
  time: VirtualTime;
  chance: Chance;
  hardware: Hardware;
  broker: SeededBroker;
  facilityText: string;
  /** Told of every line of log from `warn` on. */
  said: (level: 'warn' | 'error', message: string, fields: unknown) => void;
};

type Life = { agent: Agent | null; isAlive: boolean; folder: string; opened: Database.Database[] };

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #root = mkdtempSync(join(tmpdir(), 'lintel-seed-'));
  #lives = 0;
  readonly #dead: Database.Database[] = [];
  #life: Life | null = null;
  #folder: string;
  /** By how much the wall clock is right of the world's, ms. */
  wallMs: number;
  /** Somebody vouches for the clock. */
  isVouched = true;
  /** The next commit is the last thing that this process does, and stops somewhere in the middle. */
  isCutArmed = false;

  constructor(options: GatewayOptions, wallMs: number) {
    this.#options = options;
    this.wallMs = wallMs;
    this.#folder = join(this.#root, '0');
    mkdirSync(this.#folder);
    // As one that was kept already: nothing of it is made behind the back of the world's time.
    writeFileSync(join(this.#folder, 'lintel.reserve'), '');
  }

  get agent(): Agent | null {
    return this.#life?.isAlive === true ? this.#life.agent : null;
  }

  get isAlive(): boolean {
    return this.#life?.isAlive === true;
  }

  nowMs(): number {
    return Math.floor(this.#options.time.nowMs + this.wallMs);
  }

  async start(): Promise<void> {
    const { time, chance, hardware, broker, facilityText, said } = this.#options;
    const folder = this.#folder;
    const life: Life = { agent: null, isAlive: true, folder, opened: [] };
    this.#life = life;
    const isAlive = (): boolean => life.isAlive;
    const loop = time.loopClock();
    const alive = (run: () => void) => () => {
      if (life.isAlive) run();
    };
    const clock: Clock = {
      nowMs: () => this.nowMs(),
      monotonicMs: () => time.nowMs,
      after: (delayMs, run) => loop.after(delayMs, alive(run)),
      immediate: (run) => loop.immediate(alive(run)),
    };
    const log: Log = {
      debug: () => undefined,
      info: () => undefined,
      warn: (message, fields) => said('warn', message, fields),
      error: (message, fields) => said('error', message, fields),
      child: () => log,
    };
    const module = hardware.module(isAlive);
    const unhook = this.#hook(life.opened);
    try {
      const agent = new Agent({
        facility: facilityOf(facilityText, folder, module),
        drivers: [module],
        version: '1.0.0',
        clock,
        random: chance.fork().random(),
        cron: { schedule: () => ({ stop: () => Promise.resolve() }) },
        log,
        openPort: () => Promise.reject(new Error('no line is here')),
        env: {},
        vouchers: [{ vouch: 'kernel', ask: () => Promise.resolve({ vouched: this.isVouched, detail: 'the seed' }) }],
        bootRecord: null,
        brokerFolder: null,
        openLink: broker.opener(isAlive),
        background: here,
      });
      life.agent = agent;
      await agent.start();
    } finally {
      unhook();
    }
  }

  /** In order, as a service that is stopped. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (life?.agent == null) return;
    const end = { isReached: false };
    void life.agent.stop().then(() => (end.isReached = true));
    const { time } = this.#options;
    for (let i = 0; i < 1000 && !end.isReached && life.isAlive; i++) await time.passUntil(time.nowMs + 20);
    if (!end.isReached && life.isAlive) throw new Error('the agent does not end when it is told to');
    this.#bury(life);
  }

  /** kill -9: what was handed to the operating system is on the disk, nothing else happens any more. */
  kill(): void {
    const life = this.#life;
    if (life?.isAlive !== true) return;
    this.#leave(life, null);
    this.#bury(life);
  }

  /** A process whose power was cut in a commit is gone already, and is cleared away here. */
  clear(): void {
    if (this.#life !== null && !this.#life.isAlive) this.#bury(this.#life);
  }

  async end(): Promise<void> {
    this.kill();
    this.clear();
    // What the dead had begun runs out, into files that nobody reads any more.
    for (let i = 0; i < MICROTASKS; i++) await Promise.resolve();
    for (const db of this.#dead) if (db.open) db.close();
    rmSync(this.#root, { recursive: true, force: true, maxRetries: 20 });
  }

  /** No page more than there are may be added to the database; null: the disk has room again. */
  fill(isFull: boolean): void {
    for (const db of this.#life?.opened ?? [])
      if (db.name.endsWith(DATABASE) && db.open) {
        const pages = db.pragma('page_count', { simple: true }) as number;
        db.pragma(`max_page_count = ${isFull ? pages : 4_000_000}`);
      }
  }

  /** The disk as the dead process left it is that of the next one. */
  #leave(life: Life, tornAt: number | null): void {
    const next = join(this.#root, String(++this.#lives));
    mkdirSync(next);
    for (const name of readdirSync(life.folder))
      if (!/-shm$|\.lock/.test(name)) cpSync(join(life.folder, name), join(next, name), { recursive: true });
    if (tornAt !== null) truncateSync(join(next, `${DATABASE}-wal`), tornAt);
    this.#folder = next;
    life.isAlive = false;
    this.#options.hardware.deaf();
  }

  #bury(life: Life): void {
    if (life.isAlive) {
      life.isAlive = false;
      this.#options.hardware.deaf();
    }
    this.#dead.push(...life.opened);
    this.#life = null;
  }

  /** While a process opens its database: which connections are its own, and every commit of theirs. */
  #hook(opened: Database.Database[]): () => void {
    const { prototype } = Database;
    const original = Object.getOwnPropertyDescriptors(prototype);
    const prepare = original.prepare.value as Database.Database['prepare'];
    const exec = original.exec.value as Database.Database['exec'];
    prototype.exec = function (this: Database.Database, sql: string) {
      if (!opened.includes(this)) opened.push(this);
      return exec.call(this, sql);
    };
    const onCommit = (run: () => Database.RunResult): Database.RunResult => this.#commit(run);
    prototype.prepare = function (this: Database.Database, sql: string) {
      if (!opened.includes(this)) opened.push(this);
      const statement = prepare.call(this, sql);
      if (sql !== 'COMMIT') return statement;
      const run = statement.run.bind(statement) as () => Database.RunResult;
      statement.run = () => onCommit(run);
      return statement;
    } as typeof prototype.prepare;
    return () => {
      Object.assign(prototype, { prepare, exec });
    };
  }

  #commit(run: () => Database.RunResult): Database.RunResult {
    const life = this.#life;
    if (!this.isCutArmed || life?.isAlive !== true) return run();
    this.isCutArmed = false;
    const wal = join(life.folder, `${DATABASE}-wal`);
    const before = sizeOf(wal);
    const result = run();
    const after = sizeOf(wal);
    // Where a log of an earlier checkpoint is written over from its beginning its size says nothing: all or nothing.
    const tornAt = after > before ? this.#options.chance.whole(before, after) : after;
    this.#leave(life, tornAt);
    return result;
  }
}

const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/** What threads do beside the doors is done here in one turn, at the same instant in every run. */
const here: Background = {
  check: (path) => {
    const db = new Database(path, { readonly: true });
    try {
      const found = db.pragma('quick_check') as { quick_check: string }[];
      return Promise.resolve(found.map((row) => row.quick_check).filter((line) => line !== 'ok'));
    } finally {
      db.close();
    }
  },
  backUp: (path) => Promise.resolve(path),
  verify: (path, key) => Promise.resolve(verify({ path, key })),
};

function facilityOf(text: string, folder: string, module: Parameters<typeof loadFacilityText>[2][number]): Facility {
  const { facility, problems } = loadFacilityText(text.replaceAll('FOLDER', folder), join(folder, 'seeded.yaml'), [module]); // prettier-ignore
  if (facility === null) throw new Error(formatProblems(problems));
  return facility;
}
