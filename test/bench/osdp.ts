// What an OSDP bus makes of its wire: polls, cards to strikes, dead readers and starts, against simulated readers in a process of their own that take the time a wire
// takes.

import type { Driver, DriverEvent, Log, ReaderKeys } from '../../drivers/driver.ts';
import { osdpDriver } from '../../drivers/osdp/driver.ts';
import { portOpener, wireTimeMs } from '../../drivers/serial-port.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { openPtyPair, until } from '../support/ports.ts';
import type { LineOrder, ReaderAnswer, ReaderOrder } from './osdp-child.ts';
import { startChild } from './child.ts';
import { against, beside, median, percentile, type Report } from './report.ts';

const KEY = 'C3A1F05E77120B9D4408EE6AB1D2937F';
const TURNAROUND_MS = 2;
/** Characters with marks and idle times, command and answer together. */
const POLL_CHARACTERS = 34;
const HANDSHAKE_CHARACTERS = 22 + 46 + 30 + 30;
const HANDSHAKE_EXCHANGES = 2;
/** Mark, header, security block, one encrypted block, MAC and CRC of an OUT. */
const OUT_CHARACTERS = 1 + 5 + 2 + 1 + 16 + 4 + 2;

/** The median of so many windows: what else the machine does in one of them is nobody's figure. */
const WINDOWS = 5;
const CARD_ROUNDS = 3;
const BENCH = 'osdp';
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export async function run(report: Report): Promise<void> {
  for (const baud of [9_600, 38_400, 115_200]) for (const readers of [1, 8, 32]) await pollRate(report, baud, readers);
  await unpaced(report);
  await cardToStrike(report);
  await deadReader(report);
  for (const baud of [9_600, 115_200]) await allOnline(report, baud);
}

const charactersMs = (baud: number, count: number): number =>
  wireTimeMs({ path: '', baud, parity: 'none', dataBits: 8, stopBits: 1 }, count);
const pollMs = (baud: number): number => charactersMs(baud, POLL_CHARACTERS) + TURNAROUND_MS;

async function pollRate(report: Report, baud: number, readers: number): Promise<void> {
  await onBus({ baud, paced: true, readers }, async (bus) => {
    await bus.settled();
    const windowMs = Math.max(1_000, pollMs(baud) * readers * 2);
    const rates: number[] = [];
    for (let i = 0; i < WINDOWS; i++) rates.push(sum(await bus.countPolls(windowMs)));
    const perSecond = median(rates);
    const allowed = 1_000 / pollMs(baud);
    const what = `${readers} reader${readers > 1 ? 's' : ''} at ${baud} baud`;
    report(beside(BENCH, `polls, ${what} (the wire allows ${allowed.toFixed(1)})`, perSecond, '/s'));
    report(against(BENCH, `share of the wire’s polls, ${what}`, perSecond / allowed, '', '>=', 0.9));
  });
}

async function unpaced(report: Report): Promise<void> {
  await onBus({ baud: 115_200, paced: false, readers: 1, pty: true }, async (bus) => {
    await bus.settled();
    const before = process.cpuUsage();
    const seconds = 3;
    const [perSecond = 0] = await bus.countPolls(seconds * 1_000);
    const used = process.cpuUsage(before);
    report(beside(BENCH, 'polls without pacing, one secure reader on a pty', perSecond, '/s'));
    report(
      beside(BENCH, 'CPU time per poll, controller only', (used.user + used.system) / (perSecond * seconds), 'µs'),
    );
  });
}

async function cardToStrike(report: Report): Promise<void> {
  const readers = 8;
  const baud = 115_200;
  await onBus({ baud, paced: true, readers, strikes: true }, async (bus) => {
    await bus.settled();
    const roundMs = (readers * 1_000) / sum(await bus.countPolls(2_000));
    const rounds: number[][] = [];
    for (let i = 0; i < CARD_ROUNDS; i++)
      rounds.push((await bus.ask({ ask: 'cards', reader: 3, count: 300, withinMs: 60 })).strikeMs ?? []);
    const strikeMs = rounds.flat();
    const outMs = charactersMs(baud, OUT_CHARACTERS);
    const p99Ms = median(rounds.map((times) => percentile(times, 0.99)));
    report(beside(BENCH, 'card to strike, 8 secure readers at 115200 baud, p50', percentile(strikeMs, 0.5), 'ms'));
    report(beside(BENCH, 'of it the command of the strike on the wire', outMs, 'ms'));
    report(beside(BENCH, 'the poll round of that bus, as it was just then', roundMs, 'ms'));
    report(beside(BENCH, 'the poll round that its wire allows', readers * pollMs(baud), 'ms'));
    report(beside(BENCH, 'card to the last byte of the strike’s command, p99', p99Ms, 'ms'));
    report(
      against(BENCH, 'card to strike handed to the wire, p99 (round + 5 ms)', p99Ms - outMs, 'ms', '<=', roundMs + 5),
    );
  });
}

async function deadReader(report: Report): Promise<void> {
  const baud = 115_200;
  // Long enough that one probe of the dead reader more or less in it is no matter.
  const windowMs = 20_000;
  let alone = 0;
  await onBus({ baud, paced: true, readers: 7 }, async (bus) => {
    await bus.settled();
    alone = sum(await bus.countPolls(windowMs));
  });
  await onBus({ baud, paced: true, readers: 8 }, async (bus) => {
    await bus.settled();
    await bus.ask({ ask: 'kill', reader: 7 });
    await until(() => bus.offline() === 1, 'the dead reader to be given up', 20_000);
    const others = sum((await bus.countPolls(windowMs)).slice(0, 7));
    report(beside(BENCH, 'polls of seven readers alone on their bus', alone, '/s'));
    report(beside(BENCH, 'polls of the seven beside a dead one', others, '/s'));
    report(against(BENCH, 'what the dead one costs them', 1 - others / alone, '', '<=', 0.1));
  });
}

async function allOnline(report: Report, baud: number): Promise<void> {
  const readers = 32;
  await onBus({ baud, paced: true, readers }, async (bus) => {
    const tookMs = await bus.onlineAfterMs();
    const wireMs = readers * (charactersMs(baud, HANDSHAKE_CHARACTERS) + HANDSHAKE_EXCHANGES * TURNAROUND_MS);
    report(beside(BENCH, `32 secure readers online at ${baud} baud`, tookMs, 'ms'));
    report(beside(BENCH, `wire time of their handshakes at ${baud} baud`, wireMs, 'ms'));
    report(against(BENCH, `online / handshakes at ${baud} baud`, tookMs / wireMs, '', '<=', 1.5));
  });
}

// ---- a bus and its readers ------------------------------------------------------------------------------------------------------------------------

type Bus = {
  /** Every reader online, set up and polled. */
  settled(): Promise<void>;
  /** From the driver's start until the last reader is online. */
  onlineAfterMs(): Promise<number>;
  /** Polls a second, by reader. */
  countPolls(windowMs: number): Promise<number[]>;
  offline(): number;
  ask(order: ReaderOrder): Promise<ReaderAnswer>;
};

async function onBus(
  options: { baud: number; paced: boolean; readers: number; pty?: boolean; strikes?: boolean },
  work: (bus: Bus) => Promise<void>,
): Promise<void> {
  const pty = options.pty === true ? await openPtyPair() : null;
  const order: LineOrder = {
    at: pty === null ? { listen: 0 } : { path: pty.b },
    baud: options.baud,
    paced: options.paced,
    turnaroundMs: options.paced ? TURNAROUND_MS : 0,
    readers: options.readers,
    key: KEY,
  };
  const child = await startChild<ReaderOrder, ReaderAnswer>('osdp-child.ts', [JSON.stringify(order)]);
  const events: DriverEvent[] = [];
  let onlineAtMs = 0;
  const driver = makeDriver(pty?.a ?? child.first.path ?? '', options, (event) => {
    events.push(event);
    if (event.type === 'online') onlineAtMs = systemClock.monotonicMs();
    if (event.type !== 'presented' || options.strikes !== true) return;
    const strike = driver.devices.get(event.device)?.outputs;
    void strike?.pulse(0, 100, systemClock.monotonicMs() + 2_000);
  });
  const startedAtMs = systemClock.monotonicMs();
  driver.start();
  const count = (type: DriverEvent['type']): number => events.filter((event) => event.type === type).length;
  const allOnline = async (): Promise<void> => {
    await until(() => count('online') === options.readers, 'every reader to be online', 120_000);
  };
  try {
    await work({
      async settled() {
        await allOnline();
        for (;;) {
          if ((await child.ask({ ask: 'counts' })).ready === true) return;
          await sleep(50);
        }
      },
      async onlineAfterMs() {
        await allOnline();
        return onlineAtMs - startedAtMs;
      },
      async countPolls(windowMs) {
        const { polls: before = [] } = await child.ask({ ask: 'counts' });
        const fromMs = systemClock.monotonicMs();
        await sleep(windowMs);
        const { polls: after = [] } = await child.ask({ ask: 'counts' });
        const seconds = (systemClock.monotonicMs() - fromMs) / 1_000;
        return after.map((polls, i) => (polls - (before[i] ?? 0)) / seconds);
      },
      offline: () => count('offline'),
      ask: child.ask,
    });
  } finally {
    await driver.stop(500);
    child.end();
    await pty?.close();
  }
}

const ignore = (): undefined => undefined;
const log: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => log };
const keys: ReaderKeys = {
  load: () => ({ active: Buffer.from(KEY, 'hex'), pending: null, identity: null }),
  savePending: ignore,
  activate: ignore,
  discardPending: ignore,
  saveIdentity: ignore,
};

function makeDriver(
  port: string,
  options: { baud: number; readers: number },
  emit: (event: DriverEvent) => void,
): Driver {
  const bus = osdpDriver.busSchema.parse({ port, baud: options.baud });
  const controllers = Array.from({ length: options.readers }, (_, address) => {
    const config = osdpDriver.controllerSchema.parse({ address, outputs: 1 });
    const { controller } = osdpDriver.prepare(`reader-${address}`, bus, config, '/');
    if (controller === null) throw new Error('the bench’s own configuration is refused');
    return controller;
  });
  const context = { clock: systemClock, random: systemRandom, log, openPort: portOpener(systemClock) };
  return osdpDriver.create('bench', bus, controllers, { ...context, emit, readerKeys: keys });
}

const sleep = async (ms: number): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, ms));
};
