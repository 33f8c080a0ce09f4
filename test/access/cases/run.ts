// One case: the world becomes as its row says, somebody shows something at a reader, and what the door did is compared
// with what the officer expects.

import type { Judgement } from '../../../src/access/judging.ts';
import { happen, presentationOf, shows } from './happens.ts';
import type { House } from './house.ts';
import { holdingId } from './names.ts';
import type { Row } from './rows.ts';

export type Outcome = { then: string; why?: string; told?: string[] };

/** What came of it, and the decision with all its gates; null: nobody decided anything. */
export async function run(house: House, row: Row): Promise<{ outcome: Outcome; judged: Judgement | null }> {
  for (const sentence of row.world) await happen(house, sentence);
  const told = row.told === undefined ? null : house.listen();
  const { outcome, judged } = await ask(house, row);
  return { outcome: told === null ? outcome : { ...outcome, told: alarmsOf(told()) }, judged };
}

/** What is told beside the decision itself. */
const alarmsOf = (types: readonly string[]): string[] =>
  types.filter((type) => ['acs_entrance.duress', 'area.passback_violation'].includes(type));

/** `show`: how something comes to the reader; left out, from its driver. */
export async function ask(house: House, { who, at }: Row, show: Show = shows): Promise<{ outcome: Outcome; judged: Judgement | null }> {
  const { seen, judged } = house;
  seen.shown.length = 0;
  seen.pulsed.length = 0;
  const before = judged.length;
  const door = at.replace(/ inside$/, '');
  const { isLocked, mode } = house.access.state(house.entrance(door));
  const isKeptFree = mode.mode === 'unlocked' || mode.mode === 'evacuate';
  if (who === 'the button') {
    house.pressButton(door);
    return { outcome: { then: isKeptFree || didStrike(house, door) ? 'let out' : 'denied' }, judged: null };
  }
  if (who === 'a push') {
    return { outcome: { then: isLocked ? 'locked' : 'free' }, judged: null };
  }
  const [, named] = /^asked about (.+)$/.exec(who) ?? [];
  if (named === undefined) for (const each of who.split(' then ')) await show(house, each, at);
  else explain(house, named, at);
  const last = judged.slice(before).at(-1) ?? null;
  if (last === null) throw new Error(`${who}: nobody decided anything at ${at}`);
  return { outcome: named === undefined ? outcomeOf(house, door, last, isKeptFree) : outcomeOfQuestion(last), judged: last };
} // prettier-ignore

export type Show = (house: House, what: string, at: string) => void | Promise<void>;

function outcomeOf(house: House, door: string, { detail }: Judgement, isKeptFree: boolean): Outcome {
  const shown = house.seen.shown.at(-1);
  const strikes = didStrike(house, door);
  // A door that is kept free already needs no strike.
  if (shown === 'granted' && strikes !== isKeptFree && detail === null) return { then: 'granted' };
  const why = detail ?? `let in, but the reader showed ${shown ?? 'nothing'}`;
  if (strikes) return { then: `struck, and the reader showed ${shown ?? 'nothing'}`, why };
  if (shown === 'prompt_pin') return { then: 'asked for the code' };
  if (shown === 'prompt_biometric') return { then: 'asked for the finger' };
  // What came of a finger is decided behind the last walk.
  if (shown === 'denied' && detail === 'biometric_required') return { then: 'denied', why: house.deniedWith() ?? why };
  return shown === 'denied' || shown === 'locked_out' ? { then: 'denied', why } : { then: shown ?? 'nothing', why };
}

const outcomeOfQuestion = ({ detail }: Judgement): Outcome =>
  detail === null ? { then: 'granted' } : { then: 'denied', why: detail };

/** The strike of this door was commanded once, and no other. */
function didStrike({ seen, cast }: House, door: string): boolean {
  const own = Object.keys(cast.doors).indexOf(door);
  if (seen.pulsed.some((output) => output !== own) || seen.pulsed.length > 1)
    throw new Error(`strikes ${seen.pulsed.join(', ')} at ${door}, whose own is ${own}`);
  return seen.pulsed.length === 1;
}

function explain(house: House, named: string, at: string): void {
  presentationOf(house, named);
  const [name = '', kind = ''] = named.split(' ');
  const door = at.replace(/ inside$/, '');
  const time = house.witness();
  const asker = { source: 'local' as const, sender: null };
  house.access.explain(house.entrance(door), { acsCredentialId: holdingId(name, kind) }, { time, isNow: true, reader: at, asker }); // prettier-ignore
}
