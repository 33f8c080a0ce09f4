// The agent as `lintel run` starts it, in a process that also says how it is: what it holds after a collection, and how
// late its loop turns. Started by the soak with --expose-gc and a channel to its parent.

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { processTerminal } from '../../src/cli/terminal.ts';
import { runProgram } from '../../src/cli/run.ts';

/** How finely the loop is looked at; taken from each delay that is told. */
const RESOLUTION_MS = 5;
const NS_PER_MS = 1e6;

export type Sample = {
  rssBytes: number;
  heapBytes: number;
  externalBytes: number;
  /** Since the sample before. */
  delayP99Ms: number;
  delayMaxMs: number;
  /** Since the load began. */
  allP99Ms: number;
  cpuMs: number;
};

const since = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
const all = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
const msOf = (ns: number): number => Math.max(0, ns / NS_PER_MS - RESOLUTION_MS);

function sample(): Sample {
  const delays = {
    delayP99Ms: msOf(since.percentile(99)),
    delayMaxMs: msOf(since.max),
    allP99Ms: msOf(all.percentile(99)),
  };
  // The collection is the soak's doing, and no delay of the agent's.
  since.disable();
  all.disable();
  globalThis.gc?.();
  const { rss, heapUsed, external } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  since.reset();
  since.enable();
  all.enable();
  return { rssBytes: rss, heapBytes: heapUsed, externalBytes: external, ...delays, cpuMs: (user + system) / 1000 };
}

process.on('message', (asked) => {
  // What the start took is not what the load does.
  if (asked === 'begin') all.reset();
  process.send?.(sample());
});
process.exitCode = await runProgram.run(process.argv.slice(2), processTerminal());
process.disconnect();
