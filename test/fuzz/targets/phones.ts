// Phones and cards with a key: what they answer, what readers hand over of them, and what issuers have signed.

import { createPrivateKey, sign, type KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { PkocCard } from '../../../drivers/osdp/pkoc/card.ts';
import { readCertificate } from '../../../drivers/osdp/pkoc/certificate.ts';
import { HandedOver } from '../../../drivers/osdp/pkoc/handed-over.ts';
import { Assembly, readProof, readReaderMessage, requestMessage } from '../../../drivers/osdp/pkoc/messages.ts';
import { ProofKeys } from '../../../drivers/osdp/pkoc/proof.ts';
import { SimulatedCard } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import { readTlvs, writeTlv } from '../../../drivers/osdp/pkoc/tlv.ts';
import { TRANSACTION_BYTES, Transactions } from '../../../drivers/osdp/pkoc/transactions.ts';
import { isRefused, MOST_TOKEN_BYTES, readToken } from '../../../src/domain/issued-token.ts';
import type { Random } from '../../../src/domain/ports.ts';
import { cbor, issue, KEY_ID, manager } from '../../support/issuer.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { CERTIFICATE, certifiedKey } from '../../support/pkoc-cards.ts';
import { LOBBY, SYSTEM } from '../../support/room.ts';
import { joined, must, partsOf, type Target } from '../target.ts';

/** Nothing is left to chance: what is signed in the corpus stays right. */
const RANDOM: Random = {
  bytes: (count) => Buffer.alloc(count, 0x17),
  uuid: () => '17171717-1717-4717-8717-171717171717',
  fraction: () => 0.5,
};
const READER_ID = Buffer.alloc(32, 0x2a);
const KEYS = new ProofKeys(8);
const HOLDER = certifiedKey();

// ---- a card ---------------------------------------------------------------------------------------------------------

const newCard = (): PkocCard =>
  new PkocCard({
    keys: KEYS,
    transactions: new Transactions(new ManualClock(), RANDOM),
    readerId: READER_ID,
    random: (count) => RANDOM.bytes(count),
  });

/** What a card itself answers to all that it is asked. */
function conversation(card: SimulatedCard): Buffer {
  const [asker, answers] = [newCard(), [] as Buffer[]];
  for (let send = asker.begin(); ;) {
    const answer = card.answer(send);
    answers.push(answer);
    const step = asker.take(answer);
    if (!('send' in step)) return joined(...answers);
    ({ send } = step);
  }
}

const CARDS = [
  new SimulatedCard({ privateKey: HOLDER }),
  new SimulatedCard({ privateKey: HOLDER, versions: [0x0101, 0x0100], pieceBytes: 60 }),
  new SimulatedCard({ privateKey: HOLDER, versions: [0x0200], certificate: CERTIFICATE, pieceBytes: 100 }),
];
/** SELECT, a profile, a certificate and a proof, each in at most nine pieces. */
const MOST_STEPS = 36;

/** Each part is an answer. */
function playCard(bytes: Buffer): string {
  const card = newCard();
  card.begin();
  let steps = 0;
  for (const answer of partsOf(bytes)) {
    const step = card.take(answer);
    if ('failed' in step) return step.failed;
    if ('proved' in step) {
      must(step.proved.key.equals(CARDS[0]?.point ?? Buffer.alloc(0)), 'a key is proved that nobody has');
      return 'proved';
    }
    must(++steps <= MOST_STEPS, 'it goes on asking');
    must(step.send.length <= 261, 'a command is longer than a short one');
  }
  return 'cut off';
}

// ---- messages of a reader -------------------------------------------------------------------------------------------

const signedBy = (key: KeyObject, message: Buffer): Buffer => sign('sha256', message, { key, dsaEncoding: 'ieee-p1363' }); // prettier-ignore
const PROOF = Buffer.concat([
  writeTlv(0x5a, CARDS[0]?.point ?? Buffer.alloc(0)),
  writeTlv(0x9e, signedBy(HOLDER, RANDOM.bytes(TRANSACTION_BYTES))),
]);
const fragment = (total: number, offset: number, data: Buffer): Buffer => {
  const head = Buffer.alloc(7);
  head[0] = 0xe2;
  [total, offset, data.length].forEach((value, i) => head.writeUInt16LE(value, 1 + 2 * i));
  return Buffer.concat([head, data]);
};
const PRESENT = Buffer.concat([Buffer.from([0xe0]), writeTlv(0xfc, Buffer.concat([writeTlv(0x5c, Buffer.from([1, 0])), Buffer.from([0x4d, 0x00, 0xfd, 0x03])]))]); // prettier-ignore

/** Each part is a message. */
function playMessages(bytes: Buffer): string {
  const assembly = new Assembly();
  let way = 'none';
  for (const part of partsOf(bytes)) {
    const message = readReaderMessage(part);
    if (message === null) continue;
    way = message.kind;
    if (message.kind === 'present') requestMessage(message.versions[0] ?? 0, RANDOM.bytes(16), message.hasOwnId ? null : READER_ID, message.sequence); // prettier-ignore
    if (message.kind !== 'response') continue;
    const whole = assembly.take(message.fragment);
    if (whole === 'broken') return 'broken';
    if (whole === null) continue;
    must(whole.length === message.fragment.total && whole.length <= 1_024, 'an answer of another length than was said');
    const proof = readProof(whole);
    if (proof === null) return 'no proof';
    const isProved = KEYS.isProved(proof.key, RANDOM.bytes(TRANSACTION_BYTES), proof.signature);
    must(!isProved || proof.key.equals(CARDS[0]?.point ?? Buffer.alloc(0)), 'a key is proved that nobody has');
    return isProved ? 'proved' : 'not proved';
  }
  return way;
}

// ---- objects --------------------------------------------------------------------------------------------------------

function playObjects(bytes: Buffer): string {
  const handedOver = new HandedOver();
  handedOver.begin();
  for (const part of partsOf(bytes)) {
    const step = handedOver.take(part);
    if ('send' in step) continue;
    must(step.token === null || step.token.length <= 1_024, 'more is handed over than is taken');
    break;
  }
  const certificate = readCertificate(bytes);
  if (certificate !== null) {
    must(certificate.fromMs % 86_400_000 === 0 && certificate.key.length === 65, 'a certificate that is none');
    return 'certificate';
  }
  const tlvs = readTlvs(bytes);
  if (tlvs === null) return 'no objects';
  const again = readTlvs(Buffer.concat(tlvs.map(({ tag, value }) => writeTlv(tag, value))));
  must(isDeepStrictEqual(again, tlvs), 'objects are not read as they were written');
  return 'objects';
}

const tlvs = fc
  .array(
    fc.tuple(fc.constantFrom(0x5c, 0x4c, 0x5a, 0x9e, 0x7f21, 0x7f4e, 0x5f37, 0x42), fc.uint8Array({ maxLength: 140 })),
    { maxLength: 5 },
  ) // prettier-ignore
  .map((all) => Buffer.concat(all.map(([tag, value]) => writeTlv(tag, value))));

// ---- signed keys ----------------------------------------------------------------------------------------------------

/** RFC 8410: what stands before the seed of an Ed25519 key. */
const ISSUER = createPrivateKey({ key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 0x42)]), format: 'der', type: 'pkcs8' }); // prettier-ignore
const START_MS = Date.parse('2026-03-02T09:00:00Z');
const TERMS = { managers: [manager(ISSUER)], acsSystemId: SYSTEM, nowMs: START_MS, isTrusted: true };
const STATED = {
  point: CARDS[0]?.point ?? Buffer.alloc(0),
  credentialId: '66666666-6666-6666-6666-666666666666',
  startsAtMs: START_MS - 60_000,
  endsAtMs: START_MS + 3_600_000,
};
const TOKENS = [
  issue(ISSUER, STATED),
  issue(ISSUER, { ...STATED, entranceIds: [LOBBY, SYSTEM], claims: new Map<number, unknown>([[6, (START_MS - 60_000) / 1_000], [-70_002, Buffer.alloc(16, 9)]]) }), // prettier-ignore
];
const [AS_IT_IS, SIGNED_HERE] = [0, 1];

/** Claims, signed by the issuer whatever they say. */
function signedClaims(payload: Buffer): Buffer {
  const header = cbor(new Map<number, unknown>([[1, -8], [4, Buffer.from(KEY_ID, 'hex')]])); // prettier-ignore
  const signature = sign(null, cbor(['Signature1', header, Buffer.alloc(0), payload]), ISSUER);
  return cbor([header, new Map(), payload, signature]);
}

/** The first byte says whether the rest is a whole token, or claims that are to be signed first. */
function playToken(bytes: Buffer): string {
  const isForeign = bytes[0] !== SIGNED_HERE;
  const token = isForeign ? bytes.subarray(1) : signedClaims(bytes.subarray(1));
  const read = readToken(token, TERMS);
  if (isRefused(read)) {
    must(read.message.length < 300 && !/[^\x20-\x7e’]/.test(read.message), 'what it says is not fit to be shown');
    return read.detail;
  }
  must(token.length <= MOST_TOKEN_BYTES && read.endsAtMs > START_MS && read.entranceIds.length > 0, 'a key that opens nothing is taken'); // prettier-ignore
  if (isForeign)
    must(
      TOKENS.some((one) => token.subarray(-one.length).equals(one)),
      'a forged key is taken',
    );
  return 'taken';
}

/** The payload of a token of ours is its third item. */
const claimsIn = (token: Buffer): Buffer => {
  const at = token.indexOf(cbor(new Map()), 16) + 1;
  const head = token[at] === 0x59 ? 3 : 2;
  const length = head === 3 ? token.readUInt16BE(at + 1) : token.readUInt8(at + 1);
  return token.subarray(at + head, at + head + length);
};

export const PHONES: readonly Target[] = [
  {
    name: 'phone-answers',
    about: 'phones and cards with a key: what they answer',
    seeds: [...CARDS.map(conversation), joined(Buffer.from('6a82', 'hex'))],
    play: playCard,
  },
  {
    name: 'phone-messages',
    about: 'phones: what a reader hands over that speaks to them itself',
    seeds: [
      joined(PRESENT, fragment(PROOF.length, 0, PROOF.subarray(0, 80)), fragment(PROOF.length, 80, PROOF.subarray(80))),
      joined(Buffer.from([0xe4]), PRESENT, Buffer.from([0xfe])),
      joined(fragment(PROOF.length, 0, PROOF)),
    ],
    play: playMessages,
  },
  {
    name: 'phone-objects',
    about: 'phones: objects, certificates, and what is carried besides',
    seeds: [CERTIFICATE, PROOF, joined(Buffer.from('9000', 'hex'), Buffer.from('0102039000', 'hex'))],
    structured: tlvs,
    play: playObjects,
  },
  {
    name: 'signed-keys',
    about: 'keys that an issuer has signed: CBOR, COSE and claims',
    seeds: TOKENS.flatMap((token) => [
      Buffer.concat([Buffer.from([AS_IT_IS]), token]),
      Buffer.concat([Buffer.from([AS_IT_IS, 0xd8, 0x3d, 0xd2]), token]),
      Buffer.concat([Buffer.from([SIGNED_HERE]), claimsIn(token)]),
    ]),
    mostBytes: 1_200,
    play: playToken,
  },
];
