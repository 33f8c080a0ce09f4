// A line that comes back by itself, as often as it is lost.

import { describe, expect, onTestFinished, test } from 'vitest';
import type { OpenPort } from '../../drivers/driver.ts';
import { SteadyLine } from '../../drivers/kit/steady-line.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { openFarEnd, openPtyPair, tcpPair, until } from '../support/ports.ts';
import { open, at, listener } from './real-ports.ts';

type Story = { log: string[]; line: SteadyLine; reasons: string[]; attempts: () => number };

/** A steady line that writes down what it is told and answers every chunk in upper case. */
function steady(path: string): Story {
  const log: string[] = [];
  const reasons: string[] = [];
  let attempts = 0;
  const openPort: OpenPort = (...given) => {
    attempts += 1;
    return open(...given);
  };
  const line = new SteadyLine(
    at(path),
    { clock: systemClock, random: systemRandom, openPort },
    {
      up: (port) => {
        log.push('up');
        port.write(Buffer.from('hi'));
      },
      data: (bytes) => void log.push(bytes.toString()),
      down: (reason) => {
        log.push('down');
        reasons.push(reason);
      },
    },
  );
  onTestFinished(() => line.stop());
  return { log, line, reasons, attempts: () => attempts };
}

describe('a steady line', () => {
  test('comes back by itself each time the adapter is plugged in again', async () => {
    const pair = await openPtyPair();
    onTestFinished(() => pair.close());
    const { log, line, reasons } = steady(pair.a);
    line.start();
    for (let round = 1; round <= 3; round++) {
      await until(() => log.filter((what) => what === 'up').length === round, 'the line');
      const far = await openFarEnd(pair.b);
      await far.write(`round ${round}`);
      await until(() => log.includes(`round ${round}`), 'the bytes');
      await far.close();
      await pair.cut();
      await until(() => line.port === null, 'the loss');
      await pair.replug();
    }
    expect(log.slice(0, 3)).toEqual(['up', 'round 1', 'down']);
    expect(reasons[0]).toContain('gone');
  });

  test('comes back by itself each time the converter returns', async () => {
    const pair = await tcpPair();
    onTestFinished(() => pair.close());
    const { log, line } = steady(pair.path);
    line.start();
    for (let round = 1; round <= 3; round++) {
      const far = await pair.connection();
      far.write(`round ${round}`);
      await until(() => log.includes(`round ${round}`), 'the bytes');
      await pair.cut();
      await until(() => line.port === null, 'the loss');
      await pair.replug();
    }
  });

  test('waits for a device that is not there yet, and says why just once', async () => {
    const pair = await openPtyPair();
    onTestFinished(() => pair.close());
    await pair.cut();
    const { log, line, reasons, attempts } = steady(pair.a);
    line.start();
    await until(() => attempts() >= 3, 'three attempts', 15_000);
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toContain('no such device');
    await pair.replug();
    await until(() => log.includes('up'), 'the line');
  });

  test('says the new reason when it changes: from not there to locked', async () => {
    const pair = await openPtyPair();
    onTestFinished(() => pair.close());
    await pair.cut();
    const { log, line, reasons } = steady(pair.a);
    line.start();
    await until(() => reasons.length === 1, 'the first reason');
    await pair.replug();
    const intruder = await open(at(pair.a), listener().handlers, 2000).catch(() => null);
    if (intruder !== null) {
      await until(() => reasons.length === 2, 'the second reason');
      expect(reasons[1]).toContain('locked');
      await intruder.close();
    }
    await until(() => log.includes('up'), 'the line');
  });

  test('opens anew when its driver gives the port up', async () => {
    const pair = await tcpPair();
    onTestFinished(() => pair.close());
    const { log, line, reasons } = steady(pair.path);
    line.start();
    const first = await pair.connection();
    await until(() => log.includes('up'), 'the line');
    first.resume();
    line.reopen('ten requests in a row got no answer');
    await until(() => first.destroyed, 'the first connection to be closed');
    await pair.connection();
    await until(() => log.length === 3, 'the line again');
    expect(log).toEqual(['up', 'down', 'up']);
    expect(reasons).toEqual(['ten requests in a row got no answer']);
  });

  test.each([
    [0, [250, 500, 1000, 2000, 2500, 2500]],
    [0.999999, [500, 1000, 2000, 4000, 5000, 5000]],
  ])('tries again after 0.25 s to 5 s, ever more seldom (chance %d)', async (fraction, expected) => {
    const delaysMs: number[] = [];
    const line = new SteadyLine(
      at('/dev/none'),
      {
        clock: {
          ...systemClock,
          after: (delayMs, run) => {
            delaysMs.push(Math.round(delayMs));
            return systemClock.after(0, run);
          },
        },
        random: { fraction: () => fraction },
        openPort: () => Promise.reject(new OperatingError('controller_offline', 'not there')),
      },
      { up: () => undefined, data: () => undefined, down: () => undefined },
    );
    line.start();
    await until(() => delaysMs.length >= 6, 'six attempts');
    await line.stop();
    expect(delaysMs.slice(0, 6)).toEqual(expected);
  });

  test('tells nothing after it was stopped, even while it was opening', async () => {
    const pair = await tcpPair();
    onTestFinished(() => pair.close());
    const { log, line } = steady(pair.path);
    line.start();
    await line.stop();
    const far = await pair.connection();
    far.resume();
    await until(() => far.destroyed, 'the late connection to be closed');
    expect(log).toEqual([]);
    expect(line.port).toBeNull();
  });
});
