// In the process of a test file: hands on, with each test, the marks that it came by, and those that the loading of the
// file has left.

import { afterEach, beforeEach } from 'vitest';

const world = globalThis as { reached?: Set<number> };
world.reached ??= new Set();
let onLoading: ReadonlySet<number> | null = null;

beforeEach(() => {
  onLoading ??= new Set(world.reached);
});

afterEach(({ task }) => {
  (task.meta as { reached?: number[] }).reached = [...new Set([...(onLoading ?? []), ...(world.reached ?? [])])];
  world.reached = new Set();
});
