// Fingers that are asked for behind a card: one question at a reader, of the person of that card alone. What the reader
// answers ends the question of this card or nobody's: a card that comes in between takes its place, and then nothing
// that the reader says about the former one opens anything.

import { OperatingError } from '../domain/errors.ts';
import type { Device, Log } from '../domain/ports.ts';
import { biometricLink, type BiometricRow } from '../store/biometrics.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import { isStorageError } from '../store/disk-errors.ts';
import type { Store } from '../store/store.ts';

/** A finger that its reader has taken for one that is enrolled, good enough by the threshold there. */
export type MatchedFinger = { acsBiometricId: string; userKey: number; isDuress: boolean };

/** `nothing`: nobody came. `failed`: nobody could be compared. */
export type FingerOutcome = { matched: MatchedFinger } | 'mismatch' | 'nothing' | 'failed';

type Asked = { credentialKey: number; over: AbortController };

export type FingersOptions = {
  store: Store | null;
  log: Log;
  device: (name: string) => Device | undefined;
};

export class Fingers {
  readonly #options: FingersOptions;
  readonly #asked = new Map<string, Asked>();

  constructor(options: FingersOptions) {
    this.#options = options;
  }

  /** Why nobody can be compared at this reader now, for people; null: somebody can. */
  problem(reader: string): string | null {
    const biometrics = this.#options.device(reader)?.biometrics ?? null;
    return biometrics === null ? `${reader} reads no fingers` : biometrics.problem();
  }

  /** Of this person, as far as they were written by us and are not taken back. */
  enrolledOf(userKey: number | null): BiometricRow[] {
    const { store } = this.#options;
    if (store === null || userKey === null) return [];
    return store.biometrics
      .of(userKey)
      .filter((row) => !store.withdrawn.hasBiometric(row.acs_biometric_id))
      .filter((row) => store.seals.holdsPath({ links: [biometricLink(row)], schedule: null }));
  }

  /** Whether it is this card whose finger is asked for at the reader. */
  isAskedFor(reader: string, { credential_key: key }: CredentialWithUser): boolean {
    return this.#asked.get(reader)?.credentialKey === key;
  }

  /** In place of whatever was asked at this reader. `answered` is called once, or never where something else is. */
  ask(
    { reader, head }: { reader: string; head: number },
    { credential_key: credentialKey, user_key: userKey }: CredentialWithUser,
    answered: (outcome: FingerOutcome) => void,
  ): void {
    this.cancel(reader);
    const asked = { credentialKey, over: new AbortController() };
    this.#asked.set(reader, asked);
    void this.#compare(reader, head, userKey, asked.over.signal).then((outcome) => {
      if (this.#asked.get(reader) !== asked) return;
      this.#asked.delete(reader);
      answered(outcome);
    });
  }

  cancel(reader: string): void {
    const asked = this.#asked.get(reader);
    this.#asked.delete(reader);
    asked?.over.abort();
  }

  stop(): void {
    for (const reader of [...this.#asked.keys()]) this.cancel(reader);
  }

  /** With one after the other, for nobody knows which of them is put there. Never rejects. */
  async #compare(reader: string, head: number, userKey: number | null, over: AbortSignal): Promise<FingerOutcome> {
    const { store, device, log } = this.#options;
    const biometrics = device(reader)?.biometrics ?? null;
    if (store === null || biometrics === null) return 'failed';
    try {
      let outcome: FingerOutcome = 'failed';
      for (const row of this.enrolledOf(userKey)) {
        const match = await biometrics.match(head, store.biometrics.open(row), biometrics.terms.presentMs, over);
        if (match.outcome === 'nothing') return outcome === 'mismatch' ? outcome : 'nothing';
        outcome = 'mismatch';
        if (match.outcome === 'compared' && match.score >= biometrics.terms.threshold)
          return { matched: { acsBiometricId: row.acs_biometric_id, userKey: row.user_key, isDuress: row.is_duress === 1 } }; // prettier-ignore
      }
      return outcome;
    } catch (error) {
      if (!(error instanceof OperatingError) && !isStorageError(error)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (!over.aborted) log.warn('a finger could not be compared', { reader, reason });
      return 'failed';
    }
  }
}
