// How a ladder of gates is walked. The door stops at the first gate that is shut; an explanation walks the same gates
// to their end and says of each how it stands. So what is explained and what is done cannot differ.

import type { Step } from '../domain/kept-steps.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { Passage } from './crossing.ts';
import type { Detail } from './details.ts';

/** A gate that was asked; what it says is put into words only where somebody wants to know. */
type Answered = { step: string; passed: boolean; says: () => string };

/**
 * What was asked on the way, in order. Without `isWhole` the first gate that is shut is the last that is asked: so
 * walks the door.
 */
export type Trail = { isWhole: boolean; answered: Answered[] };

export const newTrail = (isWhole: boolean): Trail => ({ isWhole, answered: [] });

export const stepsOf = ({ answered }: Trail): Step[] =>
  answered.map(({ step, passed, says }) => ({ step, passed, detail: says() }));

/** What passing a gate changes for the next decision. */
export type Effect =
  | { kind: 'use'; credential: CredentialWithUser }
  /** Somebody is let through between areas. */
  | { kind: 'passage'; passage: Passage };

/** Whether nobody moves before it is on the disk. */
export const mustHold = (effect: Effect): boolean => effect.kind !== 'passage' || effect.passage.mustHold;

export type Gate<Subject> = {
  step: string;
  /** Whether there is anything to say of it here; left out: always. */
  concerns?: (subject: Subject) => boolean;
  /** Null: it is open. */
  denies: (subject: Subject) => Detail | null;
  /** In words, given what `denies` has answered. */
  says: (subject: Subject, detail: Detail | null) => string;
  /** What is made durable, before anything moves, when somebody is let in by it; null: nothing. */
  effect?: (subject: Subject) => Effect | null;
  /** While it is shut nothing behind it may be asked, not even by an explanation; left out: it may. */
  ends?: (subject: Subject) => boolean;
};

/** `detail`: of the first gate that is shut; null: all are open. `isOver`: nothing behind them is to be asked. */
export type Walked = { detail: Detail | null; isOver: boolean };

export function walk<Subject>(gates: readonly Gate<Subject>[], subject: Subject, trail: Trail): Walked {
  let first: Detail | null = null;
  for (const gate of gates) {
    if (gate.concerns?.(subject) === false) continue;
    const detail = gate.denies(subject);
    trail.answered.push({ step: gate.step, passed: detail === null, says: () => gate.says(subject, detail) });
    first ??= detail;
    if (detail !== null && (!trail.isWhole || gate.ends?.(subject) === true)) return { detail: first, isOver: true };
  }
  return { detail: first, isOver: false };
}

/** Of gates that somebody has passed. */
export function effectsOf<Subject>(gates: readonly Gate<Subject>[], subject: Subject): Effect[] {
  return gates.flatMap((gate) => gate.effect?.(subject) ?? []);
}
