// Starts the bare equivalent of a bus (bare-bus-child.ts): far end and loop, each a process, on a line like the one
// that it is held against.

import { openPtyPair, type PtyPair } from '../support/ports.ts';
import type { BareOrder, BareUse } from './bare-bus-child.ts';
import { startChild } from './child.ts';

export type BareFrames = { sentBytes: number; receivedBytes: number };
export type BareBus = { ask: (windowMs: number) => Promise<BareUse>; end: () => Promise<void> };

const CHILD = 'bare-bus-child.ts';

/** A process that waits for nothing but its parent. */
export async function startNothing(): Promise<BareBus> {
  const order: BareOrder = { part: 'nothing' };
  const { ask, end } = await startChild<number, BareUse>(CHILD, [JSON.stringify(order)]);
  return {
    ask,
    end: () => {
      end();
      return Promise.resolve();
    },
  };
}

/** `through`: puts something between the two and says where to find it. */
export async function startBareBus(
  frames: BareFrames,
  options: {
    pace: (BareOrder & { part: 'loop' })['pace'];
    answerAfterMs: number;
    pty?: boolean;
    through?: (path: string) => Promise<{ path: string; end: () => void }>;
  },
): Promise<BareBus> {
  const { pace, answerAfterMs } = options;
  const pty: PtyPair | null = options.pty === true ? await openPtyPair() : null;
  const farOrder: BareOrder = { part: 'far-end', path: pty?.b ?? null, ...frames, answerAfterMs };
  const far = await startChild<number, { path: string }>(CHILD, [JSON.stringify(farOrder)]);
  const between = (await options.through?.(far.first.path)) ?? null;
  const loopOrder: BareOrder = { part: 'loop', path: between?.path ?? pty?.a ?? far.first.path, ...frames, pace };
  const loop = await startChild<number, BareUse>(CHILD, [JSON.stringify(loopOrder)]);
  return {
    ask: loop.ask,
    end: async () => {
      loop.end();
      between?.end();
      far.end();
      await pty?.close();
    },
  };
}
