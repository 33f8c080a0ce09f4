// A phone at a reader in transparent mode, from the first command that reaches it to the strike's. What the schedule makes
// of the wire is told in virtual time; on this machine, with the reader in a process of its own on a line that takes its
// time, it is held against a bare loop that makes as many exchanges.

import type { Driver, DriverEvent } from '../../drivers/driver.ts';
import { osdpDriver } from '../../drivers/osdp/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { wireTimeMs } from '../../src/domain/line.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { until } from '../support/ports.ts';
import { timePhones } from '../drivers/osdp/phone-timing.ts';
import { KEY, log, readerKeys } from './keyed-reader.ts';
import { startBareBus } from './bare-bus.ts';
import { startChild } from './child.ts';
import type { LineOrder, PhoneTime, ReaderAnswer, ReaderOrder } from './osdp-child.ts';
import { against, beside, median, type Report } from './report.ts';

const BAUD = 115_200;
const TURNAROUND_MS = 2;
const PHONES = 8;
const ROUNDS = 5;
const IDLE_CHARACTERS = 2;
const WINDOW_MS = 1_000;
const READER = 'reader';

export async function run(report: Report): Promise<void> {
  const virtual = await timePhones(PHONES);
  report(against('phones', 'phone to strike against its exchanges on the wire, in virtual time', virtual.tookMs / virtual.wireMs, 'x', '<=', 1.15)); // prettier-ignore
  const order: LineOrder = { at: { listen: 0 }, baud: BAUD, paced: true, turnaroundMs: TURNAROUND_MS, readers: 1, key: KEY, transparent: true }; // prettier-ignore
  const child = await startChild<ReaderOrder, ReaderAnswer>('osdp-child.ts', [JSON.stringify(order)]);
  const events: DriverEvent[] = [];
  const driver = makeDriver(child.first.path ?? '', (event) => {
    events.push(event);
    if (event.type !== 'presented' || event.presentation.kind !== 'mobile_key') return;
    void driver.devices.get(READER)?.outputs?.pulse(0, 100, systemClock.monotonicMs() + 2_000);
  });
  driver.start();
  try {
    await until(() => events.some(({ type }) => type === 'online'), 'the reader to be online', 20_000);
    const rounds: { oursMs: number; bareMs: number; wireMs: number }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const { phones = [] } = await child.ask({ ask: 'phones', reader: 0, count: PHONES, withinMs: 400 });
      const exchanges = median(phones.map((one) => one.exchanges));
      const characters = median(phones.map((one) => one.characters)) / exchanges;
      const bareMs = exchanges * (await bareExchangeMs(characters));
      rounds.push({ oursMs: median(phones.map((one) => one.tookMs)), bareMs, wireMs: median(phones.map(wireMs)) });
    }
    const all = (pick: (round: (typeof rounds)[number]) => number): number => median(rounds.map(pick));
    report(beside('phones', `a phone in transparent mode to its strike, ${BAUD} baud, here`, all((one) => one.oursMs), 'ms')); // prettier-ignore
    report(beside('phones', 'as many exchanges with as many bytes by a bare loop, here', all((one) => one.bareMs), 'ms')); // prettier-ignore
    report(
      beside(
        'phones',
        'what the wire itself takes of it',
        all((one) => one.wireMs),
        'ms',
      ),
    );
    report(against('phones', 'phone to strike against a bare loop’s exchanges', all((one) => one.oursMs / one.bareMs), 'x', '<=', 1.15)); // prettier-ignore
  } finally {
    await driver.stop(500);
    child.end();
  }
}

const charactersMs = (count: number): number =>
  wireTimeMs({ path: '', baud: BAUD, parity: 'none', dataBits: 8, stopBits: 1 }, count);
const wireMs = ({ characters, exchanges }: PhoneTime): number => charactersMs(characters) + exchanges * TURNAROUND_MS;

/** One exchange of a loop that does nothing else, of so many characters with marks and pauses. */
async function bareExchangeMs(characters: number): Promise<number> {
  const idleMs = charactersMs(IDLE_CHARACTERS);
  const bytes = Math.round(characters / 2);
  const answerAfterMs = charactersMs(characters) + TURNAROUND_MS - idleMs;
  const bare = await startBareBus(
    { sentBytes: bytes, receivedBytes: bytes },
    { pace: { pauseMs: idleMs }, answerAfterMs },
  );
  const { perSecond } = await bare.ask(WINDOW_MS);
  await bare.end();
  return 1_000 / perSecond;
}

function makeDriver(port: string, emit: (event: DriverEvent) => void): Driver {
  const bus = osdpDriver.busSchema.parse({ port, baud: BAUD });
  const config = osdpDriver.controllerSchema.parse({ address: 0, outputs: 1, transparent: true });
  const { controller } = osdpDriver.prepare(READER, bus, config, '/');
  if (controller === null) throw new Error('the bench’s own configuration is refused');
  const context = { clock: systemClock, random: systemRandom, log, openPort: portOpener(systemClock) };
  return osdpDriver.create('bench', bus, [controller], { ...context, emit, readerKeys });
}
