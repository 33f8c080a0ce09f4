// `npm run bench [-- NAME …] [--json]`: prints a table, or with --json a line per figure. Exits 1 when a figure misses its target.

import { asLine, type Figure, type Report } from './report.ts';

const BENCHES: Readonly<Record<string, () => Promise<{ run: (report: Report) => Promise<void> }>>> = {
  intake: () => import('./intake.ts'),
  decision: () => import('./decision.ts'),
  start: () => import('./start.ts'),
  osdp: () => import('./osdp.ts'),
  sync: () => import('./sync.ts'),
};

const args = process.argv.slice(2);
const isJson = args.includes('--json');
const names = args.filter((arg) => !arg.startsWith('--'));
const unknown = names.filter((name) => !(name in BENCHES));
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
  if (names.length === 0 || names.includes(name)) await (await load()).run(report);
}
process.exitCode = missed > 0 ? 1 : 0;
