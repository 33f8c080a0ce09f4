// What a card, a code or a credential would do at an entrance, step by step: the judgement of the door, asked to say
// how every gate stands, and what the controller that decides there has of it.

import { candidates, readingOf } from '../domain/card-formats.ts';
import type { Step } from '../domain/kept-steps.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { Store } from '../store/store.ts';
import type { Asked, Judgement } from './judging.ts';
import { stepsOf } from './ladder.ts';

export type Explanation = {
  outcome: 'granted' | 'denied';
  reason: string | null;
  acsCredentialId: string | null;
  acsUserId: string | null;
  steps: Step[];
};

export function explained(judged: Judgement, store: Store | null, entrance: SiteEntrance): Explanation {
  const { credential } = judged;
  const controller = store === null || credential === null ? [] : controllerSteps(store, entrance, credential);
  const reason = judged.detail ?? controller.find(({ passed }) => !passed)?.step ?? null;
  return {
    outcome: reason === null ? 'granted' : 'denied',
    reason,
    acsCredentialId: credential?.acs_credential_id ?? null,
    acsUserId: credential?.acs_user_id ?? null,
    steps: [...stepsOf(judged.trail), ...controller],
  };
}

/** A card is everything that the reader would take it for, and nothing else. `cardFormats` null: no reader is there. */
export function asReadThere(asked: Asked, cardFormats: readonly string[] | null): Asked {
  if (cardFormats === null || !('cards' in asked)) return asked;
  return { cards: asked.cards.flatMap((card) => candidates(readingOf(card), cardFormats)) };
}

function controllerSteps(store: Store, entrance: SiteEntrance, { credential_key: key }: CredentialWithUser): Step[] {
  if (entrance.decidedBy !== 'controller') return [];
  const target = store.targets.ofCredential(key).find(({ controller }) => controller === entrance.controller);
  const passed = target?.state === 'set' || target?.state === 'unconfirmed';
  const there = `${entrance.controller ?? ''} decides by its own table; there it is ${target?.state ?? 'not wanted'}`;
  return [{ step: 'on_controller', passed, detail: there }];
}
