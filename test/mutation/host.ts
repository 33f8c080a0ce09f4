// The process that runs tests, again and again, with files of the product as it is told to be. It is ended from
// outside when a change makes it turn for ever.

import { join } from 'node:path';
import { createVitest } from 'vitest/node';

export type Reached = { id: string; module: string; name: string; ms: number; marks: number[] };
/** `tests`: those to run, by file; null: all of these files, told with what each came by. */
export type Asked = {
  /** What files are to be, by path. */
  sources: Readonly<Record<string, string>>;
  modules: readonly string[];
  tests: Readonly<Record<string, readonly string[]>> | null;
};
export type Told = { failed: string | null; reached: Reached[] };

const HOME = join(import.meta.dirname, '../..');

export async function openHost(): Promise<(asked: Asked) => Promise<Told>> {
  let now: Readonly<Record<string, string>> = {};
  const vitest = await createVitest(
    {
      watch: false,
      bail: 1,
      // What never ends is ended from outside.
      testTimeout: 600_000,
      // By the text on disk, which is not what is run here.
      fsModuleCache: false,
      reporters: [{}],
      maxWorkers: 1,
      root: HOME,
      setupFiles: [join(import.meta.dirname, 'reached.ts')],
    },
    {
      plugins: [
        {
          name: 'one-file-changed',
          enforce: 'pre',
          load: (id) => now[id.split('?')[0] ?? ''],
        },
      ],
    },
  );
  await vitest.standalone();
  const project = vitest.getRootProject();
  return async ({ sources, modules, tests }) => {
    // Those before are whole again.
    for (const file of Object.keys(now)) vitest.invalidateFile(file);
    now = sources;
    for (const file of Object.keys(now)) vitest.invalidateFile(file);
    const specifications = modules.map((module) =>
      project.createSpecification(module, tests === null ? undefined : { testIds: [...(tests[module] ?? [])] }),
    );
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications);
    const cases = testModules.flatMap((module) => [...module.children.allTests()]);
    const failed = cases.find((one) => one.result().state === 'failed');
    const broken = testModules.find((module) => module.state() === 'failed');
    const reached = cases
      .filter((one) => one.result().state === 'passed')
      .map((one) => ({
        id: one.id,
        module: one.module.moduleId,
        name: one.fullName,
        ms: one.diagnostic()?.duration ?? 0,
        marks: (one.meta() as { reached?: number[] }).reached ?? [],
      }));
    const why =
      failed?.fullName ?? broken?.relativeModuleId ?? (unhandledErrors.length > 0 ? 'an error nobody awaited' : null);
    return { failed: why, reached: tests === null ? reached : [] };
  };
}

if (import.meta.main) {
  const run = await openHost();
  process.on('message', (asked: Asked) => {
    void run(asked).then(
      (told) => process.send?.(told),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
  process.on('disconnect', () => process.exit(1));
  process.send?.('ready');
}
