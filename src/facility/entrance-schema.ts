// Entrances in the facility file. There are three kinds, told apart by the keys `controller` and `lift`: Lintel decides
// at the readers it serves, the same at a reader that opens all floors of a lift, or the door controller decides from
// its own table. The last kind may leave to the device what strike, contact and button its door has.

import { z } from 'zod';
import { factors, factorSchedules } from './factor-schema.ts';
import { modeSchedules } from './mode-schema.ts';
import { entranceOffline } from './offline-schema.ts';
import { duration, uuid } from './values.ts';

const SECOND_MS = 1_000;
const HOUR_MS = 3_600 * SECOND_MS;

export const LED_COLOURS = ['green', 'red', 'amber', 'blue', 'magenta', 'cyan', 'white', 'off'] as const;

const controllerName = (description: string, example: string) =>
  z.string().meta({ title: 'Controller', description, examples: [example] });
const channel = (title: string, description: string) =>
  z
    .int()
    .min(0)
    .max(65_535)
    .meta({ title, description, examples: [0] });

/** What a pulse may be at any output; an output may know less. */
export const PULSE_MIN_MS = 100;
export const PULSE_MAX_MS = 10 * 60 * SECOND_MS;

const pulse = duration(PULSE_MIN_MS, PULSE_MAX_MS).optional().meta({
  title: 'Pulse',
  description: 'How long the door is unlocked for one opening; without it 5s, or the nearest that the output can do.',
  default: '5s',
});
const fail = z.enum(['secure', 'safe']).default('secure').meta({
  title: 'Fail',
  description:
    'What the lock does without power. `secure`: it stays locked, as a strike does that needs power to open; `safe`: it is free, as a magnet is.',
});
const energised = z.enum(['unlocks', 'locks']).optional().meta({
  title: 'Energised',
  description:
    'What the output does to the lock when it is energised, which it is not at rest: while Lintel is stopped, and without power. `unlocks`: as a strike, or a magnet over the closed contact of a relay; `locks`: a magnet over the open contact, free whenever Lintel stops or the board loses its power. Without it `unlocks`.',
  default: 'unlocks',
});
const relock = z.enum(['end', 'opening', 'closing']).default('end').meta({
  title: 'Lock again',
  description:
    'When the door locks again. `end`: when the pulse is over; `opening`: as soon as the contact says that it was opened; `closing`: as soon as it was opened and closed again; both at the end of the pulse at the latest.',
});
const extendedPulse = duration(PULSE_MIN_MS, PULSE_MAX_MS)
  .optional()
  .meta({
    title: 'Extended pulse',
    description:
      'The pulse for people with `is_extended_access`; without it twice `pulse`, or the longest that the output can do.',
    examples: ['12s'],
  });
const extendedHeldAfter = duration(SECOND_MS, 24 * HOUR_MS)
  .optional()
  .meta({
    title: 'Extended held after',
    description: 'The same behind people with `is_extended_access`; without it twice as long.',
    examples: ['90s'],
  });
const heldAfter = duration(SECOND_MS, 24 * HOUR_MS)
  .prefault('30s')
  .meta({ title: 'Held after', description: 'How long the door may stand open before it counts as held.' });

const strike = z.strictObject({
  controller: controllerName('The controller that drives the strike.', 'relay-board'),
  output: channel('Output', 'Its output, counted from 0.'),
  pulse,
  extended_pulse: extendedPulse,
  relock,
  fail,
  energised,
});
const secondLock = z.strictObject({
  controller: controllerName('The controller that drives it.', 'relay-board'),
  output: channel('Output', 'Its output, counted from 0.'),
  fail,
  energised,
});
const contact = z.strictObject({
  controller: controllerName('The controller that sees the door contact.', 'relay-board'),
  input: channel('Input', 'Its input, counted from 0.'),
  held_after: heldAfter,
  extended_held_after: extendedHeldAfter,
});
const rex = z.strictObject({
  controller: controllerName('The controller that sees the exit button.', 'relay-board'),
  input: channel('Input', 'Its input, counted from 0.'),
});

const STRIKE = {
  title: 'Strike',
  description: 'What unlocks the door.',
  examples: [{ controller: 'relay-board', output: 0 }],
};
const SECOND_LOCK = {
  title: 'Second lock',
  description: 'A further lock of the same door, such as a bolt or a second leaf, driven together with the strike.',
  examples: [{ controller: 'relay-board', output: 1 }],
};
const CONTACT = {
  title: 'Contact',
  description: 'The contact that says whether the door is open.',
  examples: [{ controller: 'relay-board', input: 0 }],
};
const REX = {
  title: 'Request to exit',
  description:
    'The exit button or sensor. Opening by it is no forced door; free exit itself is wired in hardware and never depends on this.',
  examples: [{ controller: 'relay-board', input: 1 }],
};

const feedbackOf = (led: (typeof LED_COLOURS)[number], beep: number, title: string) =>
  z
    .strictObject({
      led: z.enum(LED_COLOURS).optional().meta({
        title: 'LED',
        description: 'Colour that the reader shows; without it as the reader’s own settings say.',
        default: led,
      }),
      beep: z.int().min(0).max(9).optional().meta({
        title: 'Beep',
        description: 'How many times the reader beeps; without it as the reader’s own settings say.',
        default: beep,
      }),
    })
    .prefault({})
    .meta({ title, description: 'What the reader shows and sounds.' });

const identity = {
  acs_entrance_id: uuid({
    title: 'Entrance id',
    description: 'Id of this entrance in commands and events.',
    examples: ['55555555-5555-5555-5555-555555555555'],
  }),
  display_name: z
    .string()
    .min(1)
    .max(120)
    .optional()
    .meta({
      title: 'Display name',
      description: "Name for people; without it the entrance's name.",
      examples: ['Lobby'],
    }),
} as const;

/** What is the same whoever decides, and at a floor of a lift. */
const rules = { mode_schedules: modeSchedules, offline: entranceOffline } as const;

/** What the readers ask for and show. */
const atReaders = {
  factors: factors.default('card_or_code').meta({
    title: 'Factors',
    description:
      'What a person must show: a card, a code, either of them, a card and then a code of the same person, or a card and then a finger (or face) of the same person, at a reader with `biometrics`.',
  }),
  factor_schedules: factorSchedules,
  feedback: z
    .strictObject({
      granted: feedbackOf('green', 1, 'Granted'),
      denied: feedbackOf('red', 3, 'Denied'),
      held: feedbackOf('amber', 2, 'Held'),
    })
    .prefault({})
    .meta({
      title: 'Feedback',
      description:
        'What readers show when access is granted or denied, and, every few seconds, while a door stays open until it counts as held.',
    }),
} as const;

const atStop = z.enum(['rest', 'keep']).default('rest').meta({
  title: 'At stop',
  description:
    'What becomes of a door, or a floor, that a mode frees (`unlocked`, `evacuate`) when Lintel stops in good order, for an upgrade say. `rest`: it goes to rest, and is freed again some seconds after the next start; `keep`: its outputs are left as they are, and nothing is driven to rest at the next start either before its mode is known, 12 s later at most.',
});

const common = {
  ...identity,
  ...rules,
  ...atReaders,
  guest_room: z.boolean().default(false).meta({
    title: 'Guest room',
    description:
      'A room that belongs to one reservation at a time: of access grants with different `reservation_key` the one that begins later ends the earlier one at that instant. Not for doors that all guests use.',
  }),
  encoder: z
    .strictObject({
      acs_encoder_id: uuid({
        title: 'Encoder id',
        description: 'Id under which commands ask for a scan.',
        examples: ['77777777-7777-7777-7777-777777777777'],
      }),
      reader: z.string().meta({
        title: 'Reader',
        description: 'The controller whose reader is used to enrol cards.',
        examples: ['lobby-reader'],
      }),
    })
    .optional()
    .meta({
      title: 'Encoder',
      description: 'A reader that may be used to enrol cards.',
      examples: [{ acs_encoder_id: '77777777-7777-7777-7777-777777777777', reader: 'lobby-reader' }],
    }),
} as const;

const FLOOR_FAIL = fail.meta({
  ...fail.meta(),
  description:
    'What the floor does without power. `secure`: its button is dead; `safe`: it works for everybody. Which of them it must be for fire is for the lift’s maker and the fire authority to say.',
});
const FLOOR_ENERGISED = energised.meta({
  ...energised.meta(),
  description:
    'What the output does to the button when it is energised, which it is not at rest. `unlocks`: the button works while it is; `locks`: the button works while it is not, so that every floor is free whenever Lintel stops or the board loses its power.',
});
const release = z.strictObject({
  controller: controllerName('The controller that drives the floor’s relay.', 'lift-board'),
  output: channel('Output', 'Its output, counted from 0.'),
  pulse: duration(PULSE_MIN_MS, PULSE_MAX_MS)
    .optional()
    .meta({
      title: 'Pulse',
      description: 'How long the floor can be chosen after one opening; without it `floor_time` of the lift.',
      examples: ['10s'],
    }),
  extended_pulse: extendedPulse,
  fail: FLOOR_FAIL,
  energised: FLOOR_ENERGISED,
});

/** A lift: what its floors have in common, for they are decided about at the same reader. */
export const liftSchema = z.strictObject({
  display_name: identity.display_name.meta({
    ...identity.display_name.meta(),
    description: "Name for people; without it the lift's name.",
    examples: ['Passenger lift'],
  }),
  readers: z
    .array(z.string())
    .min(1)
    .max(4)
    .meta({
      title: 'Readers',
      description: 'Controllers whose readers are in the cabin. They belong to this lift alone.',
      examples: [['cabin-reader']],
    }),
  floor_time: duration(PULSE_MIN_MS, PULSE_MAX_MS).prefault('10s').meta({
    title: 'Floor time',
    description: 'How long floors can be chosen after one opening.',
  }),
  one_floor: z.boolean().default(false).meta({
    title: 'One floor',
    description: 'As soon as one floor was chosen the others cannot be any more. Every floor needs `selected` for it.',
  }),
  ...atReaders,
});

export const entranceSchemas = {
  gateway: z
    .strictObject({
      ...common,
      readers: z
        .array(z.string())
        .min(1)
        .max(16)
        .meta({
          title: 'Readers',
          description: 'Controllers whose readers stand at this entrance.',
          examples: [['lobby-reader']],
        }),
      exit_readers: z
        .array(z.string())
        .max(16)
        .default([])
        .meta({
          title: 'Exit readers',
          description:
            'Those of the readers that stand inside: whoever shows something there leaves. All others let in.',
          examples: [['lobby-out']],
        }),
      strike: strike.meta(STRIKE),
      second_lock: secondLock.optional().meta(SECOND_LOCK),
      contact: contact.optional().meta(CONTACT),
      rex: rex.optional().meta(REX),
      at_stop: atStop,
    })
    .meta({ title: 'host-decided', description: 'Lintel decides at its readers and drives the strike.' }),
  floor: z
    .strictObject({
      ...identity,
      ...rules,
      lift: z.string().meta({
        title: 'Lift',
        description: 'The lift of which this is a floor, by its name under `lifts`. Its readers let in here.',
        examples: ['passenger-lift'],
      }),
      release: release.meta({
        title: 'Release',
        description:
          'The relay that lets the floor be chosen: in line with its button in the cabin, or at an input of the lift’s controller.',
        examples: [{ controller: 'lift-board', output: 0 }],
      }),
      second_release: z
        .strictObject({
          controller: release.shape.controller,
          output: release.shape.output,
          fail: FLOOR_FAIL,
          energised: FLOOR_ENERGISED,
        })
        .optional()
        .meta({
          title: 'Second release',
          description:
            'A further relay of the same floor, such as that of a second cabin door, driven together with the first.',
          examples: [{ controller: 'lift-board', output: 1 }],
        }),
      selected: z
        .strictObject({
          controller: controllerName('The controller that sees it.', 'lift-board'),
          input: channel('Input', 'Its input, counted from 0.'),
        })
        .optional()
        .meta({
          title: 'Selected',
          description: 'The input by which the lift says that this floor was chosen in the cabin, where it does.',
          examples: [{ controller: 'lift-board', input: 0 }],
        }),
      at_stop: atStop,
    })
    .meta({
      title: 'floor of a lift',
      description:
        'Lintel decides at the reader in the cabin about every floor at once, and lets those be chosen to which the person may go.',
    }),
  controller: z
    .strictObject({
      ...common,
      controller: controllerName(
        'The controller that decides, from the table which Lintel keeps filled.',
        'store-panel',
      ),
      door: z
        .int()
        .min(0)
        .max(65_535)
        .optional()
        .meta({
          title: 'Door',
          description: "The controller's own number of this door; may be left out where it has only one.",
          examples: [1],
        }),
      strike: z
        .strictObject({
          controller: strike.shape.controller.optional().meta({
            ...strike.shape.controller.meta(),
            description: 'The controller that drives the strike; without it the deciding one.',
          }),
          output: strike.shape.output.optional().meta({
            ...strike.shape.output.meta(),
            description: "Its output, counted from 0; without it the one of the controller's door.",
          }),
          pulse,
          extended_pulse: extendedPulse,
          relock,
          fail,
        })
        .optional()
        .meta(STRIKE),
      contact: z
        .strictObject({
          controller: contact.shape.controller.optional().meta({
            ...contact.shape.controller.meta(),
            description: 'The controller that sees the door contact; without it the deciding one.',
          }),
          input: contact.shape.input.optional().meta({
            ...contact.shape.input.meta(),
            description: "Its input, counted from 0; without it the one of the controller's door.",
          }),
          held_after: heldAfter,
          extended_held_after: extendedHeldAfter,
        })
        .optional()
        .meta(CONTACT),
      rex: rex.optional().meta(REX),
    })
    .meta({
      title: 'controller-decided',
      description:
        "The controller decides from its own table, also with Lintel stopped. Strike, contact and exit button are those of the controller's door where the file names none.",
    }),
} as const;

export type EntranceKind = keyof typeof entranceSchemas;

/** An entrance that was understood, its defaults filled in. */
export type UnderstoodEntrance =
  | { kind: 'gateway'; name: string; value: z.output<typeof entranceSchemas.gateway> }
  | { kind: 'floor'; name: string; value: z.output<typeof entranceSchemas.floor> }
  | { kind: 'controller'; name: string; value: z.output<typeof entranceSchemas.controller> };
