// Cuts the power at every moment of recorded runs, in as many ways as there are: of what was not synced nothing is left,
// or all, or some of it, torn between sectors or in another order.

import { Chance } from '../../world/seeded/chance.ts';
import { Disk, SECTOR, type Image, type Kept } from './disk.ts';
import { Lookout } from './look.ts';
import { Promises } from './promises.ts';
import type { Recorded } from './record.ts';

export type Looked = {
  images: number;
  cuts: number;
  writes: number;
  syncs: number;
  promises: number;
  byWay: Record<string, number>;
};
export type Found = { problem: string; way: string; life: number; at: number };
type Way = { name: string; kept: Kept; namings: number; areLengthsKept?: boolean };

const NAMINGS_TRIED = 3;
const FOUND_MOST = 20;

/** About `most` images, spread over all cuts. */
export function cutEverywhere(
  recorded: Recorded,
  { most, seed }: { most: number; seed: number },
  tell: (line: string) => void = () => undefined,
): { looked: Looked; found: Found[] } {
  const cuts = countCuts(recorded);
  const chance = new Chance(seed);
  const looked: Looked = { images: 0, cuts: 0, writes: 0, syncs: 0, promises: 0, byWay: {} };
  const found: Found[] = [];
  const lookout = new Lookout(recorded);
  const promises = new Promises(recorded);
  try {
    recorded.lives.forEach(({ before, ops }, life) => {
      if (life > 0) promises.nextLife();
      const disk = new Disk(recorded.folder, before);
      ops.forEach((op, at) => {
        const isChanged = disk.take(op);
        const isPromised = promises.take(op);
        if (op.kind === 'write') looked.writes += 1;
        if (op.kind === 'sync') looked.syncs += 1;
        if (!isChanged && !isPromised) return;
        looked.cuts += 1;
        const share = (most - looked.images) / Math.max(1, cuts - looked.cuts + 1);
        for (const way of waysOf(disk, chance, share)) {
          if (found.length >= FOUND_MOST) return;
          const image: Image = disk.image(way.kept, way.namings, way.areLengthsKept);
          looked.images += 1;
          looked.byWay[way.name] = (looked.byWay[way.name] ?? 0) + 1;
          const verdict = lookout.look(image, promises);
          if (verdict !== null) found.push({ ...verdict, way: way.name, life, at });
          if (looked.images % 1000 === 0) tell(`${looked.images} images, cut ${looked.cuts} of ${cuts}`);
        }
      });
    });
    looked.promises = promises.commands.size + promises.events.size + promises.usedUp.length;
    return { looked, found };
  } finally {
    lookout.close();
  }
}

function countCuts(recorded: Recorded): number {
  const promises = new Promises(recorded);
  let cuts = 0;
  recorded.lives.forEach(({ before, ops }, life) => {
    if (life > 0) promises.nextLife();
    const disk = new Disk(recorded.folder, before);
    for (const op of ops) {
      const isChanged = disk.take(op);
      if (promises.take(op) || isChanged) cuts += 1;
    }
  });
  return cuts;
}

/** About `share` of them; where that is less than one, one of them or none. */
function waysOf(disk: Disk, chance: Chance, share: number): Way[] {
  const count = disk.writes.length;
  const all = Array.from({ length: count }, (_, at) => at);
  const last = count - 1;
  const { namings } = disk;
  const keep = (which: readonly number[], torn: ReadonlyMap<number, (sector: number) => boolean> = new Map()): Kept =>
    new Map(which.map((at) => [at, torn.get(at) ?? null]));
  const ways: Way[] = [{ name: 'all lost', kept: keep([]), namings: 0 }];
  if (count > 0) ways.push({ name: 'all kept', kept: keep(all), namings });
  if (namings > 0) {
    ways.push({ name: 'names without contents', kept: keep([]), namings });
    if (count > 0) ways.push({ name: 'contents without names', kept: keep(all), namings: 0 });
    for (let some = Math.max(1, namings - NAMINGS_TRIED); some < namings; some++)
      ways.push({ name: 'some names', kept: keep(chance.is(0.5) ? all : []), namings: some });
  }
  if (count > 0) ways.push({ name: 'zeros', kept: keep([]), namings, areLengthsKept: true });
  if (count > 1) {
    ways.push({ name: 'only the last', kept: keep([last]), namings });
    ways.push({ name: 'only the first', kept: keep([0]), namings });
    ways.push({ name: 'all but the first', kept: keep(all.slice(1)), namings });
  }
  const newest = disk.writes[last];
  const sectors = newest === undefined || 'size' in newest ? 0 : Math.ceil(newest.data.length / SECTOR);
  for (let sector = 1; sector < Math.min(sectors, 9); sector++) {
    const before = sector;
    ways.push({ name: 'torn', kept: keep(all, new Map([[last, (one) => one < before]])), namings });
    ways.push({ name: 'torn from behind', kept: keep(all, new Map([[last, (one) => one >= before]])), namings });
  }
  while (count > 1 && ways.length < share) {
    const which = chance.some(all, chance.of([0.2, 0.5, 0.8]));
    const torn = new Map(chance.some(which, 0.3).map((at) => {
      const mask = chance.whole(0, 2 ** 16);
      return [at, (sector: number) => (mask & (1 << (sector % 16))) !== 0] as const;
    })); // prettier-ignore
    ways.push({ name: 'some, torn', kept: keep(which, torn), namings: chance.whole(0, namings), areLengthsKept: chance.is(0.2) }); // prettier-ignore
  }
  // A sample takes every cut in few ways, and other ones at each.
  const wanted = Math.floor(share) + (chance.is(share % 1) ? 1 : 0);
  if (ways.length <= wanted) return ways;
  const drawn = ways.map((way) => ({ way, by: chance.fraction() })).sort((a, b) => a.by - b.by);
  return drawn.slice(0, wanted).map(({ way }) => way);
}

export function inWords({ images, cuts, writes, syncs, promises, byWay }: Looked): string[] {
  return [
    `${images} images of the disk opened and checked: ${cuts} moments of runs with ${writes} writes and ${syncs} syncs, and ${promises} promises`,
    Object.entries(byWay).map(([name, count]) => `${name} ${count}`).join(', '),
  ]; // prettier-ignore
}
