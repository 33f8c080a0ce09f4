// What many credentials cost at a start and in memory: nothing is loaded, so next to nothing.

import { benchFolder } from './building.ts';
import { runChild } from './child.ts';
import { against, beside, median, type Report } from './report.ts';

const MANY = 100_000;
const MOST = 1_000_000;
const STARTS = 7;

export async function run(report: Report): Promise<void> {
  const [none, many, most] = [benchFolder(), benchFolder(), benchFolder()];
  try {
    await runChild('start-child.ts', [many.folder, String(MANY), 'fill']);
    await runChild('start-child.ts', [most.folder, String(MOST), 'fill']);
    const times = { none: [] as number[], many: [] as number[] };
    const bareMs: number[] = [];
    const process_ = { none: [] as number[], many: [] as number[] };
    for (let i = 0; i < STARTS; i++) {
      bareMs.push((await runChild<{ processMs: number }>('bare-start-child.ts', [])).processMs);
      for (const [key, folder, count] of [['none', none.folder, 0], ['many', many.folder, MANY]] as const) {
        const started = await runChild<{ readyMs: number; processMs: number }>('start-child.ts', [folder, String(count), 'start']);
        times[key].push(started.readyMs);
        process_[key].push(started.processMs);
      }
    } // prettier-ignore
    report(beside('start', 'facility file read to doors served, no credentials', median(times.none), 'ms'));
    report(beside('start', 'facility file read to doors served, 100,000 credentials', median(times.many), 'ms'));
    report(beside('start', 'process start to doors served, 100,000 credentials', median(process_.many), 'ms'));
    report(beside('start', 'process start to a bare database opened, nothing else', median(bareMs), 'ms'));
    report(
      against(
        'start',
        'process start to doors served / a bare start',
        median(process_.many) / median(bareMs),
        'x',
        '<=',
        8,
      ),
    );
    report(
      against('start', 'ratio: 100,000 credentials / none', median(times.many) / median(times.none), '', '<=', 1.5),
    );
    const memory = async (folder: string, count: number): Promise<number> =>
      (await runChild<{ rssMiB: number }>('start-child.ts', [folder, String(count), 'memory'], { exposeGc: true }))
        .rssMiB;
    const [bare, full] = [await memory(none.folder, 0), await memory(most.folder, MOST)];
    report(beside('start', 'resident memory, no credentials', bare, 'MiB'));
    report(beside('start', 'resident memory, 1,000,000 credentials', full, 'MiB'));
    report(against('start', 'resident memory, 1,000,000 credentials / none', full / bare, 'x', '<=', 1.3));
  } finally {
    for (const { remove } of [none, many, most]) remove();
  }
}
