// From an outline to what goes over the wire, and back to a keyed hash: secrets are opened here, for as long as one write takes.

import type { SlotContent } from '../domain/ports.ts';
import { assert } from '../domain/errors.ts';
import type { Store } from '../store/store.ts';
import type { Outline } from './desired.ts';

/** Keyed hash of a content: equal exactly when the device would be sent the same. Opens no secret: the stored hashes stand for them. */
export function outlineHash(store: Store, outline: Outline): Buffer {
  const hashOf = (key: number | null, field: 'card_hash' | 'code_hash'): string | null =>
    key === null ? null : (store.credentials.byKey(key)?.[field]?.toString('hex') ?? null);
  const canonical = JSON.stringify([
    hashOf(outline.cardOf, 'card_hash'),
    hashOf(outline.codeOf, 'code_hash'),
    outline.cardAndPin,
    outline.doors,
    outline.startsAtMs,
    outline.endsAtMs,
    outline.oneTimeUse,
    // Left out where there is none: what was written before there were schedules is what it always was.
    ...(outline.zone === null ? [] : [outline.zone]),
  ]);
  return store.secrets.imageHash(Buffer.from(canonical));
}

/** The content with its secrets in the clear: never log it, never keep it. */
export function openContent(store: Store, outline: Outline): SlotContent {
  return {
    card: outline.cardOf === null ? null : openSecret(store, outline.cardOf, 'card'),
    pin: outline.codeOf === null ? null : openSecret(store, outline.codeOf, 'code'),
    cardAndPin: outline.cardAndPin,
    doors: outline.doors,
    startsAtMs: outline.startsAtMs,
    endsAtMs: outline.endsAtMs,
    oneTimeUse: outline.oneTimeUse,
    ...(outline.zone === null ? {} : { zone: outline.zone }),
  };
}

function openSecret(store: Store, credentialKey: number, kind: 'card' | 'code'): string {
  const row = store.credentials.byKey(credentialKey);
  const sealed = kind === 'card' ? row?.card_sealed : row?.code_sealed;
  assert(row !== undefined && sealed != null, `a ${kind} that is to be written is in the store`);
  return store.secrets.open(sealed, `${kind} ${row.acs_credential_id}`);
}
