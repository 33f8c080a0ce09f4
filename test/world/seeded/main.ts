// `npm run world -- --seeds N [--from M]`: plays N seeds from M on, as many at a time as there are cores, and says of
// each that fails how to play it again. `--from commit` begins at a number that is the commit's own, so that the gate
// plays others for each commit, and the same again for the same. `--tell` says every step.

import { spawn, spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { play } from './play.ts';
import { NOTHING, sum, type Played } from './played.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    tell: { type: 'boolean', default: false },
    /** What a process of ours says to the one that began it. */
    part: { type: 'boolean', default: false },
  },
});
const numberOf = (name: string, text: string): number => {
  if (/^[1-9][0-9]{0,9}$/.test(text)) return Number(text);
  throw new Error(`--${name} ${text}: a whole number from 1 is wanted`);
};
/** A process plays so many and makes room for another: what the dead of the seeds leave behind goes with it. */
const A_PART = 25;

const count = numberOf('seeds', values.seeds);
const from = values.from === 'commit' ? commitNumber() : numberOf('from', values.from);

/** Each commit has a thousand seeds to itself; sources that came without their history have the first. */
function commitNumber(): number {
  const { status, stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' });
  return status === 0 ? 1_000 * (1 + (Number.parseInt(stdout.slice(0, 8), 16) % 1_000_000)) : 1;
}

type Part = { played: Played; seeds: number; failed: { seed: number; problem: string }[] };

async function playAll(first: number, seeds: number): Promise<Part> {
  const part: Part = { played: NOTHING, seeds, failed: [] };
  for (let seed = first; seed < first + seeds; seed++) {
    try {
      part.played = sum(part.played, await play(seed, values.tell ? { tell: (line) => console.log(line) } : {}));
    } catch (error) {
      part.failed.push({ seed, problem: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
  return part;
}

/** A process that ends by itself has met what would have ended the agent: its seeds are played one by one. */
async function playElsewhere(first: number, seeds: number): Promise<Part> {
  const program = [import.meta.filename, '--part', '--from', String(first), '--seeds', String(seeds)];
  const child = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  let complaint = '';
  child.stdout.on('data', (some: Buffer) => (said += some.toString()));
  child.stderr.on('data', (some: Buffer) => (complaint += some.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code === 0) return JSON.parse(said) as Part;
  if (seeds === 1) return { played: NOTHING, seeds, failed: [{ seed: first, problem: `the process ended with ${code ?? 'a signal'}\n${complaint}` }] }; // prettier-ignore
  let all: Part = { played: NOTHING, seeds: 0, failed: [] };
  for (let seed = first; seed < first + seeds; seed++) all = together(all, await playElsewhere(seed, 1));
  return all;
}

const together = (one: Part, other: Part): Part => ({
  played: sum(one.played, other.played),
  seeds: one.seeds + other.seeds,
  failed: [...one.failed, ...other.failed],
});

async function playInParts(): Promise<Part> {
  let all: Part = { played: NOTHING, seeds: 0, failed: [] };
  let next = from;
  const worker = async (): Promise<void> => {
    while (next < from + count) {
      const first = next;
      next = Math.min(next + A_PART, from + count);
      const part = await playElsewhere(first, next - first);
      all = together(all, part);
      for (const { seed, problem } of part.failed) console.log(`seed ${seed}: ${problem}\nagain: npm run world -- --seeds 1 --from ${seed} --tell`); // prettier-ignore
      if (process.stdout.isTTY) process.stdout.write(`\r${all.seeds} of ${count} seeds`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  if (process.stdout.isTTY) process.stdout.write('\r');
  return all;
}

if (values.part) console.log(JSON.stringify(await playAll(from, count)));
else {
  const { played, seeds, failed } = values.tell ? await playAll(from, count) : await playInParts();
  if (values.tell) for (const { seed, problem } of failed) console.log(`seed ${seed}: ${problem}`);
  const { commands, presented, events, faults, steps, virtualMs } = played;
  const faultCount = Object.values(faults).reduce((total, one) => total + one, 0);
  console.log(`seeds ${from} to ${from + count - 1}: ${seeds} played, ${failed.length} failed`);
  console.log(`${steps} steps in ${Math.round(virtualMs / 3_600_000)} hours of their time, ${faultCount} faults: ${Object.entries(faults).sort(([a], [b]) => a.localeCompare(b)).map(([name, times]) => `${name} ${times}`).join(', ')}`); // prettier-ignore
  console.log(`${commands.sent} commands: ${commands.ok} done, ${commands.refused} refused; ${events} events, each delivered, none missing`); // prettier-ignore
  console.log(`${presented.granted} presentations granted and ${presented.denied} denied, as they must be; ${presented.unsure} of which nobody could know`); // prettier-ignore
  process.exitCode = failed.length > 0 ? 1 : 0;
}
