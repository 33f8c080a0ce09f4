// From an outline to what goes over the wire, and back to a keyed hash: secrets are opened here, for as long as one
// write takes.

import type { SlotContent } from '../domain/ports.ts';
import { assert, OperatingError } from '../domain/errors.ts';
import type { CredentialForSlot, CredentialSecrets } from '../store/credentials.ts';
import type { Store } from '../store/store.ts';
import type { Outline } from './desired.ts';

/** Hashed and sealed, whose card and whose code an outline names. */
export type Sources = { card: CredentialSecrets | undefined; code: CredentialSecrets | undefined };

/** `own`: the credential that was judged, which the outline mostly names. */
export function sourcesOf(store: Store, { cardOf, codeOf }: Outline, own: CredentialForSlot | null = null): Sources {
  const secretsOf = (key: number | null): CredentialSecrets | undefined =>
    key === null ? undefined : key === own?.credential_key ? own : store.credentials.forSlot(key);
  return { card: secretsOf(cardOf), code: secretsOf(codeOf) };
}

/**
 * Keyed hash of a content: equal exactly when the device would be sent the same. Opens no secret: the stored hashes
 * stand for them.
 */
export function outlineHash(store: Store, outline: Outline, sources: Sources = sourcesOf(store, outline)): Buffer {
  const canonical = JSON.stringify([
    sources.card?.card_hash?.toString('hex') ?? null,
    sources.code?.code_hash?.toString('hex') ?? null,
    outline.cardAndPin,
    outline.doors,
    outline.startsAtMs,
    outline.endsAtMs,
    outline.oneTimeUse,
    // Left out where there is none: what was written before there were schedules is what it always was.
    ...(outline.zone === null ? [] : [outline.zone]),
  ]);
  return store.secrets.imageHash(canonical);
}

/** The content with its secrets in the clear: never log it, never keep it. */
export function openContent(store: Store, outline: Outline, sources: Sources = sourcesOf(store, outline)): SlotContent {
  return {
    card: outline.cardOf === null ? null : openSecret(store, sources.card, 'card'),
    pin: outline.codeOf === null ? null : openSecret(store, sources.code, 'code'),
    cardAndPin: outline.cardAndPin,
    doors: outline.doors,
    startsAtMs: outline.startsAtMs,
    endsAtMs: outline.endsAtMs,
    oneTimeUse: outline.oneTimeUse,
    ...(outline.zone === null ? {} : { zone: outline.zone }),
  };
}

function openSecret(store: Store, row: CredentialSecrets | undefined, kind: 'card' | 'code'): string {
  const sealed = kind === 'card' ? row?.card_sealed : row?.code_sealed;
  assert(row !== undefined && sealed != null, `a ${kind} that is to be written is in the store`);
  try {
    const value = store.secrets.open(sealed, `${kind} ${row.acs_credential_id}`);
    const hash = kind === 'card' ? store.secrets.cardHash(value) : store.secrets.codeHash(value);
    // The hash is under the seal of the row: an earlier card or code of the same credential must not come back beside
    // it.
    if ((kind === 'card' ? row.card_hash : row.code_hash)?.equals(hash) === true) return value;
    throw new OperatingError('internal', `the sealed ${kind} of ${row.acs_credential_id} is not the one it has now`);
  } catch (error) {
    store.seals.noteAll([{ table: 'credentials', id: row.acs_credential_id }]);
    throw error;
  }
}
