// Codes at a reader, by themselves and after a card.

import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import { code, ID, last, withCard } from './world.ts';

describe('a code', () => {
  it('opens, leading zeros and all', async () => {
    const here = await withCard();
    await code(here, '0042');
    here.digits('0042');
    expect(last(here)).toBe('lock.unlocked');
    here.digits('42');
    expect(last(here)).toBe('lock.access_denied unknown_credential');
  });

  it('is not taken where only cards are, and the other way round', async () => {
    const cards = await withCard({ factors: 'card' });
    await code(cards, '4711');
    cards.digits('4711');
    expect(last(cards)).toBe('lock.access_denied factor_not_accepted');
    const codes = await withCard({ factors: 'code' });
    codes.card();
    expect(last(codes)).toBe('lock.access_denied factor_not_accepted');
  });

  it('guessed wrong too often locks code entry at that reader, longer each time, and never cards', async () => {
    const here = await withCard();
    await code(here, '4711');
    for (let i = 0; i < 5; i++) here.digits('9999');
    expect(last(here)).toBe('acs_entrance.locked_out');
    expect(here.shown.at(-1)).toBe('locked_out');
    here.digits('4711');
    expect(last(here)).toBe('lock.access_denied locked_out');
    here.card();
    expect(last(here)).toBe('lock.unlocked');
    const untilOf = (): unknown =>
      JSON.parse(
        here.store.events.after(0, 100).findLast((event) => event.event_type === 'acs_entrance.locked_out')?.body ??
          '{}',
      );
    expect(untilOf()).toMatchObject({ locked: 'reader', why: 'attempts', until: '2026-03-02T09:01:00.000Z' });
    await here.clock.advance(60_000);
    here.digits('4711');
    expect(last(here)).toBe('lock.unlocked');
    for (let i = 0; i < 5; i++) here.digits('9999');
    expect(untilOf(), 'nobody’s right code makes the next lock short again').toMatchObject({
      until: '2026-03-02T09:03:00.000Z',
    });
    await here.clock.advance(120_000);
    here.digits('4711');
    expect(last(here)).toBe('lock.unlocked');
  });

  it('counts wrong codes over its window only', async () => {
    const here = await withCard();
    for (let i = 0; i < 12; i++) {
      here.digits('9999');
      await here.clock.advance(20_000);
    }
    expect(here.events()).not.toContain('acs_entrance.locked_out');
  });
});

describe('card and code', () => {
  it('are both asked for, of the same user, and the event names both', async () => {
    const here = await withCard({ factors: 'card_and_code' });
    await code(here, '4711');
    here.card();
    expect(here.shown).toEqual(['prompt_pin']);
    expect(here.pulses).toEqual([]);
    here.digits('4711');
    expect(here.pulses).toHaveLength(1);
    expect(JSON.parse(here.store.events.after(0, 100).at(-1)?.body ?? '{}')).toMatchObject({
      acs_credential_id: ID,
      second_acs_credential_id: expect.any(String) as string,
    });
  });

  it('do not open with somebody else’s code, with the code alone, or when the code comes too late', async () => {
    const here = await withCard({ factors: 'card_and_code' });
    const other = '44444444-4444-4444-4444-444444444444';
    await here.caller.call('users/create', { acs_user_id: other, full_name: 'Joe' });
    await code(here, '1122', { acs_user_id: other });
    await code(here, '4711');
    here.card();
    here.digits('1122');
    expect(last(here)).toBe('lock.access_denied other_user');
    here.digits('4711');
    expect(last(here)).toBe('lock.access_denied factor_not_accepted');
    here.card();
    await here.clock.advance(10_000);
    expect(last(here)).toBe('lock.access_denied code_required');
    here.digits('4711');
    expect(last(here)).toBe('lock.access_denied factor_not_accepted');
    expect(here.pulses).toEqual([]);
  });

  it('use up whichever of them is of one use, durably before the strike, and open no second time with it', async () => {
    for (const used of ['the card', 'the code']) {
      const here = await withCard({ factors: 'card_and_code' }, { is_one_time_use: used === 'the card' });
      await code(here, '4711', { is_one_time_use: used === 'the code' });
      // Another connection sees what is durable, and nothing else.
      const other = new Database(here.store.path, { readonly: true });
      const seen: unknown[] = [];
      here.strike.onPulse = () =>
        void seen.push(
          other.prepare('SELECT count(*) FROM credentials WHERE used_at IS NOT NULL').pluck().get(),
          other
            .prepare(`SELECT count(*) FROM events WHERE event_type IN ('lock.unlocked', 'acs_credential.invalidated')`)
            .pluck()
            .get(),
        );
      const both = (): void => {
        here.card();
        here.digits('4711');
      };
      both();
      other.close();
      expect(seen, used).toEqual([1, 2]);
      both();
      expect(last(here), used).toBe(
        used === 'the card' ? 'lock.access_denied factor_not_accepted' : 'lock.access_denied already_used',
      );
      expect(here.events(), used).toContain('lock.access_denied already_used');
      expect(here.pulses, used).toHaveLength(1);
    }
  });

  it('have their own time each: that of a first card ends nobody else’s wait', async () => {
    const here = await withCard({ factors: 'card_and_code' });
    await code(here, '4711');
    here.card();
    await here.clock.advance(6_000);
    here.card();
    await here.clock.advance(9_999);
    here.digits('4711');
    expect(here.pulses).toHaveLength(1);
    await here.clock.advance(20_000);
    expect(here.events()).not.toContain('lock.access_denied code_required');
  });

  it('do not open when the card is revoked between the two', async () => {
    const here = await withCard({ factors: 'card_and_code' });
    await code(here, '4711');
    here.card();
    await here.caller.call('credentials/delete', { acs_credential_id: ID });
    here.digits('4711');
    expect(last(here)).toBe('lock.access_denied unknown_credential');
  });
});
