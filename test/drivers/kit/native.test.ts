import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const HOME = join(import.meta.dirname, '../../..');

/** The native modules that a process holds after it has imported these. */
function nativeAfter(...files: string[]): string[] {
  const program = `
    for (const file of ${JSON.stringify(files)}) await import(file);
    const { sharedObjects } = process.report.getReport();
    console.log(JSON.stringify(sharedObjects.filter((path) => path.endsWith('.node'))));`;
  const out = execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: HOME, encoding: 'utf8' });
  return JSON.parse(out) as string[];
}

test('a pure driver loads no native module, nor does whoever reads facility files; whoever opens a line does', () => {
  const drivers = ['osdp', 'soyal', 'uart'].map((name) => `./drivers/${name}/driver.ts`);
  expect(nativeAfter(...drivers, './src/facility/load.ts')).toEqual([]);
  expect(nativeAfter('./drivers/serial-port.ts')).toHaveLength(1);
});
