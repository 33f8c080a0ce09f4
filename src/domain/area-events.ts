// A part of the catalogue of events (events.ts): who is in which area, and doors that are not open together.

import { z } from 'zod';
import type { eventParts } from './event-parts.ts';

export function areaEvents({ text, count, event, door, inSystem, maybeByCommand }: ReturnType<typeof eventParts>) {
  const area = { ...inSystem, area: text('which area, by its name in the facility file') };
  const crossing = {
    ...area,
    acs_user_id: text('who'),
    acs_entrance_id: text('by which entrance'),
    reader: text('at which reader'),
  };
  const inside = count('how many are inside now');
  return {
    'area.entered': event('Somebody went into an area.', { ...crossing, occupancy: inside }),
    'area.left': event('Somebody left an area.', { ...crossing, occupancy: inside }),
    'area.full': event('As many people are in an area as may be; nobody else is let in.', {
      ...area,
      occupancy: inside,
    }),
    'area.passback_violation': event(
      'Somebody was shown at a way into an area who is inside already, or at a way out who has left: a card that was handed on, or a door that somebody else held open.',
      {
        ...crossing,
        direction: z.enum(['in', 'out']).describe('which way'),
        was_let_in: z.boolean().describe('it was told, and kept nobody out'),
        was_unsure: z.boolean().describe('a way out was open or dark since the entry: it may be nothing'),
      },
    ),
    'area.forgiven': event(
      'Where people are is forgotten: they count as inside no more, and whatever they do next is right.',
      {
        ...area,
        acs_user_id: text('who; null: everybody').nullable(),
        count: count('how many were inside'),
        why: z
          .enum(['command', 'reset', 'restored'])
          .describe('`reset`: it is the time of day; `restored`: the database is an older copy'),
        ...maybeByCommand,
      },
    ),
    'acs_entrance.interlock_violated': event(
      'A second door of an interlock is open or unlocked, by the exit button or by hand: an alarm.',
      {
        ...door,
        interlock: text('which, by its name in the facility file'),
        other_acs_entrance_ids: z.array(z.string()).describe('the others that are'),
      },
    ),
  } as const;
}
