// What a card, a code or a credential would do at an entrance, step by step: the gates, then everybody it could stand
// for, then what would be asked for next. It says of this instant what the door does at this instant.

import { candidates, readingOf } from '../domain/card-formats.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { Candidate } from '../store/reach.ts';
import type { Detail, Step, Verdict } from './decide.ts';
import { firstShut, gateSteps, keypadSays, type GateContext, type Method } from './gates.ts';

export type Asked = { acsCredentialId: string } | { cards: readonly string[] } | { code: string };
export type Explanation = {
  outcome: 'granted' | 'denied';
  reason: string | null;
  acsCredentialId: string | null;
  acsUserId: string | null;
  steps: Step[];
};

/** What an explanation asks of the doors. */
export type Explained = {
  entrance: SiteEntrance;
  /** Null: no reader of ours is there. */
  reader: string | null;
  cardFormats: readonly string[];
  find: (asked: Asked) => Candidate[];
  judge: (found: readonly Candidate[]) => Verdict;
  gates: (method: Method) => GateContext;
  /** How long the code of this card is not looked up, ms; null: not a matter of now. */
  lockedWith: (card: CredentialWithUser) => number | null;
  /** What the controller that decides has of it. */
  atController: (credential: CredentialWithUser) => Step[];
};

export function explain(asked: Asked, door: Explained): Explanation {
  const named = 'acsCredentialId' in asked ? door.find(asked) : null;
  const method = methodOf(asked, named);
  const context = door.gates(method);
  const shut = firstShut(context);
  const steps = gateSteps(context);
  // While the keypad is locked no code is looked up, here as little as there; with the database refused nothing is.
  if (shut === 'store_unavailable' || ('code' in asked && shut === 'locked_out')) return denied(shut, null, steps);
  const verdict = door.judge(named ?? door.find(asReadThere(asked, door)));
  const { credential } = verdict;
  const next = verdict.outcome === 'granted' ? nextSteps(method, verdict.credential, door) : { steps: [], shut: null };
  const controller = credential === null ? [] : door.atController(credential);
  const all = [...steps, ...verdict.steps, ...next.steps, ...controller];
  const reason: string | null =
    shut ??
    (verdict.outcome === 'denied' ? verdict.detail : next.shut) ??
    controller.find(({ passed }) => !passed)?.step ??
    null;
  if (reason !== null) return denied(reason, credential, all);
  return { ...denied('', credential, all), outcome: 'granted', reason: null };
}

const denied = (reason: string, credential: CredentialWithUser | null, steps: Step[]): Explanation => ({
  outcome: 'denied',
  reason,
  acsCredentialId: credential?.acs_credential_id ?? null,
  acsUserId: credential?.acs_user_id ?? null,
  steps,
});

function methodOf(asked: Asked, named: readonly Candidate[] | null): Method {
  if (named !== null) return named[0]?.credential.access_method === 'code' ? 'keycode' : 'card';
  return 'code' in asked ? 'keycode' : 'card';
}

/** A card is everything that the reader would take it for, and nothing else. */
function asReadThere(asked: Asked, { reader, cardFormats }: Explained): Asked {
  if (reader === null || !('cards' in asked)) return asked;
  return { cards: asked.cards.flatMap((card) => candidates(readingOf(card), cardFormats)) };
}

/** A card that is let in where both are asked for: its code comes next, if it may. */
function nextSteps(
  method: Method,
  card: CredentialWithUser,
  { entrance, lockedWith }: Explained,
): { steps: Step[]; shut: Detail | null } {
  if (entrance.factors !== 'card_and_code' || entrance.decidedBy === 'controller' || method !== 'card')
    return { steps: [], shut: null };
  const lockedForMs = lockedWith(card);
  if (lockedForMs !== null && lockedForMs > 0)
    return { steps: [{ step: 'keypad', passed: false, detail: keypadSays(lockedForMs) }], shut: 'locked_out' };
  const step = { step: 'code', passed: false, detail: 'a code of the same person is asked for next' };
  return { steps: [step], shut: 'code_required' };
}
