// A driver that only describes itself: enough for the facility file, which never opens anything.
import { z } from 'zod';
import type { DriverModule } from '../../src/domain/driver-module.ts';
import type { Capabilities, OutputCapabilities, ReaderCapabilities, SlotCapabilities } from '../../src/domain/ports.ts';

const output: OutputCapabilities = { devicePulse: true, pulseMinMs: 100, pulseMaxMs: 60_000, readBack: true };
const input = { latched: false };
const nothing: Capabilities = {
  slots: null,
  readers: [],
  outputs: [],
  inputs: [],
  doors: [],
  clock: false,
  events: false,
};
const reader = (parts: Partial<ReaderCapabilities>): Capabilities => ({
  ...nothing,
  readers: [{ card: true, keypad: false, feedback: ['granted', 'denied'], showsLook: true, ...parts }],
});
const slots: SlotCapabilities = {
  firstSlot: 1,
  count: 500,
  pin: { lengths: [4, 5, 6] },
  cardFormats: ['H10301'],
  cardAndPin: true,
  pinWithoutCard: true,
  windows: 'from-until',
  windowResolutionMs: 60_000,
  readBack: 'full',
  oneTimeUse: false,
  duplicatePins: 'reject',
  slotsPerWrite: 8,
};

const MODELS: Readonly<Record<string, Capabilities>> = {
  reader: reader({}),
  'keypad-reader': reader({ keypad: true }),
  keypad: reader({ keypad: true, card: false }),
  'set-in-its-ways': reader({ showsLook: false }),
  mute: reader({ feedback: [], showsLook: false }),
  relays: { ...nothing, outputs: [output, output], inputs: [input, input, input] },
  'tireless-relay': { ...nothing, outputs: [{ ...output, pulseMinMs: 1, pulseMaxMs: 3_600_000 }] },
  panel: {
    ...nothing,
    slots,
    outputs: [output],
    inputs: [input, input],
    doors: [{ door: 1, strike: 0, contact: 0, rex: 1 }],
  },
  'scheduling-panel': {
    ...nothing,
    slots: { ...slots, schedules: { firstZone: 2, lastZone: 5, holidays: 10, timeZone: 'UTC' } },
    outputs: [output],
    doors: [{ door: 1, strike: 0, contact: null, rex: null }],
  },
  'fixed-pulse-panel': {
    ...nothing,
    slots,
    outputs: [{ ...output, pulseMinMs: 3_000, pulseMaxMs: 3_000 }],
    doors: [{ door: 1, strike: 0, contact: null, rex: null }],
  },
  'two-door-panel': {
    ...nothing,
    slots: { ...slots, pin: null, cardAndPin: false },
    outputs: [output, output],
    inputs: [input],
    doors: [
      { door: 1, strike: 0, contact: 0, rex: null },
      { door: 2, strike: 1, contact: null, rex: null },
    ],
  },
};

export const fakeDriver: DriverModule = {
  name: 'fake',
  busSchema: z
    .strictObject({
      port: z
        .string()
        .min(1)
        .meta({ title: 'Port', description: 'The line.', examples: ['/dev/ttyUSB0'] }),
      baud: z.int().min(300).max(921_600).default(9600).meta({ title: 'Baud', description: 'Speed of the line.' }),
    })
    .meta({ description: 'A line that nobody opens.' }),
  controllerSchema: z
    .strictObject({
      unit: z
        .int()
        .min(1)
        .max(247)
        .meta({ title: 'Unit', description: 'Address on the bus.', examples: [1] }),
      model: z
        .enum([
          'reader',
          'keypad-reader',
          'keypad',
          'set-in-its-ways',
          'mute',
          'relays',
          'tireless-relay',
          'panel',
          'scheduling-panel',
          'fixed-pulse-panel',
          'two-door-panel',
        ])
        .default('relays')
        .meta({ title: 'Model', description: 'What the device can do.' }),
    })
    .refine((config) => config.unit !== 13, {
      path: ['unit'],
      error: 'nobody builds a unit 13',
      params: { remedy: 'Take unit 14.' },
    })
    .meta({ description: 'A device that is not there.' }),
  prepare(name, _busConfig, controllerConfig, baseFolder) {
    const config = z.object({ unit: z.number(), model: z.string() }).parse(controllerConfig);
    if (config.unit === 200) {
      const problem = { severity: 'error', path: ['model'], message: 'no profile', remedy: 'Write one.' } as const;
      return { problems: [problem], controller: null };
    }
    const capabilities = MODELS[config.model] ?? nothing;
    return { problems: [], controller: { name, config, capabilities, prepared: { baseFolder } } };
  },
  checkBus(_busName, _busConfig, controllers) {
    const units = new Map<number, string>();
    return controllers.flatMap(({ name, config }) => {
      const { unit } = z.object({ unit: z.number() }).parse(config);
      const first = units.get(unit);
      units.set(unit, name);
      if (first === undefined) return [];
      const path = ['controllers', name, 'unit'];
      return [{ severity: 'error', path, message: `${first} is unit ${unit} already`, remedy: 'Take another.' }];
    });
  },
  create() {
    throw new Error('the facility file opens nothing');
  },
};
