// `npm run mutate -- src/access`: changes the files there in one small harmful way after another, and tells which
// changes no test notices. Each is run against the tests of the folder of the same name and those that import the file,
// as far as they come by the changed place, up to the first that fails. What was found is kept beside node_modules'
// other caches, and asked anew only where the file or the tests have changed since. Tests that start the program as a
// process of its own see no change.

import { createHash } from 'node:crypto';
import { fork, type ChildProcess } from 'node:child_process';
import { globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { HARMLESS } from './harmless.ts';
import type { Asked, Reached, Told } from './host.ts';
import { described, mutantsOf, mutated, type Mutant } from './mutants.ts';
import { marked, ON_LOADING } from './reach.ts';

const HOME = join(import.meta.dirname, '../..');
const KEPT = join(HOME, 'node_modules/.cache/lintel-mutation');
/** A run may take so many times as long as its tests take by themselves. */
const PATIENCE = 5;
const PATIENCE_LEAST_MS = 30_000;

/** `unreached`: no test comes by. `noticed`, by which test; `too slow`: it never ended. */
type Result = { what: string; result: 'noticed' | 'unnoticed' | 'unreached'; by: string | null };
type Kept = { source: string; tests: string; results: Record<string, Result> };

const hashOf = (...texts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
const textOf = (path: string): string => readFileSync(path, 'utf8');

class Host {
  #child: ChildProcess | null = null;

  /** Null: it took too long, and was ended. */
  async run(asked: Asked, withinMs: number): Promise<Told | null> {
    const child = this.#child ?? (await this.#start());
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.end();
        resolve(null);
      }, withinMs);
      const ended = (): void => reject(new Error('the process that runs the tests has ended'));
      child.once('exit', ended);
      child.once('message', (told) => {
        clearTimeout(timer);
        child.off('exit', ended);
        resolve(told as Told);
      });
      child.send(asked);
    });
  }

  async #start(): Promise<ChildProcess> {
    // A group of its own: workers that turn for ever are ended with it.
    const child = fork(join(import.meta.dirname, 'host.ts'), {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    await new Promise((resolve) => child.once('message', resolve));
    return child;
  }

  end(): void {
    this.#child?.removeAllListeners();
    if (this.#child?.pid !== undefined) process.kill(-this.#child.pid, 'SIGKILL');
    this.#child = null;
  }
}

/** The tests of the folder of the same name, those of `also`, and those that import the file. */
function testsOf(path: string, also: readonly string[]): string[] {
  if (alone.length > 0) return alone.map((test) => join(HOME, test));
  const folder = join('test', dirname(path).replace(/^src\//, ''));
  const name = path.slice(path.lastIndexOf('/') + 1);
  const all = globSync('test/**/*.test.ts', { cwd: HOME });
  const imports = (test: string): boolean =>
    [...textOf(join(HOME, test)).matchAll(/from '(\.[^']+)'/g)].some(
      ([, from]) => join(dirname(test), from ?? '') === path && from?.endsWith(name) === true,
    );
  return all
    .filter((test) => [folder, ...also].some((one) => test === one || test.startsWith(`${one}/`)) || imports(test))
    .sort()
    .map((test) => join(HOME, test));
}

function keptOf(path: string): Kept | null {
  try {
    return JSON.parse(textOf(join(KEPT, `${path}.json`))) as Kept;
  } catch {
    return null;
  }
}

function keep(path: string, kept: Kept): void {
  const file = join(KEPT, `${path}.json`);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(kept, null, 1));
}

/**
 * What was found before and holds still: with the same file, whatever was noticed by tests that are the same, and all
 * else with all the same tests.
 */
function standing(kept: Kept | null, source: string, tests: string): Record<string, Result> {
  if (kept?.source !== source) return {};
  if (kept.tests === tests) return kept.results;
  return Object.fromEntries(Object.entries(kept.results).filter(([, { result }]) => result === 'noticed'));
}

type Looked = { path: string; file: string; source: string; mutants: Mutant[]; kept: Kept };

const keyOf = ({ start, end, text }: Mutant): string => `${start}-${end} ${text}`;
const isOpen = ({ mutants, kept }: Looked): boolean => mutants.some((one) => kept.results[keyOf(one)] === undefined);

function lookedAt(path: string, modules: readonly string[], share: number): Looked {
  const file = join(HOME, path);
  const source = textOf(file);
  // By their hash: the same ones each time, all over the file.
  const mutants = mutantsOf(source).filter(
    (mutant) => Number.parseInt(hashOf(path, keyOf(mutant)).slice(0, 8), 16) % share === 0,
  );
  const hashes = { source: hashOf(source), tests: hashOf(...modules.map(textOf)) };
  return {
    path,
    file,
    source,
    mutants,
    kept: { ...hashes, results: { ...standing(keptOf(path), hashes.source, hashes.tests) } },
  };
}

/** Files that the same tests are run for are marked together, so that what comes by where is found out once. */
async function look(host: Host, paths: readonly string[], modules: readonly string[], share: number): Promise<void> {
  const files = paths.map((path) => lookedAt(path, modules, share));
  const open = files.filter(isOpen);
  let next = 0;
  const marks = new Map<Looked, number[]>();
  const sources: Record<string, string> = {};
  for (const one of open) {
    const made = marked(one.source, one.mutants, next);
    next = made.next;
    marks.set(one, made.marks);
    sources[one.file] = made.source;
  }
  const before = open.length === 0 ? null : await host.run({ sources, modules, tests: null }, 3_600_000);
  if (open.length > 0 && (before === null || before.failed !== null))
    throw new Error(`${paths.join(', ')}: the tests fail by themselves: ${before?.failed ?? 'they take too long'}`);
  for (const one of files) {
    for (const [i, mutant] of one.mutants.entries()) {
      const key = keyOf(mutant);
      if (one.kept.results[key] !== undefined) continue;
      const coming = comingBy(before?.reached ?? [], marks.get(one)?.[i] ?? ON_LOADING);
      const result = await tried(host, { ...one, mutant }, coming);
      one.kept.results[key] = { what: `${one.path}:${mutant.line}  ${described(one.source, mutant)}`, ...result };
      process.stdout.write(result.result === 'noticed' ? '.' : `\n${one.kept.results[key].what}  ${result.result}\n`);
      keep(one.path, one.kept);
    }
    keep(one.path, one.kept);
    report(
      one.path,
      one.mutants.flatMap((mutant) => one.kept.results[keyOf(mutant)] ?? []),
    );
  }
}

/** The quick ones first. */
const comingBy = (reached: readonly Reached[], mark: number): Reached[] =>
  reached.filter(({ marks }) => mark === ON_LOADING || marks.includes(mark)).sort((a, b) => a.ms - b.ms);

const passed = new Map<string, boolean>();

async function passBySelf(key: string, run: () => Promise<Told | null>): Promise<boolean> {
  const known = passed.get(key);
  if (known === true) return true;
  const told = await run();
  const isGood = told !== null && told.failed === null;
  if (known === undefined && !isGood) console.log(`\n(without a change as well: ${told?.failed ?? 'it never ended'})`);
  passed.set(key, isGood);
  return isGood;
}

type Trial = { file: string; source: string; mutant: Mutant };

async function tried(
  host: Host,
  { file, source, mutant }: Trial,
  reached: readonly Reached[],
): Promise<Pick<Result, 'result' | 'by'>> {
  if (reached.length === 0) return { result: 'unreached', by: null };
  const modules = [...new Set(reached.map(({ module }) => module))];
  const changed = mutated(source, mutant);
  for (const module of modules) {
    const own = reached.filter((one) => one.module === module);
    const withinMs = PATIENCE_LEAST_MS + PATIENCE * own.reduce((sum, { ms }) => sum + ms, 0);
    const ask = (text: string, tests: Asked['tests']): Promise<Told | null> =>
      host.run({ sources: { [file]: text }, modules: [module], tests }, withinMs);
    const ids = own.map(({ id }) => id);
    const some = { [module]: ids };
    let told = await ask(changed, some);
    if (told !== null && told.failed === null) continue;
    // Only a change that is to blame counts: the same tests pass without it. Tests that need others of their file are
    // asked with all of it.
    if (!(await passBySelf(`${file} ${module} ${ids.join()}`, () => ask(source, some)))) {
      told = await ask(changed, null);
      if (told !== null && told.failed === null) continue;
      // Tests that fail by themselves say nothing of a change.
      if (!(await passBySelf(`${file} ${module}`, () => ask(source, null)))) continue;
    }
    return { result: 'noticed', by: told === null ? `it never ended: ${relative(HOME, module)}` : told.failed };
  }
  return { result: 'unnoticed', by: null };
}

function isHarmless(path: string, source: string, what: string): boolean {
  const [, change = ''] = what.split('  ');
  const line = source.split('\n')[Number(/:(\d+) /.exec(what)?.[1] ?? 0) - 1]?.trim() ?? '';
  return HARMLESS.some((one) => one.file === path && one.line === line && one.change === change);
}

const sums = { noticed: 0, counted: 0 };
const total = (): string =>
  `${Math.round((100 * sums.noticed) / Math.max(1, sums.counted))} %  ${sums.noticed} of ${sums.counted} in all`;

function report(path: string, results: readonly Result[]): void {
  const source = textOf(join(HOME, path));
  const noticed = results.filter(({ result }) => result === 'noticed').length;
  const rest = results.filter(({ result }) => result !== 'noticed');
  const harmful = rest.filter(({ what }) => !isHarmless(path, source, what));
  const counted = results.length - (rest.length - harmful.length);
  sums.noticed += noticed;
  sums.counted += counted;
  const share = counted === 0 ? 100 : Math.round((100 * noticed) / counted);
  console.log(
    `\n${String(share).padStart(3)} %  ${path}: ${noticed} of ${counted} noticed, ${rest.length - harmful.length} change nothing`,
  );
  for (const { what, result } of harmful) console.log(`       ${result}  ${what}`);
}

const args = process.argv.slice(2);
const also = args
  .filter((arg) => arg.startsWith('--tests='))
  .map((arg) => arg.slice('--tests='.length).replace(/\/$/, ''));
const alone = args.filter((arg) => arg.startsWith('--only=')).map((arg) => arg.slice('--only='.length));
const paths = args.filter((arg) => !arg.startsWith('--')).map((path) => relative(HOME, path));
const share = Number(args.find((arg) => arg.startsWith('--one-in='))?.slice('--one-in='.length) ?? 1);
const isKnown = (arg: string): boolean => !arg.startsWith('--') || /^--(tests|only|one-in)=/.test(arg);
if (paths.length === 0 || !args.every(isKnown) || !Number.isInteger(share) || share < 1) {
  console.error(
    'npm run mutate -- PATH… [--tests=test/FOLDER…] [--only=test/FILE…] [--one-in=N]: a file or folder of src/ or drivers/; --tests: those as well, --only: no others; one change in N of them',
  );
  process.exit(2);
}
const files = paths.flatMap((path) =>
  statSync(join(HOME, path)).isDirectory() ? globSync(`${path}/**/*.ts`, { cwd: HOME }).sort() : [path],
);
const host = new Host();
try {
  const tests = [...new Set(files.flatMap((path) => testsOf(path, also)))].sort();
  await look(host, files, tests, share);
  console.log(`\n${total()}`);
} finally {
  host.end();
}
