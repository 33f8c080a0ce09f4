// A thread that plays one target; whoever began it sees which input is under way, and ends it where it hangs.

import { parentPort, workerData } from 'node:worker_threads';
import { run, type Order } from './run.ts';
import { targetNamed } from './targets.ts';

export type Shared = { name: string; order: Order; current: SharedArrayBuffer };
/** In `current`: how many were played, how long the input is, 1 once the first is played, and the input. */
export const HEAD_WORDS = 3;
export const MOST_SHOWN_BYTES = 64 * 1024;

if (parentPort !== null) {
  const { name, order, current } = workerData as Shared;
  const head = new Int32Array(current, 0, HEAD_WORDS);
  const bytes = new Uint8Array(current, 4 * HEAD_WORDS);
  const report = await run(targetNamed(name), order, (input, played) => {
    head[0] = played;
    head[1] = Math.min(input.length, MOST_SHOWN_BYTES);
    head[2] = 1;
    bytes.set(input.subarray(0, MOST_SHOWN_BYTES));
  });
  parentPort.postMessage(report);
}
