// The readers of an OSDP measurement, in a process of their own: on a site they are boxes of their own too, and what
// they cost is nobody's figure here. Given their line as JSON, told what to do and asked for counts by messages.

import { SimulatedCard } from '../../drivers/osdp/pkoc/simulated-card.ts';
import { SimulatedReader } from '../../drivers/osdp/simulated-reader.ts';
import { SimulatedLine } from '../../drivers/osdp/simulator.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';

export type LineOrder = {
  at: { path: string } | { listen: number };
  baud: number;
  paced: boolean;
  turnaroundMs: number;
  readers: number;
  key: string;
  /** They have transparent mode. */
  transparent?: boolean;
};
export type ReaderOrder =
  | { ask: 'counts' }
  | { ask: 'kill'; reader: number }
  /**
   * From now on something happens at every reader again and again, until `rest`; `unpaced`: meanwhile the line takes no
   * time.
   */
  | { ask: 'stir'; unpaced: boolean }
  | { ask: 'rest' }
  /**
   * Shows this many cards, each at a random moment, one after the other; answers with the time from each card to its
   * strike.
   */
  | { ask: 'cards'; reader: number; count: number; withinMs: number }
  /** The same with phones, from the moment when each is spoken to, with what went over the wire meanwhile. */
  | { ask: 'phones'; reader: number; count: number; withinMs: number };
export type PhoneTime = { tookMs: number; exchanges: number; characters: number };
export type ReaderAnswer = {
  polls?: number[];
  path?: string;
  strikeMs?: number[];
  phones?: PhoneTime[];
  ready?: boolean;
};

const STIR_MS = 300;
/** So long a phone was away before it counts as another presentation. */
const AWAY_MS = 2_000;

const order = JSON.parse(process.argv[2] ?? '{}') as LineOrder;
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => log };
function ignore(): void {
  // The measurement is not watched.
}

const readers = Array.from(
  { length: order.readers },
  (_, address) => new SimulatedReader(systemClock, systemRandom, { address, key: Buffer.from(order.key, 'hex') }),
);
const line = new SimulatedLine(readers, order, {
  clock: systemClock,
  random: systemRandom,
  log,
  openPort: portOpener(systemClock),
});
for (const { field } of readers) field.isKnown = order.transparent === true;
await line.start();

async function showCards({ reader: index, count, withinMs }: ReaderOrder & { ask: 'cards' }): Promise<number[]> {
  const reader = readers[index];
  if (reader === undefined) throw new Error(`no reader ${index}`);
  const { pulses } = reader.terminals;
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    await sleep(20 + Math.random() * withinMs);
    const shownAtMs = systemClock.monotonicMs();
    const before = pulses.length;
    reader.presentCard(26, Buffer.from('BDD93740', 'hex'));
    while (pulses.length === before) await sleep(1);
    times.push((pulses[before]?.atMs ?? 0) - shownAtMs);
  }
  return times;
}

/** Beyond its bytes each frame has a mark, and two idle characters before it. */
const BESIDE_FRAME = 3;

async function showPhones({ reader: index, count, withinMs }: ReaderOrder & { ask: 'phones' }): Promise<PhoneTime[]> {
  const reader = readers[index];
  if (reader === undefined) throw new Error(`no reader ${index}`);
  const { pulses } = reader.terminals;
  const times: PhoneTime[] = [];
  for (let i = 0; i < count; i++) {
    await sleep(AWAY_MS + Math.random() * withinMs);
    const card = new SimulatedCard();
    const before = pulses.length;
    const begunMs: number[] = [];
    const seen = { exchanges: 0, characters: 0 };
    line.tap = (frame, from) => {
      if (begunMs.length === 0 || pulses.length > before) return;
      seen.characters += frame.length + BESIDE_FRAME;
      if (from === 'reader') seen.exchanges += 1;
    };
    reader.field.lay({
      answer(command) {
        begunMs.push(systemClock.monotonicMs());
        return card.answer(command);
      },
    });
    while (pulses.length === before) await sleep(1);
    reader.field.lay(null);
    times.push({ tookMs: (pulses[before]?.atMs ?? 0) - (begunMs[0] ?? 0), ...seen });
  }
  return times;
}

const { paced } = order;
let stirring: symbol | null = null;

/**
 * A card at every reader, so often that none of them falls back to its idle pace, and so seldom that polls are nearly
 * all that the line carries.
 */
async function stir(unpaced: boolean): Promise<void> {
  const mine = Symbol('stirring');
  stirring = mine;
  order.paced = paced && !unpaced;
  while (stirring === mine) {
    for (const reader of readers) if (reader.waiting === 0) reader.presentCard(26, Buffer.from('BDD93740', 'hex'));
    await sleep(STIR_MS);
  }
  order.paced = paced;
}

const sleep = async (ms: number): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, ms));
};
const answer = (message: ReaderAnswer): void => void process.send?.(message);

process.on('message', (message: ReaderOrder) => {
  if (message.ask === 'counts')
    answer({
      polls: readers.map((reader) => reader.count('POLL')),
      ready: readers.every((reader) => reader.count('RSTAT') > 0),
    });
  else if (message.ask === 'kill') {
    readers[message.reader]?.powerCycle(1e9);
    answer({});
  } else if (message.ask === 'stir') {
    void stir(message.unpaced);
    answer({});
  } else if (message.ask === 'rest') {
    stirring = null;
    answer({});
  } else if (message.ask === 'phones') void showPhones(message).then((phones) => answer({ phones }));
  else void showCards(message).then((strikeMs) => answer({ strikeMs }));
});
process.on('disconnect', () => process.exit(0));
answer({ path: line.path });
