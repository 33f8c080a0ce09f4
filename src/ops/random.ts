// Real chance. Secrets come from `bytes`, jitter from `fraction`.

import { randomBytes, randomUUID } from 'node:crypto';
import type { Random } from '../domain/ports.ts';

export const systemRandom: Random = {
  bytes: (count) => randomBytes(count),
  uuid: () => randomUUID(),
  fraction: () => Math.random(),
};
