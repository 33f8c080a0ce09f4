// `npm run crash -- --kills N [--seed M]`: the real process, killed N times at random moments under load.
// A run that finds something wrong says how to do it again; moments of real time are never the same twice, so that a
// seed draws the same kinds of days, not the same instants.

import { parseArgs } from 'node:util';
import { setup } from '../support/program.ts';
import { inWords, killAgain } from './kills/kills.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string' },
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

async function kill(kills: number, seed: number): Promise<void> {
  const clear = await setup();
  try {
    const tell = (line: string): void => console.log(line);
    console.log(inWords(await killAgain(seed, kills, values.tell ? { tell } : {})).join('\n'));
  } finally {
    clear();
  }
}

async function run(): Promise<void> {
  const seed = numberOf('seed', values.seed);
  const { kills } = values;
  if (kills === undefined) throw new Error('npm run crash -- --kills N [--seed M]');
  try {
    await kill(numberOf('kills', kills), seed);
  } catch (error) {
    console.log(error instanceof Error ? (error.stack ?? error.message) : String(error));
    console.log(`again: npm run crash -- --kills ${kills} --seed ${seed} --tell`);
    process.exitCode = 1;
  }
}

await run();
process.exit();
