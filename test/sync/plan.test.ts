// The plan as a pure function: its order, its slots, and that it sees no more than it is given.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plan, type PlanRow } from '../../src/sync/plan.ts';
import { SlotMap } from '../../src/sync/slot-map.ts';

const row = (targetKey: number, more: Partial<PlanRow> = {}): PlanRow => ({
  targetKey,
  wants: 'content',
  slot: null,
  isDoubtful: false,
  isWritten: false,
  urgentAtMs: 0,
  ...more,
});
const usual = { freeSlots: [3, 5, 9], canRead: true, isEmptinessFresh: true };

test('erasures come first, then what replaces something, then the most urgent starts', () => {
  const steps = plan({
    ...usual,
    rows: [
      row(1, { urgentAtMs: 50 }),
      row(2, { slot: 7 }),
      row(3, { urgentAtMs: 20 }),
      row(4, { wants: 'nothing', slot: 8 }),
    ],
  });
  expect(steps.map(({ targetKey, action, slot }) => [targetKey, action, slot])).toEqual([
    [4, 'erase', 8],
    [2, 'write', 7],
    [3, 'write', 3],
    [1, 'write', 5],
  ]);
});

test('equal contents are skipped, doubtful ones are read first', () => {
  const steps = plan({
    ...usual,
    rows: [
      row(1, { slot: 1, isWritten: true }),
      row(2, { slot: 2, isWritten: true, isDoubtful: true }),
      row(3, { slot: 4, wants: 'nothing', isDoubtful: true }),
      row(4, { wants: 'nothing' }),
    ],
  });
  expect(
    Object.fromEntries(steps.map(({ targetKey, action, readFirst }) => [targetKey, `${action} ${readFirst}`])),
  ).toEqual({
    1: 'nothing false',
    2: 'write true',
    3: 'erase true',
    4: 'nothing false',
  });
});

test('a free slot that was not seen empty lately is read first, where the device can be read', () => {
  const readFirst = (canRead: boolean, isEmptinessFresh: boolean): boolean | undefined =>
    plan({ freeSlots: [0], canRead, isEmptinessFresh, rows: [row(1)] })[0]?.readFirst;
  expect([readFirst(true, true), readFirst(true, false), readFirst(false, false)]).toEqual([false, true, false]);
});

const anyRow = fc.record({
  wants: fc.constantFrom('nothing' as const, 'content' as const),
  slot: fc.option(fc.integer({ min: 0, max: 400 })),
  isDoubtful: fc.boolean(),
  isWritten: fc.boolean(),
  urgentAtMs: fc.integer({ min: 0, max: 5 }),
});

test('no slot is given twice or taken from anybody, and who finds none is told so', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(anyRow, { maxLength: 40, selector: ({ slot }) => slot ?? Symbol('none') }),
      fc.uniqueArray(fc.integer({ min: 0, max: 400 })),
      (some, freeList) => {
        const rows = some.map((one, i) => row(i, one));
        const used = new Set(rows.map(({ slot }) => slot));
        const freeSlots = freeList.filter((slot) => !used.has(slot)).sort((a, b) => a - b);
        const steps = plan({ rows, freeSlots, canRead: true, isEmptinessFresh: false });
        expect(steps.map(({ targetKey }) => targetKey).sort((a, b) => a - b)).toEqual(
          rows.map(({ targetKey }) => targetKey),
        );
        const slots = steps.flatMap(({ slot }) => (slot === null ? [] : [slot]));
        expect(new Set(slots).size).toBe(slots.length);
        const fresh = steps.filter(({ targetKey, action }) => action === 'write' && rows[targetKey]?.slot === null);
        expect(fresh.map(({ slot }) => slot)).toEqual(freeSlots.slice(0, fresh.length));
        const without = steps.filter(({ action }) => action === 'no_space').length;
        expect(without).toBe(
          Math.max(0, rows.filter(({ wants, slot }) => wants === 'content' && slot === null).length - freeSlots.length),
        );
        expect(steps.findLastIndex(({ action }) => action === 'erase')).toBeLessThanOrEqual(
          rows.filter(({ wants }) => wants === 'nothing').length - 1,
        );
      },
    ),
  );
});

test('a slot map gives the lowest free slots, whatever was taken and released', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ isTaking: fc.boolean(), slot: fc.integer({ min: 8, max: 30 }) })),
      fc.nat(30),
      (changes, most) => {
        const map = new SlotMap(10, 16);
        const taken = new Set<number>();
        for (const { isTaking, slot } of changes) {
          if (isTaking) map.take(slot);
          else if (taken.has(slot) || !map.has(slot)) map.release(slot);
          if (!map.has(slot)) continue;
          if (isTaking) taken.add(slot);
          else taken.delete(slot);
          map.lowestFree(1);
        }
        const free = Array.from({ length: 16 }, (_, i) => 10 + i).filter((slot) => !taken.has(slot));
        expect(map.lowestFree(most)).toEqual(free.slice(0, most));
        expect(map.free).toBe(free.length);
      },
    ),
  );
});
