// What a security officer expects of the doors, case by case (cases.yaml), asked of the doors themselves.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Judgement } from '../../src/access/judging.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { House } from './cases/house.ts';
import { ALL_GATES, count, HEARD_OF_ONLY_SHUT, type Count } from './cases/ladder.ts';
import { readCases, type Row } from './cases/rows.ts';
import { run, type Outcome } from './cases/run.ts';
import { Shelf } from './cases/shelf.ts';

const LEAST_ROWS = 200;
/** In how many rows at least each gate lets pass, and shuts. */
const LEAST_OF_EACH = 3;

const { cast, rows } = readCases();
const shelf = new Shelf(cast);
beforeAll(async () => await shelf.fill());
afterAll(() => shelf.end());

type Ran = { outcome: Outcome; judged: Judgement | null };
const ran = new Map<Row, Ran>();

async function once(row: Row): Promise<Ran> {
  const house = new House({ cast, shelf, clock: new ManualClock(row.when) });
  try {
    const done = ran.get(row) ?? (await run(house, row));
    ran.set(row, done);
    return done;
  } finally {
    house.end();
  }
}

describe('the cases', () => {
  it.each(rows)('$title', async (row) => {
    const { outcome } = await once(row);
    const { why, told } = row;
    expect(outcome).toEqual({ then: row.then, ...(why === undefined ? {} : { why }), ...(told === undefined ? {} : { told }) }); // prettier-ignore
  });

  it(`are at least ${LEAST_ROWS}, no two the same, and every denial says why`, () => {
    expect(rows.length).toBeGreaterThanOrEqual(LEAST_ROWS);
    const same = rows.map(({ who, at, when, world }) => JSON.stringify([who, at, when, world]));
    expect(same.filter((row, i) => same.indexOf(row) !== i)).toEqual([]);
    expect(rows.filter(({ then, why }) => (then === 'denied') !== (why !== undefined)).map(({ line }) => line)).toEqual([]); // prettier-ignore
  });

  it('hold every gate of the ladder open three times and shut three times', { timeout: 120_000 }, async () => {
    const counts = new Map<string, Count>();
    for (const row of rows) {
      const { judged } = ran.get(row) ?? (await once(row));
      if (judged !== null) count(counts, judged);
    }
    const wanting = ALL_GATES.flatMap((gate) => {
      const { passed, denied } = counts.get(gate) ?? { passed: 0, denied: 0 };
      return passed >= LEAST_OF_EACH && denied >= LEAST_OF_EACH ? [] : [`${gate}: lets pass in ${passed} cases, shuts in ${denied}`]; // prettier-ignore
    });
    expect(wanting, HOW_TO_ADD).toEqual([]);
    expect(HEARD_OF_ONLY_SHUT.filter((gate) => !ALL_GATES.includes(gate))).toEqual([]);
  });
});

const HOW_TO_ADD = `every gate of src/access/*gates.ts has to let pass in at least ${LEAST_OF_EACH} rows of test/access/cases.yaml and to shut in at least ${LEAST_OF_EACH}.
Remedy: add rows under a chapter of its own, as
  - { who: anna card, at: vault, when: Mon 2026-03-02 22:00, world: [lockdown], then: denied, why: entrance_locked_down }
A person, door, group or hours that they need stands at the top of that file (what a door can have: test/access/cases/site.ts; a person: cast.ts); a sentence of "world" that is not there yet is one entry of the table in test/access/cases/happens.ts.
A gate that an explanation never names while it is open stands in HEARD_OF_ONLY_SHUT of test/access/cases/ladder.ts.`; // prettier-ignore
