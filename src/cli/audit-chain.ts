// Whether a log of events is whole: each event names the hash of the one before it, numbers have no gaps, and a signed
// checkpoint says where the log once stood. Knows no database and no broker; docs/audit.md says the same for others to
// write their own.

import { createPublicKey, verify } from 'node:crypto';
import { eventHash, signedText, type Checkpoint } from '../store/event-chain.ts';
import type { Fields } from '../domain/fields.ts';

export type Finding = { sequence: number; problem: string };
export type Verdict = {
  events: number;
  first: number | null;
  last: { sequence: number; hash: string } | null;
  /** From which number on events name the one before; those before that are of an older version. */
  chainedFrom: number | null;
  /** Events of which only a stub is here: their hash is believed. */
  stubs: number;
  findings: Finding[];
};

const MOST_FINDINGS = 1000;

export class ChainCheck {
  readonly #verdict: Verdict = { events: 0, first: null, last: null, chainedFrom: null, stubs: 0, findings: [] };
  readonly #hashes = new Map<number, string>();
  readonly #wanted: number | null;

  /** `wanted`: the event whose hash is to be told afterwards. */
  constructor(wanted: number | null = null) {
    this.#wanted = wanted;
  }

  /** The next event, to the byte as it was published. */
  add(json: string, event: Fields): void {
    const { sequence, previous_hash: previous, is_stub: isStub, hash: told } = event;
    if (typeof sequence !== 'number') {
      this.#found(0, 'it is no event: it has no number');
      return;
    }
    const verdict = this.#verdict;
    const { last } = verdict;
    const hash = isStub === true && typeof told === 'string' ? told : eventHash(json);
    // At a broker the same event may come twice; that is no second one.
    if (last?.sequence === sequence && last.hash === hash) return;
    verdict.events += 1;
    verdict.first ??= sequence;
    if (isStub === true) verdict.stubs += 1;
    if (last !== null && sequence <= last.sequence)
      this.#found(sequence, `its number comes behind ${last.sequence}: two logs, or one that was set back`);
    else if (last !== null) this.#link(last, sequence, previous);
    if (previous !== undefined) verdict.chainedFrom ??= sequence;
    else if (verdict.chainedFrom !== null) this.#found(sequence, 'it names no hash, though those before it do');
    verdict.last = { sequence, hash };
    if (sequence === this.#wanted) this.#hashes.set(sequence, hash);
  }

  #link(last: { sequence: number; hash: string }, sequence: number, previous: unknown): void {
    const isGap = sequence > last.sequence + 1;
    const missing =
      sequence === last.sequence + 2 ? `${last.sequence + 1} is` : `${last.sequence + 1} to ${sequence - 1} are`;
    if (previous === undefined) {
      if (isGap) this.#found(sequence, `${missing} missing before it`);
    } else if (previous !== last.hash) {
      const what = isGap ? `${missing} missing before it` : `${last.sequence} before it is not what it was`;
      this.#found(sequence, `${what}: it names another hash`);
    }
  }

  #found(sequence: number, problem: string): void {
    if (this.#verdict.findings.length < MOST_FINDINGS) this.#verdict.findings.push({ sequence, problem });
  }

  end(): Verdict {
    return this.#verdict;
  }

  hashOf(sequence: number): string | null {
    return this.#hashes.get(sequence) ?? null;
  }
}

/** Whether a checkpoint is the gateway's own; `publicKey`: the one that is trusted, else that which it names. */
export function isSigned(facility: string, checkpoint: Checkpoint, publicKey: string | null): boolean {
  try {
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: publicKey ?? checkpoint.public_key },
      format: 'jwk',
    });
    const signature = Buffer.from(checkpoint.signature, 'base64url');
    return verify(null, Buffer.from(signedText(facility, checkpoint)), key, signature);
  } catch {
    return false;
  }
}
