// A sample of what `npm run crash -- --images` does with a hundred thousand: a run of the agent is recorded, and the
// power is cut at its moments.

import { describe, expect, it } from 'vitest';
import { Disk } from './images/disk.ts';
import { cutEverywhere } from './images/images.ts';
import { record } from './images/record.ts';

const FOLDER = '/state';
const [DATABASE, MARK] = [`${FOLDER}/lintel.db`, `${FOLDER}/lintel.generation`];
const all = new Map([0, 1, 2, 3].map((at) => [at, null]));

describe('a power cut at any moment of a run', { timeout: 1_200_000 }, () => {
  it('leaves a database that opens, with all that was acknowledged, told, or used up by a strike', async () => {
    const recorded = await record({ rounds: 3, finds: 'founded', isNight: false });
    const { looked, found } = cutEverywhere(recorded, { most: 500, seed: 1 });
    expect(found).toEqual([]);
    expect(looked.images).toBeGreaterThan(350);
    expect(looked.promises).toBeGreaterThan(20);
    // It would be noticed: the same run on a disk that syncs no log.
    const lives = recorded.lives.map(({ before, ops }) => ({ before, ops: ops.filter((op) => op.kind !== 'sync' || !op.path.endsWith('-wal')) })); // prettier-ignore
    const { found: lost } = cutEverywhere({ ...recorded, lives }, { most: 500, seed: 1 });
    expect(lost.map(({ problem }) => problem)).toContainEqual(
      expect.stringMatching(/was acknowledged, and is gone|was told/),
    );
  });

  it('in the first start of all leaves what the next one takes for a first start', async () => {
    const recorded = await record({ rounds: 0, finds: 'nothing', isNight: false });
    const { found, looked } = cutEverywhere(recorded, { most: 100, seed: 1 });
    expect(found).toEqual([]);
    expect(looked.images).toBeGreaterThan(50);
  });

  it('while an older database is brought forward leaves one of the two, and no half backup that is called one', async () => {
    const recorded = await record({ rounds: 0, finds: 'older', isNight: false });
    const { found, looked } = cutEverywhere(recorded, { most: 120, seed: 1 });
    expect(found).toEqual([]);
    expect(looked.images).toBeGreaterThan(60);
  });
});

describe('the disk of a power cut', () => {
  const disk = new Disk(FOLDER, new Map([[DATABASE, Buffer.alloc(1024, 1)]]));

  it('keeps what was synced, and loses, keeps or tears the rest between its sectors', () => {
    disk.take({ kind: 'write', path: DATABASE, offset: 0, data: Buffer.alloc(1024, 2) });
    const of = (kept: Parameters<Disk['image']>[0]): number[] => {
      const bytes = disk.image(kept, 0).get('lintel.db') ?? Buffer.alloc(0);
      return [bytes.length, bytes.at(0) ?? -1, bytes.at(-1) ?? -1];
    };
    expect(of(new Map())).toEqual([1024, 1, 1]);
    expect(of(all)).toEqual([1024, 2, 2]);
    expect(of(new Map([[0, (sector) => sector === 0]]))).toEqual([1024, 2, 1]);
    disk.take({ kind: 'sync', path: DATABASE });
    expect(of(new Map())).toEqual([1024, 2, 2]);
  });

  it('may know a name without what stands in the file, until the file is synced; and a name only with its folder', () => {
    disk.take({ kind: 'create', path: `${MARK}.new`, isEmptied: false });
    disk.take({ kind: 'write', path: `${MARK}.new`, offset: null, data: Buffer.from('mark') });
    disk.take({ kind: 'rename', from: `${MARK}.new`, to: MARK });
    expect([...disk.image(all, 0).keys()]).toEqual(['lintel.db']);
    expect(disk.image(new Map(), 2).get('lintel.generation')?.toString()).toBe('');
    expect(disk.image(new Map(), 2, true).get('lintel.generation')?.toString()).toBe('\0\0\0\0');
    disk.take({ kind: 'sync', path: MARK });
    expect(disk.image(new Map(), 2).get('lintel.generation')?.toString()).toBe('mark');
    disk.take({ kind: 'sync', path: FOLDER });
    expect(disk.image(new Map(), 0).get('lintel.generation')?.toString()).toBe('mark');
  });
});
