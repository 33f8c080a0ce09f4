// What must be shown changes with the clock of the building: a card by day, a card and its code by night.

import { expect, it } from 'vitest';
import { type Factors, strictestOf, widestOf, type FactorsByTime } from '../../src/domain/factors.ts';
import { parseWeek } from '../../src/domain/schedule.ts';
import { LOBBY } from '../support/room.ts';
import { code, last, withCard, type World } from './world.ts';

const MINUTE = 60_000;
const by = (text: string, factors: Factors, otherwise: Factors): FactorsByTime => {
  const week = parseWeek(text);
  if (typeof week === 'string') throw new Error(week);
  return { schedules: [{ factors, schedule: { week, holidays: [] } }], otherwise };
};
/** The wall clock of the building shows this, on a Monday. */
async function atNight(factorsByTime: FactorsByTime): Promise<World> {
  const here = await withCard({ entrance: { factorsByTime, factors: widestOf(factorsByTime) } });
  await code(here, '4711');
  here.access.start();
  return here;
}
// The worlds begin at 10:00 by the wall clock of Oslo.
const UNTIL_TEN_PAST = by('mon-sun 00:00-10:10', 'card', 'card_and_code');
const FROM_TEN_PAST = by('mon-sun 10:10-24:00', 'card', 'card_and_code');

const inForce = async (here: World): Promise<unknown> =>
  (await here.caller.call('entrances/get', { acs_entrance_id: LOBBY })).result?.['acs_entrance'];
const factorStep = async (here: World): Promise<string> => {
  const { result } = await here.caller.call('entrances/explain', { acs_entrance_id: LOBBY, card_number: 'H10301:123:45678' }, {}, { source: 'local' }); // prettier-ignore
  return (result?.['steps'] as { step: string; detail: string }[]).find(({ step }) => step === 'factor')?.detail ?? '';
};

it('a card opens by day, and asks for its code by night; both are told', async () => {
  const here = await atNight(UNTIL_TEN_PAST);
  expect(await inForce(here)).toMatchObject({ factors: 'card', can_unlock_with_code: true });
  expect(await factorStep(here)).toBe('this entrance takes card now, by its schedule');
  here.card();
  expect(last(here)).toBe('lock.unlocked');
  here.digits('4711');
  expect(last(here)).toBe('lock.access_denied factor_not_accepted');
  await here.clock.advance(10 * MINUTE);
  expect(await inForce(here)).toMatchObject({ factors: 'card_and_code' });
  expect(await factorStep(here)).toBe('this entrance takes card and code now, outside its schedules');
  here.card();
  expect(here.shown.at(-1)).toBe('prompt_pin');
  here.digits('4711');
  expect(last(here)).toBe('lock.unlocked');
});

it('whoever was asked for a code when the clock changed is let in by it, and nobody without it', async () => {
  const here = await atNight(FROM_TEN_PAST);
  await here.clock.advance(10 * MINUTE - 2_000);
  here.card();
  expect(here.shown.at(-1)).toBe('prompt_pin');
  await here.clock.advance(4_000);
  expect(await inForce(here)).toMatchObject({ factors: 'card' });
  here.digits('4711');
  expect(last(here)).toBe('lock.unlocked');
  expect(here.pulses).toHaveLength(1);
});

it('a card that opens alone by now waits for no code any more', async () => {
  const here = await atNight(FROM_TEN_PAST);
  await here.clock.advance(10 * MINUTE - 2_000);
  here.card();
  await here.clock.advance(4_000);
  here.card();
  expect(last(here)).toBe('lock.unlocked');
  await here.clock.advance(MINUTE);
  expect(here.events()).not.toContain('lock.access_denied code_required');
});

it('while the clock is not trusted the strictest holds', async () => {
  const here = await atNight(UNTIL_TEN_PAST);
  here.time.witness = { trusted: false, floorMs: here.clock.nowMs() };
  here.caller.isTrusted(false);
  expect(await inForce(here)).toMatchObject({ factors: 'card_and_code' });
  expect(await factorStep(here)).toContain('while the clock is not trusted');
  here.card();
  expect(here.shown.at(-1)).toBe('prompt_pin');
  expect(here.pulses).toHaveLength(0);
});

it('the strictest is both, else one of them, else either; of each some use, either is of use', () => {
  expect(strictestOf(by('mon 08:00-09:00', 'card_and_code', 'card'))).toBe('card_and_code');
  expect(strictestOf(by('mon 08:00-09:00', 'card', 'card_or_code'))).toBe('card');
  expect(strictestOf(by('mon 08:00-09:00', 'card', 'code'))).toBe('code');
  expect(strictestOf(by('mon 08:00-09:00', 'card_or_code', 'card_or_code'))).toBe('card_or_code');
  expect(widestOf(by('mon 08:00-09:00', 'card', 'card'))).toBe('card');
  expect(widestOf(by('mon 08:00-09:00', 'card', 'card_and_code'))).toBe('card_or_code');
});
