// For how long nobody above was heard, over restarts and whatever the clock shows.

import { describe, expect, it } from 'vitest';
import { WordFromAbove, type WordOptions } from '../../src/access/word-from-above.ts';
import type { NewEvent } from '../../src/domain/events.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { silentLog, SYSTEM } from '../support/room.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function machine(given: Partial<WordOptions> = {}) {
  const clock = new ManualClock();
  const kept = { spentMs: 0, lastMs: null as number | null };
  const trust = { isTrusted: true };
  const events: NewEvent[] = [];
  const boot = (): WordFromAbove => {
    const word = new WordFromAbove({
      clock,
      log: silentLog,
      time: () => ({ trusted: trust.isTrusted, nowMs: clock.nowMs(), floorMs: null, isGraceLeft: true }),
      word: 'connection',
      limits: [{ credentialClass: 'staff', graceMs: 4 * HOUR, acsEntranceIds: null }],
      warnMs: HOUR,
      acsSystemId: SYSTEM,
      store: { load: () => ({ ...kept }), save: (spentMs, lastMs) => void Object.assign(kept, { spentMs, lastMs }) },
      record: (news) => void events.push(...news),
      onChange: () => undefined,
      ...given,
    });
    word.start();
    return word;
  };
  return { clock, kept, trust, boot, told: () => events.map(({ event_type }) => event_type) };
}

describe('how long nobody above was heard', () => {
  it('counts from the loss of the connection, and ends with the next', async () => {
    const { clock, boot } = machine();
    const word = boot();
    word.listening(true);
    await clock.advance(HOUR);
    expect(word.forMs()).toBe(null);
    word.listening(false);
    await clock.advance(10 * MINUTE);
    // Attempts that fail are no word.
    word.listening(false);
    expect(word.forMs()).toBe(10 * MINUTE);
    word.listening(true);
    expect(word.forMs()).toBe(null);
  });

  it('goes on over restarts with the clock in 1970 and nobody to vouch for it', async () => {
    const { clock, trust, boot } = machine();
    const first = boot();
    first.listening(true);
    first.listening(false);
    trust.isTrusted = false;
    clock.leap(-clock.nowMs());
    let sum = 0;
    for (let i = 0; i < 8; i++) {
      const word = boot();
      await clock.advance(30 * MINUTE);
      sum += 30 * MINUTE;
      // The time that the machine was off nobody knows; what it ran is never given back.
      expect(word.forMs()).toBeGreaterThanOrEqual(sum);
      word.stop();
    }
  });

  it('gets nothing back from a machine that is killed again and again, within a minute of its start', async () => {
    const { clock, trust, boot } = machine();
    trust.isTrusted = false;
    let ran = 0;
    for (let i = 0; i < 50; i++) {
      const word = boot();
      await clock.advance(20_000);
      ran += 20_000;
      expect(word.forMs()).toBeGreaterThanOrEqual(ran);
      word.stop();
    }
  });

  it('counts the time that the machine was off where the clock is trusted', async () => {
    const { clock, boot } = machine();
    const word = boot();
    word.listening(true);
    await clock.advance(5 * MINUTE);
    word.stop();
    clock.leap(3 * HOUR);
    expect(boot().forMs()).toBeGreaterThanOrEqual(3 * HOUR);
  });

  it('is not made shorter by a clock that is set back, nor ended by one that shows less than before', async () => {
    const { clock, boot } = machine();
    const word = boot();
    word.listening(true);
    word.listening(false);
    await clock.advance(2 * HOUR);
    clock.leap(-10 * HOUR);
    expect(word.forMs()).toBe(2 * HOUR);
  });

  it('by command ends with one that came in time, not with a connection, nor with one that was long under way', async () => {
    const { clock, boot } = machine({ word: 'command' });
    const word = boot();
    word.listening(true);
    await clock.advance(HOUR);
    expect(word.forMs()).toBe(HOUR);
    word.commandCame(clock.nowMs() - 6 * MINUTE);
    expect(word.forMs()).toBe(HOUR);
    word.commandCame(clock.nowMs() - 4 * MINUTE);
    expect(word.forMs()).toBe(0);
    await clock.advance(MINUTE);
    word.commandCame(null);
    expect(word.forMs()).toBe(0);
  });
});

it('is told an hour before a limit, at the limit, and when somebody is heard again; each once', async () => {
  const { clock, boot, told } = machine();
  const word = boot();
  await clock.advance(3 * HOUR - MINUTE);
  expect(told()).toEqual([]);
  await clock.advance(2 * MINUTE);
  expect(told()).toEqual(['agent.offline_ending']);
  await clock.advance(2 * HOUR);
  expect(told()).toEqual(['agent.offline_ending', 'agent.offline_over']);
  word.listening(true);
  expect(told().at(-1)).toBe('agent.word_again');
  word.listening(false);
  await clock.advance(3 * HOUR + MINUTE);
  expect(told().at(-1)).toBe('agent.offline_ending');
});
