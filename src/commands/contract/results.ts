// What each command answers in `result`, as data: handlers are held to it by the compiler, every test that has a command
// carried out by the schema, and docs/asyncapi.yaml is made of it.

import { z } from 'zod';
import { assert, ERROR_TYPES } from '../../domain/errors.ts';
import type { Fixed } from '../../domain/fixed.ts';
import { MODE_KINDS, MODES } from '../../domain/modes.ts';
import { WEEKDAYS } from '../../domain/schedule.ts';
import { areaObject, controllerObject, entranceObject } from '../../domain/states.ts';
import type { CommandName } from '../contract.ts';
import { encoderResults } from './encoder-results.ts';
import { eventResults } from './event-results.ts';
import { credentialUses, peopleResults } from './people-results.ts';
import { snapshotResults } from './snapshot-results.ts';

/** Made when it is first asked for: an agent answers without it. */
function catalogue() {
  const text = (says: string) => z.string().describe(says);
  const instant = (says: string) => z.iso.datetime().describe(says);
  const count = (says: string) => z.int().min(0).describe(says);
  const flag = (says: string) => z.boolean().describe(says);
  const system = text('the facility');
  const isStored = flag('false: the disk takes nothing; it is in force all the same, and stored when it can be');
  const asGiven = z.unknown().describe('as given; null: nothing was');

  const apiError = z
    .strictObject({
      type: z.enum(ERROR_TYPES),
      message: z.string(),
      path: z.array(z.union([z.string(), z.number()])).optional(),
    })
    .describe('as in a reply that failed');
  const told = { message: z.string(), created_at: z.iso.datetime().nullable() };
  const errors = z.array(z.looseObject({ error_code: z.string(), ...told })).describe('what keeps it from working');
  const warnings = z
    .array(z.looseObject({ warning_code: z.string(), ...told }))
    .describe('what somebody should look at');
  const mutations = z.array(z.looseObject({ mutation_code: z.string(), ...told })).describe('what is on its way');
  const pagination = z.strictObject({
    has_next_page: z.boolean(),
    next_page_cursor: text('for `page_cursor` of the next one; null: this was the last').nullable(),
  });

  const user = z
    .strictObject({
      acs_user_id: text('who'),
      acs_system_id: system,
      display_name: text('the same as full_name').nullable(),
      full_name: text('the name').nullable(),
      email_address: text('as given').nullable(),
      phone_number: text('as given').nullable(),
      user_identity_id: text('as given').nullable(),
      access_schedule: z
        .strictObject({ starts_at: z.iso.datetime().nullable(), ends_at: z.iso.datetime().nullable() })
        .describe('when this person may enter at all; null: always')
        .nullable(),
      is_suspended: flag('has no access until unsuspended'),
      is_extended_access: flag('needs longer at a door'),
      is_managed: z.literal(true),
      metadata: asGiven,
      created_at: instant('since when it is known').nullable(),
      errors,
      warnings,
    })
    .meta({ id: 'acs_user' });

  const controllerState = z.strictObject({
    controller: text('which, by its name in the facility file'),
    slot: count('where').nullable(),
    state: z.enum(['scheduled', 'writing', 'set', 'unconfirmed', 'removing', 'removed', 'failed']),
    verified_at: instant('when it was last read back').nullable(),
    error: z
      .strictObject({ type: z.string(), message: z.string().nullable() })
      .describe('what the controller refused, or what is in its way')
      .nullable(),
  });
  const credential = z
    .strictObject({
      acs_credential_id: text('which'),
      acs_system_id: system,
      acs_user_id: text('whose it is; null: nobody’s, and it opens nothing').nullable(),
      access_method: z.enum(['code', 'card', 'mobile_key']),
      display_name: text('what people call it'),
      code: text('a PIN that was generated, in the reply that made it and nowhere else').nullable(),
      has_code: flag('it is a PIN'),
      card_number: text('the number on the card').nullable(),
      card_format: text('how it is read').nullable(),
      starts_at: instant('from when on it is valid').nullable(),
      ends_at: instant('until when, excluded').nullable(),
      schedule_id: text('the weekly schedule that it follows').nullable(),
      allowed_acs_entrance_ids: z.array(z.string()).describe('what it opens; null: it follows its user').nullable(),
      is_issued: flag('every controller that needs it has it'),
      issued_at: instant('since when').nullable(),
      is_latest_desired_state_synced_with_provider: flag('nothing is on its way to a controller any more'),
      latest_desired_state_synced_with_provider_at: instant('since when').nullable(),
      is_multi_phone_sync_credential: flag('as given'),
      parent_acs_credential_id: text('of what it is a part').nullable(),
      ...credentialUses({ count, flag, instant }),
      is_managed: z.literal(true),
      secret_revision: count('as given').nullable(),
      metadata: asGiven,
      user_identity_id: text('as given').optional(),
      credential_manager_acs_system_id: text('as given').optional(),
      visionline_metadata: asGiven.optional(),
      salto_space_metadata: asGiven.optional(),
      assa_abloy_vostio_metadata: asGiven.optional(),
      hotek_metadata: asGiven.optional(),
      created_at: instant('since when it is known').nullable(),
      controller_states: z.array(controllerState).describe('of each controller that holds it, or should'),
      errors,
      warnings,
      pending_mutations: mutations,
    })
    .meta({ id: 'acs_credential' });

  const area = areaObject().meta({ id: 'area' });
  const occupant = z
    .strictObject({
      area: text('in which area'),
      acs_user_id: text('who'),
      display_name: text('the name; null: none was given').nullable(),
      state: z
        .enum(['inside', 'unsure', 'unknown'])
        .describe(
          '`inside`; `unsure`: the same, but may have left by a door that stood open or was dark; `unknown`: may be inside, and does not count',
        ),
      entered_at: instant('when').nullable(),
      last_seen_at: instant('let through somewhere last').nullable(),
      last_acs_entrance_id: text('and where'),
      last_reader: text('at which reader'),
    })
    .meta({ id: 'occupant' });

  const ranges = z.array(z.string()).describe('ranges of the day, `08:00-17:30`');
  const schedule = z
    .strictObject({
      schedule_id: text('which'),
      acs_system_id: system,
      name: text('what people call it'),
      week: z.partialRecord(z.enum(WEEKDAYS), ranges).describe('when it lets in, by the wall clock of the facility'),
      on_holidays: z.union([z.enum(['as_usual', 'closed']), ranges]),
      credential_count: count('credentials that follow it'),
      controller_states: z.array(
        z.strictObject({
          controller: text('which, by its name in the facility file'),
          time_zones: z.array(z.int()).describe('its places there'),
          state: z.enum(['unconfirmed', 'writing']),
        }),
      ),
      created_at: instant('since when it is known').nullable(),
      errors,
    })
    .meta({ id: 'schedule' });
  const holiday = z
    .strictObject({
      holiday_id: text('which'),
      acs_system_id: system,
      name: text('what people call it'),
      date: text('the day, or the first of them, `YYYY-MM-DD`'),
      last_date: text('the last of them'),
      every_year: flag('on the same days of every year'),
      created_at: instant('since when it is known').nullable(),
    })
    .meta({ id: 'holiday' });

  const parts = { text, instant, count, flag, system, asGiven, errors, warnings, mutations };
  const { group, membership, grant, method, space } = peopleResults(parts);

  const entrance = entranceObject().meta({ id: 'acs_entrance' });
  const controller = controllerObject().meta({ id: 'controller' });
  const foreignSlot = z.strictObject({
    slot: count('which'),
    first_seen_at: instant('when Lintel first saw it').nullable(),
  });
  const one = {
    user: z.strictObject({ acs_user: user }),
    credential: z.strictObject({ acs_credential: credential }),
    schedule: z.strictObject({ schedule }),
    holiday: z.strictObject({ holiday }),
    group: z.strictObject({ acs_access_group: group }),
    grant: z.strictObject({ access_grant: grant }),
    granted: z.strictObject({ access_grant: grant, access_methods: z.array(method) }),
    method: z.strictObject({ access_method: method }),
    space: z.strictObject({ space }),
  };
  const phone = z
    .strictObject({
      acs_credential_id: text('its own'),
      parent_acs_credential_id: text('the mobile key for which it is enrolled'),
      acs_system_id: system,
      display_name: text('what people call it').nullable(),
      public_key: text('130 hexadecimal digits'),
      credential_manager_acs_system_id: text('who has signed its key; null: it was enrolled for itself').nullable(),
      token_id: text('the number that this has given, hexadecimal').nullable(),
      starts_at: instant('from when on its signed key is valid').nullable(),
      ends_at: instant('until when, excluded').nullable(),
      allowed_acs_entrance_ids: z
        .array(z.string())
        .describe('where its signed key is good, within what its mobile key opens')
        .nullable(),
      created_at: instant('since when it is enrolled').nullable(),
    })
    .meta({ id: 'phone' });
  const { encoder, onEncoder, biometric } = encoderResults(parts);
  const attempt = <T extends string, R extends z.ZodType>(type: T, result: R) =>
    z.strictObject({
      action_attempt: z.strictObject({
        action_attempt_id: z.string(),
        action_type: z.literal(type),
        status: z.literal('success'),
        result,
        error: z.null(),
      }),
    });
  const done = z.strictObject({});
  const explanation = {
    outcome: z.enum(['granted', 'denied']),
    reason: text('as in `lock.access_denied`; null: granted').nullable(),
    acs_credential_id: text('which credential was found').nullable(),
    acs_user_id: text('whose it is').nullable(),
    steps: z
      .array(z.strictObject({ step: z.string(), passed: z.boolean(), detail: z.string() }))
      .describe('what was asked, in order'),
  };
  const applied = z.union([
    z.strictObject({
      ok: z.literal(true),
      acs_credential: z
        .union([credential, z.strictObject({ acs_credential_id: z.string(), code: z.string().optional() })])
        .optional(),
    }),
    z.strictObject({ ok: z.literal(false), error: apiError }),
  ]);

  return {
    'users/create': one.user,
    'users/get': one.user,
    'users/list': z.strictObject({ acs_users: z.array(user), pagination }),
    'users/update': one.user,
    'users/delete': done,
    'users/erase': z.strictObject({
      acs_user_id: text('who it was'),
      was_deleted: flag('the person had been deleted before'),
      credentials: count('deleted now'),
      biometrics: count('templates deleted now'),
      area_entries: count('names taken out of lists of areas'),
      replies: count('replies kept for repeats that named the person, and are empty now'),
      pending_erasures: count('slots of controllers that are erased as these can be reached'),
      backups: count('copies of the database beside it, which hold the person until newer ones take their place'),
      is_purged: flag('false: the log of the database is still read by somebody, and is emptied later'),
    }),
    'users/suspend': one.user,
    'users/unsuspend': one.user,
    'users/add_to_access_group': done,
    'users/remove_from_access_group': done,
    'users/revoke_access_to_all_entrances': done,
    'users/list_accessible_entrances': z.strictObject({ acs_entrances: z.array(entrance), pagination }),
    'credentials/create': one.credential,
    'credentials/get': one.credential,
    'credentials/list': z.strictObject({ acs_credentials: z.array(credential), pagination }),
    'credentials/update': one.credential,
    'credentials/delete': done,
    'credentials/assign': one.credential,
    'credentials/unassign': one.credential,
    'credentials/list_accessible_entrances': z.strictObject({ acs_entrances: z.array(entrance), pagination }),
    'credentials/enroll_phone': z.strictObject({ phone }),
    'credentials/remove_phone': done,
    'credentials/enroll_issued_key': z.strictObject({ phone }),
    'credentials/revoke_issued_keys': z.strictObject({ revoked: count('keys that were here, and are gone') }),
    'credentials/get_timeline': z.strictObject({
      acs_credential_id: text('which'),
      now: z
        .strictObject({
          acs_user_id: text('whose it is').nullable(),
          created_at: instant('since when it is known').nullable(),
          starts_at: instant('from when on it is valid').nullable(),
          ends_at: instant('until when').nullable(),
          is_issued: flag('every controller that needs it has it'),
          issued_at: instant('since when').nullable(),
          used_at: instant('of a one-time credential: when it was used').nullable(),
          controller_states: z.array(controllerState).describe('of each controller that holds it, or should'),
        })
        .describe('as its rows have it; null: it was deleted')
        .nullable(),
      log: z.strictObject({
        first_sequence: count('the oldest event that is kept').nullable(),
        last_sequence: count('the newest').nullable(),
        reaches_back: flag('nothing of its life is forgotten; of a deleted one: nothing at all'),
      }),
      timeline: z.array(
        z.strictObject({
          sequence: count('of the event, for `entrances/explain_decision`'),
          event_type: text('what happened'),
          occurred_at: instant('when'),
          count: count('how many times, until the next entry of another kind'),
          last_sequence: count('of the last of them'),
          last_occurred_at: instant('when the last of them was'),
          acs_entrance_ids: z.array(z.string()).describe('at which door, or for which doors its controller decides'),
          controller: text('where it was written').nullable(),
          slot: count('in which slot there').nullable(),
          acs_user_id: text('whose it was').nullable(),
          acs_access_group_id: text('which group of that person').nullable(),
          access_grant_id: text('which grant of that person').nullable(),
          changed: z.array(z.string()).describe('which fields').nullable(),
          reason: text('why').nullable(),
          by: z
            .strictObject({
              source: z.enum(['mqtt', 'local']).describe('by which way'),
              sender: text('who, as stated').nullable(),
              command_id: text('which command').nullable(),
            })
            .describe('who did it; null: no command did')
            .nullable(),
        }),
      ),
      pagination,
    }),
    'credentials/list_phones': z.strictObject({ phones: z.array(phone) }),
    'credentials/apply': z.strictObject({
      results: z.array(applied).describe('of each operation, by its position'),
      is_shortened: z
        .literal(true)
        .describe('the reply would have been too large: credentials by their ids')
        .optional(),
    }),
    'access_groups/create': one.group,
    'access_groups/get': one.group,
    'access_groups/list': z.strictObject({ acs_access_groups: z.array(group), pagination }),
    'access_groups/update': one.group,
    'access_groups/delete': done,
    'access_groups/add_user': done,
    'access_groups/remove_user': done,
    'access_groups/list_users': z.strictObject({
      acs_users: z.array(user),
      memberships: z.array(membership).describe('of the same people, in the same order'),
      pagination,
    }),
    'access_groups/list_accessible_entrances': z.strictObject({ acs_entrances: z.array(entrance), pagination }),
    'access_grants/create': one.granted,
    'access_grants/get': one.grant,
    'access_grants/list': z.strictObject({ access_grants: z.array(grant), pagination }),
    'access_grants/update': one.grant,
    'access_grants/delete': done,
    'access_grants/request_access_methods': one.granted,
    'access_methods/get': one.method,
    'access_methods/list': z.strictObject({ access_methods: z.array(method), pagination }),
    'access_methods/assign_card': one.method,
    'access_methods/delete': done,
    'spaces/create': one.space,
    'spaces/get': one.space,
    'spaces/list': z.strictObject({ spaces: z.array(space), pagination }),
    'spaces/update': one.space,
    'spaces/add_acs_entrances': one.space,
    'spaces/remove_acs_entrances': one.space,
    'spaces/delete': done,
    'schedules/create': one.schedule,
    'schedules/get': one.schedule,
    'schedules/list': z.strictObject({ schedules: z.array(schedule), pagination }),
    'schedules/update': one.schedule,
    'schedules/delete': done,
    'holidays/create': one.holiday,
    'holidays/get': one.holiday,
    'holidays/list': z.strictObject({ holidays: z.array(holiday), pagination }),
    'holidays/update': one.holiday,
    'holidays/delete': done,
    'entrances/get': z.strictObject({ acs_entrance: entrance }),
    'entrances/list': z.strictObject({ acs_entrances: z.array(entrance), pagination }),
    'entrances/list_credentials_with_access': z.strictObject({ acs_credentials: z.array(credential), pagination }),
    'entrances/grant_access': done,
    'entrances/revoke_access': done,
    'entrances/unlock': attempt(
      'UNLOCK_DOOR',
      z.strictObject({ was_confirmed_by_device: flag('the relay was seen to move') }),
    ),
    'areas/list': z.strictObject({ areas: z.array(area) }),
    'areas/get': z.strictObject({ area }),
    'areas/list_occupants': z.strictObject({ occupants: z.array(occupant), pagination }),
    'areas/forgive': z.strictObject({ forgiven: count('how many were inside') }),
    'encoders/list': z.strictObject({ acs_encoders: z.array(encoder) }),
    'encoders/scan_credential': attempt(
      'SCAN_CREDENTIAL',
      z.strictObject({
        acs_credential_on_encoder: onEncoder,
        acs_credential_on_seam: credential.nullable(),
        phone_acs_credential_id: text('which phone of that mobile key').nullable(),
        other_acs_credential_ids: z.array(z.string()).describe('further credentials that it is, at other times'),
        warnings: z.array(z.strictObject({ warning_code: z.string(), warning_message: z.string() })),
      }),
    ),
    'encoders/scan_to_assign_credential': attempt(
      'SCAN_TO_ASSIGN_CREDENTIAL',
      z.strictObject({
        ...credential.shape,
        phone_acs_credential_id: text('of the phone that was enrolled; null: it is a card').nullable(),
      }),
    ),
    'encoders/enroll_biometric': attempt('ENROLL_BIOMETRIC', biometric),
    'users/list_biometrics': z.strictObject({ biometrics: z.array(biometric) }),
    'users/remove_biometric': done,
    'encoders/cancel_scan': z.strictObject({ was_scanning: flag('there was one') }),
    'entrances/set_mode': z.strictObject({
      acs_entrance_id: text('which'),
      mode: z.enum(MODES).describe('how it is now: what was set, or what is stronger'),
      mode_source: z.enum(MODE_KINDS).describe('what wants it; null: nothing').nullable(),
      is_stored: isStored,
    }),
    'entrances/explain': z.strictObject({ ...explanation, acs_entrance_id: text('where') }),
    'entrances/explain_decision': z.strictObject({
      ...explanation,
      acs_entrance_id: text('where; null: a door that is no entrance of the facility file').nullable(),
      sequence: count('of the event'),
      event_id: text('of the event'),
      occurred_at: instant('when it was decided'),
      clock: z.enum(['trusted', 'untrusted']).describe('how good the time was'),
      decided_by: z.enum(['gateway', 'controller', 'command']).describe('by whom'),
      revision: count('what was stored, as the decision was made by it; null: the event does not say').nullable(),
      revision_now: count('what is stored now: where it is another one, `entrances/explain` may say otherwise'),
      note: text('what is not known of it, and why; null: it is all there').nullable(),
    }),
    'controllers/get': z.strictObject({
      controller: z.strictObject({
        ...controllerObject().shape,
        foreign_slots: z.array(foreignSlot).describe('taken by somebody else, 500 at most').optional(),
      }),
    }),
    'controllers/list': z.strictObject({ controllers: z.array(controller) }),
    'controllers/resync': z.strictObject({
      compared: count('slots that were looked at'),
      differing: count('slots that are put right'),
      foreign: count('slots with what somebody else wrote'),
    }),
    'controllers/adopt_slot': z.strictObject({
      controller: text('where'),
      slot: count('which'),
      acs_credential_id: text('whose it is now; null: it is emptied').nullable(),
    }),
    ...eventResults(parts),
    'facility/digest': z.strictObject({
      revision: count('rises with each stored change'),
      digest: text('64 hexadecimal digits'),
      users: count('people'),
      credentials: count('credentials'),
    }),
    'facility/reset_stream': z.strictObject({
      stream_id: text('which'),
      last_seq: count('where it stood; null: there was no such stream').nullable(),
    }),
    ...snapshotResults({ text, count }),
    'facility/lockdown': z.strictObject({
      acs_entrance_ids: z.array(z.string()).describe('locked down now'),
      not_locked: z.array(z.strictObject({ acs_entrance_id: z.string(), message: z.string() })),
      is_stored: isStored,
    }),
    'facility/all_clear': z.strictObject({
      cleared: count('what was taken back'),
      remaining: z.array(
        z.strictObject({
          acs_entrance_id: text('null: all entrances').nullable(),
          mode: z.enum(MODES),
          origin: z.string(),
          message: text('why, and what to do'),
        }),
      ),
    }),
  } as const satisfies Record<CommandName, z.ZodObject>;
}

type Catalogue = ReturnType<typeof catalogue>;
let made: Catalogue | null = null;

export const resultCatalogue = (): Catalogue => (made ??= catalogue());
export type ResultOf<N extends CommandName> = Fixed<z.input<Catalogue[N]>>;
export type AcsUser = ResultOf<'users/get'>['acs_user'];
export type AcsCredential = ResultOf<'credentials/get'>['acs_credential'];
export type AcsAccessGroup = ResultOf<'access_groups/get'>['acs_access_group'];
export type AccessGrant = ResultOf<'access_grants/get'>['access_grant'];
export type AccessMethod = ResultOf<'access_methods/get'>['access_method'];
export type AcsEntrance = ResultOf<'entrances/get'>['acs_entrance'];
export type Area = ResultOf<'areas/get'>['area'];
export type Controller = ResultOf<'controllers/list'>['controllers'][number];

const checks = { areOn: false };

/** From now on each result is checked before it is answered: for tests. */
export function checkResults(): void {
  checks.areOn = true;
}

/** What a command answers, as its sender will read it. */
export function resultText(name: CommandName, result: object): string {
  const json = JSON.stringify(result);
  if (!checks.areOn) return json;
  const { success, error } = resultCatalogue()[name].safeParse(JSON.parse(json));
  assert(success, `the result of ${name} is not that of the contract: ${error?.message ?? ''}`);
  return json;
}
