// `npm run bench [-- NAME …] [--json]`: prints a table, or with --json a line per figure; NAME may be one part of a
// bench, as `sync/tcp`. Exits 1 when a figure misses its target.

import { asLine, type Figure, type Report } from './report.ts';

type Bench = { run: (report: Report, part: string | null) => Promise<void> };

const BENCHES: Readonly<Record<string, () => Promise<Bench>>> = {
  intake: () => import('./intake.ts'),
  decision: () => import('./decision.ts'),
  start: () => import('./start.ts'),
  osdp: () => import('./osdp.ts'),
  sync: () => import('./sync.ts'),
  flood: () => import('./flood.ts'),
  phones: () => import('./phones.ts'),
  access: () => import('./access.ts'),
  events: () => import('./events.ts'),
  idle: () => import('./idle.ts'),
};

const args = process.argv.slice(2);
const isJson = args.includes('--json');
const wanted = new Map(
  args
    .filter((arg) => !arg.startsWith('--'))
    .map((arg) => arg.split('/'))
    .map(([name = '', part = null]): [string, string | null] => [name, part]),
);
const unknown = [...wanted.keys()].filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  process.stderr.write(`no bench ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}\n`);
  process.exit(2);
}

let missed = 0;
const report = (figure: Figure): void => {
  if (figure.holds === false) missed += 1;
  process.stdout.write(`${isJson ? JSON.stringify(figure) : asLine(figure)}\n`);
};
for (const [name, load] of Object.entries(BENCHES)) {
  if (wanted.size === 0 || wanted.has(name)) await (await load()).run(report, wanted.get(name) ?? null);
}
process.exitCode = missed > 0 ? 1 : 0;
