// What stands before anybody is looked up, as data: the door walks it and stops at the first gate that is shut, an
// explanation walks the same to its end. So what is explained and what is done cannot differ.

import type { SiteEntrance } from '../domain/site.ts';
import type { Detail, Step } from './decide.ts';

export type Method = 'card' | 'keycode';

export type GateContext = {
  entrance: SiteEntrance;
  method: Method;
  /** A card waits at this reader for its code. */
  isCardWaiting: boolean;
  /** Why nobody is let in at all; null: decisions are made. */
  refusal: Detail | null;
  /** How long the broker has been away, ms; null while it is there. */
  offlineForMs: number | null;
  /** How long decisions go on without it; null: without limit. */
  offlineGraceMs: number | null;
  /** How long no code is looked up here, ms; 0: it is. Null: it is not a matter of now. */
  codeLockedForMs: number | null;
};

type Gate = {
  step: string;
  detail: (context: GateContext) => Detail;
  /** Whether there is anything to say of it here. */
  concerns: (context: GateContext) => boolean;
  isOpen: (context: GateContext) => boolean;
  says: (context: GateContext) => string;
};

const seconds = (ms: number): number => Math.round(ms / 1000);

export const GATES: readonly Gate[] = [
  {
    step: 'database',
    detail: ({ refusal }) => refusal ?? 'store_unavailable',
    concerns: ({ refusal }) => refusal !== null,
    isOpen: () => false,
    says: () => 'the database was refused, or found damaged: nobody is let in',
  },
  {
    step: 'offline_grace',
    detail: () => 'offline_too_long',
    // A controller that decides by itself does not know the broker.
    concerns: ({ entrance, offlineForMs, offlineGraceMs }) =>
      entrance.decidedBy === 'gateway' && offlineForMs !== null && offlineGraceMs !== null,
    isOpen: ({ offlineForMs, offlineGraceMs }) => (offlineForMs ?? 0) <= (offlineGraceMs ?? Infinity),
    says: ({ offlineForMs, offlineGraceMs }) =>
      `no broker for ${seconds(offlineForMs ?? 0)} s of ${seconds(offlineGraceMs ?? 0)} s allowed`,
  },
  {
    step: 'factor',
    detail: () => 'factor_not_accepted',
    concerns: () => true,
    isOpen: ({ entrance: { factors }, method, isCardWaiting }) =>
      method === 'card' ? factors !== 'code' : factors !== 'card' && (factors !== 'card_and_code' || isCardWaiting),
    says: ({ entrance, method }) =>
      `this entrance takes ${entrance.factors.replaceAll('_', ' ')}${entrance.factors === 'card_and_code' && method === 'keycode' ? ', the card first' : ''}`,
  },
  {
    step: 'keypad',
    detail: () => 'locked_out',
    concerns: ({ method, codeLockedForMs }) => method === 'keycode' && codeLockedForMs !== null,
    isOpen: ({ codeLockedForMs }) => codeLockedForMs === 0,
    says: ({ codeLockedForMs }) => keypadSays(codeLockedForMs ?? 0),
  },
];

export const keypadSays = (lockedForMs: number): string =>
  lockedForMs === 0
    ? 'codes are taken here'
    : `too many wrong codes: none is taken for ${Math.ceil(lockedForMs / 1000)} s`;

/** The detail of the first gate that is shut; null: all are open. */
export function firstShut(context: GateContext): Detail | null {
  const gate = GATES.find((one) => one.concerns(context) && !one.isOpen(context));
  return gate?.detail(context) ?? null;
}

export const gateSteps = (context: GateContext): Step[] =>
  GATES.filter((gate) => gate.concerns(context)).map((gate) => ({
    step: gate.step,
    passed: gate.isOpen(context),
    detail: gate.says(context),
  }));
