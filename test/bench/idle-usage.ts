// What a process uses while a measurement looks, asked for by its parent: the agent and the bare loop beside it answer
// the same question in the same way.

export type Usage = {
  /** CPU time of all its threads, as a share of one core. */
  share: number;
  /** Times a second that it slept and was woken, and that it was put aside for others. */
  voluntary: number;
  involuntary: number;
  rssMiB: number;
};
export type UsageOver = Usage & { seconds: number };

/** Measures the next `windowMs` of this process. */
export async function usageOver(windowMs: number): Promise<UsageOver> {
  const before = process.resourceUsage();
  const fromMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, windowMs));
  const after = process.resourceUsage();
  const seconds = (performance.now() - fromMs) / 1_000;
  const usedUs = after.userCPUTime + after.systemCPUTime - before.userCPUTime - before.systemCPUTime;
  return {
    seconds,
    share: usedUs / 1e6 / seconds,
    voluntary: (after.voluntaryContextSwitches - before.voluntaryContextSwitches) / seconds,
    involuntary: (after.involuntaryContextSwitches - before.involuntaryContextSwitches) / seconds,
    rssMiB: process.memoryUsage().rss / 1024 / 1024,
  };
}
