// A part of what commands answer (results.ts): access groups, access grants and what is made for them, spaces.

import { z } from 'zod';

/** What results.ts has in common, of the shapes that are used here. */
export type Parts<Errors, Warnings, Mutations> = {
  text: (says: string) => z.ZodString;
  instant: (says: string) => z.ZodISODateTime;
  count: (says: string) => z.ZodInt;
  flag: (says: string) => z.ZodBoolean;
  system: z.ZodString;
  asGiven: z.ZodUnknown;
  errors: Errors;
  warnings: Warnings;
  mutations: Mutations;
};

export function peopleResults<E extends z.ZodType, W extends z.ZodType, M extends z.ZodType>(parts: Parts<E, W, M>) {
  const { text, instant, count, flag, system, asGiven, errors, warnings, mutations } = parts;
  const group = z
    .strictObject({
      acs_access_group_id: text('which'),
      acs_system_id: system,
      name: text('what people call it'),
      display_name: text('the same as name'),
      access_group_type: z.literal('lintel_access_group'),
      schedule_id: text('the weekly schedule at which it opens; null: at all times').nullable(),
      user_count: count('people in it'),
      acs_entrance_count: count('entrances that it opens'),
      is_managed: z.literal(true),
      metadata: asGiven,
      created_at: instant('since when it is known').nullable(),
      errors,
      warnings,
    })
    .meta({ id: 'acs_access_group' });
  const membership = z.strictObject({
    acs_user_id: text('who'),
    acs_access_group_id: text('in which group'),
    starts_at: instant('from when on; null: since ever').nullable(),
    ends_at: instant('until when, excluded; null: for good').nullable(),
  });

  const grant = z
    .strictObject({
      access_grant_id: text('which'),
      acs_system_id: system,
      acs_user_id: text('whose it is'),
      user_identity_id: text('as given for the person').nullable(),
      name: text('as given').nullable(),
      display_name: text('what people call it'),
      access_grant_key: text('as given').nullable(),
      reservation_key: text('as given').nullable(),
      starts_at: instant('from when on it is valid').nullable(),
      ends_at: instant('until when, excluded').nullable(),
      schedule_id: text('the weekly schedule that it follows').nullable(),
      acs_entrance_ids: z.array(z.string()).describe('what it opens'),
      space_ids: z.array(z.string()).describe('the spaces that were named'),
      access_method_ids: z.array(z.string()).describe('what was made for it'),
      requested_access_methods: z.array(
        z.strictObject({ mode: z.string(), created_access_method_ids: z.array(z.string()) }),
      ),
      ended_by_access_grant_id: text('the grant of another reservation that ended it').nullable(),
      metadata: asGiven,
      created_at: instant('since when it is known').nullable(),
      errors,
      warnings,
    })
    .meta({ id: 'access_grant' });
  const method = z
    .strictObject({
      access_method_id: text('which; its credential has the same id'),
      acs_system_id: system,
      access_grant_id: text('for which grant'),
      acs_credential_id: text('its credential; null: a card that has no number yet').nullable(),
      mode: z.enum(['code', 'card', 'mobile_key']),
      display_name: text('what people call it'),
      code: text('a PIN that was generated, in the reply that made it and nowhere else').nullable(),
      card_number: text('the number on the card').nullable(),
      is_issued: flag('every controller that needs it has it'),
      issued_at: instant('since when').nullable(),
      is_ready_for_assignment: flag('a card is still to be given to it'),
      is_encoding_required: z.literal(false),
      created_at: instant('since when it is known').nullable(),
      errors,
      warnings,
      pending_mutations: mutations,
    })
    .meta({ id: 'access_method' });
  const space = z
    .strictObject({
      space_id: text('which'),
      acs_system_id: system,
      name: text('what people call it'),
      display_name: text('the same as name'),
      acs_entrance_ids: z.array(z.string()).describe('what it holds'),
      metadata: asGiven,
      created_at: instant('since when it is known').nullable(),
    })
    .meta({ id: 'space' });

  return { group, membership, grant, method, space };
}

/** How often a credential opens, and what for. */
export const credentialUses = ({
  count,
  flag,
  instant,
}: Pick<Parts<never, never, never>, 'count' | 'flag' | 'instant'>) =>
  ({
    is_one_time_use: flag('good for one entry'),
    max_uses: count('how often it opens in all; null: any number of times').nullable(),
    uses_left: count('how many of them are left; null: nobody counts').nullable(),
    is_duress: flag('a code that is typed under threat'),
    used_at: instant('when its last use was made').nullable(),
  }) as const;
