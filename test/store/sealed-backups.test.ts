// Backups of the night: made by themselves, tried again by the hour when they failed, and never silent about it.

import { inWorkers } from '../../src/store/background.ts';
import { expect, it, onTestFinished } from 'vitest';
import { Upkeep } from '../../src/agent/upkeep.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { silentLog } from '../support/room.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

it('a failed backup is an alarm, once, and is tried again every hour until one is made', async () => {
  const clock = new ManualClock();
  const store = openStore(temporaryFolder(), clock);
  const rings: Record<string, () => void> = {};
  let [tries, isPluggedIn] = [0, false];
  const upkeep = new Upkeep({
    background: inWorkers,
    ...{ store, clock, random: systemRandom, log: silentLog, timeZone: 'Europe/Oslo' },
    cron: {
      schedule: (at, _zone, ring) => {
        rings[at] = ring;
        return { stop: () => Promise.resolve() };
      },
    },
    ...{ endedKeepMs: 400 * 86_400_000, certainNowMs: () => null },
    ...{ eventsKeepMs: 365 * 86_400_000, eventsMax: 1_000_000, eventsMaxBytes: null },
    ...{ onEventsTrimmed: () => undefined, onDamage: () => undefined, compareControllers: () => undefined },
    verifyRows: () => Promise.resolve(),
    seal: () => {
      tries += 1;
      if (!isPluggedIn) return Promise.reject(new OperatingError('invalid_input', 'the stick is away'));
      return Promise.resolve({ file: '/mnt/usb/x.age', bytes: 5, sequence: 7 });
    },
  });
  onTestFinished(() => upkeep.stop());
  const told = (): string[] =>
    store.events
      .after(0, 100)
      .map(({ event_type: type }) => type)
      .filter((type) => type.startsWith('agent.back'));
  // Of the night, other jobs copy the real file in a thread of their own: only the hour is rung here.
  store.now(() => {
    for (const job of ['compare_controllers', 'back_up', 'check_database', 'verify_rows'])
      store.jobs.complete(job, clock.nowMs());
  });
  upkeep.start();
  const hour = async (): Promise<void> => {
    rings['7 * * * *']?.();
    await clock.advance(3_600_000);
  };
  await clock.advance(60_000);
  await hour();
  await hour();
  expect(tries).toBe(3);
  expect(told()).toEqual(['agent.backup_failed']);
  isPluggedIn = true;
  await hour();
  await hour();
  expect(tries).toBe(4);
  expect(told()).toEqual(['agent.backup_failed', 'agent.backed_up']);
});
