// Two kinds of tests, told apart by what a file imports. Those `inside` have all that they test in their own process, in
// time of their own, and share a process from file to file: what they import is read once. Those `outside` open lines,
// start brokers and programs, or live by the system's clock: each file has a process to itself. They wait more than they
// compute, so that more of them run at a time than a small machine has cores.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** In these all is inside, but for what starts a program and waits for it there. */
const ROOMS = 'access,acceptance,commands,conformance,domain,facility,store';
/** In these only what is as described. */
const MIXED = 'doctor,drivers,ops,sync';
const OUTSIDE =
  /from '[^']*\/(support\/(ports|mosquitto|link-agent|building|network|osdp-site|relay-site|program)|osdp\/world|world|site|child|ops\/clock)\.ts'|node:(child_process|net)|\bprocess\.|\bsetTimeout\b/;

const HOME = import.meta.dirname;
const testsOf = (rooms: string): string[] => globSync(`test/{${rooms}}/**/*.test.ts`, { cwd: HOME });
const INSIDE = [
  ...testsOf(ROOMS),
  ...testsOf(MIXED).filter((file) => !OUTSIDE.test(readFileSync(join(HOME, file), 'utf8'))),
];

export default defineConfig({
  test: {
    // The program first: the temporary folders of the tests may be where no program can be started from.
    globalSetup: ['test/support/program.ts', 'test/support/memory.ts'],
    setupFiles: ['test/support/check-contract.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 4,
    allowOnly: false,
    passWithNoTests: false,
    projects: [
      { extends: true, test: { name: 'inside', include: INSIDE, isolate: false } },
      {
        extends: true,
        test: {
          name: 'outside',
          include: ['test/**/*.test.ts'],
          // A broker that is large to fetch and slow to start: `npm run test:interop` does both.
          exclude: [...INSIDE, 'test/interop/rabbitmq.test.ts'],
        },
      },
    ],
  },
});
