// `npm run soak -- --minutes N`: fifty presentations and fifty commands a second for so long, with faults. Every ten
// seconds a line of figures goes to standard error; what they come to is printed at the end.

import { parseArgs } from 'node:util';
import { inWords, soak } from './soak.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' } } });
if (!/^[1-9][0-9]{0,4}$/.test(values.minutes)) throw new Error(`--minutes ${values.minutes}: a whole number from 1`);

// Brokers and agents that were started end with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
const SAMPLE_MS = 10_000;
const soaked = await soak({
  lastsMs: Number(values.minutes) * 60_000,
  sampleMs: SAMPLE_MS,
  tell: (kept) => console.error(JSON.stringify(kept)),
});
console.log(inWords(soaked).join('\n'));
process.exit();
