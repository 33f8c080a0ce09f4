// Who lives in the world of a seed, and what they show at readers.

import { encodeWiegand } from '../../../src/domain/card-formats.ts';
import type { Presentation } from '../../../src/domain/ports.ts';
import type { EntranceName } from './facility.ts';
import type { Holding } from './model.ts';

export const PEOPLE = ['ann', 'ben', 'cid', 'dot', 'eli', 'fay'] as const;
export const GROUPS = new Map<string, readonly EntranceName[]>([
  ['staff', ['front', 'lab', 'store']],
  ['night', ['front', 'vault', 'store']],
]);
export const GROUP_IDS = new Map(
  [...GROUPS.keys()].map((name, i) => [name, `5eed0000-0000-4000-8000-00000000a00${i}`]),
);
export const USER_IDS = new Map(PEOPLE.map((name, i) => [name as string, `5eed0000-0000-4000-8000-00000000b00${i}`]));
export const CREDENTIAL_IDS: readonly string[] = Array.from(
  { length: 12 },
  (_, at) => `5eed0000-0000-4000-8000-0000000c${String(at).padStart(4, '0')}`,
);

export const iso = (atMs: number | null): string | null => (atMs === null ? null : new Date(atMs).toISOString());
export const windowOf = ({ startsAtMs, endsAtMs }: Pick<Holding, 'startsAtMs' | 'endsAtMs'>) => ({
  ...(startsAtMs === null ? {} : { starts_at: iso(startsAtMs) }),
  ...(endsAtMs === null ? {} : { ends_at: iso(endsAtMs) }),
});

export function cardOf(number: string): Presentation {
  const bits = encodeWiegand(`H10301:1:${number}`);
  if (bits === null) throw new Error(`no card is ${number}`);
  return { kind: 'card', reading: { kind: 'wiegand', ...bits } };
}

export const presentationOf = ({ kind, secret }: Holding): Presentation =>
  kind === 'card' ? cardOf(secret) : { kind: 'digits', digits: secret };
