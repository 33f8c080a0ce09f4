// Phones at a door: from the last answer of a phone to its strike handed to the line, against the same for a plain card in
// the same process with as many in the database; and proofs against bare verifications of node:crypto.

import { createPublicKey, randomBytes, verify } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { newCounters } from '../../drivers/kit/counters.ts';
import { PkocCard } from '../../drivers/osdp/pkoc/card.ts';
import { ProofKeys } from '../../drivers/osdp/pkoc/proof.ts';
import { SimulatedCard } from '../../drivers/osdp/pkoc/simulated-card.ts';
import { Transactions } from '../../drivers/osdp/pkoc/transactions.ts';
import { Access } from '../../src/access/access.ts';
import { Recorder } from '../../src/access/recorder.ts';
import { readingOf } from '../../src/domain/card-formats.ts';
import { importPoint } from '../../src/domain/p256.ts';
import type { Device, Presentation } from '../../src/domain/ports.ts';
import type { Store } from '../../src/store/store.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import { ENTRANCES, LOBBY, POLICY, silentLog, SYSTEM, buildSite } from '../support/room.ts';
import { benchFolder, benchRoom, fill, openBenchStore } from './building.ts';
import { run as overTheWire } from './phones-wire.ts';
import { against, beside, median, type Report } from './report.ts';

const PHONES = 100_000;
const SHOWN = 200;
const PER_TRANSACTION = 20_000;

export async function run(report: Report, part: string | null): Promise<void> {
  if (part === null || part === 'wire') await overTheWire(report);
  if (part === null || part === 'proofs') proofs(report);
  if (part !== null && part !== 'decisions') return;
  const { folder, remove } = benchFolder();
  const store = openBenchStore(folder);
  try {
    await decisions(report, store);
  } finally {
    store.close();
    remove();
  }
}

// ---- from the last byte to the strike -------------------------------------------------------------------------------

async function decisions(report: Report, store: Store): Promise<void> {
  benchRoom(store);
  const site = buildSite(store, [{ ...ENTRANCES.lobby, takesMobileKeys: true }]);
  fill(store, site, PHONES);
  const cards = Array.from({ length: SHOWN }, () => new SimulatedCard());
  enrol(store, site.byId(LOBBY)?.entranceKey ?? 1, cards);
  let struckMs = 0;
  const status = { online: true, sinceMs: 0, identity: null, problem: null, counters: newCounters() };
  const devices: Record<string, Partial<Device>> = {
    'lobby-reader': { status: () => status, readers: { feedback: () => undefined } },
    'relay-board': {
      status: () => status,
      outputs: {
        pulse: (_output, _ms, _notAfter, onSent) => {
          struckMs = performance.now();
          onSent?.();
          return Promise.resolve({ outcome: 'done', confirmed: true });
        },
        set: () => Promise.resolve({ outcome: 'done', confirmed: true }),
      },
    },
  };
  const access = new Access({
    site,
    store,
    recorder: new Recorder(store, systemClock, silentLog),
    policy: POLICY,
    modeInputs: [],
    clock: systemClock,
    log: silentLog,
    device: (name) => devices[name] as Device | undefined,
    cardFormatsOf: () => ['H10302', 'uid'],
    time: () => ({ trusted: true, nowMs: Date.now(), floorMs: null, isGraceLeft: true }),
    acsSystemId: SYSTEM,
    timeZone: 'Europe/Oslo',
    offlineForMs: () => null,
    onChange: () => undefined,
    problem: () => undefined,
    wake: () => undefined,
  });
  const present = (presentation: Presentation): void =>
    access.presented({
      type: 'presented',
      device: 'lobby-reader',
      reader: 0,
      presentation,
      atMonotonicMs: systemClock.monotonicMs(),
    });
  const keys = new ProofKeys();
  const transactions = new Transactions(systemClock, systemRandom);
  const phone = (card: SimulatedCard): number => {
    const reader = new PkocCard({
      keys,
      transactions,
      readerId: Buffer.alloc(32),
      random: (count) => systemRandom.bytes(count),
    });
    const asked = reader.take(card.answer(reader.begin()));
    if (!('send' in asked)) throw new Error('a phone is asked to prove its key');
    const answer = card.answer(asked.send);
    const fromMs = performance.now();
    const proved = reader.take(answer);
    if ('proved' in proved) present({ kind: 'mobile_key', key: proved.proved.key });
    return struckMs - fromMs;
  };
  const plain = (n: number): number => {
    const reading = readingOf(`H10302:${((n * 487) % PHONES) + 1}`);
    const fromMs = performance.now();
    present({ kind: 'card', reading });
    return struckMs - fromMs;
  };
  const took = { phones: [] as number[], cards: [] as number[] };
  for (let turn = 0; turn < 3; turn++) {
    for (const [n, card] of cards.entries()) {
      const [phoneMs, cardMs] = [phone(card), plain(n)];
      // The first turn warms up, and keys are known from the second one on. What is presented too fast is not judged.
      if (turn > 0) took.phones.push(phoneMs);
      if (turn > 0) took.cards.push(cardMs);
      await new Promise((resolve) => setTimeout(resolve, 210));
    }
  }
  access.stop();
  const [phonesMs, cardsMs] = [median(took.phones), median(took.cards)];
  report(beside('phones', `a card's bits to its strike, ${PHONES} cards, median`, cardsMs, 'ms'));
  report(beside('phones', `a phone's last answer to its strike, ${PHONES} phones, median`, phonesMs, 'ms'));
  report(against('phones', 'phone to strike against card to strike', phonesMs / cardsMs, 'x', '<=', 3));
}

/** As many strangers' phones, and these. */
function enrol(store: Store, entranceKey: number, cards: readonly SimulatedCard[]): void {
  const points = Array.from(
    { length: PHONES },
    (_, n) => cards[n]?.point ?? Buffer.concat([Buffer.from([4]), randomBytes(64)]),
  );
  for (let from = 0; from < PHONES; from += PER_TRANSACTION)
    store.now(() => {
      for (let n = from; n < from + PER_TRANSACTION; n++) {
        const id = `00000000-0000-4000-a000-${n.toString(16).padStart(12, '0')}`;
        const key = store.credentials.insert({
          acs_credential_id: id, user_key: 1, access_method: 'mobile_key', starts_at: null, ends_at: null, has_own_entrances: 1, uses_left: 0, max_uses: null, is_duress: 0, used_at: null, invalidated_at: null,
          card_hash: null, card_sealed: null, code_hash: null, code_sealed: null, code_length: null, secret_revision: null, display_name: null, metadata: null, opaque: null,
          schedule_modified: 0, issued_at: 1, synced_at: 1, created_at: 1, schedule_key: null,
        }); // prettier-ignore
        store.credentials.setEntrances(key, [entranceKey], null);
        const point = points[n] ?? Buffer.alloc(65);
        store.phones.insert({
          acs_credential_id: id.replace('a000', 'b000'),
          credential_key: key,
          key_hash: store.secrets.keyHash(point),
          public_key: point,
          display_name: null,
          created_at: 1,
        });
      }
    });
}

// ---- proofs ---------------------------------------------------------------------------------------------------------

const WARM_UP = 20;
const TURNS = 300;

function proofs(report: Report): void {
  const keys = new ProofKeys();
  const signed = Array.from({ length: 64 }, () => {
    const card = new SimulatedCard();
    card.answer(Buffer.from('00A4040008A00000089800000100', 'hex'));
    const id = randomBytes(16);
    const body = Buffer.concat([Buffer.from('5C0201004C10', 'hex'), id, Buffer.from('4D20', 'hex'), Buffer.alloc(32)]);
    const answer = card.answer(Buffer.concat([Buffer.from('8080000138', 'hex'), body, Buffer.alloc(1)]));
    const key = importPoint(card.point);
    if (key === null) throw new Error('a card has a key');
    return {
      point: card.point,
      id,
      signature: Buffer.from(answer.subarray(-66, -2)),
      key: createPublicKey(key.export({ type: 'spki', format: 'pem' })),
    };
  });
  const ours = (): boolean => signed.every(({ point, id, signature }) => keys.isProved(point, id, signature));
  const bare = (): boolean =>
    signed.every(({ key, id, signature }) => verify('sha256', id, { key, dsaEncoding: 'ieee-p1363' }, signature));
  const perSecond = (all: () => boolean): number => {
    const fromMs = performance.now();
    if (!all()) throw new Error('what a card signed is a proof');
    return (signed.length * 1_000) / (performance.now() - fromMs);
  };
  // In turns so short that what else the machine does falls on both, and each first as often as second.
  const took = { ours: [] as number[], bare: [] as number[], ratios: [] as number[] };
  for (let turn = -WARM_UP; turn < TURNS; turn++) {
    const isFirst = turn % 2 === 0;
    const before = isFirst ? perSecond(ours) : 0;
    const other = perSecond(bare);
    const one = isFirst ? before : perSecond(ours);
    if (turn < 0) continue;
    took.bare.push(other);
    took.ours.push(one);
    took.ratios.push(one / other);
  }
  report(beside('phones', 'verifications of node:crypto, keys at hand', median(took.bare), '/s'));
  report(beside('phones', 'proofs, keys known', median(took.ours), '/s'));
  report(against('phones', 'proofs against bare verifications', median(took.ratios), 'x', '>=', 0.8));
}
