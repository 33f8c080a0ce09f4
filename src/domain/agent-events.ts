// A part of the catalogue of events (events.ts): what befalls the agent itself, its clock, its commands and its storage.

import { z } from 'zod';
import type { eventParts } from './event-parts.ts';

export function agentEvents(parts: ReturnType<typeof eventParts>) {
  const { text, count, system, onController, apiError, byCommand, event, inSystem, span } = parts;
  return {
    'agent.started': event('Lintel serves the doors.', {
      ...system,
      version: text('of Lintel'),
      was_unclean: z.boolean().describe('the last run ended without a word'),
    }),
    'agent.stopped': event('Lintel stopped in good order.', { ...system }),
    'agent.clock_trusted': event('Windows can be judged by the clock.', {
      ...system,
      reason: text('who vouched for it'),
    }),
    'agent.clock_untrusted': event('Windows cannot be judged by the clock.', { ...system, reason: text('why') }),
    'agent.events_forgotten': event(
      'Events were as old, or as many, as `store.events` keeps, or the disk had no room for them, and are no longer here.',
      {
        ...system,
        from_sequence: count('the first of them'),
        to_sequence: count('the last of them'),
        last_hash: text('its hash, which the event behind it names as `previous_hash`'),
        why: z.enum(['age', 'count', 'disk']).describe('for their age, for their number, for want of room'),
      },
    ),
    'agent.receiver_silent': event(
      'Events were delivered, and for a quarter of an hour nobody has acknowledged one, though `mqtt.event_delivery` asks for it: an alarm.',
      {
        ...system,
        acknowledged_sequence: count('the last that was acknowledged'),
        waiting: count('events behind it, which are kept and sent again'),
      },
    ),
    'agent.receiver_heard': event('Events are acknowledged again.', {
      ...system,
      acknowledged_sequence: count('the newest that was acknowledged'),
      waiting: count('events behind it'),
    }),
    'agent.ended_removed': event(
      'Credentials and access grants that ended as long ago as `store.ended` keeps them were removed, and are in the digest no more. One event for a few of them.',
      {
        ...system,
        count: count('how many'),
        ended_before: text('when they had ended at the latest, ISO 8601'),
        acs_credential_ids: z.array(z.string()).describe('credentials, and access methods of the grants'),
        access_grant_ids: z.array(z.string()).describe('access grants'),
      },
    ),
    'facility.snapshot_committed': event(
      'A snapshot replaced what the facility had of people and access. What it changed was told object by object before.',
      {
        ...inSystem,
        snapshot_id: text('which'),
        revision: count('of the facility from now on'),
        digest: text('of the facility, 64 hexadecimal digits'),
        created: count('items that were not here'),
        updated: count('items that were here otherwise'),
        deleted: count('objects that it does not name'),
        unchanged: count('items that were here as they are'),
        ...byCommand,
      },
    ),
    'facility.snapshot_abandoned': event('A snapshot that was under way was dropped; nothing of it was applied.', {
      ...inSystem,
      snapshot_id: text('which'),
      pages: count('that had come'),
      why: z.enum(['replaced', 'expired']).describe('another one was begun; or no page came for a day'),
      ...byCommand,
    }),
    'agent.command_rejected': event('Something came that was no command.', {
      ...system,
      command: text('resource and verb as they came, cut'),
      command_id: text('where it had one').nullable(),
      error: apiError,
      source: byCommand.source,
      suppressed: count('how many before it were not told, for there were too many'),
    }),
    'agent.commands_missing': event('Numbers of a stream are missing, or one came that is too far ahead.', {
      ...system,
      stream_id: text('which stream'),
      from_seq: count('the first that is missing'),
      to_seq: count('the last that is missing'),
      is_believed: z.boolean().describe('false: the number was too far ahead, and is not followed'),
    }),
    'agent.stream_reset': event('The numbers of a sender were forgotten, and begin anew.', {
      ...inSystem,
      stream_id: text('which stream'),
      last_seq: count('where it stood'),
      ...byCommand,
    }),
    'agent.explained_by_secret': event(
      'Somebody asked `entrances/explain` or `lintel swipe` by card or code; one event a burst.',
      {
        ...inSystem,
        source: byCommand.source,
        sender: byCommand.sender,
        count: count('questions'),
        granted: count('of them'),
        denied: count('of them'),
        refused: count('of them'),
        ...span,
      },
    ),
    'agent.events_dropped': event('Events were lost before they could be sent, or at a controller.', {
      ...system,
      controller: onController.controller.optional(),
      count: count('how many; without it nobody knows').optional(),
      why: text('to age or number, to a disk that failed, or at the controller'),
    }),
    'agent.events_missing': event('Events were deleted from the log behind the back of Lintel: an alarm.', {
      ...system,
      first_sequence: count('the first that is gone'),
      last_sequence: count('the last that is gone'),
    }),
    'agent.storage_damaged': event('The database is damaged: nobody is let in, everybody gets out.', {
      ...inSystem,
      how: z.enum(['damaged', 'lost']).describe('`lost`: taken away while it was in use'),
      problems: z.array(z.string()).describe('what was found'),
    }),
    'agent.storage_low': event('The disk is nearly full.', { ...system, free_bytes: count('what is left') }),
    'agent.storage_files_renewed': event(
      'Files of the database were deleted while it was in use; they were made anew, and nothing is lost.',
      { ...inSystem, files: z.array(z.string()).describe('which') },
    ),
    'agent.storage_tampered': event('Something was changed behind the back of Lintel: an alarm.', {
      ...system,
      what: z.enum(['row', 'rows_exchanged', 'digest']).describe('what was found'),
      table: text('where').nullable(),
      id: text('of what').nullable(),
    }),
    'agent.storage_sealed': event('Rows of an older version were sealed as they stood.', {
      ...system,
      rows: count('how many'),
    }),
    'agent.storage_accepted': event('An operator accepted the database as it stands.', {
      ...system,
      how: z.enum(['rows', 'copy', 'backup']).describe('changed rows, an older copy, or a sealed backup'),
      generation: count('the number it goes on with'),
      rows_sealed: count('rows that were sealed anew').nullable(),
      made_at: text('when the backup was made, ISO 8601').optional(),
    }),
    'agent.backed_up': event('A sealed backup was made, opened again and found sound.', {
      ...system,
      file: text('its path'),
      bytes: count('its size'),
      last_sequence: count('the newest event in it'),
    }),
    'agent.backup_failed': event('No sealed backup could be made: an alarm.', {
      ...system,
      error: apiError,
    }),
  };
}
