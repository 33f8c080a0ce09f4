// A part of the catalogue of events (events.ts): for how long nobody above was heard, and what follows.

import { z } from 'zod';
import type { eventParts } from './event-parts.ts';
import { CREDENTIAL_CLASSES } from './offline.ts';

export function offlineEvents({ ms, event, inSystem }: ReturnType<typeof eventParts>) {
  const limit = {
    ...inSystem,
    credential_class: z.enum(CREDENTIAL_CLASSES).describe('for whom'),
    acs_entrance_ids: z.array(z.string()).describe('where; null: everywhere').nullable(),
    offline_for_ms: ms('how long nobody above was heard'),
  };
  return {
    'agent.offline_ending': event('Nobody above was heard for long; in `in_ms` these people are not let in.', {
      ...limit,
      in_ms: ms('how long there is still'),
    }),
    'agent.offline_over': event(
      'Nobody above was heard for so long that these people are not let in: an alarm.',
      limit,
    ),
    'agent.word_again': event('Somebody above is heard again, after `agent.offline_ending` or `offline_over`.', {
      ...inSystem,
      after_ms: ms('after how long'),
    }),
  } as const;
}
