// The facility file's schema, composed of what every site has and of what each driver says about its own buses and
// controllers. Everything else that speaks of the file comes from here: the check at start, the JSON Schema for
// editors, the reference in docs/.

import { z } from 'zod';
import { WIEGAND_FORMATS } from '../domain/card-formats.ts';
import type { DriverModule } from '../domain/driver-module.ts';
import { assert } from '../domain/errors.ts';
import { entranceSchemas, liftSchema } from './entrance-schema.ts';
import { managersSchema } from './managers.ts';
import { areaSchema, interlockSchema } from './area-schema.ts';
import { modeInput } from './mode-schema.ts';
import { grace, offlineClasses } from './offline-schema.ts';
import { monitoringSchema } from './monitoring-schema.ts';
import { storeSchema } from './store-schema.ts';
import {
  cardFormats,
  DEFAULT_CARD_FORMATS,
  DEFAULT_PREFIX,
  duration,
  name,
  NAME_FORM,
  NAME_WORDS,
  secretSource,
  timeZone,
  uuid,
} from './values.ts';
import { memberOf } from '../domain/named.ts';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

const perDay = (usual: number) => z.int().min(2).max(100_000).default(usual);

const clockSchema = z.strictObject({
  trust: z.enum(['kernel', 'rtc', 'always']).default('kernel').meta({
    title: 'Who vouches for the clock',
    description:
      'After a start the clock is trusted once somebody vouches for it. `kernel`: once the kernel says that it is synchronised (NTP, PTP); `rtc`: a battery-backed clock that is known to be right; `always`: from the start, for gateways whose clock cannot be wrong.',
  }),
});

const mqttSchema = z.strictObject({
  url: z
    .string()
    .regex(/^(mqtts?|wss?):\/\/[^\s]+$/)
    .optional()
    .meta({
      title: 'Broker',
      description: 'Where the broker is; `mqtts` and `wss` are encrypted. Give either this or `embedded`.',
      examples: ['mqtts://broker.example:8883'],
      patternErrorMessage: 'an address that begins with mqtt://, mqtts://, ws:// or wss://',
    }),
  embedded: z
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .meta({
      title: 'Built-in broker',
      description:
        'Port on 127.0.0.1 of the built-in broker, for demonstrations and for gateways that are managed on the spot; 0 takes any free port. It speaks MQTT 3.1.1 and wants a password: `password`, or one that it makes and lays out as `broker-password` beside the control socket, for user `lintel`. Give either this or `url`.',
      examples: [1883],
    }),
  topic_prefix: z
    .string()
    .max(200)
    .regex(/^[^\s/+#$][^\s/+#]*(\/[^\s/+#]+)*$/)
    .default(DEFAULT_PREFIX)
    .meta({
      title: 'Topic prefix',
      description: "What every topic begins with, before the facility's name.",
      patternErrorMessage: 'topic levels parted by single slashes, without +, #, spaces or a leading $',
    }),
  client_id: z
    .string()
    .min(1)
    .max(128)
    .default('lintel-{facility}')
    .meta({ title: 'Client id', description: 'Unique at the broker: two clients of one id throw each other out.' }),
  username: z
    .string()
    .min(1)
    .optional()
    .meta({ title: 'User name', description: 'User name at the broker.', examples: ['riverside'] }),
  password: secretSource()
    .optional()
    .meta({
      title: 'Password',
      description: 'Where the password at the broker is.',
      examples: [{ credential: 'mqtt-password' }],
    }),
  ca: secretSource()
    .optional()
    .meta({
      title: 'Certificate authority',
      description: "PEM of the authority that signed the broker's certificate; without it the system's list holds.",
      examples: [{ file: '/etc/lintel/ca.pem' }],
    }),
  cert: secretSource()
    .optional()
    .meta({
      title: 'Client certificate',
      description: 'PEM of our own certificate, together with `key`.',
      examples: [{ file: '/etc/lintel/riverside.pem' }],
    }),
  key: secretSource()
    .optional()
    .meta({
      title: 'Client key',
      description: 'PEM of the private key of `cert`.',
      examples: [{ credential: 'mqtt-key' }],
    }),
  reply_topics: z
    .array(z.string().min(1).max(1_000))
    .min(1)
    .max(32)
    .default(['{topic_prefix}/{facility}/reply/#'])
    .meta({
      title: 'Reply topics',
      description:
        'Topic filters that a Response Topic must match. A command that wants its reply elsewhere is refused, so that nobody can make the agent publish where it should not.',
    }),
  event_topics: z.enum(['dots', 'slashes']).default('dots').meta({
    title: 'Event topics',
    description:
      'How the type of an event stands in its topic. `dots`: `event/lock.unlocked`; `slashes`: `event/lock/unlocked`, for brokers that take no dot in a topic (NATS before 2.10). In the event itself it is always `lock.unlocked`.',
  }),
  event_delivery: z.enum(['broker', 'acknowledged']).default('broker').meta({
    title: 'Event delivery',
    description:
      'Whose word ends the delivery of an event. `broker`: that of the broker (PUBACK); `acknowledged`: that of the receiver, who must send `events/acknowledge`. Until then events are kept and sent again, also after a broker has lost them.',
  }),
});

const policySchema = z.strictObject({
  default_card_format: z
    .strictObject({
      format: z
        .enum(DEFAULT_CARD_FORMATS)
        .default('H10302')
        .meta({ title: 'Format', description: 'Format of a card number that a command gives without one.' }),
      facility_code: z
        .int()
        .min(0)
        .max(4_194_303)
        .optional()
        .meta({
          title: 'Facility code',
          description: 'Facility code of a bare card number, for formats that have one.',
          examples: [123],
        }),
    })
    .superRefine((value, context) => {
      const field = memberOf(WIEGAND_FORMATS, value.format)?.facilityCode ?? null;
      if (value.facility_code === undefined) return;
      const most = field === null ? null : 2 ** field.bits - 1;
      if (most === null || value.facility_code > most) {
        context.addIssue({
          code: 'custom',
          path: ['facility_code'],
          message:
            most === null
              ? `format ${value.format} has no facility code`
              : `the facility code of ${value.format} is at most ${most}`,
          params: {
            remedy:
              most === null
                ? 'Leave facility_code out, or choose a format that has one, e.g. H10301.'
                : `Write a number from 0 to ${most}.`,
          },
        });
      }
    })
    .prefault({})
    .meta({ title: 'Default card format', description: 'How a bare card number in a command is read.' }),
  clock_untrusted: z.enum(['judge_by_floor', 'deny_windows']).default('judge_by_floor').meta({
    title: 'While the clock is untrusted',
    description:
      'What counts for credentials with a window while nobody vouches for the clock. `judge_by_floor`: the last trusted time decides (denied if the window had ended by then, granted for `clock_grace` if it was open then, else denied); `deny_windows`: all of them are denied.',
  }),
  clock_grace: duration(0, 30 * DAY_MS)
    .prefault('24h')
    .meta({
      title: 'Clock grace',
      description:
        'How long a window that was open at the last trusted time stays open, in all: a restart gives none of it back.',
    }),
  offline: z
    .strictObject({
      grace: grace
        .prefault('unlimited')
        .meta({ title: 'Grace', description: 'How long doors go on deciding without word from above.' }),
      ...offlineClasses,
      then: z.literal('deny').default('deny').meta({
        title: 'And then',
        description: 'What happens when the grace is over: they are denied (egress never is).',
      }),
      word: z.enum(['connection', 'command']).default('connection').meta({
        title: 'Word',
        description:
          'What is word from above. `connection`: that commands can reach Lintel, which a broker on this machine always says; `command`: that one has come, of whatever kind, no repeat and no more than 5 minutes old.',
      }),
      warn: duration(0, 7 * DAY_MS)
        .prefault('1h')
        .meta({
          title: 'Warn',
          description: 'How long before the end of a grace `agent.offline_ending` tells it, and the states show it.',
        }),
    })
    .prefault({})
    .meta({
      title: 'Without word from above',
      description: 'How long doors go on deciding when nobody above is heard, whose word might take access away.',
    }),
  override_groups: z
    .array(
      uuid({
        title: 'Access group',
        description: 'Its id.',
        examples: ['77777777-7777-7777-7777-000000000000'],
      }),
    )
    .max(32)
    .default([])
    .meta({
      title: 'Override groups',
      description:
        'Access groups whose members come in also while an entrance is `locked` or in `lockdown`, where the group opens that entrance and within its window and schedule.',
      examples: [['77777777-7777-7777-7777-000000000000']],
    }),
  store_damaged: z
    .literal('refuse', {
      error: 'expected refuse: the only choice in this version',
    })
    .default('refuse')
    .meta({
      title: 'When the store is damaged',
      description:
        '`refuse`: decisions stop until a backup is restored, while egress and the doors themselves go on. The only choice in this version.',
    }),
  lockout: z
    .strictObject({
      attempts: z
        .int()
        .min(1)
        .max(100)
        .default(5)
        .meta({ title: 'Attempts', description: 'Wrong PINs within `window` that lock PIN entry.' }),
      window: duration(SECOND_MS, DAY_MS)
        .prefault('60s')
        .meta({ title: 'Window', description: 'How long a wrong PIN counts.' }),
      first: duration(SECOND_MS, DAY_MS).prefault('60s').meta({
        title: 'First lock',
        description: 'How long the first lock lasts; each further one lasts twice as long.',
      }),
      max: duration(SECOND_MS, DAY_MS).prefault('15m').meta({
        title: 'Longest lock',
        description: 'The longest that such a lock becomes. After as long without one, the next is short again.',
      }),
      per_day: perDay(50).meta({
        title: 'A day at an entrance',
        description:
          'Most wrong PINs in any 24 hours at the readers of one entrance: half of them at once, then one as often as the other half is spread over the day. In between PIN entry there is locked, also for longer than `max`.',
      }),
      per_day_card: perDay(20).meta({
        title: 'A day with a card',
        description: 'The same for the PINs that are tried with one card, where both are asked for.',
      }),
      per_day_facility: perDay(200).meta({
        title: 'A day in the facility',
        description:
          'Wrong PINs in any 24 hours at all entrances together, counted the same way, beyond which PIN entry is slowed down everywhere: after each wrong one no PIN alone is taken for as long as `first`. It is told by `facility.pin_entry_slowed`.',
      }),
    })
    .refine((value) => value.max >= value.first, {
      path: ['max'],
      error: 'the longest lock is shorter than the first one',
      params: { remedy: 'Write a duration that is at least `first`.' },
    })
    .prefault({})
    .meta({
      title: 'Lockout',
      description:
        "What wrong PINs lock: PIN entry at that reader and entrance, and that card's PIN; never cards, request-to-exit or other doors.",
    }),
  pin_space: z.enum(['enforce', 'warn']).default('enforce').meta({
    title: 'PIN space',
    description:
      'At least 1,000 possible codes for each one given out, at every entrance: 4 digits carry 10 codes, 6 digits 1,000. `enforce`: a code beyond that is refused; `warn`: it is accepted with a warning.',
  }),
  pin_quality: z.enum(['refuse', 'warn', 'off']).default('warn').meta({
    title: 'PIN quality',
    description:
      'What becomes of a chosen PIN that people try first: all digits the same, a run, two different digits only, the same few digits again, a year, a pattern of the keypad. `refuse`: it is refused; `warn`: it is taken with a warning; `off`: it is taken. A generated PIN is never one of these.',
  }),
  preload: duration(0, 30 * DAY_MS)
    .prefault('72h')
    .meta({
      title: 'Preload',
      description: 'How long before its start a credential is written to a controller that keeps windows itself.',
    }),
  arrival: duration(0, 7 * DAY_MS)
    .prefault('30m')
    .meta({
      title: 'Arrival',
      description:
        'How long before its start a credential must be at every controller that it needs, else it is an alarm that names the doors; `0s`: nobody asks.',
    }),
  explain_by_secret: z.enum(['local', 'mqtt', 'never']).default('local').meta({
    title: 'Explain by card or code',
    description:
      'By which way `entrances/explain` may be asked what a card or a code would do, which tells whether somebody has it. `local`: by `lintel swipe` on the gateway; `mqtt`: over the broker as well; `never`: by a credential id only. So many a day, and each burst is an event.',
  }),
});

/** Everything but buses, controllers and entrances. */
export const siteShape = {
  facility: name().meta({
    title: 'Facility',
    description: "The facility's name in every topic and path; under systemd it equals the unit's instance.",
    examples: ['riverside'],
    patternErrorMessage: NAME_WORDS,
  }),
  acs_system_id: uuid({
    title: 'System id',
    description: 'Id of this access control system towards the service above.',
    examples: ['88888888-8888-8888-8888-888888888888'],
  }),
  display_name: z
    .string()
    .min(1)
    .max(120)
    .default('{facility}')
    .meta({ title: 'Display name', description: 'Name for people.' }),
  time_zone: timeZone().meta({
    title: 'Time zone',
    description: 'Where the building is, by its IANA name: schedules follow it, daylight saving included.',
    examples: ['Europe/Oslo'],
    patternErrorMessage: 'a time zone by its IANA name',
  }),
  clock: clockSchema
    .prefault({})
    .meta({ title: 'Clock', description: 'When the clock of this gateway is to be trusted.' }),
  mqtt: mqttSchema.meta({
    title: 'MQTT',
    description: 'The broker, and how to speak to it.',
    examples: [{ url: 'mqtts://broker.example:8883' }],
  }),
  store: storeSchema
    .prefault({})
    .meta({ title: 'Store', description: 'The database on this gateway, and how long it remembers.' }),
  monitoring: monitoringSchema
    .optional()
    .meta({ title: 'Monitoring', description: 'Where this machine may ask how Lintel is.' }),
  credential_managers: managersSchema,
  mode_inputs: z
    .record(z.string().regex(NAME_FORM), modeInput)
    .prefault({})
    .meta({
      title: 'Mode inputs',
      description:
        'Inputs that want a mode, by name: a fire panel, a panic button, a key switch. They are read before any door is freed.',
      examples: [{ fire: { controller: 'relay-board', input: 3, normally: 'closed', mode: 'evacuate' } }],
    }),
  lifts: z
    .record(z.string().regex(NAME_FORM), liftSchema)
    .prefault({})
    .meta({
      title: 'Lifts',
      description:
        'Lifts, by name: a reader in the cabin opens all floors to which a person may go. The floors are entrances that name their lift.',
      examples: [{ 'passenger-lift': { readers: ['cabin-reader'], factors: 'card' } }],
    }),
  areas: z
    .record(z.string().regex(NAME_FORM), areaSchema)
    .prefault({})
    .meta({
      title: 'Areas',
      description:
        'Areas, by name: who is inside is counted at the readers that lead in and out, and what holds for whoever enters.',
      examples: [{ workshop: { in: ['workshop-in'], out: ['workshop-out'], anti_passback: 'hard' } }],
    }),
  interlocks: z
    .record(z.string().regex(NAME_FORM), interlockSchema)
    .prefault({})
    .meta({
      title: 'Interlocks',
      description: 'Sets of doors, by name, of which at most one is open or unlocked at a time.',
      examples: [{ airlock: { entrances: ['lock-outer', 'lock-inner'] } }],
    }),
  policy: policySchema.prefault({}).meta({ title: 'Policy', description: 'Rules that hold at every entrance.' }),
} as const;

/** The keys every controller has, whatever its driver. */
export const controllerShape = {
  bus: z.string().meta({
    title: 'Bus',
    description: 'The bus that the device is on, by its name under `buses`.',
    examples: ['north'],
  }),
  card_formats: cardFormats()
    .default(['H10301', 'uid'])
    .meta({
      title: 'Card formats',
      description: 'What a card that is read here may stand for, tried in this order.',
      examples: [['H10301', 'uid']],
    }),
  foreign_slots: z.enum(['report', 'erase']).default('report').meta({
    title: 'Foreign slots',
    description:
      'What to do with slots of the table that we did not write. `report`: leave them alone and say so; `erase`: the table is ours alone.',
  }),
} as const;

const SECTIONS = {
  buses: { title: 'Buses', description: 'Serial lines and sockets, by name; one for each physical line.' },
  controllers: {
    title: 'Controllers',
    description: 'Devices on the buses, by name: readers, IO modules, door controllers.',
  },
  entrances: {
    title: 'Entrances',
    description: 'Doors and floors of lifts, by name; the name stands in the state topic.',
  },
} as const;

/** The schema of one bus, with its `driver` key. */
export const busSchema = (driver: DriverModule) =>
  driver.busSchema
    .safeExtend({
      driver: z.literal(driver.name).meta({ title: 'Driver', description: 'What is spoken on this bus.' }),
    })
    .meta({ title: `driver ${driver.name}`, description: driver.busSchema.description ?? '' });

/** The schema of one controller on a bus of this driver, with the keys that every controller has. */
export function controllerSchema(driver: DriverModule) {
  for (const key of Object.keys(controllerShape)) {
    assert(!Object.hasOwn(driver.controllerSchema.shape, key), `driver ${driver.name} defines the common key ${key}`);
  }
  return driver.controllerSchema.safeExtend(controllerShape).meta({
    title: `driver ${driver.name}`,
    description: driver.controllerSchema.description ?? '',
  });
}

/**
 * The whole file, strict. The loader reads it section by section, to report every mistake at once; this is the same in
 * one piece.
 */
export function facilitySchema(drivers: readonly DriverModule[]) {
  const [firstBus, ...otherBuses] = drivers.map(busSchema);
  const [firstController, ...otherControllers] = drivers.map(controllerSchema);
  assert(firstBus !== undefined && firstController !== undefined, 'at least one driver');
  const named = <T extends z.ZodType>(value: T, section: keyof typeof SECTIONS) =>
    z
      .record(z.string().regex(NAME_FORM), value)
      .prefault({})
      .meta({ ...SECTIONS[section] });
  return z
    .strictObject({
      ...siteShape,
      buses: named(z.discriminatedUnion('driver', [firstBus, ...otherBuses]), 'buses'),
      controllers: named(z.union([firstController, ...otherControllers]), 'controllers'),
      entrances: named(
        z.union([entranceSchemas.gateway, entranceSchemas.floor, entranceSchemas.controller]),
        'entrances',
      ),
    })
    .meta({ title: 'Facility file', description: 'One building as Lintel serves it.' });
}

/** The top level with its three sections unopened. */
export const siteSchema = z.strictObject({
  ...siteShape,
  buses: z.record(z.string(), z.unknown()).prefault({}).meta(SECTIONS.buses),
  controllers: z.record(z.string(), z.unknown()).prefault({}).meta(SECTIONS.controllers),
  entrances: z.record(z.string(), z.unknown()).prefault({}).meta(SECTIONS.entrances),
});
