// Random commands and faults, in any order, and the power gone at any step: in the end the device holds exactly what
// the store says, nobody else's slot was touched, and on the way nothing was sent that nobody was allowed to have.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OperatingError } from '../../src/domain/errors.ts';
import type { SlotContent } from '../../src/domain/ports.ts';
import { foreignRecord } from '../support/memory-device.ts';
import { House, HOUR, NOON, without, type HouseOptions } from '../support/sync-house.ts';

const OTHER_USER = '33333333-3333-3333-3333-333333333334';
const PRELOAD_MS = 72 * HOUR;

/** Somebody who watches everything that goes over the wire. */
class Witness {
  readonly house: House;
  readonly foreign = new Map<number, Buffer>();
  readonly wrongs: string[] = [];
  /** Slots that somebody else altered: what is said of them is wrong until the next comparison. */
  readonly altered = new Set<number>();

  constructor(house: House) {
    this.house = house;
    house.device.onSent = (slot, content) => {
      if (this.foreign.has(slot)) this.wrongs.push(`slot ${slot} is foreign`);
      if (house.store.targets.bySlot('store-panel', slot) === undefined) this.wrongs.push(`slot ${slot} is not owned`);
      if (content !== null && !this.isAllowed(content)) this.wrongs.push(`slot ${slot} was given what nobody may have`);
    };
  }

  /** What is called set is there, and what is there is owned. */
  look(): void {
    const { store, device } = this.house;
    if (device.slotCapabilities.readBack !== 'full') return;
    for (const [slot] of device.held()) {
      if (store.targets.bySlot('store-panel', slot) === undefined)
        this.wrongs.push(`slot ${slot} holds what nobody owns`);
    }
    for (const row of store.targets.withSlotsFrom('store-panel', 0, 1000)) {
      if (row.state !== 'set' || this.altered.has(row.slot)) continue;
      const pin = device.held().get(row.slot)?.pin;
      const credential = store.credentials.byKey(row.credential_key);
      if (credential?.code_hash?.equals(store.secrets.codeHash(pin ?? '')) !== true)
        this.wrongs.push(`slot ${row.slot} is called set and is not`);
    }
  }

  /** Judged from the tables alone, not by the code under test. */
  isAllowed(content: SlotContent): boolean {
    return this.expected().some((wanted) => JSON.stringify(wanted) === JSON.stringify(content));
  }

  expected(): SlotContent[] {
    const { store, device, clock } = this.house;
    const now = clock.nowMs();
    const { windows } = device.slotCapabilities;
    return store.credentials
      .list({ after: 0, userKey: null, identity: null, search: null, createdBefore: null, limit: 1000 })
      .flatMap((row): SlotContent[] => {
        const user = row.user_key === null ? undefined : store.users.byKey(row.user_key);
        if (user === undefined || user.is_suspended === 1 || row.code_sealed === null) return [];
        const from = row.starts_at === null ? -Infinity : row.starts_at - (windows === 'none' ? 0 : PRELOAD_MS);
        if (now < from || (row.ends_at !== null && now >= row.ends_at)) return [];
        const isKept = windows !== 'none';
        return [
          {
            card: null,
            pin: store.secrets.open(row.code_sealed, `code ${row.acs_credential_id}`),
            cardAndPin: false,
            doors: [1],
            startsAtMs: isKept ? row.starts_at : null,
            endsAtMs: isKept ? row.ends_at : null,
            oneTimeUse: false,
          },
        ];
      });
  }
}

type Op = { name: keyof typeof OPS; a: number; b: number };

/** Each takes two numbers to make of what it likes. */
const OPS = {
  create: ({ house }: Witness, a: number, b: number) => {
    const start = NOON + (a % 50) * HOUR;
    const window = [
      {},
      { starts_at: start },
      { ends_at: start + HOUR },
      { starts_at: start, ends_at: start + (1 + (b % 90)) * HOUR },
    ][b % 4];
    house.create({ code: String(1000 + (a % 60)), acs_user_id: b % 3 === 0 ? OTHER_USER : undefined, ...window });
  },
  changeCode: ({ house }: Witness, a: number, b: number) =>
    house.update(pick(house, a), { code: String(1000 + (b % 60)) }),
  changeEnd: ({ house }: Witness, a: number, b: number) =>
    house.update(pick(house, a), { ends_at: b % 5 === 0 ? null : house.clock.nowMs() + (b % 100) * HOUR }),
  changeStart: ({ house }: Witness, a: number, b: number) =>
    house.update(pick(house, a), { starts_at: house.clock.nowMs() + ((b % 100) - 20) * HOUR }),
  remove: ({ house }: Witness, a: number) => house.delete(pick(house, a)),
  suspend: ({ house }: Witness) => house.suspend(OTHER_USER),
  unsuspend: ({ house }: Witness) => house.unsuspend(OTHER_USER),
  settle: async (witness: Witness) => {
    await witness.house.settle();
    witness.look();
  },
  turns: ({ house }: Witness, a: number) => house.turns(a % 25),
  slowAnswers: ({ house }: Witness, a: number) => void (house.device.isAnswerSlow = a % 2 === 0),
  wait: ({ house }: Witness, a: number) => house.pass((a % 20) * 1000),
  waitLong: async ({ house }: Witness, a: number) => {
    house.clock.leap((a % 40) * HOUR);
    await house.pass(15_000);
  },
  offline: ({ house }: Witness) => house.offline(),
  online: ({ house }: Witness) => house.online(),
  restart: ({ house, foreign, altered }: Witness, a: number) => {
    if (a % 2 === 0) {
      for (const slot of house.device.table.keys()) altered.add(slot);
      house.device.table.clear();
      foreign.clear();
    }
    house.sync.deviceRestarted('store-panel');
  },
  silence: ({ house }: Witness) => void (house.device.faults.isSilent = true),
  loseAnswers: ({ house }: Witness) => void (house.device.faults.isAnswerLost = true),
  forget: ({ house }: Witness) => {
    if (house.device.slotCapabilities.readBack === 'full') house.device.faults.isForgetful = true;
  },
  refuse: ({ house }: Witness) => void (house.device.faults.refusal = 'device_error'),
  cut: ({ house }: Witness, a: number) => void (house.device.faults.cutAfter = a % 6),
  heal: ({ house }: Witness) => house.device.heal(),
  compare: ({ house }: Witness) => house.sync.compareAll(),
  enrolForeign: async ({ house, foreign }: Witness, a: number) => {
    await house.settle();
    const slot = a % 30;
    if (house.device.slotCapabilities.readBack !== 'full' || house.device.table.has(slot)) return;
    if (house.store.targets.bySlot('store-panel', slot) !== undefined) return;
    const record = foreignRecord(String(a));
    house.device.table.set(slot, record);
    foreign.set(slot, record);
  },
  tamper: ({ house, altered }: Witness, a: number) => {
    const slot = [...house.device.held().keys()][a % 7];
    if (slot === undefined || house.device.slotCapabilities.readBack !== 'full') return;
    house.device.table.set(slot, foreignRecord('altered'));
    altered.add(slot);
  },
  kill: ({ house }: Witness) => house.kill(),
} satisfies Record<string, (witness: Witness, a: number, b: number) => void | Promise<void>>;

const pick = (house: House, a: number): string => {
  const rows = house.store.credentials.list({
    after: 0,
    userKey: null,
    identity: null,
    search: null,
    createdBefore: null,
    limit: 1000,
  });
  return rows[a % Math.max(1, rows.length)]?.acs_credential_id ?? '00000000-0000-0000-0000-000000000000';
};

const WEIGHTS: Partial<Record<keyof typeof OPS, number>> = {
  create: 8,
  remove: 3,
  turns: 4,
  kill: 3,
  settle: 8,
  heal: 5,
  online: 5,
  enrolForeign: 3,
  changeCode: 3,
};

const anyOp: fc.Arbitrary<Op> = fc.record({
  name: fc.oneof(
    ...(Object.keys(OPS) as (keyof typeof OPS)[]).map((name) => ({
      arbitrary: fc.constant(name),
      weight: WEIGHTS[name] ?? 1,
    })),
  ),
  a: fc.nat(1000),
  b: fc.nat(1000),
});

async function live(options: HouseOptions, ops: readonly Op[]): Promise<void> {
  const house = new House(options);
  const witness = new Witness(house);
  house.addUser(OTHER_USER);
  house.sync.start();
  try {
    for (const { name, a, b } of ops) {
      try {
        await OPS[name](witness, a, b);
      } catch (error) {
        if (!(error instanceof OperatingError)) throw error;
      }
    }
    await recover(house);
    expect(witness.wrongs).toEqual([]);
    const order = (contents: Iterable<SlotContent>): string[] =>
      [...contents].map((content) => JSON.stringify(content)).sort();
    expect(order(house.device.held().values())).toEqual(order(witness.expected()));
    for (const [slot, record] of witness.foreign) expect(house.device.table.get(slot)).toEqual(record);
    expect(house.device.table.size).toBe(house.device.held().size + witness.foreign.size);
    expect(house.store.targets.loadOf('store-panel')).toEqual({ pending: 0, used: house.device.held().size });
  } finally {
    await house.close();
  }
}

/** The bad day is over: everything answers, and some time passes. */
async function recover(house: House): Promise<void> {
  house.device.heal();
  house.online();
  if (house.device.slotCapabilities.readBack === 'none') house.sync.deviceRestarted('store-panel');
  await house.pass(6 * 60_000);
  if (house.device.slotCapabilities.readBack !== 'none') {
    await house.sync.resync('store-panel');
    await house.settle();
    await house.pass(6 * 60_000);
  }
}

const CONTROLLERS: Record<string, HouseOptions> = {
  'a controller that keeps windows': { slots: { count: 30, slotsPerWrite: 64 } },
  'a controller without windows': { slots: without({ count: 30, slotsPerWrite: 64 }) },
  'a controller that takes the same code twice': {
    slots: without({ count: 30, slotsPerWrite: 3, duplicatePins: 'accept' }),
  },
  'a controller that masks': { slots: { count: 30, slotsPerWrite: 64, readBack: 'masked' } },
  'a controller that cannot be read': { slots: { count: 30, slotsPerWrite: 64, readBack: 'none' } },
};

test('the power may go at any step of a plan', { timeout: 300_000 }, async () => {
  for (const isAnswerSlow of [false, true]) {
    for (let steps = 0; steps < 45; steps++) {
      const house = new House({ slots: without({ count: 30, slotsPerWrite: 2 }) });
      const witness = new Witness(house);
      house.device.isAnswerSlow = isAnswerSlow;
      house.sync.start();
      const [gone, changed] = ['1000', '1001', '1002'].map((code) => house.create({ code }));
      await house.settle();
      house.delete(gone ?? '');
      house.update(changed ?? '', { code: '2001' });
      house.create({ code: '2002' });
      house.create({ code: '2003', ends_at: NOON + 1000 });
      await house.turns(steps);
      await house.kill();
      witness.look();
      await house.pass(15_000);
      witness.look();
      expect({ steps, isAnswerSlow, wrongs: witness.wrongs, pins: house.pins() }).toEqual({
        steps,
        isAnswerSlow,
        wrongs: [],
        pins: ['1002', '2001', '2002'],
      });
      await house.close();
    }
  }
});

test.for(Object.entries(CONTROLLERS))(
  '%s ends as the store says, whatever happened',
  { timeout: 300_000 },
  async ([, options]) => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyOp, { minLength: 5, maxLength: 40 }), (ops) => live(options, ops)),
      { numRuns: 15 },
    );
  },
);
