// The catalogue of events: of every type what its body holds, what it means, and since which version. Whoever records
// an event makes it here, so that no type and no body is spelled anywhere else; the table in docs/mqtt-api.md and
// docs/asyncapi.yaml are made of it. Names are Seam's where Seam has one.

import { z } from 'zod';
import { agentEvents } from './agent-events.ts';
import { areaEvents } from './area-events.ts';
import { assert } from './errors.ts';
import { eventParts } from './event-parts.ts';
import type { Fixed } from './fixed.ts';
import { peopleEvents } from './people-events.ts';
import { modeEvents } from './mode-events.ts';

type Spec = { says: string; since: string; body: z.ZodObject };

/**
 * Made when it is first asked for: an agent that records events needs none of it, and making it costs tens of
 * milliseconds.
 */
function catalogue() {
  const parts = eventParts();
  const {
    text,
    instant,
    count,
    ms,
    tally,
    system,
    person,
    credential,
    device,
    onController,
    deviceError,
    byCommand,
    decision,
    door,
    doorEvent,
    target,
    event,
    changeOf,
    updateOf,
    user,
    owned,
    phone,
    signed,
    scanning,
    scanned,
    unscanned,
    schedule,
    holiday,
    inSystem,
    span,
    maybeByCommand,
    fromController,
  } = parts;

  return {
    'lock.unlocked': event('An entrance was opened for somebody, or by a command.', {
      ...decision,
      second_acs_credential_id: text('the code that followed the card').optional(),
      companion_acs_user_id: text('who was shown first, where two people must be').optional(),
      companion_acs_credential_id: text('and by which credential').optional(),
      uses_left: count('how often it opens behind this, where that is counted').optional(),
      decided_by: z.enum(['gateway', 'controller', 'command']).describe('by whom'),
      was_confirmed_by_device: z
        .boolean()
        .nullable()
        .describe(
          'whether the relay was seen to move; null: it was not waited for, and a failure follows as `acs_entrance.unlock_failed`',
        ),
      ...maybeByCommand,
      action_attempt_id: text('of the command').optional(),
      reason: text('as the command gives it').nullable().optional(),
    }),
    'lock.access_denied': event('Somebody was not let in.', {
      ...decision,
      decided_by: z.enum(['gateway', 'controller']).describe('by whom'),
      reason: z
        .strictObject({ reason_code: z.string(), detail: z.string().nullable() })
        .describe('why: Seam’s code, and ours, which is finer'),
    }),
    'acs_entrance.opened': event('The door was opened, by its contact.', doorEvent),
    'acs_entrance.closed': event('The door was closed, by its contact.', doorEvent),
    'acs_entrance.not_opened': event('Somebody was let in, and nobody went.', door),
    'acs_entrance.rex': event('The exit button.', {
      ...doorEvent,
      out_of_sight: z
        .literal(true)
        .describe('pressed when nobody could see it (a cut line, a start), and no strike was driven')
        .optional(),
    }),
    'acs_entrance.forced': event('Opened though nobody was let in or out: an alarm.', doorEvent),
    'acs_entrance.held_warning': event('Open for long; in `held_in_ms` it will be too long.', {
      ...door,
      held_in_ms: ms('how long there is still'),
    }),
    'acs_entrance.held': event('Open for too long: an alarm.', {
      ...doorEvent,
      open_for_ms: ms('how long').optional(),
    }),
    'acs_entrance.restored': event('Closed again after `forced` or `held`; its strike follows again.', {
      ...door,
      after: z.enum(['forced', 'held', 'strike_stuck']).describe('what is over'),
    }),
    'acs_entrance.strike_stuck': event(
      'The strike does not follow what it is told; energised, it does not release, and the door may be open: an alarm.',
      {
        ...door,
        ...onController,
        output: count('which output drives it'),
        energised: z.boolean().describe('how it stands'),
      },
    ),
    'acs_entrance.unlocked_externally': event(
      'Something else than Lintel switched the strike on; it was switched off again.',
      { ...door, ...onController, output: count('which output drives it') },
    ),
    'acs_entrance.locked_out': event('Too many wrong codes: none is taken until then.', {
      ...door,
      reader: text('where the last one was entered'),
      acs_credential_id: text('the card, where that is locked').nullable().optional(),
      locked: z.enum(['reader', 'entrance', 'card']).describe('what is locked'),
      why: z.enum(['attempts', 'per_day']).describe('so many in a row, or the day’s budget is spent'),
      until: instant('by the wall clock; elapsed time counts'),
    }),
    'acs_entrance.unlock_failed': event('The strike could not be commanded.', {
      acs_system_id: system.acs_system_id,
      acs_entrance_id: text('which entrance').optional(),
      reader: text('where somebody was let in').optional(),
      ...credential,
      acs_credential_id: credential.acs_credential_id.optional(),
      ...person,
      method: z.enum(['remote']).describe('by a command').optional(),
      decided_by: z.enum(['command']).describe('by a command').optional(),
      ...maybeByCommand,
      action_attempt_id: text('of the command').optional(),
      reason: text('as the command gives it').nullable().optional(),
      error: deviceError,
    }),
    'facility.pin_entry_slowed': event(
      'So many wrong codes at all entrances together that each is followed by a pause in which no PIN alone is taken anywhere: an alarm, told again only once half the budget has drained.',
      {
        ...door,
        reader: text('where the last one was entered'),
        per_day: count('the budget').nullable(),
        pause_ms: ms('each pause'),
      },
    ),

    ...modeEvents(parts),
    ...areaEvents(parts),

    'acs_user.created': changeOf('A person was added.', user),
    'acs_user.updated': updateOf('A person was changed.', user),
    'acs_user.suspended': changeOf('A person has no access any more, until unsuspended.', user),
    'acs_user.unsuspended': changeOf('A person has access again.', user),
    'acs_user.deleted': changeOf('A person was deleted.', user),
    'acs_user.erased': changeOf('A person was removed for good: nothing but the id is left.', user),

    'acs_credential.created': changeOf('A credential was added.', owned),
    'acs_credential.updated': updateOf('A credential was changed.', owned),
    'acs_credential.assigned': changeOf('A credential belongs to somebody now.', owned),
    'acs_credential.unassigned': changeOf('A credential belongs to nobody any more.', owned),
    'acs_credential.deleted': changeOf('A credential was deleted.', owned),
    'acs_credential.phone_enrolled': changeOf('A phone was enrolled for a mobile key.', phone),
    'acs_credential.phone_removed': changeOf('A phone was taken from its mobile key.', phone),
    'acs_credential.key_issued': event('A key that a credential manager has signed was taken for a mobile key.', {
      ...inSystem,
      ...phone,
      ...signed,
      token_id: text('the number that this has given, hexadecimal'),
      handed_over: z.enum(['at_door', 'by_command']).describe('by whom it came: the phone itself, or a command'),
      ...maybeByCommand,
    }),
    'acs_credential.issued_keys_revoked': changeOf('A credential manager’s keys were taken back.', {
      ...signed,
      token_id: text('one, by its number').nullable(),
      public_key: text('all for this phone').nullable(),
      issued_before: instant('all that are older').nullable(),
      keys: count('how many were here'),
    }),
    'acs_credential.issued': event('It is on every controller that needs it, for the first time.', {
      ...inSystem,
      ...owned,
    }),
    'acs_credential.reissued': event('It is on every controller that needs it, after a change.', {
      ...inSystem,
      ...owned,
    }),
    'acs_credential.invalidated': event(
      'It opens nothing any more, since `occurred_at`: its end, its use or the command, however late it was noticed.',
      {
        ...inSystem,
        ...owned,
        reason: z.enum(['expired', 'used', 'user_deleted']).describe('why'),
        ...maybeByCommand,
      },
    ),

    'acs_encoder.scan_started': event('A reader waits for somebody to enrol, and decides nothing meanwhile.', {
      ...scanning,
      until: instant('its latest end'),
    }),
    'action_attempt.scan_credential.succeeded': scanned,
    'action_attempt.scan_credential.failed': unscanned,
    'action_attempt.scan_to_assign_credential.succeeded': scanned,
    'action_attempt.scan_to_assign_credential.failed': unscanned,

    'access_code.scheduled_on_device': event('It will be written to this controller, at its time.', target),
    'access_code.set_on_device': event('This controller holds it; cards as well as codes.', target),
    'access_code.removed_from_device': event('This controller holds it no longer.', target),
    'access_code.failed_to_set_on_device': event('Writing it was tried; tried again.', {
      ...target,
      error: deviceError,
    }),
    'access_code.failed_to_remove_from_device': event('Erasing it was tried; tried again.', {
      ...target,
      error: deviceError,
    }),
    'access_code.failed_to_expire': event('It should be gone from this controller, and is still there: an alarm.', {
      ...target,
      error: deviceError.optional(),
    }),
    'access_code.modified_externally': event('Somebody changed it at the controller; it is put right.', target),

    ...peopleEvents(parts),

    'schedule.created': changeOf('A schedule was added.', schedule),
    'schedule.updated': updateOf('A schedule was changed.', schedule),
    'schedule.deleted': changeOf('A schedule was deleted.', schedule),
    'holiday.created': changeOf('A holiday was added.', holiday),
    'holiday.updated': updateOf('A holiday was changed.', holiday),
    'holiday.deleted': changeOf('A holiday was deleted.', holiday),

    'device.connected': event('A reader or controller answers.', { ...inSystem, ...device }),
    'device.disconnected': event(
      'A reader or controller does not answer any more; or, once, was looked for in vain after a start.',
      {
        ...inSystem,
        ...device,
        error_code: z.enum(['device_disconnected']).describe('Seam’s code'),
        message: text('what is known of the cause'),
      },
    ),
    'device.power': event('It restarted, or lost its supply or got it back.', {
      ...inSystem,
      ...device,
      restarted: z.boolean().describe('it began anew').optional(),
      failed: z.boolean().describe('its supply failed; false: it is back').optional(),
    }),
    'device.tampered': event('Its housing was opened, or closed again.', {
      ...inSystem,
      device: device.device.optional(),
      acs_entrance_id: decision.acs_entrance_id.optional(),
      active: z.boolean().describe('open').optional(),
      ...fromController,
    }),
    'device.reported': event('A controller recorded something that Lintel has no word for.', {
      ...inSystem,
      ...device,
      acs_entrance_id: text('by which door, if by one').nullable(),
      ...fromController,
    }),
    'device.fault': event('Something at a device that no other event says; `cleared`: it is over.', {
      ...inSystem,
      ...device,
      code: text('which; `input_0`, `input_1`, …: the wires of a supervised input are cut or shorted'),
      message: text('what, with what to do'),
      cleared: z.boolean().describe('it is over'),
    }),
    'device.identity_changed': event('Another device answers in its place.', {
      ...inSystem,
      ...device,
      expected: text('who it was'),
      found: text('who it is'),
    }),
    'device.secure_channel_lost': event('An OSDP reader fell out of its Secure Channel.', {
      ...inSystem,
      ...device,
      message: text('how'),
    }),
    'device.clear_text_card': event('A card came without the Secure Channel, and was not judged.', {
      ...inSystem,
      ...device,
    }),
    'bus.disturbed': event('A line keeps its devices from being served, though they may be well: an alarm.', {
      ...inSystem,
      bus: text('which line, by its name in the facility file'),
      message: text('by what, with what to do'),
    }),
    'bus.recovered': event('That line is well again.', {
      ...inSystem,
      bus: text('which line, by its name in the facility file'),
    }),
    'device.install_window_opened': event('Until then an operator lets this OSDP reader have its first key.', {
      ...inSystem,
      ...device,
      until: instant('when the window closes'),
    }),
    'device.key_installed': event('An OSDP reader holds another key.', {
      ...inSystem,
      ...device,
      how: z
        .enum(['installed', 'imported', 'rotated'])
        .describe('by what way; null: an older version began it')
        .nullable(),
    }),
    'device.key_forgotten': event('An operator had Lintel throw away the key of an OSDP reader.', {
      ...inSystem,
      ...device,
    }),
    'device.address_changed': event('An operator gave an OSDP reader another address.', {
      ...inSystem,
      ...device,
      from: count('its address before'),
      to: count('its address now'),
      baud: count('its speed'),
    }),
    'device.file_sent': event('An operator sent an OSDP reader a file.', {
      ...inSystem,
      ...device,
      file_type: count('as OSDP numbers it'),
      bytes: count('its length'),
    }),
    'device.memory_lost': event(
      'Its table was found empty where Lintel had filled it: it is filled again, and no slot is told singly.',
      { ...inSystem, ...device },
    ),
    'device.slot_adopted': event(
      'Somebody took over a foreign slot of a controller, for a credential, or to be emptied.',
      {
        ...inSystem,
        ...device,
        ...onController,
        slot: count('which'),
        acs_credential_id: text('for which; null: to be emptied').nullable(),
        ...byCommand,
      },
    ),
    'device.slot_emptied': event('That slot is empty.', { ...inSystem, ...device, slot: count('which') }),
    'device.slots_short': event(
      'From `first_at` on more credentials are valid at a controller than it has slots: an alarm ahead.',
      {
        ...inSystem,
        ...device,
        slots: count('how many it has'),
        foreign: count('of them taken by others'),
        missing: count('how many are missing at the worst moment'),
        first_at: instant('when the first one comes who will find none'),
        acs_credential_ids: z.array(z.string()).describe('who will find none, the earliest start first, 16 at most'),
      },
    ),
    'device.presentations_dropped': event('More was presented at this reader than people can show.', {
      ...inSystem,
      acs_entrance_id: text('where; null: at no entrance').nullable().optional(),
      ...device,
      count: count('how many were not judged'),
      kinds: tally('how many of each kind'),
      ...span,
    }),
    'device.events_dropped': event('A reader, door or controller caused more events than its budget.', {
      ...inSystem,
      acs_entrance_id: text('by which door, if by one').nullable(),
      device: text('by which device, if by one').nullable(),
      count: count('how many were not told'),
      event_types: tally('how many of each type'),
      ...span,
    }),

    ...agentEvents(parts),
  } as const satisfies Record<string, Spec>;
}

type Catalogue = ReturnType<typeof catalogue>;
let made: Catalogue | null = null;

export const eventCatalogue = (): Catalogue => (made ??= catalogue());
export type EventType = keyof Catalogue;
export type BodyOf<T extends EventType> = Fixed<z.input<Catalogue[T]['body']>>;
export const eventTypes = (): EventType[] => Object.keys(eventCatalogue()) as EventType[];
export const isEventType = (text: string): text is EventType => Object.hasOwn(eventCatalogue(), text);

/** What a device's own events say beside which one it is. */
export type DeviceEventType = EventType & `device.${string}`;
export type DeviceBody<T extends DeviceEventType> = Omit<BodyOf<T>, 'acs_system_id' | 'device'>;

/** An event that is to be recorded. Made by `newEvent`, nowhere else. */
export type NewEvent = {
  event_type: EventType;
  /** When it happened, epoch ms; without it: when it is recorded. */
  occurredAtMs?: number;
  body: Readonly<Record<string, unknown>>;
};

/** `occurredAtMs`: where it happened before it is recorded. */
export function newEvent<T extends EventType>(type: T, body: BodyOf<T>, occurredAtMs: number | null = null): NewEvent {
  if (checks.areOn) check(type, body);
  return { event_type: type, body, ...(occurredAtMs === null ? {} : { occurredAtMs }) };
}

/** As `newEvent`, where `base` is what several events have in common. */
export function newEventAt<T extends EventType, B extends object>(
  type: T,
  base: B,
  more: Omit<BodyOf<T>, keyof B>,
): NewEvent {
  const body: object = { ...base, ...more };
  return newEvent(type, body as BodyOf<T>);
}

const checks = { areOn: false };

/**
 * From now on each body is checked as it is made. The compiler has seen most of it; tests see the rest, and a running
 * agent spends no time on it.
 */
export function checkBodies(): void {
  checks.areOn = true;
}

function check(type: EventType, body: unknown): void {
  const { success, error } = eventCatalogue()[type].body.safeParse(body);
  assert(success, `the body of ${type} is not that of the catalogue: ${error?.message ?? ''}`);
}
