// A part of the catalogue of events (events.ts): which mode entrances have and who said so, and how
// long nobody was heard.

import { z } from 'zod';
import type { eventParts } from './event-parts.ts';
import { MODE_KINDS, MODES } from './modes.ts';
import { offlineEvents } from './offline-events.ts';

export function modeEvents(parts: ReturnType<typeof eventParts>) {
  const { text, instant, count, event, door, inSystem, byCommand, maybeByCommand } = parts;
  return {
    ...offlineEvents(parts),
    'acs_entrance.mode_changed': event('An entrance has another mode, whatever the reason.', {
      ...door,
      mode: z.enum(MODES).describe('which holds now'),
      before: z.enum(MODES).describe('which held until now; null: Lintel has just started').nullable(),
      mode_source: z.enum(MODE_KINDS).describe('what wants it; null: nothing does any more').nullable(),
      origin: text('`entrance`, `facility`, `input NAME` or `mode_schedules[N]`').nullable(),
      until: instant('until when; null: until it is taken back').nullable(),
      ...maybeByCommand,
    }),
    'acs_entrance.duress': event(
      'A code was typed that is meant for a threat: an alarm. At the door it looks like any other, and no retained state tells of it.',
      {
        ...door,
        acs_credential_id: text('the duress code'),
        acs_user_id: text('whose it is').nullable(),
        reader: text('where it was typed').optional(),
        controller: text('of a door that its controller decides for: told when its events were read').optional(),
        opened: z.boolean().describe('whether the entrance was opened'),
      },
    ),
    'facility.locked_down': event('Somebody locked the facility down, or some of its entrances: an alarm.', {
      ...inSystem,
      acs_entrance_ids: z.array(z.string()).describe('which; null: all').nullable(),
      acs_entrance_ids_not_locked: z.array(z.string()).describe('of them, those that their controllers decide for'),
      until: instant('until when; null: until it is taken back').nullable(),
      reason: text('as the command gives it').nullable(),
      ...byCommand,
    }),
    'facility.cleared': event('Somebody said that lockdown and evacuation are over.', {
      ...inSystem,
      remaining: count('how many words of inputs hold all the same'),
      reason: text('as the command gives it').nullable(),
      ...byCommand,
    }),
  } as const;
}
