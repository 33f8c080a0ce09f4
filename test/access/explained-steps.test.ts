// The steps of an explanation, and its words.

import { describe, expect, it } from 'vitest';
import type { TimeWitness } from '../../src/domain/window.ts';
import { asked, CARD, ID, lobby, withCard } from './world.ts';

describe('explain', () => {
  it('gives every step that a decision would take, and moves nothing', async () => {
    const here = await withCard({}, { ends_at: '2026-03-02T10:00:00Z' });
    const entrance = lobby(here.store);
    const before = here.events().length;
    const now: TimeWitness = { trusted: true, nowMs: here.clock.nowMs(), floorMs: null, isGraceLeft: true };
    const open = here.access.explain(entrance, { cards: [CARD] }, asked(now));
    expect(open).toMatchObject({ outcome: 'granted', acsCredentialId: ID });
    expect(open.steps.map((step) => step.step)).toEqual([
      'factor',
      'known',
      'assigned',
      'user_active',
      'entrance',
      'not_used_up',
      'window',
      'record',
    ]);
    const late = here.access.explain(
      entrance,
      { cards: [CARD] },
      asked({ ...now, nowMs: Date.parse('2026-03-02T10:00:00Z') }),
    );
    expect(late).toMatchObject({ outcome: 'denied', reason: 'expired' });
    expect(here.pulses).toEqual([]);
    expect(here.events()).toHaveLength(before);
  });

  it.each([
    [{}, 'open (no start and no end): it is 2026-03-02T09:00:00.000Z'],
    [
      { starts_at: '2026-03-02T08:00:00Z' },
      'open (from 2026-03-02T08:00:00.000Z, no end): it is 2026-03-02T09:00:00.000Z',
    ],
    [
      { ends_at: '2026-03-02T10:00:00Z' },
      'open (no start, until 2026-03-02T10:00:00.000Z): it is 2026-03-02T09:00:00.000Z',
    ],
    [
      { starts_at: '2026-03-02T10:00:00Z', ends_at: '2026-03-02T11:00:00Z' },
      'not yet valid (from 2026-03-02T10:00:00.000Z, until 2026-03-02T11:00:00.000Z): it is 2026-03-02T09:00:00.000Z',
    ],
  ])('says in words what window it is: %j', async (window, said) => {
    const here = await withCard({}, window);
    const entrance = lobby(here.store);
    const at: TimeWitness = {
      trusted: true,
      nowMs: Date.parse('2026-03-02T09:00:00Z'),
      floorMs: null,
      isGraceLeft: true,
    };
    const windowAt = (time: TimeWitness): string | undefined =>
      here.access.explain(entrance, { cards: [CARD] }, asked(time)).steps.find(({ step }) => step === 'window')?.detail;
    expect(windowAt(at)).toBe(said);
    expect(windowAt({ ...at, trusted: false })).toContain('the clock is not trusted; nothing says how late it is');
  });
});
