import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Chance } from '../world/seeded/chance.ts';
import { corpusOf } from './corpus.ts';
import { inputsOf, smallest } from './inputs.ts';
import { mutated } from './mutate.ts';
import { problemOf, run } from './run.ts';
import { must, type Target } from './target.ts';
import { TARGETS } from './targets.ts';

/** The same in every run of the suite; others are played by `npm run fuzz`. */
const SEED = 20_261_130;
const INPUTS = 1_000;

describe.each(TARGETS)('$about', (target) => {
  it('nothing that ever came upon something, and nothing that grows out of it, does so', async () => {
    const kept = corpusOf(target);
    const inputs = inputsOf(target, kept, SEED, target.inputsInSuite ?? INPUTS);
    for (const bytes of [...kept, ...inputs]) {
      const problem = await problemOf(target, bytes);
      if (problem === null) continue;
      const least = await smallest(bytes, async (shorter) => (await problemOf(target, shorter)) !== null);
      expect.fail(`${problem}\nagain: npm run fuzz -- ${target.name} --bytes ${least.toString('hex')}`);
    }
  });
});

describe('the fuzzer itself', () => {
  /** Takes what begins with its length, and is wrong about one value of one byte. */
  const faulty: Target = {
    name: 'faulty',
    about: 'a parser with a fault',
    seeds: [Buffer.from('05hello'), Buffer.from('02no')],
    play(bytes) {
      must(!(bytes.length > 2 && bytes[2] === 0xff), 'it does not hold');
      return bytes.length > 2 ? 'taken' : 'refused';
    },
  };
  const order = { inputs: 50_000, seed: 3, isGrowing: false };

  it('finds a fault that is there, and makes it as small as it can be', async () => {
    const { fault } = await run(faulty, order, () => undefined);
    expect(fault?.problem).toContain('it does not hold');
    expect(Buffer.from(fault?.hex ?? '', 'hex')).toHaveLength(3);
  });

  it('plays the same inputs from the same seed', () => {
    const [one, other] = [1, 2].map(() => Buffer.concat([...inputsOf(faulty, faulty.seeds, 9, 2_000)]).toString('hex'));
    expect(one).toBe(other);
    const chance = new Chance(10);
    expect(mutated(faulty, faulty.seeds, chance)).not.toEqual(mutated(faulty, faulty.seeds, chance));
  });

  it('says how far the inputs came, and that nothing has grown', async () => {
    const { played, ways, fault, grownBytes } = await run({ ...faulty, play: (bytes) => `${bytes.length > 2}` }, { ...order, inputs: 2_000 }, () => undefined); // prettier-ignore
    expect({ fault, played: played >= 2_000, ways: Object.keys(ways).length }).toEqual({ fault: null, played: true, ways: 2 }); // prettier-ignore
    expect(grownBytes).toBeLessThan(16 * 1024 * 1024);
  });

  it('keeps a corpus for nobody but its targets', () => {
    const folder = join(import.meta.dirname, 'corpus');
    const names = existsSync(folder) ? readdirSync(folder) : [];
    expect(names.filter((name) => !TARGETS.some((target) => `${target.name}.json` === name))).toEqual([]);
  });
});
