import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PkocCard, type Step } from '../../../../drivers/osdp/pkoc/card.ts';
import { readCertificate, type Certificate } from '../../../../drivers/osdp/pkoc/certificate.ts';
import { ProofKeys } from '../../../../drivers/osdp/pkoc/proof.ts';
import { SimulatedCard } from '../../../../drivers/osdp/pkoc/simulated-card.ts';
import { onlyValue, readTlvs, writeTlv } from '../../../../drivers/osdp/pkoc/tlv.ts';
import { TRANSACTION_MS, Transactions } from '../../../../drivers/osdp/pkoc/transactions.ts';
import type { Random } from '../../../../src/domain/ports.ts';
import { systemRandom } from '../../../../src/ops/random.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { bytesOf, CERTIFICATE, certifiedKey, ORDER, twinOf } from '../../../support/pkoc-cards.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

// The example of the published text, and that of another implementation with the same key.
const SPEC = {
  transaction: hex('6FCF5012B224043B09350A4FC5E56A8F'),
  readerId: hex('7A25432A462D4A404E635266556A586EDFEE8022966311EDA1EB0242AC120002'),
  command: hex(
    '80800001385C0201004C106FCF5012B224043B09350A4FC5E56A8F4D207A25432A462D4A404E635266556A586EDFEE8022966311EDA1EB0242AC12000200',
  ),
  key: hex(
    '040EC5D87DC39D14A2C5480686DA860C82B16BE0B6903B525F84848B79FD463E32BBDA1F0252C33503C5287035E6EAC55D138D0650DCFB5281D59A9CF4124D2831',
  ),
  signature: hex(
    'B98613070C78010B04ED306D143F94EE6DC4ECA2585B621405731FB3A53CD877A21685DE18435DA7CBCC38F1D926300A454EFEE3594CEC5EFFE28C7FEAC03D7D',
  ),
  signatureOver17: hex(
    '3BA05754A67481C4BC3B36E991117E36FC97EB36A4EA005B153D7EE806C66A4CD48CB654360B7FEE2478DAF5829526143FC13178F6AF62AF2198214EA9A04DDC',
  ),
};
const ISSUER = hex(
  '0434BD8D46DB07F62B568CD5924AE009DA6DF9F437A666DC14DBC4FD35D0D330C0A84431BF887A74D9D5972C68673E21405CE8EA24A5845B2CDA5CF07F461DFCA0',
);

const setUp = (random: Random = systemRandom) => {
  const clock = new ManualClock();
  const keys = new ProofKeys();
  const transactions = new Transactions(clock, random);
  const card = (): PkocCard =>
    new PkocCard({
      keys,
      transactions,
      readerId: SPEC.readerId,
      random: (count) => random.bytes(count),
    });
  return { clock, keys, transactions, card };
};

/** Carries commands to the card and answers back until it is over; `spoil` sees each answer first. */
function converse(reader: PkocCard, card: SimulatedCard, spoil = (answer: Buffer): Buffer => answer): Step {
  let step: Step = { send: reader.begin() };
  for (let i = 0; 'send' in step; i++) {
    if (i > 40) throw new Error('it goes on for ever');
    step = reader.take(spoil(card.answer(step.send)));
  }
  return step;
}
const failureOf = (step: Step): string => ('failed' in step ? step.failed : 'none');

describe('the published example', () => {
  const random: Random = { ...systemRandom, bytes: () => Buffer.from(SPEC.transaction) };

  it('is asked for in the published bytes, and its answer proves its key, in either order', () => {
    for (const isSwapped of [false, true]) {
      const reader = setUp(random).card();
      expect(reader.begin()).toEqual(hex('00A4040008A00000089800000100'));
      expect(reader.take(hex('5C0201009000'))).toEqual({ send: SPEC.command });
      const parts = [writeTlv(0x5a, SPEC.key), writeTlv(0x9e, SPEC.signature)];
      const answer = Buffer.concat([...(isSwapped ? parts.reverse() : parts), hex('9000')]);
      expect(answer).toHaveLength(135);
      expect(reader.take(answer)).toEqual({ proved: { key: SPEC.key, version: 0x0100, certificate: null } });
    }
  });

  it('proves nothing over other bytes', () => {
    const { keys } = setUp();
    expect(keys.isProved(SPEC.key, Buffer.alloc(16, 0x17), SPEC.signatureOver17)).toBe(true);
    expect(keys.isProved(SPEC.key, SPEC.transaction, SPEC.signatureOver17)).toBe(false);
    expect(keys.isProved(SPEC.key, Buffer.concat([SPEC.transaction, SPEC.readerId]), SPEC.signature)).toBe(false);
  });
});

describe('a card or phone', () => {
  it('is proved whatever version of the first kind it offers, and that version is echoed', () => {
    for (const version of [0x0100, 0x0101]) {
      const card = new SimulatedCard({ versions: [version] });
      expect(converse(setUp().card(), card)).toEqual({ proved: { key: card.point, version, certificate: null } });
    }
  });

  it('may give its answers in pieces, or ask for another length', () => {
    const card = new SimulatedCard({ pieceBytes: 20 });
    expect(converse(setUp().card(), card)).toMatchObject({ proved: { key: card.point } });
    const reader = setUp().card();
    expect(reader.take(hex('6C06'))).toEqual({ send: hex('00A4040008A00000089800000106') });
    for (let i = 0; i < 7; i++) reader.take(hex('6C06'));
    expect(failureOf(reader.take(hex('6C06')))).toBe('answer_malformed');
  });

  it('of version 2 proves the key that its certificate names', () => {
    const card = new SimulatedCard({
      privateKey: certifiedKey(),
      versions: [0x0200],
      certificate: CERTIFICATE,
    });
    const step = converse(setUp().card(), card);
    expect(step).toMatchObject({
      proved: { key: card.point, version: 0x0200, certificate: { subject: 'CRED000000000001' } },
    });
  });

  it('that speaks both is heard in the version that it offers first of all, and of version 2 only with its certificate', () => {
    const [certificate, newest] = [CERTIFICATE, [0x0200]];
    const both = new SimulatedCard({ privateKey: certifiedKey(), versions: [0x0200, 0x0100], certificate });
    expect(converse(setUp().card(), both)).toMatchObject({ proved: { version: 0x0100 } });
    expect(failureOf(converse(setUp().card(), new SimulatedCard({ versions: newest })))).toBe('version_unknown');
    // Another key behind the same certificate.
    const other = new SimulatedCard({ versions: newest, certificate });
    expect(failureOf(converse(setUp().card(), other))).toBe('signature_invalid');
  });

  it('of another kind, or of a version that nobody knows, is said to be that', () => {
    expect(setUp().card().take(hex('6A82'))).toEqual({ failed: 'not_pkoc', sw: 0x6a82 });
    const reader = setUp().card();
    expect(reader.take(hex('5C0209009000'))).toEqual({ send: hex('00CA7F6300') });
    expect(failureOf(reader.take(hex('6A88')))).toBe('version_unknown');
  });
});

type Spoil = (answer: Buffer) => Buffer;
const withKey = (answer: Buffer, key: Buffer): Buffer => Buffer.concat([writeTlv(0x5a, key), answer.subarray(67)]);
const compressed = (answer: Buffer): Buffer =>
  Buffer.concat([Buffer.from([2 + (answer.readUInt8(66) & 1)]), answer.subarray(3, 35)]);

describe('a proof', () => {
  const refusals: readonly (readonly [string, string, Spoil])[] = [
    ['by another key', 'signature_invalid', (answer) => replaced(answer, 2, new SimulatedCard().point)],
    ['by a point off the curve', 'signature_invalid', (answer) => changed(answer, 40)],
    ['by a point at nought', 'signature_invalid', (answer) => replaced(answer, 3, Buffer.alloc(64))],
    ['by a coordinate beyond the field', 'signature_invalid', (answer) => replaced(answer, 3, Buffer.alloc(32, 0xff))],
    ['by the point at infinity', 'signature_invalid', (answer) => withKey(answer, hex('00'))],
    ['by a compressed key', 'signature_invalid', (answer) => withKey(answer, compressed(answer))],
    [
      'by rubbish in the form of a compressed key',
      'signature_invalid',
      (answer) => withKey(answer, Buffer.alloc(33, 2)),
    ],
    ['by a key in another form', 'signature_invalid', (answer) => replaced(answer, 2, hex('06'))],
    ...[0n, ORDER, ORDER + 1n, 2n ** 256n - 1n].flatMap((number): (readonly [string, string, Spoil])[] => [
      [`with r of ${number}`, 'signature_invalid', (answer) => replaced(answer, 69, bytesOf(number))],
      [`with s of ${number}`, 'signature_invalid', (answer) => replaced(answer, 101, bytesOf(number))],
    ]),
    ['with a signature that was changed', 'signature_invalid', (answer) => changed(answer, 100)],
    ['that ends too soon', 'signature_invalid', (answer) => Buffer.concat([answer.subarray(0, 100), hex('9000')])],
    ['with two keys', 'signature_invalid', (answer) => Buffer.concat([answer.subarray(0, 67), answer])],
    ['that the card refuses', 'card_refused', () => hex('6985')],
    ['of which only one byte came', 'answer_malformed', () => hex('90')],
  ];
  it.each(refusals)('%s is refused: %s', (_what, failure, spoil) => {
    const card = new SimulatedCard();
    const spoiled = (answer: Buffer): Buffer => (answer.length > 100 ? spoil(answer) : answer);
    expect(failureOf(converse(setUp().card(), card, spoiled))).toBe(failure);
  });

  it('that comes too late, or after the connection has ended, is worth nothing', () => {
    const { clock, transactions, card: open } = setUp();
    const card = new SimulatedCard();
    const late = (happens: () => void) =>
      converse(open(), card, (answer) => {
        if (answer.length > 100) happens();
        return answer;
      });
    expect(failureOf(late(() => void clock.advance(TRANSACTION_MS + 1)))).toBe('transaction_expired');
    expect(failureOf(late(() => transactions.end()))).toBe('transaction_expired');
    expect(failureOf(late(() => undefined))).toBe('none');
  });

  it('is good once: recorded, it proves nothing in another conversation, nor does its twin (r, n - s)', () => {
    const { card: open, keys } = setUp();
    const card = new SimulatedCard();
    let recorded: Buffer = Buffer.alloc(0);
    expect(failureOf(converse(open(), card, (answer) => (answer.length > 100 ? (recorded = answer) : answer)))).toBe(
      'none',
    );
    expect(failureOf(converse(open(), card, (answer) => (answer.length > 100 ? recorded : answer)))).toBe(
      'signature_invalid',
    );
    const message = randomBytes(16);
    const tlvs = readTlvs(card.answer(Buffer.concat([hex('8080000138'), writeTlv(0x5c, hex('0100')), writeTlv(0x4c, message), writeTlv(0x4d, SPEC.readerId), hex('00')])).subarray(0, -2)) ?? []; // prettier-ignore
    const signature = onlyValue(tlvs, 0x9e) ?? Buffer.alloc(0);
    const twin = twinOf(signature);
    // Both are valid signatures: what guards against replay is the transaction, never the bytes of the signature.
    expect([signature, twin].map((one) => keys.isProved(card.point, message, one))).toEqual([true, true]);
  });
});

describe('the certificate', () => {
  const isSignedBy = ({ signed, signature }: Certificate, issuer: Buffer): boolean =>
    new ProofKeys().isProved(issuer, signed, signature);

  it('is read, and holds for the issuer that signed it', () => {
    const certificate = readCertificate(CERTIFICATE);
    expect(certificate).toMatchObject({
      issuer: 'LINTELTESTISS001',
      subject: 'CRED000000000001',
      fromMs: Date.parse('2026-11-01T00:00:00Z'),
      untilMs: Date.parse('2027-01-01T00:00:00Z'),
    });
    if (certificate === null) throw new Error('it is one');
    expect(isSignedBy(certificate, ISSUER)).toBe(true);
    expect(isSignedBy(certificate, SPEC.key)).toBe(false);
  });

  it('is none, or none of that issuer, with a byte too few, too many or another', () => {
    for (let at = 0; at < CERTIFICATE.length; at++) {
      const spoiled = readCertificate(changed(CERTIFICATE, at));
      expect(spoiled !== null && isSignedBy(spoiled, ISSUER), `byte ${at}`).toBe(false);
      expect(readCertificate(CERTIFICATE.subarray(0, at))).toBeNull();
    }
    expect(readCertificate(Buffer.concat([CERTIFICATE, hex('00')]))).toBeNull();
  });
});

it('whatever a card answers, the conversation ends, and without a proof', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { minLength: 12, maxLength: 60 }), (answers) => {
      const reader = setUp().card();
      for (const answer of answers) {
        const step = reader.take(Buffer.from(answer));
        expect('proved' in step).toBe(false);
        if ('failed' in step) return;
      }
      throw new Error('it goes on');
    }),
  );
});

function changed(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0x01;
  return copy;
}
function replaced(bytes: Buffer, at: number, by: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  by.copy(copy, at);
  return copy;
}
