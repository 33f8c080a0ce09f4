// What the event of a decision keeps of it, so that it can be explained for as long as the log holds it, whatever
// became of the credential, its user and its groups. Each gate says itself how it stood, in the words of an
// explanation; words that anybody can say from the name of the gate and the rest of the event are left out.

import { memberOf } from './named.ts';
import { cut } from './outside-text.ts';

export type Step = { step: string; passed: boolean; detail: string };

/** An entrance that very many groups open is told of with the first of them. */
const MOST_WORDS = 240;
const SHUT = '!';
const WORDS_BEHIND = ': ';
/** Stands for the user of the event. */
const USER = '{user}';

/** What a gate mostly says, open and shut: kept as its name alone. Nothing is taken out of here: the log is older. */
const PLAIN: Readonly<Record<string, { open?: string; shut?: string }>> = {
  database: { shut: 'the database was refused, or found damaged: nobody is let in' },
  factor: { open: 'this entrance takes card or code' },
  keypad: { open: 'codes are taken here' },
  known: { open: '1 credential(s) have it', shut: 'nobody has this card or code' },
  assigned: { open: `it belongs to user ${USER}`, shut: 'it belongs to nobody' },
  user_active: { open: 'the user is not suspended', shut: 'the user is suspended' },
  entrance: {
    open: 'this entrance is on its list',
    shut: 'it has no list, and no group or grant opens this entrance',
  },
  not_used_up: { open: 'it may be used any number of times', shut: 'its one use is gone' },
  record: {
    open: 'its record is as Lintel wrote it',
    shut: 'its record, or that of its user or schedule, was changed behind the back of Lintel',
  },
  code: { shut: 'a code of the same person is asked for next' },
};

/** `acsUserId`: as the event has it. */
export const keptSteps = (steps: readonly Step[], acsUserId: string | null): string[] =>
  steps.map(({ step, passed, detail }) => {
    const isPlain = plainWords(step, passed, acsUserId) === detail;
    return `${passed ? '' : SHUT}${step}${isPlain ? '' : `${WORDS_BEHIND}${cut(detail, MOST_WORDS)}`}`;
  });

/** The steps of a decision, out of what its event keeps. */
export const stepsOfKept = (gates: readonly string[], acsUserId: string | null): Step[] =>
  gates.map((gate) => {
    const passed = !gate.startsWith(SHUT);
    const text = passed ? gate : gate.slice(SHUT.length);
    const end = text.indexOf(WORDS_BEHIND);
    const step = end < 0 ? text : text.slice(0, end);
    const plain = plainWords(step, passed, acsUserId) ?? (passed ? 'it was open' : 'it was shut');
    return { step, passed, detail: end < 0 ? plain : text.slice(end + WORDS_BEHIND.length) };
  });

function plainWords(step: string, passed: boolean, acsUserId: string | null): string | undefined {
  const words = memberOf(PLAIN, step);
  return (passed ? words?.open : words?.shut)?.replaceAll(USER, () => acsUserId ?? 'nobody');
}
