// What an OSDP bus makes of its wire: polls, cards to strikes, dead readers and starts, against simulated readers in a
// process of their own that take the time a wire takes.

import type { Driver, DriverEvent } from '../../drivers/driver.ts';
import { osdpDriver } from '../../drivers/osdp/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { wireTimeMs } from '../../src/domain/line.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { openPtyPair, until } from '../support/ports.ts';
import { KEY, log, readerKeys } from './keyed-reader.ts';
import type { LineOrder, ReaderAnswer, ReaderOrder } from './osdp-child.ts';
import { startBareBus } from './bare-bus.ts';
import { startChild } from './child.ts';
import type { PacingOrder } from './pacing-child.ts';
import { against, beside, median, percentile, type Report } from './report.ts';

const TURNAROUND_MS = 2;
/**
 * Characters with marks and idle times, command and answer together; and what of it the counters of the driver do not
 * count.
 */
const POLL_CHARACTERS = 34;
const UNCOUNTED_CHARACTERS = 5;
const HANDSHAKE_CHARACTERS = 22 + 46 + 30 + 30;
const HANDSHAKE_EXCHANGES = 2;
/** Mark, header, security block, one encrypted block, MAC and CRC of an OUT. */
const OUT_CHARACTERS = 1 + 5 + 2 + 1 + 16 + 4 + 2;

const IDLE_CHARACTERS = 2;
/** A poll with its mark and the answer to it, under Secure Channel. */
const POLL_FRAMES = { sentBytes: 15, receivedBytes: 15 };
/** Until a card was shown at every reader. */
const STIRRED_MS = 350;

/** The median of so many windows: what else the machine does in one of them is nobody's figure. */
const WINDOWS = 5;
const CARD_ROUNDS = 3;
const BENCH = 'osdp';
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const PARTS: Readonly<Record<string, (report: Report) => Promise<void>>> = {
  share: async (report) => {
    for (const baud of [9_600, 38_400, 115_200])
      for (const readers of [1, 8, 32]) await wireShare(report, baud, readers);
  },
  converter: async (report) => {
    for (const baud of [38_400, 115_200]) await wireShare(report, baud, 8, true);
  },
  unpaced,
  strike: cardToStrike,
  dead: deadReader,
  online: async (report) => {
    for (const baud of [9_600, 115_200]) await allOnline(report, baud);
  },
};

export async function run(report: Report, part: string | null): Promise<void> {
  for (const [name, measure] of Object.entries(PARTS)) if (part === null || part === name) await measure(report);
}

const charactersMs = (baud: number, count: number): number =>
  wireTimeMs({ path: '', baud, parity: 'none', dataBits: 8, stopBits: 1 }, count);
const pollMs = (baud: number): number => charactersMs(baud, POLL_CHARACTERS) + TURNAROUND_MS;

/**
 * While something happens at every reader the wire sets the pace (at rest readers have a pace of their own), and of the
 * wire's time as much as possible is to be exchanges. In turns with a bare loop that does nothing but frames on a line
 * like it: simulated lines and converters are processes too, and lose of the wire what the machine costs them.
 */
async function wireShare(report: Report, baud: number, readers: number, converter = false): Promise<void> {
  const through = (path: string) => startConverter({ path, baud });
  const idleMs = charactersMs(baud, IDLE_CHARACTERS);
  const bare = await startBareBus(POLL_FRAMES, {
    pace: { pauseMs: idleMs },
    answerAfterMs: TURNAROUND_MS + (converter ? 0 : pollMs(baud) - TURNAROUND_MS - idleMs),
    ...(converter ? { through } : {}),
  });
  await onBus({ baud, paced: !converter, converter, readers }, async (bus) => {
    await bus.settled();
    const windowMs = Math.max(1_000, pollMs(baud) * readers * 2);
    const ours: WireUse[] = [];
    const bareShares: number[] = [];
    for (let i = 0; i < WINDOWS; i++) {
      await bus.ask({ ask: 'stir', unpaced: false });
      await sleep(STIRRED_MS);
      ours.push(await bus.wireUse(windowMs));
      await bus.ask({ ask: 'rest' });
      bareShares.push(((await bare.ask(windowMs)).perSecond * pollMs(baud)) / 1_000);
    }
    const where = converter ? ' behind a converter that delivers at line speed' : '';
    const what = `${readers} reader${readers > 1 ? 's' : ''} at ${baud} baud${where}`;
    const share = median(ours.map((use) => use.share));
    report(beside(BENCH, `exchanges, ${what}`, median(ours.map((use) => use.perSecond)), '/s'));
    report(beside(BENCH, `share of the wire’s time, ${what}`, share, ''));
    report(beside(BENCH, `the same by a bare loop`, median(bareShares), ''));
    report(
      against(BENCH, `share of the wire’s time / a bare loop’s, ${what}`, share / median(bareShares), 'x', '>=', 0.95),
    );
  });
  await bare.end();
}

async function unpaced(report: Report): Promise<void> {
  await onBus({ baud: 115_200, paced: false, readers: 1, pty: true }, async (bus) => {
    await bus.settled();
    await bus.ask({ ask: 'stir', unpaced: true });
    const before = process.cpuUsage();
    const seconds = 3;
    const { perSecond } = await bus.wireUse(seconds * 1_000);
    const used = process.cpuUsage(before);
    report(beside(BENCH, 'exchanges without pacing, one lively secure reader on a pty', perSecond, '/s'));
    report(
      beside(BENCH, 'CPU time per exchange, controller only', (used.user + used.system) / (perSecond * seconds), 'µs'),
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
    // A card that just missed its poll waits a whole round, and for the exchange under way.
    report(
      against(
        BENCH,
        'card to strike handed to the wire, p99 / the poll round',
        (p99Ms - outMs) / roundMs,
        'x',
        '<=',
        1.15,
      ),
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

// ---- a bus and its readers ------------------------------------------------------------------------------------------

type WireUse = { perSecond: number; share: number };
type Bus = {
  /** Every reader online, set up and polled. */
  settled(): Promise<void>;
  /** From the driver's start until the last reader is online. */
  onlineAfterMs(): Promise<number>;
  /**
   * How many exchanges the bus made, and how much of the wire's time they are, by their bytes and the readers'
   * turnaround.
   */
  wireUse(windowMs: number): Promise<WireUse>;
  /** Polls a second, by reader. */
  countPolls(windowMs: number): Promise<number[]>;
  offline(): number;
  ask(order: ReaderOrder): Promise<ReaderAnswer>;
};

async function onBus(
  options: { baud: number; paced: boolean; readers: number; pty?: boolean; strikes?: boolean; converter?: boolean },
  work: (bus: Bus) => Promise<void>,
): Promise<void> {
  const pty = options.pty === true ? await openPtyPair() : null;
  const order: LineOrder = {
    at: pty === null ? { listen: 0 } : { path: pty.b },
    baud: options.baud,
    paced: options.paced,
    turnaroundMs: options.paced || options.converter === true ? TURNAROUND_MS : 0,
    readers: options.readers,
    key: KEY,
  };
  const child = await startChild<ReaderOrder, ReaderAnswer>('osdp-child.ts', [JSON.stringify(order)]);
  const path = pty?.a ?? child.first.path ?? '';
  const converter = options.converter === true ? await startConverter({ path, baud: options.baud }) : null;
  const events: DriverEvent[] = [];
  let onlineAtMs = 0;
  const driver = makeDriver(converter?.path ?? path, options, (event) => {
    events.push(event);
    if (event.type === 'online') onlineAtMs = systemClock.monotonicMs();
    if (event.type !== 'presented' || options.strikes !== true) return;
    const strike = driver.devices.get(event.device)?.outputs;
    void strike?.pulse(0, 100, systemClock.monotonicMs() + 2_000);
  });
  const startedAtMs = systemClock.monotonicMs();
  driver.start();
  const count = (type: DriverEvent['type']): number => events.filter((event) => event.type === type).length;
  const counts = (): { replies: number; bytes: number } => {
    const counters = [...driver.devices.values()].map((device) => device.status().counters);
    return {
      replies: sum(counters.map(({ replies }) => replies)),
      bytes: sum(counters.map(({ bytesSent, bytesReceived }) => bytesSent + bytesReceived)),
    };
  };
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
      async wireUse(windowMs) {
        const before = counts();
        const fromMs = systemClock.monotonicMs();
        await sleep(windowMs);
        const after = counts();
        const tookMs = systemClock.monotonicMs() - fromMs;
        const exchanges = after.replies - before.replies;
        const characters = after.bytes - before.bytes + exchanges * UNCOUNTED_CHARACTERS;
        const usedMs = charactersMs(options.baud, characters) + exchanges * TURNAROUND_MS;
        return { perSecond: (exchanges * 1_000) / tookMs, share: usedMs / tookMs };
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
    converter?.end();
    child.end();
    await pty?.close();
  }
}

async function startConverter(order: PacingOrder): Promise<{ path: string; end: () => void }> {
  const { first, end } = await startChild<never, { path: string }>('pacing-child.ts', [JSON.stringify(order)]);
  return { path: first.path, end };
}

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
  return osdpDriver.create('bench', bus, controllers, { ...context, emit, readerKeys });
}

const sleep = async (ms: number): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, ms));
};
