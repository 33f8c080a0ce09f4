// `npm run fuzz -- TARGET|all [--inputs N] [--seed S] [--grow]`: plays N inputs into a parser, or into each of them, and
// says of what it finds the least input that shows it, and how to play that again (`--bytes HEX`). One target after the
// other, each in a thread of its own with a bounded heap: one input that is played for a minute is a find as well.

import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { MOST_GROWN_BYTES, problemOf, type Order, type Report } from './run.ts';
import { TARGETS, targetNamed } from './targets.ts';
import { HEAD_WORDS, MOST_SHOWN_BYTES, type Shared } from './worker.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    inputs: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    grow: { type: 'boolean', default: false },
    bytes: { type: 'string' },
  },
});
const numberOf = (name: string, text: string): number => {
  if (/^[1-9][0-9]{0,9}$/.test(text)) return Number(text);
  throw new Error(`--${name} ${text}: a whole number from 1 is wanted`);
};
const LOOK_MS = 60_000;
const HEAP_MB = 1_024;

async function playInThread(name: string, order: Order): Promise<Report> {
  const current = new SharedArrayBuffer(4 * HEAD_WORDS + MOST_SHOWN_BYTES);
  const head = new Int32Array(current, 0, HEAD_WORDS);
  const shared: Shared = { name, order, current };
  const worker = new Worker(new URL('worker.ts', import.meta.url), {
    workerData: shared,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  });
  const { promise, resolve } = Promise.withResolvers<Report>();
  const shown = (): string => Buffer.from(current, 4 * HEAD_WORDS, head[1]).toString('hex');
  const found = (problem: string): void =>
    resolve({ name, played: head[0] ?? 0, ways: {}, fault: { problem, hex: shown() }, grownBytes: 0, kept: 0 });
  let last = -1;
  const looking = setInterval(() => {
    const played = head[0] ?? 0;
    if (played === last && head[2] === 1) found(`one input is played for longer than ${LOOK_MS / 1_000} seconds`);
    last = played;
  }, LOOK_MS);
  worker.on('message', resolve);
  worker.on('error', (error) => found(`it ended the thread: ${String(error)}`));
  const report = await promise;
  clearInterval(looking);
  await worker.terminate();
  return report;
}

function tell({ name, played, ways, fault, grownBytes, kept }: Report, order: Order, tookMs: number): boolean {
  const shares = Object.entries(ways).sort(([, a], [, b]) => b - a).map(([way, count]) => `${way} ${count}`).join(', '); // prettier-ignore
  const grown = `heap ${grownBytes < 0 ? '-' : '+'}${Math.round(Math.abs(grownBytes) / 1024)} KiB`;
  console.log(`${name}: ${played} inputs from seed ${order.seed} in ${Math.round(tookMs / 1_000)} s, ${grown}${kept === 0 ? '' : `, ${kept} kept`}; ${shares}`); // prettier-ignore
  if (fault !== null) console.log(`FOUND in ${name}: ${fault.problem}\nagain: npm run fuzz -- ${name} --bytes ${fault.hex}`); // prettier-ignore
  const isGrown = grownBytes > MOST_GROWN_BYTES;
  if (isGrown) console.log(`FOUND in ${name}: its heap has grown`);
  return fault === null && !isGrown;
}

const [wanted] = positionals;
if (wanted === undefined) {
  for (const { name, about } of TARGETS) console.log(`${name.padEnd(22)} ${about}`);
} else if (values.bytes !== undefined) {
  const target = targetNamed(wanted);
  const bytes = Buffer.from(values.bytes, 'hex');
  const problem = await problemOf(target, bytes);
  console.log(problem ?? (await target.play(bytes)));
  process.exitCode = problem === null ? 0 : 1;
} else {
  const order: Order = { inputs: numberOf('inputs', values.inputs), seed: numberOf('seed', values.seed), isGrowing: values.grow }; // prettier-ignore
  for (const { name } of wanted === 'all' ? TARGETS : [targetNamed(wanted)]) {
    const beganMs = performance.now();
    const report = await playInThread(name, order);
    if (!tell(report, order, performance.now() - beganMs)) process.exitCode = 1;
  }
}
