// The conversation with a PKOC card or phone, step by step and without any line: SELECT, then either AUTHENTICATE
// (version 1) or a proof over a challenge (version 2, with the certificate that the card may carry). It says what to send
// next and, at the end, whose key was proved. Whoever brings the bytes to the card keeps the time.

import { Exchange, commandApdu, isNotFound, readAnswer, SW_DONE, type CardAnswer } from './apdu.ts';
import { POINT_BYTES } from '../../../src/domain/p256.ts';
import { SIGNATURE_BYTES, type ProofKeys } from './proof.ts';
import { readCertificate, type Certificate } from './certificate.ts';
import { onlyValue, readTlvs, writeTlv, type Tlv } from './tlv.ts';
import { TRANSACTION_BYTES, type Transactions } from './transactions.ts';

const AID = Buffer.from('A000000898000001', 'hex');
const SELECT = commandApdu(0x00, 0xa4, 0x04, 0x00, AID);
const TELL_PROFILE = commandApdu(0x00, 0xca, 0x7f, 0x63, null);
const TELL_CERTIFICATE = commandApdu(0x00, 0xca, 0x7f, 0x21, null);

const TAG = { versions: 0x5c, transaction: 0x4c, reader: 0x4d, key: 0x5a, signature: 0x9e, profile: 0x7f63 } as const;
/** Of version 2, which proves a key by a challenge and an answer of their own. */
const VERSION_2 = 0x0200;
const VERSIONS_1 = [0x0101, 0x0100];

/** 16 bytes of the site and 16 of the reader. */
export const READER_ID_BYTES = 32;
/** A challenge of version 2 has 32 bytes: the transaction, and as many again. */
const CHALLENGE_BYTES = 32;

export type Proved = {
  /** The uncompressed point of the key, 65 bytes: who it is. */
  key: Buffer;
  version: number;
  /** What the issuer says of the key, unverified but for its form; null: the card carries nothing. */
  certificate: Certificate | null;
};

export type CardFailure =
  /** No card of this kind. */
  | 'not_pkoc'
  /** A card of this kind that speaks no version of ours. */
  | 'version_unknown'
  /** It answered, and not as the specification has it. */
  | 'answer_malformed'
  /** It refused. */
  | 'card_refused'
  | 'signature_invalid'
  /** The transaction had expired, or belonged to a connection that has ended. */
  | 'transaction_expired';

export type Step = { send: Buffer } | { proved: Proved } | { failed: CardFailure; sw: number | null };

type Ports = {
  keys: ProofKeys;
  transactions: Transactions;
  /** As `READER_ID_BYTES`. */
  readerId: Buffer;
  /** Bytes for the longer challenge of version 2. */
  random: (count: number) => Buffer;
};

type Phase =
  | { name: 'selecting' | 'profile' | 'certificate' }
  | { name: 'authenticating'; version: number }
  | { name: 'proving'; challenge: Buffer; certificate: Certificate };

/** One presentation of one card. */
export class PkocCard {
  readonly #ports: Ports;
  #phase: Phase = { name: 'selecting' };
  #exchange = new Exchange(SELECT);

  constructor(ports: Ports) {
    this.#ports = ports;
  }

  begin(): Buffer {
    return SELECT;
  }

  /** What follows from an answer of the card. After `proved` or `failed` it is over. */
  take(bytes: Buffer): Step {
    const answer = readAnswer(bytes);
    if (answer === null) return this.#fail('answer_malformed', null);
    const next = this.#exchange.take(answer);
    if (next === null) return this.#fail('answer_malformed', answer.sw);
    if ('send' in next) return next;
    const { whole } = next;
    const phase = this.#phase;
    switch (phase.name) {
      case 'selecting':
        return this.#selected(whole);
      case 'profile':
        return this.#profiled(whole);
      case 'certificate':
        return this.#certified(whole);
      case 'authenticating':
        return this.#authenticated(whole, phase.version);
      case 'proving':
        return this.#challenged(whole, phase.challenge, phase.certificate);
    }
  }

  #selected({ data, sw }: CardAnswer): Step {
    if (isNotFound(sw)) return this.#fail('not_pkoc', sw);
    if (sw !== SW_DONE) return this.#fail('card_refused', sw);
    const versions = versionsOf(readTlvs(data));
    if (versions === null) return this.#fail('answer_malformed', sw);
    this.#phase = { name: 'profile' };
    // One of version 1 alone knows no profile, and each exchange costs whoever stands there a moment.
    return versions.some((version) => VERSIONS_1.includes(version))
      ? this.#authenticate(versions)
      : this.#send(TELL_PROFILE);
  }

  #profiled({ data, sw }: CardAnswer): Step {
    const inner = sw === SW_DONE ? onlyValue(readTlvs(data) ?? [], TAG.profile) : null;
    const offered = inner === null ? null : versionsOf(readTlvs(inner));
    if (offered?.includes(VERSION_2) !== true) return this.#fail('version_unknown', sw);
    this.#phase = { name: 'certificate' };
    return this.#send(TELL_CERTIFICATE);
  }

  #authenticate(versions: readonly number[]): Step {
    const version = VERSIONS_1.find((one) => versions.includes(one));
    if (version === undefined) return this.#fail('version_unknown', null);
    const id = this.#ports.transactions.begin();
    this.#phase = { name: 'authenticating', version };
    // The version that the card itself has offered: some take no other.
    const data = Buffer.concat([
      writeTlv(TAG.versions, Buffer.from([version >> 8, version & 0xff])),
      writeTlv(TAG.transaction, id),
      writeTlv(TAG.reader, this.#ports.readerId),
    ]);
    return this.#send(commandApdu(0x80, 0x80, 0x00, 0x01, data));
  }

  #authenticated({ data, sw }: CardAnswer, version: number): Step {
    const taken = this.#ports.transactions.take();
    if (sw !== SW_DONE) return this.#fail('card_refused', sw);
    const tlvs = readTlvs(data) ?? [];
    const key = onlyValue(tlvs, TAG.key);
    const signature = onlyValue(tlvs, TAG.signature);
    // It says that it has signed, and has not.
    if (key?.length !== POINT_BYTES || signature?.length !== SIGNATURE_BYTES)
      return this.#fail('signature_invalid', sw);
    if (typeof taken === 'string') return this.#fail('transaction_expired', sw);
    // The bytes of the transaction alone are what is signed: neither their tag nor the reader.
    return this.#judge(Buffer.from(key), taken.id, signature, { version, certificate: null });
  }

  #certified({ data, sw }: CardAnswer): Step {
    if (sw !== SW_DONE) return this.#fail(isNotFound(sw) ? 'version_unknown' : 'card_refused', sw);
    const certificate = readCertificate(data);
    if (certificate === null) return this.#fail('answer_malformed', sw);
    const id = this.#ports.transactions.begin();
    const challenge = Buffer.concat([id, this.#ports.random(CHALLENGE_BYTES - TRANSACTION_BYTES)]);
    this.#phase = { name: 'proving', challenge, certificate };
    return this.#send(commandApdu(0x00, 0x88, 0x00, 0x00, challenge));
  }

  #challenged({ data, sw }: CardAnswer, challenge: Buffer, certificate: Certificate): Step {
    const taken = this.#ports.transactions.take();
    if (sw !== SW_DONE) return this.#fail('card_refused', sw);
    const signature = onlyValue(readTlvs(data) ?? [], TAG.signature);
    if (signature?.length !== SIGNATURE_BYTES) return this.#fail('signature_invalid', sw);
    if (typeof taken === 'string' || !taken.id.equals(challenge.subarray(0, TRANSACTION_BYTES)))
      return this.#fail('transaction_expired', sw);
    return this.#judge(certificate.key, challenge, signature, { version: VERSION_2, certificate });
  }

  #judge(
    key: Buffer,
    message: Buffer,
    signature: Buffer,
    { version, certificate }: Pick<Proved, 'version' | 'certificate'>,
  ): Step {
    if (!this.#ports.keys.isProved(key, message, signature)) return this.#fail('signature_invalid', SW_DONE);
    return { proved: { key, version, certificate } };
  }

  #send(command: Buffer): Step {
    this.#exchange = new Exchange(command);
    return { send: command };
  }

  #fail(failed: CardFailure, sw: number | null): Step {
    this.#ports.transactions.end();
    return { failed, sw };
  }
}

/** The versions that a card offers, newest first; null where it names none. */
function versionsOf(tlvs: readonly Tlv[] | null): number[] | null {
  const bytes = tlvs === null ? null : onlyValue(tlvs, TAG.versions);
  if (bytes === null || bytes.length === 0 || bytes.length % 2 !== 0) return null;
  return Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readUInt16BE(2 * i));
}
