// Card readers on real lines: each card is told once, and none that was shown to a dead reader.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DriverEvent } from '../../../drivers/driver.ts';
import type { SimulatedReader } from '../../../drivers/modbus/simulator-reader.ts';
import { encodeWiegand } from '../../../src/domain/card-formats.ts';
import { until } from '../../support/ports.ts';
import { temporaryFolder } from '../../support/store.ts';
import { openLine, openSite, pause, startDriver, TRANSPORTS, type Line, type Site, type Transport } from './site.ts';

const FLAG = join(import.meta.dirname, 'profiles', 'flag-reader.yaml');
const COUNTING = join(import.meta.dirname, 'profiles', 'counting-reader.yaml');
const [ONE, TWO] = ['uid:0A00B1C2D3', 'uid:0A00B1C2D4'];
const [RED, BLUE] = ['H10301:123:45678', 'H10302:1234567890'];

/** Longer than the debounce, and than several looks. */
const AWAY_MS = 300;

/** The reader behind a flag with a debounce so long that no machine is too busy to show cards within it. */
function patientFlag(): string {
  const path = join(temporaryFolder(), 'patient-reader.yaml');
  writeFileSync(path, readFileSync(FLAG, 'utf8').replace('debounce: 200ms', 'debounce: 60s'));
  return path;
}

async function siteOf(profile: string, transport: Transport = 'tcp'): Promise<Site> {
  const site = await openSite(transport, [{ unit: 1, profile }]);
  await lookedAt(site);
  return site;
}

/** What is shown before the first look at a reader is old. */
async function lookedAt({ simulator }: Line): Promise<void> {
  const { requests } = simulator.unit(1);
  const before = requests.length;
  await until(() => requests.length >= before + 4, 'the reader is looked at');
}

function readerOf({ simulator }: Line): SimulatedReader {
  const { reader } = simulator.unit(1);
  if (reader === null) throw new Error('the device has a reader');
  return reader;
}

/** The cards that were told, in the form of whoever shows them. */
const told = (events: readonly DriverEvent[]): string[] =>
  events.flatMap((event) => {
    if (event.type !== 'presented' || event.presentation.kind !== 'card') return [];
    const { reading } = event.presentation;
    const hex = reading.bytes.toString('hex').toUpperCase();
    return [reading.kind === 'wiegand' ? `${reading.widthBits}:${hex}` : `${reading.kind}:${hex}`];
  });

/** The same of a card whose format is known. */
function asBits(card: string): string {
  const bits = encodeWiegand(card);
  if (bits === null) throw new Error(`${card} has bits`);
  return `${bits.widthBits}:${bits.bytes.toString('hex').toUpperCase()}`;
}

const toldTo = (site: Site, count: number): Promise<void> =>
  until(() => told(site.events).length >= count, `${count} cards are told`);

const faults = (events: readonly DriverEvent[]): [string, boolean][] =>
  events.flatMap((event) => (event.type === 'fault' ? [[event.code, event.cleared] as [string, boolean]] : []));

const faulted = (site: Site, code: string, cleared: boolean): Promise<void> =>
  until(
    () => faults(site.events).some(([found, isCleared]) => found === code && isCleared === cleared),
    `${code} ${cleared ? 'ends' : 'is told'}`,
  );

/** At a reader that reads no other card before this one is taken. */
async function show(reader: SimulatedReader, card: string): Promise<void> {
  await until(() => !reader.flagged, 'the card before it is taken');
  expect(reader.present(card)).toBe('read');
}

describe.each(TRANSPORTS)('a reader behind a flag, over %s', (transport) => {
  it('tells each card once, is acknowledged, and shows what came of it', async () => {
    const site = await siteOf(FLAG, transport);
    const reader = readerOf(site);
    expect(site.device().capabilities.readers).toEqual([
      { keypad: false, card: true, feedback: ['granted', 'denied', 'locked_out'], showsLook: false },
    ]);
    await show(reader, ONE);
    await show(reader, TWO);
    await toldTo(site, 2);
    await until(() => !reader.flagged, 'it is acknowledged');
    expect(told(site.events)).toEqual([ONE, TWO]);
    site.device().readers?.feedback(0, 'granted');
    await until(() => reader.shown.length === 1, 'the outcome');
    site.device().readers?.feedback(0, 'locked_out');
    await until(() => reader.shown.length === 2, 'the other outcome');
    expect(reader.shown).toEqual(['granted', 'denied']);
  });

  it('loses no card when the answer to an acknowledgement is lost', async () => {
    const site = await siteOf(FLAG, transport);
    const reader = readerOf(site);
    site.simulator.unit(1).failNext({ silent: true }, 1, 5);
    await show(reader, ONE);
    await show(reader, TWO);
    await toldTo(site, 2);
    expect(told(site.events)).toEqual([ONE, TWO]);
  });

  it('tells no card twice when an acknowledgement is lost', async () => {
    const site = await siteOf(FLAG, transport);
    const reader = readerOf(site);
    site.simulator.unit(1).failNext({ deaf: true }, 2, 5);
    await show(reader, ONE);
    await until(() => !reader.flagged, 'it is acknowledged in the end');
    await pause(AWAY_MS);
    expect(told(site.events)).toEqual([ONE]);
    await show(reader, TWO);
    await toldTo(site, 2);
  });

  it('does not open for a card that waited while nobody listened', async () => {
    const line = await openLine(transport, [{ unit: 1, profile: FLAG }]);
    const reader = readerOf(line);
    reader.present(ONE);
    const driver = startDriver(line.bus, [{ unit: 1, profile: FLAG }]);
    const site = { ...driver, ...line };
    await until(() => !reader.flagged, 'it is acknowledged');
    // Whoever still stands there shows it again.
    await pause(AWAY_MS);
    expect(told(site.events)).toEqual([]);
    await show(reader, ONE);
    await toldTo(site, 1);
    expect(told(site.events)).toEqual([ONE]);
  });
});

describe('a reader behind a flag', () => {
  it('tells a card that is held once', async () => {
    const site = await siteOf(patientFlag());
    const reader = readerOf(site);
    for (let i = 0; i < 12; i++) {
      await show(reader, ONE);
      await pause(50);
    }
    await until(() => !reader.flagged, 'the last one is taken');
    expect(told(site.events)).toEqual([ONE]);
  });

  it('tells a card again when it has been away', async () => {
    const site = await siteOf(FLAG);
    const reader = readerOf(site);
    await show(reader, ONE);
    await toldTo(site, 1);
    await pause(AWAY_MS);
    await show(reader, ONE);
    await toldTo(site, 2);
  });

  it('tells two cards that are held together once each', async () => {
    const site = await siteOf(patientFlag());
    const reader = readerOf(site);
    for (let i = 0; i < 6; i++) {
      await show(reader, ONE);
      await show(reader, TWO);
    }
    await until(() => !reader.flagged, 'the last one is taken');
    expect(told(site.events)).toEqual([ONE, TWO]);
  });

  it('whose flag cannot be cleared tells its card once, and says that it reads no other', async () => {
    const site = await siteOf(FLAG);
    const reader = readerOf(site);
    const unit = site.simulator.unit(1);
    unit.faults.forgetful = true;
    await show(reader, ONE);
    await faulted(site, 'reader_stuck', false);
    expect(told(site.events)).toEqual([ONE]);
    expect(reader.present(TWO)).toBe('busy');
    unit.faults.forgetful = false;
    await faulted(site, 'reader_stuck', true);
    await show(reader, TWO);
    await toldTo(site, 2);
    expect(told(site.events)).toEqual([ONE, TWO]);
  });

  it('does not open for a card that was shown during an outage', async () => {
    const site = await siteOf(FLAG, 'rtu-over-tcp');
    const reader = readerOf(site);
    await site.simulator.cut();
    await site.seen('offline');
    reader.present(ONE);
    await site.simulator.start();
    await site.seen('online', 2);
    await until(() => !reader.flagged, 'it is acknowledged');
    await pause(AWAY_MS);
    expect(told(site.events)).toEqual([]);
    await show(reader, TWO);
    await toldTo(site, 1);
    expect(told(site.events)).toEqual([TWO]);
  });

  it('reads again after it has started anew', async () => {
    const site = await siteOf(FLAG);
    const reader = readerOf(site);
    const unit = site.simulator.unit(1);
    await show(reader, ONE);
    await toldTo(site, 1);
    unit.powerOff();
    await site.seen('offline');
    unit.powerOn({ keepMemory: true });
    await site.seen('online', 2);
    await pause(AWAY_MS);
    expect(told(site.events)).toEqual([ONE]);
    await show(reader, TWO);
    await toldTo(site, 2);
  });

  it('that holds what is no card opens nothing, says so, and goes on', async () => {
    const site = await siteOf(FLAG);
    const reader = readerOf(site);
    expect(reader.presentRegisters([0x0a, 0x1b1, 0, 0, 1], null)).toBe('read');
    await faulted(site, 'unreadable_card', false);
    const fault = site.events.find((event) => event.type === 'fault');
    expect(fault).toMatchObject({ message: expect.stringContaining('bytes_per_register') as unknown });
    await until(() => !reader.flagged, 'it is acknowledged all the same');
    await show(reader, ONE);
    await faulted(site, 'unreadable_card', true);
    expect(told(site.events)).toEqual([ONE]);
  });

  it('that refuses to be read says so, and the card is told once it answers', async () => {
    const site = await siteOf(FLAG);
    const reader = readerOf(site);
    site.simulator.unit(1).failNext({ exception: 2 }, 5, 3);
    await show(reader, ONE);
    await toldTo(site, 1);
    await faulted(site, 'reader_refused', true);
    // Said once, however often it refused.
    expect(faults(site.events)).toEqual([
      ['reader_refused', false],
      ['reader_refused', true],
    ]);
  });

  it('is looked at no more once the driver has stopped', async () => {
    const site = await siteOf(FLAG);
    const reader = readerOf(site);
    await site.driver.stop(1_000);
    reader.present(ONE);
    const before = site.simulator.unit(1).requests.length;
    await pause(AWAY_MS);
    expect(site.simulator.unit(1).requests.length).toBe(before);
    expect(told(site.events)).toEqual([]);
    site.device().readers?.feedback(0, 'granted');
    await pause(50);
    expect(reader.shown).toEqual([]);
  });
});

describe.each(TRANSPORTS)('a reader that counts, over %s', (transport) => {
  it('tells each card once, and shows what came of it for a while', async () => {
    const site = await siteOf(COUNTING, transport);
    const reader = readerOf(site);
    reader.present(RED);
    await toldTo(site, 1);
    reader.present(BLUE);
    await toldTo(site, 2);
    await pause(AWAY_MS);
    expect(told(site.events)).toEqual([RED, BLUE].map(asBits));
    expect(faults(site.events)).toEqual([]);
    const ready = reader.shown.length;
    site.device().readers?.feedback(0, 'granted');
    await until(() => reader.shown.length === ready + 2, 'the outcome, and then rest');
    expect(reader.shown.slice(ready)).toEqual(['granted', 'ready']);
  });
});

describe('a reader that counts', () => {
  it('is left at rest when the driver stops while an outcome is shown', async () => {
    const site = await siteOf(COUNTING);
    const reader = readerOf(site);
    const before = reader.shown.length;
    site.device().readers?.feedback(0, 'granted');
    await until(() => reader.shown.length > before, 'the outcome');
    await site.driver.stop(1_000);
    expect(reader.shown.slice(before)).toEqual(['granted', 'ready']);
  });

  it('does not open for the card that stands there when it is met, nor for one shown during an outage', async () => {
    const line = await openLine('rtu-over-tcp', [{ unit: 1, profile: COUNTING }]);
    const reader = readerOf(line);
    reader.present(RED);
    const site = { ...startDriver(line.bus, [{ unit: 1, profile: COUNTING }]), ...line };
    await site.seen('online');
    await pause(AWAY_MS);
    expect(told(site.events)).toEqual([]);
    await site.simulator.cut();
    await site.seen('offline');
    reader.present(BLUE);
    await site.simulator.start();
    await site.seen('online', 2);
    await pause(AWAY_MS);
    expect(told(site.events)).toEqual([]);
    reader.present(RED);
    await toldTo(site, 1);
    expect(told(site.events)).toEqual([asBits(RED)]);
    expect(faults(site.events)).toEqual([]);
  });

  it('goes on over the end of its numbers', async () => {
    const line = await openLine('tcp', [{ unit: 1, profile: COUNTING }]);
    const reader = readerOf(line);
    reader.sequence = 65_534;
    const site = { ...startDriver(line.bus, [{ unit: 1, profile: COUNTING }]), ...line };
    await site.seen('online');
    await lookedAt(site);
    for (const [i, card] of [RED, BLUE, RED].entries()) {
      await pause(AWAY_MS);
      reader.present(card);
      await toldTo(site, i + 1);
    }
    expect(reader.sequence).toBe(1);
    expect(told(site.events).length).toBe(3);
    expect(faults(site.events)).toEqual([]);
  });

  it('says how many cards were shown faster than they were read, and tells the last', async () => {
    const site = await siteOf(COUNTING);
    const reader = readerOf(site);
    reader.present(BLUE);
    reader.present(BLUE);
    reader.present(RED);
    await toldTo(site, 1);
    expect(told(site.events)).toEqual([asBits(RED)]);
    await faulted(site, 'cards_missed', false);
    expect(site.log.find(({ message }) => message.includes('faster than they were read'))?.fields).toEqual({
      missed: 2,
      in_all: 2,
    });
    reader.present(BLUE);
    await faulted(site, 'cards_missed', true);
    await toldTo(site, 2);
  });

  it('that has started anew has read no card by that', async () => {
    const site = await siteOf(COUNTING);
    const reader = readerOf(site);
    reader.sequence = 40;
    await pause(AWAY_MS);
    const before = told(site.events).length;
    reader.sequence = 0;
    await pause(AWAY_MS);
    expect(told(site.events).length).toBe(before);
    reader.present(RED);
    await toldTo(site, before + 1);
    expect(told(site.events).at(-1)).toBe(asBits(RED));
  });

  it.each([
    ['longer than its registers', 4_000],
    ['of no bits', 0],
  ])('that tells a card %s opens nothing, says so, and goes on', async (_, count) => {
    const site = await siteOf(COUNTING);
    const reader = readerOf(site);
    reader.presentRegisters([0x1234, 0x5678, 0, 0], count);
    await faulted(site, 'unreadable_card', false);
    expect(told(site.events)).toEqual([]);
    reader.present(RED);
    await toldTo(site, 1);
    await faulted(site, 'unreadable_card', true);
  });

  it('mixes no two cards when they come while it is read', async () => {
    const site = await siteOf(COUNTING);
    const reader = readerOf(site);
    site.simulator.unit(1).faults.latencyMs = 7;
    const shown = Array.from({ length: 40 }, (_, i) => `H10301:${i + 1}:${1000 + i * 257}`);
    for (const card of shown) {
      reader.present(card);
      await pause(11);
    }
    site.simulator.unit(1).faults.latencyMs = 0;
    const last = told(site.events).length;
    reader.present(RED);
    await toldTo(site, last + 1);
    const known = [...shown, RED].map(asBits);
    expect(told(site.events).filter((card) => !known.includes(card))).toEqual([]);
  });
});
