// Areas and interlocks, from the file's own words to what every room holds.

import type { z } from 'zod';
import type { AntiPassback, AreaSetup, InterlockSetup } from '../domain/areas.ts';
import type { areaSchema, interlockSchema } from './area-schema.ts';
import type { UnderstoodEntrance } from './entrance-schema.ts';

type Area = z.output<typeof areaSchema>;
type Interlock = z.output<typeof interlockSchema>;

export const areasOf = (areas: Readonly<Record<string, Area>>): AreaSetup[] =>
  Object.entries(areas).map(([name, area]) => ({
    name,
    displayName: area.display_name ?? name,
    inReaders: area.in,
    outReaders: area.out,
    antiPassback: antiPassbackOf(area),
    limit: area.limit ?? null,
    exemptGroups: area.exempt_groups,
    resets: [...area.reset].sort((a, b) => a - b),
    twoPersonsMs: area.two_persons ?? null,
  }));

function antiPassbackOf({ anti_passback: kind, forget_after: after }: Area): AntiPassback | null {
  if (kind === undefined) return null;
  return kind === 'timed' ? { kind, forgetAfterMs: after ?? 0 } : { kind };
}

export const interlocksOf = (
  interlocks: Readonly<Record<string, Interlock>>,
  entrances: readonly UnderstoodEntrance[],
): InterlockSetup[] =>
  Object.entries(interlocks).map(([name, { entrances: named }]) => ({
    name,
    acsEntranceIds: named.flatMap((one) =>
      entrances.flatMap((entrance) => (entrance.name === one ? [entrance.value.acs_entrance_id] : [])),
    ),
  }));
