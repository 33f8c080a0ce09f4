// A part of the catalogue of events (events.ts): who may open what beside the lists of credentials.

import { z } from 'zod';
import type { eventParts } from './event-parts.ts';

export function peopleEvents({
  text,
  instant,
  changeOf,
  updateOf,
  user,
  group,
  event,
  inSystem,
  owned,
  door,
  biometric,
  scanning,
  unscanned,
}: ReturnType<typeof eventParts>) {
  const grant = { access_grant_id: text('which grant'), acs_user_id: text('whose it is') };
  const method = {
    access_method_id: text('which; its credential has the same id'),
    access_grant_id: text('of which grant'),
  };
  const space = { space_id: text('which space') };

  return {
    'acs_access_group.created': changeOf('An access group was added.', group),
    'acs_access_group.updated': updateOf('An access group was changed.', group),
    'acs_access_group.deleted': changeOf('An access group was deleted; nobody opens anything by it any more.', group),
    'acs_access_group.user_added': changeOf('A person is in a group, from now on or within another window.', {
      ...group,
      ...user,
      starts_at: instant('from when on; null: since ever').nullable(),
      ends_at: instant('until when; null: for good').nullable(),
    }),
    'acs_access_group.user_removed': changeOf('A person is in a group no more.', { ...group, ...user }),
    'acs_entrance.access_granted': changeOf('A person, or a group, may open an entrance.', {
      acs_entrance_id: text('which entrance'),
      acs_user_id: text('who; null: a group').nullable(),
      acs_access_group_id: text('which group; null: a person').nullable(),
    }),
    'acs_entrance.access_revoked': changeOf(
      'A person, or a group, may open an entrance no more, as far as it was granted.',
      {
        acs_entrance_id: text('which entrance'),
        acs_user_id: text('who; null: a group').nullable(),
        acs_access_group_id: text('which group; null: a person').nullable(),
      },
    ),
    'acs_user.biometric_enrolled': changeOf(
      'A finger, face or the like of a person was enrolled at a reader. Its template is told nowhere.',
      biometric,
    ),
    'acs_user.biometric_removed': changeOf(
      'An enrolled finger, face or the like was deleted, with its template.',
      biometric,
    ),
    'action_attempt.enroll_biometric.succeeded': event('What somebody put there was enrolled.', {
      ...scanning,
      ...biometric,
    }),
    'action_attempt.enroll_biometric.failed': unscanned,
    'acs_user.access_revoked': changeOf('Every entrance was taken from a person.', user),
    'access_grant.created': changeOf('An access grant was made.', grant),
    'access_grant.updated': updateOf('An access grant was changed, with all that was made for it.', grant),
    'access_grant.ended': changeOf(
      'An access grant ends because another one begins in its place: another reservation in its room, or one that replaces it.',
      {
        ...grant,
        ended_by_access_grant_id: text('the grant that ended it'),
        ends_at: instant('when'),
      },
    ),
    'access_grant.deleted': changeOf('An access grant was taken back.', grant),
    'access_method.created': changeOf('An access method was asked for.', method),
    'access_method.deleted': changeOf('An access method was taken back.', method),
    'lift.presented': event(
      'Somebody was shown in the cabin of a lift: which floors may be chosen now, and which not. Each floor that may has its `lock.unlocked` besides; where none may, there is one `lock.access_denied`, of the floor that came nearest.',
      {
        ...inSystem,
        lift: text('which, by its name in the facility file'),
        reader: text('at which reader'),
        acs_credential_id: text('which credential; null: of nobody who is known').nullable(),
        acs_user_id: text('whose it is').nullable(),
        granted_acs_entrance_ids: z.array(z.string()).describe('floors that may be chosen now'),
        denied: z
          .array(
            z.strictObject({
              detail: text('why, as in `reason.detail` of `lock.access_denied`'),
              acs_entrance_ids: z.array(z.string()).describe('the floors'),
            }),
          )
          .describe('floors that may not, by why'),
      },
    ),
    'acs_entrance.floor_selected': event('A floor was chosen in the cabin, where the lift says so.', {
      ...door,
      lift: text('of which lift'),
      acs_user_id: text('who was let in there last; null: nobody, for the floor was free').nullable(),
      acs_credential_id: text('and by which credential').nullable(),
    }),
    'space.created': changeOf('A space was added.', space),
    'space.updated': updateOf('A space was changed.', space),
    'space.deleted': changeOf('A space was deleted.', space),
    'acs_credential.not_ready': event(
      'A credential begins soon, and a controller that needs it does not hold it yet: an alarm ahead.',
      {
        ...inSystem,
        ...owned,
        starts_at: instant('when it begins'),
        acs_entrance_ids: z.array(z.string()).describe('the doors that would stay shut'),
        controllers: z.array(z.string()).describe('those that do not hold it, by their names in the facility file'),
      },
    ),
  } as const;
}
