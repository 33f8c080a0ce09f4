// `npm run crash -- --kills N [--seed M]`: the real process, killed N times at random moments under load.
// `npm run crash -- --images N [--seed M]`: recorded runs of it, with the power cut at their moments in N ways.
// A run that finds something wrong says how to do it again. Instants of real time are never the same twice: a seed draws
// the same kinds of days.

import { parseArgs } from 'node:util';
import { setup } from '../support/program.ts';
import { cutEverywhere, inWords as imagesInWords } from './images/images.ts';
import { record, type Recording } from './images/record.ts';
import { inWords, killAgain } from './kills/kills.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string' },
    images: { type: 'string' },
    seed: { type: 'string', default: '1' },
    tell: { type: 'boolean', default: false },
  },
});
// Brokers and agents that were started end with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const numberOf = (name: string, text: string): number => {
  if (/^[1-9][0-9]{0,9}$/.test(text)) return Number(text);
  throw new Error(`--${name} ${text}: a whole number from 1 is wanted`);
};
const say = (line: string): void => console.log(line);
const tell = values.tell ? say : (): void => undefined;

/** By far most of a building's life is that of one that was founded long ago. */
const RECORDINGS: readonly (readonly [share: number, recording: Recording])[] = [
  [0.9, { rounds: 60, finds: 'founded', isNight: true }],
  [0.05, { rounds: 2, finds: 'nothing', isNight: false }],
  [0.05, { rounds: 2, finds: 'older', isNight: false }],
];

async function cut(images: number, seed: number): Promise<void> {
  for (const [share, recording] of RECORDINGS) {
    const recorded = await record(recording);
    tell(`recorded: ${JSON.stringify(recording)}, ${recorded.events.size} events`);
    const { looked, found } = cutEverywhere(recorded, { most: Math.ceil(images * share), seed }, tell);
    say(`a life that finds ${recording.finds}: ${imagesInWords(looked).join('\n')}`);
    for (const { problem, way, life, at } of found) say(`life ${life}, call ${at}, ${way}: ${problem}`);
    if (found.length > 0) throw new Error(`${found.length} images are not as they must be`);
  }
}

async function run(): Promise<void> {
  const seed = numberOf('seed', values.seed);
  const { kills, images } = values;
  if (kills === undefined && images === undefined)
    throw new Error('npm run crash -- --kills N | --images N [--seed M]');
  // The program is bundled once.
  const clear = await setup();
  try {
    if (kills !== undefined) say(inWords(await killAgain(seed, numberOf('kills', kills), { tell })).join('\n'));
    if (images !== undefined) await cut(numberOf('images', images), seed);
  } catch (error) {
    say(error instanceof Error ? (error.stack ?? error.message) : String(error));
    const what = kills === undefined ? `--images ${images ?? ''}` : `--kills ${kills}`;
    say(`again: npm run crash -- ${what} --seed ${seed} --tell`);
    process.exitCode = 1;
  } finally {
    clear();
  }
}

await run();
process.exit();
