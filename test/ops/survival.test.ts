// What outlives an error of the disk, and what ends with the database.

import { expect, it } from 'vitest';
import { Survival } from '../../src/agent/survival.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { silentLog } from '../support/room.ts';

it('lets no turn run that waited when the database was about to be closed', async () => {
  const clock = new ManualClock();
  const survival = new Survival(clock, silentLog);
  const ran: string[] = [];
  survival.clock.immediate(() => void ran.push('a turn'));
  await clock.advance(1);
  expect(ran).toEqual(['a turn']);
  survival.clock.after(10, () => void ran.push('a timer'));
  survival.clock.immediate(() => void ran.push('another turn'));
  survival.end();
  await clock.advance(1_000);
  expect(ran).toEqual(['a turn']);
});

it('passes on a mistake of ours, and leaves what the disk would not have', () => {
  const survival = new Survival(new ManualClock(), silentLog);
  const full = Object.assign(new Error('database or disk is full'), { code: 'SQLITE_FULL' });
  const fails = (error: Error) => (): number => {
    throw error;
  };
  expect(survival.try(fails(full))).toBeUndefined();
  expect(() => survival.try(fails(new TypeError('not a function')))).toThrow('not a function');
  expect(survival.try(() => 7)).toBe(7);
});
