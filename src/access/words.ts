// What decisions are told in: the bodies of their events. Never a card's number, nor a code.

import type { CardReading } from '../domain/card-formats.ts';
import type { EventSource } from '../domain/event-budget.ts';
import { newEvent, type NewEvent } from '../domain/events.ts';
import { keptSteps } from '../domain/kept-steps.ts';
import type { Policy } from '../domain/facility.ts';
import type { Clock } from '../domain/ports.ts';
import type { SiteEntrance } from '../domain/site.ts';
import { usesLeft } from '../domain/uses.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { CodePlace, Lock } from './code-gate.ts';
import { reasonCodeOf, type Detail } from './details.ts';
import type { Method } from './gates.ts';
import { stepsOf, type Trail } from './ladder.ts';

/** How a card was read: which format took it and how many bits it has. */
export type ReadAs = { card_format: string | null; card_width_bits: number };

/** `card`: canonical; null: nobody's format took it. */
export const readAs = (reading: CardReading, card: string | null): ReadAs => ({
  // `H10301` of `H10301:123:45678`.
  card_format: card === null ? null : card.slice(0, card.indexOf(':')),
  card_width_bits: reading.kind === 'wiegand' ? reading.widthBits : reading.bytes.length * 8,
});

/** Seam has no word for the way of a phone. */
const shownBy = ({ method, phone }: Told): { method: Method | null; phone_acs_credential_id?: string } => ({
  method: phone === null ? method : null,
  ...(phone === null || phone.acsCredentialId === null ? {} : { phone_acs_credential_id: phone.acsCredentialId }),
});

/** What is told of it later (domain/kept-steps.ts). */
const held = ({ trail, revision }: Told, acsUserId: string | null): { revision?: number; gates: string[] } => ({
  ...(revision === null ? {} : { revision }),
  gates: keptSteps(stepsOf(trail), acsUserId),
});

/** Who was shown first where two people must be. */
const companionOf = (
  companion: CredentialWithUser | null,
): { companion_acs_user_id?: string; companion_acs_credential_id?: string } =>
  companion?.acs_user_id == null
    ? {}
    : {
        companion_acs_user_id: companion.acs_user_id,
        companion_acs_credential_id: companion.acs_credential_id,
      };

/** Where something was presented. */
export type Spot = { entrance: SiteEntrance; reader: string };

/**
 * `phone`: a phone was shown, by its own id where it is known. `trail`, `revision`: what was asked, and of what is
 * stored.
 */
export type Told = {
  method: Method;
  credential: CredentialWithUser | null;
  readAs: ReadAs | null;
  phone: { acsCredentialId: string | null } | null;
  /** Behind the card; left out, or null: none. */
  finger?: { acsBiometricId: string } | null;
  trail: Trail;
  revision: number | null;
};

export type WordsOptions = { acsSystemId: string; clock: Clock; policy: Pick<Policy, 'lockout'> };

export class Words {
  readonly #options: WordsOptions;

  constructor(options: WordsOptions) {
    this.#options = options;
  }

  base({ acsEntranceId }: SiteEntrance): { acs_system_id: string; acs_entrance_id: string } {
    return { acs_system_id: this.#options.acsSystemId, acs_entrance_id: acsEntranceId };
  }

  source({ entrance, reader }: Spot): EventSource {
    return { ...this.base(entrance), device: reader };
  }

  unlocked(
    { entrance, reader }: Spot,
    told: Told & { credential: CredentialWithUser },
    second: CredentialWithUser | null,
    companion: CredentialWithUser | null = null,
  ): NewEvent {
    const { credential, readAs: read } = told;
    const left = usesLeft(credential);
    return newEvent('lock.unlocked', {
      ...this.base(entrance),
      acs_credential_id: credential.acs_credential_id,
      acs_user_id: credential.acs_user_id,
      ...(second === null ? {} : { second_acs_credential_id: second.acs_credential_id }),
      ...companionOf(companion),
      access_method: credential.access_method,
      ...shownBy(told),
      ...(told.finger == null ? {} : { acs_biometric_id: told.finger.acsBiometricId }),
      ...read,
      ...(left === null ? {} : { uses_left: Math.max(0, left - 1) }),
      decided_by: 'gateway',
      reader,
      // The relay was commanded in this same turn; its answer is not waited for, and a failure follows as
      // acs_entrance.unlock_failed.
      was_confirmed_by_device: null,
      ...held(told, credential.acs_user_id),
    });
  }

  /** Of a code that is typed under threat, whatever came of it. */
  duress(
    { entrance, reader }: Spot,
    { acs_credential_id, acs_user_id }: CredentialWithUser,
    isOpened: boolean,
  ): NewEvent {
    const person = { acs_credential_id, acs_user_id };
    return newEvent('acs_entrance.duress', { ...this.base(entrance), ...person, reader, opened: isOpened });
  }

  denied({ entrance, reader }: Spot, told: Told, detail: Detail): NewEvent {
    const { credential, method, readAs: read, phone } = told;
    return newEvent('lock.access_denied', {
      ...this.base(entrance),
      acs_credential_id: credential?.acs_credential_id ?? null,
      acs_user_id: credential?.acs_user_id ?? null,
      access_method: phone !== null ? 'mobile_key' : method === 'card' ? 'card' : 'code',
      ...shownBy(told),
      ...read,
      decided_by: 'gateway',
      reader,
      reason: { reason_code: reasonCodeOf(detail), detail },
      ...held(told, credential?.acs_user_id ?? null),
    });
  }

  locked(entrance: SiteEntrance, place: CodePlace, { kind, forMs, why }: Lock): NewEvent {
    const { clock, policy } = this.#options;
    const where = { ...this.base(entrance), reader: place.reader };
    if (kind === 'facility')
      return newEvent('facility.pin_entry_slowed', {
        ...where,
        per_day: policy.lockout.perDayFacility,
        pause_ms: Math.round(forMs),
      });
    const card = kind === 'card' ? { acs_credential_id: place.acsCredentialId } : {};
    const until = new Date(clock.nowMs() + forMs).toISOString();
    return newEvent('acs_entrance.locked_out', { ...where, ...card, locked: kind, why, until });
  }
}
