// The catalogue of retained states: what each topic under `state/` holds and means. docs/asyncapi.yaml is made of it,
// and a test holds a running agent to it.

import { z } from 'zod';
import { FACTORS } from './factors.ts';
import { MODE_KINDS, MODES } from './modes.ts';

const text = (says: string): z.ZodString => z.string().describe(says);
const count = (says: string): z.ZodNumber => z.number().int().min(0).describe(says);
const instant = (says: string): z.ZodISODateTime => z.iso.datetime().describe(says);
const flag = (says: string): z.ZodBoolean => z.boolean().describe(says);
const notice = z.looseObject({});
const counts = (says: string): z.ZodRecord<z.ZodString, z.ZodUnknown> =>
  z.record(z.string(), z.unknown()).describe(says);

/** An entrance, as its state and as replies show it. */
export const entranceObject = () =>
  z.strictObject({
    acs_entrance_id: text('which'),
    acs_system_id: text('the facility'),
    name: text('in the facility file'),
    display_name: text('for people'),
    decided_by: z.enum(['gateway', 'controller']).describe('who decides'),
    lift: text('of which lift it is a floor, by its name in the facility file; null: it is a door').nullable(),
    factors: z.enum(FACTORS).describe('what must be shown now; by the clock where the entrance has `factor_schedules`'),
    can_unlock_with_card: flag('it takes cards'),
    can_unlock_with_code: flag('it takes PINs'),
    can_unlock_with_mobile_key: flag('it takes mobile keys'),
    can_unlock_with_cloud_key: flag('a command may open it'),
    supported_code_lengths: z.array(z.number().int()).describe('digits that a PIN may have here'),
    code_constraints: z.array(z.strictObject({ constraint_type: z.string() })).describe('rules for a PIN here'),
    mode: z.enum(MODES).describe('how it stands to those who come'),
    mode_source: z.enum(MODE_KINDS).describe('what wants this mode; null: nothing, it is `normal`').nullable(),
    mode_until: instant('until when; null: until it is taken back, or as its schedule says').nullable(),
    mode_sources: z
      .array(
        z.strictObject({
          mode: z.enum(MODES),
          source: z.enum(MODE_KINDS),
          origin: text('`entrance`, `facility`, `input NAME` or `mode_schedules[N]`'),
          until: instant('until when').nullable(),
        }),
      )
      .describe('everything that wants a mode here, the strongest first'),
    is_locked: flag('nobody walks in without being let in'),
    is_open: flag('by its contact; null: it has none').nullable(),
    held: flag('open for too long'),
    forced: flag('opened though nobody was let in or out'),
    online: flag('all its devices answer'),
    errors: z.array(notice).describe('what keeps it from working'),
    warnings: z.array(notice).describe('what somebody should look at'),
  });

/** An area, as its state and as replies show it. */
export const areaObject = () =>
  z.strictObject({
    area: text('which, by its name in the facility file'),
    acs_system_id: text('the facility'),
    display_name: text('for people'),
    occupancy: count('how many are inside, as far as is known'),
    unknown: count('how many more may be: forgiven, or on their way when Lintel ended'),
    limit: count('most people who may be inside; null: any number').nullable(),
    is_full: flag('nobody else is let in'),
    anti_passback: z.enum(['hard', 'soft', 'timed']).describe('null: nobody asks').nullable(),
    needs_two_persons: flag('two people enter together'),
  });

/** A controller or reader, as its state and as replies show it. */
export const controllerObject = () =>
  z.strictObject({
    controller: text('which'),
    driver: text('its kind of bus'),
    bus: text('its bus, by the name in the facility file'),
    online: flag('it answers'),
    since: instant('since when').nullable(),
    identity: text('who it says it is').nullable(),
    problem: text('what is wrong with it, with the remedy').nullable(),
    problems: z.array(z.string()).describe('further faults of it'),
    slots: z
      .strictObject({
        used: count('slots with credentials of ours'),
        total: count('slots that it has'),
        foreign: count('slots with what somebody else wrote'),
      })
      .describe('its own table; null: it has none')
      .nullable(),
    pending_writes: count('slots that are to be written or erased'),
    counters: z
      .strictObject({
        requests: z.number(),
        replies: z.number(),
        timeouts: z.number(),
        retries: z.number(),
        crc_errors: z.number(),
        exceptions: z.number(),
        bytes_sent: z.number(),
        bytes_received: z.number(),
      })
      .describe('of its wire, since the start'),
  });

/** In place of a state that is larger than what the broker carries. */
const stub = z.object({ is_stub: z.literal(true) });

type Spec = { topic: string; says: string; body: z.ZodType };

function catalogue() {
  return {
    agent: {
      topic: 'agent',
      says: 'The agent itself. `online: false` is also the last will.',
      body: z.union([
        z.strictObject({
          online: z.literal(true),
          version: text('of Lintel'),
          started_at: instant('when this process began'),
          host: text('the machine’s name, to tell it from another one under the same client id'),
          time_zone: text('of the facility'),
          clock: z.enum(['trusted', 'untrusted']).describe('whether windows can be judged by the clock'),
          outbox_depth: count('events that wait for the broker'),
          outbox_blocked: text('what keeps the next event from being sent').nullable(),
          event_receiver: z
            .strictObject({
              acknowledged_sequence: count('the newest event that was acknowledged'),
              delivered_sequence: count('the newest that was handed to the broker'),
              waiting: count('events behind the one that was acknowledged last'),
              waiting_since: instant('when the oldest of them was recorded').nullable(),
              sender: text('of the last acknowledgement, as it states itself').nullable(),
            })
            .describe('who confirms events (`mqtt.event_delivery`); null: nobody is asked to')
            .nullable(),
          event_receiver_problem: text('why nobody seems to receive them, with the remedy').nullable(),
          broker_problem: text('what is wrong with the link, with the remedy').nullable(),
          broker_counts: counts('what the broker set aside, refused or dropped, by kind'),
          without_word_since: instant(
            'since when nobody above is heard (`policy.offline`); null: somebody is',
          ).nullable(),
          sequence: count('of the newest event'),
          revision: count('rises with each stored change'),
          generation: count(
            'how often access was taken from somebody; it never falls but with an older copy of the database',
          ),
          storage: text('`ok`, or what is wrong with the database (docs/operations.md)'),
          storage_problem: text('in words, with the remedy').nullable(),
        }),
        z.looseObject({ online: z.literal(false) }),
        stub,
      ]),
    },
    sync: {
      topic: 'sync',
      says: 'What the facility knows, and how far its controllers have it.',
      body: z.union([
        z.strictObject({
          revision: count('rises with each stored change'),
          digest: text('over everything that the facility should know, 64 hexadecimal digits'),
          pending: count('writes that wait'),
          unconfirmed: count('written, where a device cannot be read back'),
          failed: count('tried without success; tried again'),
          oldest_pending_erasure_at: instant('since when the oldest erasure waits').nullable(),
          snapshot: z
            .strictObject({
              snapshot_id: text('which'),
              revision: count('what the facility is to become'),
              pages: count('that are here'),
              stage: z
                .enum(['receiving', 'checking', 'applying'])
                .describe('pages come; it is looked at as a whole; what is here is replaced'),
              done: count('items that are applied'),
              items: count('of so many'),
            })
            .nullable()
            .describe('a snapshot that is under way; null: none is'),
        }),
        stub,
      ]),
    },
    audit: {
      topic: 'audit',
      says: 'Where the event log stands, signed by the gateway. Whoever keeps one finds out whether the log before it was changed (docs/audit.md).',
      body: z.union([
        z.strictObject({
          facility: text('which'),
          sequence: count('the newest event; 0: there is none'),
          hash: text('SHA-256 of it as it is published, base64url').nullable(),
          signed_at: instant('when'),
          public_key: text('Ed25519, base64url'),
          signature: text('by that key, base64url'),
        }),
        stub,
      ]),
    },
    entrances: {
      topic: 'entrances/{entrance}',
      says: 'A door, or a floor of a lift, by the name in the facility file.',
      body: z.union([entranceObject(), stub]),
    },
    areas: {
      topic: 'areas/{area}',
      says: 'An area, by the name in the facility file: how many are inside, never who.',
      body: z.union([areaObject(), stub]),
    },
    buses: {
      topic: 'buses/{bus}',
      says: 'A line by itself, whoever of its devices answers, by the name in the facility file.',
      body: z.union([
        z.strictObject({
          bus: text('which'),
          state: z.enum(['good', 'disturbed', 'down']).describe('`down`: it is not open'),
          problem: text('by what it is disturbed, or why it is down').nullable(),
          counters: z
            .strictObject({
              exchanges: z.number(),
              lost: z.number(),
              unsent: z.number(),
              strange_frames: z.number(),
              late_frames: z.number(),
            })
            .describe('since the start, of devices that are there'),
        }),
        stub,
      ]),
    },
    controllers: {
      topic: 'controllers/{controller}',
      says: 'A controller or reader, by the name in the facility file.',
      body: z.union([controllerObject(), z.strictObject({ controller: z.string(), online: z.literal(false) }), stub]),
    },
  } as const satisfies Record<string, Spec>;
}

let made: ReturnType<typeof catalogue> | null = null;

/** Made when it is first asked for. */
export const stateCatalogue = (): ReturnType<typeof catalogue> => (made ??= catalogue());
