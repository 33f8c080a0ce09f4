// A line that brings bytes without end, as fast as they can be written: it takes a bounded part of each turn of the
// loop, no more in all than its wire could carry, and what comes after the flood is heard at once.

import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { LineSettings, Port } from '../../drivers/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openFarEnd, openPtyPair, tcpPair, until } from '../support/ports.ts';

/** What may come at once, and the one read by which it may be passed. */
const AT_ONCE = 64 * 1024;
const READ = 1024;
const PER_SECOND = 23_040;
const AFTER = Buffer.from('what follows the flood');
const FLOOD = Buffer.from(Array.from({ length: 400_000 }, (_, i) => (i * 31 + (i >> 8)) & 0xff));

type Flooded = { path: string; flood: (bytes: Buffer) => void; close: () => Promise<void> };

async function pty(): Promise<Flooded> {
  const pair = await openPtyPair();
  const far = await openFarEnd(pair.b);
  return {
    path: pair.a,
    flood: (bytes) => void far.write(bytes).catch(() => undefined),
    close: async () => {
      await pair.close();
      await far.close();
    },
  };
}

async function converter(): Promise<Flooded> {
  const pair = await tcpPair();
  let far: Promise<Socket> | null = null;
  return {
    path: pair.path,
    flood: (bytes) => {
      far ??= pair.connection();
      void far.then((socket) => socket.write(bytes));
    },
    close: () => pair.close(),
  };
}

const at = (path: string): LineSettings => ({ path, baud: 115_200, parity: 'none', dataBits: 8, stopBits: 1 });

/** Counts turns of the loop. */
function turns(): { count: () => number } {
  let count = 0;
  let isOver = false;
  const next = (): void => {
    count += 1;
    if (!isOver) setImmediate(next);
  };
  next();
  onTestFinished(() => void (isOver = true));
  return { count: () => count };
}

describe.each([
  ['a serial device', pty],
  ['a converter on the network', converter],
])('%s that is flooded', (_, kind) => {
  let line: Flooded;
  let port: Port | null = null;
  beforeEach(async () => {
    line = await kind();
  });
  afterEach(async () => {
    await port?.close();
    await line.close();
  });

  test('is read once in a turn of the loop, and each time a little', async () => {
    const turn = turns();
    const reads: { bytes: number; turn: number }[] = [];
    port = await portOpener(systemClock)(
      at(line.path),
      { data: (bytes) => void reads.push({ bytes: bytes.length, turn: turn.count() }), lost: () => undefined },
      2000,
    );
    line.flood(FLOOD);
    await until(() => reads.length > 60, 'sixty reads');
    expect(Math.max(...reads.map(({ bytes }) => bytes))).toBeLessThanOrEqual(READ);
    expect(new Set(reads.map(({ turn: at }) => at)).size).toBe(reads.length);
  });

  test('brings what a wire could have held back, then no more than one carries, and what follows is heard at once', async () => {
    const clock = new ManualClock();
    let count = 0;
    let last = Buffer.alloc(0);
    const data = (bytes: Buffer): void => {
      count += bytes.length;
      last = Buffer.concat([last, bytes]).subarray(-AFTER.length);
    };
    port = await portOpener(clock)(at(line.path), { data, lost: () => undefined }, 2000);
    line.flood(FLOOD);
    await until(() => count > AT_ONCE, 'what may come at once');
    // While no time passes, nothing more does.
    const turn = turns();
    await until(() => turn.count() > 200, 'two hundred turns');
    expect(count).toBeLessThanOrEqual(AT_ONCE + READ);
    let passedMs = 0;
    for (; passedMs < 2000; passedMs += 5) await clock.advance(5);
    expect(count).toBeLessThanOrEqual(AT_ONCE + (passedMs * PER_SECOND) / 1000 + READ);
    // Said again and again: what comes while the real line still brings the flood is thrown away with it, and how long
    // that takes nobody knows.
    const endsAt = performance.now() + 45_000;
    for (let tries = 0; !last.equals(AFTER) && performance.now() < endsAt; tries += 1) {
      if (tries % 2_000 === 0) line.flood(AFTER);
      await clock.advance(5);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(last.toString()).toBe(AFTER.toString());
    expect(count).toBeLessThan(FLOOD.length);
  });
});
