// What an installer says about a SOYAL bus and its controllers, and what follows from it without touching the wire:
// capabilities and doubts.

import { z } from 'zod';
import { DURATION_FORM, formatDuration, parseDuration } from '../../src/domain/duration.ts';
import type { Capabilities, ConfigProblem, LineSettings, PreparedController, PrepareResult } from '../driver.ts';
import { lineKeys, lineProblems, lineSettings, wireTimeMs } from '../../src/domain/line.ts';
import { SOYAL_CARD_FORMATS } from './cards.ts';
import { MAX_HOLIDAYS_PER_WRITE, REQUESTS, type Request } from './codec.ts';
import { FRAME_OVERHEAD_BYTES } from './frame.ts';

/**
 * A duration with its unit, left as it was written: what comes out of these schemas goes through them again unchanged.
 */
const duration = (minMs: number, maxMs: number, fallback: string) => {
  const words = `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, with its unit (ms, s, m, h or d)`;
  return z
    .string()
    .regex(DURATION_FORM)
    .refine((text) => DURATION_FORM.test(text) && parseDuration(text) >= minMs && parseDuration(text) <= maxMs, {
      error: `expected ${words}`,
    })
    .meta({ patternErrorMessage: words })
    .default(fallback);
};

function isTimeZone(zone: string): boolean {
  try {
    return !/^[+-]/.test(zone) && new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

export const busSchema = z
  .strictObject({
    ...lineKeys({ baud: 9600 }),
    answer_within: duration(20, 5_000, '300ms').describe(
      'How long a controller may take to begin its answer, wire time not counted; writes may take three times that',
    ),
    gap: duration(1, 500, '10ms').describe('Silence kept between two exchanges'),
  })
  .describe(
    'An RS-485 bus of SOYAL H series controllers (AR-721H, AR-725H, AR-727H), 9600 8N1 unless they were set otherwise',
  );

export const controllerSchema = z
  .strictObject({
    address: z.int().min(1).max(254).describe('Node ID of the controller on its bus, as set at its keypad with 00'),
    slots: z
      .strictObject({
        first: z
          .int()
          .min(0)
          .max(3071)
          .default(1)
          .describe(
            'First user address that Lintel may use; lower ones are left alone. Address 0 is not on all firmware',
          ),
        count: z.literal([1024, 3072]).default(1024).describe('Size of the user table: 1024 or 3072, by firmware'),
      })
      .prefault({})
      .describe('The user table'),
    poll: duration(100, 10_000, '250ms').describe('How often contact, exit button and alarms are read'),
    door_pulse: duration(100, 600_000, '5s').describe(
      'How long the door relay stays on: the door relay time stored in the controller, which is compared with this',
    ),
    write_door_pulse: z
      .boolean()
      .default(false)
      .describe('Store door_pulse in the controller where it has another time, instead of reporting the difference'),
    time_zone: z
      .string()
      .refine(isTimeZone, { error: 'expected a time zone by its IANA name, e.g. Europe/Oslo' })
      .default('UTC')
      .describe('The wall clock that the controller shows, as IANA name; its own schedules follow it'),
    zone: z
      .int()
      .min(0)
      .max(63)
      .default(0)
      .describe(
        'Time zone of the controller that users without a schedule are written with, up to 11 in a table of 1024 and 63 in one of 3072; 0: at all times',
      ),
    schedule_zones: z
      .strictObject({
        first: z.int().min(1).max(63).describe('The first of them'),
        last: z.int().min(1).max(63).describe('The last of them'),
      })
      .nullable()
      .default(null)
      .describe(
        'Time zones of the controller that Lintel may write weekly schedules into, and with them its holidays; whatever stands there is overwritten. null: none, and credentials with a schedule are refused',
      ),
    group: z
      .int()
      .min(0)
      .max(255)
      .nullable()
      .default(null)
      .describe('Door group that users are written with; null: none is sent'),
    uid_order: z
      .enum(['as_read', 'reversed'])
      .default('as_read')
      .describe(
        'Whether the reader in the controller puts the bytes of a UID into its number as read or last byte first',
      ),
    tag_bytes: z
      .enum(['refuse', 'last_four'])
      .default('refuse')
      .describe(
        'Tags with a UID of five bytes: the table holds four. refuse them, or tell them apart by the last_four',
      ),
    pin_without_card: z
      .boolean()
      .default(true)
      .describe('Whether a PIN may be written without a card. Set false if this firmware opens for a card of number 0'),
    identity: z
      .string()
      .min(1)
      .max(100)
      .nullable()
      .default(null)
      .describe(
        'What this controller must say it is, as its status shows; another device at this address is then not written to',
      ),
  })
  .describe('A SOYAL controller of the H series that decides by its own table');

type ControllerConfig = z.output<typeof controllerSchema>;

/** The same in the units that the code works with. */
export type BusSettings = { line: LineSettings; answerMs: number; gapMs: number };
export type ControllerSettings = Omit<ControllerConfig, 'poll' | 'door_pulse'> & {
  pollMs: number;
  doorPulseMs: number;
};

/** Reads a bus's configuration once more: it comes as `unknown`, with keys that are not ours. */
export function busSettings(config: unknown): BusSettings {
  const bus = z.object(busSchema.shape).parse(config);
  return { line: lineSettings(bus), answerMs: parseDuration(bus.answer_within), gapMs: parseDuration(bus.gap) };
}

export function controllerSettings(config: unknown): ControllerSettings {
  const { poll, door_pulse, ...rest } = z.object(controllerSchema.shape).parse(config);
  return { ...rest, pollMs: parseDuration(poll), doorPulseMs: parseDuration(door_pulse) };
}

/** Numbers of the inputs that 21H reports; the output is number 0. */
export const INPUT = { contact: 0, exit: 1, forced: 2, alarm: 3 } as const;

export function capabilitiesOf(config: ControllerSettings): Capabilities {
  return {
    slots: {
      firstSlot: config.slots.first,
      count: config.slots.count - config.slots.first,
      pin: { lengths: [4] },
      cardFormats: SOYAL_CARD_FORMATS,
      cardAndPin: true,
      pinWithoutCard: config.pin_without_card,
      windows: 'none',
      windowResolutionMs: 0,
      readBack: 'full',
      oneTimeUse: false,
      duplicatePins: 'accept',
      slotsPerWrite: 1,
      schedules:
        config.schedule_zones === null
          ? null
          : {
              firstZone: config.schedule_zones.first,
              lastZone: config.schedule_zones.last,
              // How many a controller keeps its manual does not say; one frame could name so many.
              holidays: MAX_HOLIDAYS_PER_WRITE,
              timeZone: config.time_zone,
            },
    },
    readers: [],
    outputs: [{ devicePulse: true, pulseMinMs: config.doorPulseMs, pulseMaxMs: config.doorPulseMs, readBack: true }],
    inputs: [false, false, true, true].map((latched) => ({ latched, lookMs: config.pollMs })),
    doors: [{ door: 1, strike: 0, contact: INPUT.contact, rex: INPUT.exit }],
    clock: true,
    events: true,
  };
}

/** Time zones come with the size of the table: eleven, or 63, beside 0. */
const LAST_ZONE: Readonly<Record<ControllerSettings['slots']['count'], number>> = { 1024: 11, 3072: 63 };

export function prepare(name: string, _busConfig: unknown, controllerConfig: unknown): PrepareResult {
  const settings = controllerSettings(controllerConfig);
  const { first, count } = settings.slots;
  const lastZone = LAST_ZONE[count];
  if (settings.zone > lastZone) {
    const problem: ConfigProblem = {
      severity: 'error',
      path: ['zone'],
      message: `firmware with ${count} users has the time zones 1 to ${lastZone}, and no ${settings.zone}`,
      remedy: `give a zone up to ${lastZone}, or 0 for users who may enter at all times`,
    };
    return { problems: [problem], controller: null };
  }
  const zones = zonesProblem(settings, lastZone);
  if (zones !== null) return { problems: [zones], controller: null };
  if (first >= count) {
    const problem: ConfigProblem = {
      severity: 'error',
      path: ['slots', 'first'],
      message: `the table has the addresses 0 to ${count - 1}, and none is left from ${first} on`,
      remedy: 'give the first address that Lintel may use, 1 in most cases',
    };
    return { problems: [problem], controller: null };
  }
  const capabilities = capabilitiesOf(settings);
  return { problems: [], controller: { name, config: controllerConfig, capabilities, prepared: null } };
}

/** Turnaround of a good controller, for judging whether a bus can carry its polls. */
const USUAL_ANSWER_MS = 10;
/** More of the bus than this for polls leaves too little for everything else. */
const POLL_SHARE_LIMIT = 0.6;

function zonesProblem(
  { schedule_zones: zones, zone, slots }: ControllerSettings,
  lastZone: number,
): ConfigProblem | null {
  const problem = (path: string[], message: string, remedy: string): ConfigProblem => ({
    severity: 'error',
    path: ['schedule_zones', ...path],
    message,
    remedy,
  });
  if (zones === null) return null;
  if (zones.last > lastZone) {
    return problem(
      ['last'],
      `firmware with ${slots.count} users has the time zones 1 to ${lastZone}, and no ${zones.last}`,
      `give a last one up to ${lastZone}`,
    );
  }
  if (zones.last < zones.first)
    return problem(['last'], 'the last time zone is before the first', `give a last one from ${zones.first} on`);
  if (zone < zones.first || zone > zones.last || zone === 0) return null;
  return problem(
    [],
    `time zone ${zone}, which users without a schedule are written with, is among those that Lintel overwrites`,
    `leave ${zone} out, or let zone be 0`,
  );
}

/** Two controllers at one address, and a bus that its polls fill. */
export function checkBus(
  busName: string,
  busConfig: unknown,
  controllers: readonly PreparedController[],
): ConfigProblem[] {
  const bus = busSettings(busConfig);
  const settings = controllers.map(({ name, config }) => ({ name, ...controllerSettings(config) }));
  const problems = lineProblems(busName, z.object(busSchema.shape).parse(busConfig));
  settings.forEach(({ name, address }, index) => {
    const other = settings.slice(0, index).find((earlier) => earlier.address === address);
    if (other === undefined) return;
    problems.push({
      severity: 'error',
      path: ['controllers', name, 'address'],
      message: `${other.name} has address ${address} on bus ${busName} already`,
      remedy: 'give each controller of a bus its own node ID, at its keypad and here',
    });
  });
  const pollMs = exchangeMs(bus.line, REQUESTS.doorStatus()) + USUAL_ANSWER_MS + bus.gapMs;
  const share = settings.reduce((sum, one) => sum + pollMs / one.pollMs, 0);
  if (share > POLL_SHARE_LIMIT) {
    problems.push({
      severity: 'warning',
      path: ['buses', busName],
      message: `reading the inputs takes ${Math.round(share * 100)} % of the bus, so users are written and erased slowly`,
      remedy: 'give the controllers a longer poll, or put some of them on a bus of their own',
    });
  }
  return problems;
}

/** Wire time of a request and its longest answer, in milliseconds with a fraction. */
export function exchangeMs(line: LineSettings, request: Request): number {
  return wireTimeMs(line, request.payload.length + FRAME_OVERHEAD_BYTES + request.replyBytes);
}
