// The keys of an OSDP bus and its readers in the facility file, and what they become. Defaults fit the common reader:
// factory baud, Secure Channel required, red when ready, green when granted.

import { z } from 'zod';
import type { BiometricTerms, Capabilities, Feedback } from '../driver.ts';
import { BIOMETRIC_FORMATS, BIOMETRIC_TYPES } from '../../src/domain/biometrics.ts';
import { DURATION_FORM, formatDuration, parseDuration } from '../../src/domain/duration.ts';
import { lineKeys, lineSettings } from '../../src/domain/line.ts';
import type { BusTimings } from './bus.ts';
import { BAUDS } from './commands.ts';
import { MAX_TIMER_MS, MIN_TIMER_MS } from './feedback.ts';
import type { SignalLook } from './feedback.ts';
import type { ReaderSettings } from './reader.ts';

const SECOND_MS = 1_000;

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
    .default(fallback);
};

const COLOR_NAMES = ['off', 'red', 'green', 'amber', 'blue', 'magenta', 'cyan', 'white'] as const;
const LONGEST_TEXT = 32;

/** What one signal looks like, with that signal's own defaults. */
const look = (
  description: string,
  defaults: { led: (typeof COLOR_NAMES)[number]; flash: boolean; for: string; beep: number },
) =>
  z
    .strictObject({
      led: z.enum(COLOR_NAMES).default(defaults.led).meta({ title: 'Colour', description: 'What the LED shows.' }),
      flash: z.boolean().default(defaults.flash).meta({ title: 'Flash', description: 'Flashing instead of steady.' }),
      for: duration(200, 60 * SECOND_MS, defaults.for).meta({
        title: 'Duration',
        description: 'How long it is shown; `ready` stays.',
      }),
      beep: z.int().min(0).max(20).default(defaults.beep).meta({
        title: 'Beeps',
        description: 'How often the buzzer sounds.',
      }),
      text: z
        .string()
        .max(LONGEST_TEXT)
        .regex(/^[\x20-\x7e]*$/, { error: `expected at most ${LONGEST_TEXT} plain ASCII characters` })
        .default('')
        .meta({ title: 'Text', description: 'Shown on readers with a display.', examples: ['Enter PIN'] }),
    })
    .prefault({})
    .meta({ description });

const biometrics = z.strictObject({
  type: z.enum(BIOMETRIC_TYPES).default('unspecified').meta({
    title: 'Type',
    description: 'What is read where an enrolment does not say; unspecified: whichever finger people choose.',
  }),
  format: z.enum(BIOMETRIC_FORMATS).default('default').meta({
    title: 'Format',
    description:
      'default: the form of its maker. ansi_378: a form that readers of several makers compare with, for people who are enrolled at one reader and go through another.',
  }),
  threshold: z.int().min(1).max(255).default(128).meta({
    title: 'Threshold',
    description:
      'The least score of 1 to 255 with which somebody is taken for the person. Its meaning is the reader’s own: ask its maker which score stands for which rate of false matches.',
  }),
  quality: z.int().min(0).max(255).default(50).meta({
    title: 'Quality',
    description: 'The least quality of a template that is kept, in the reader’s own measure.',
  }),
  present_within: duration(2 * SECOND_MS, 60 * SECOND_MS, '10s').meta({
    title: 'Time to present',
    description: 'How long somebody has to put the finger there.',
  }),
});

export const busSchema = z.strictObject({
  ...lineKeys({ baud: 9600 }),
  baud: z
    .literal([...BAUDS])
    .default(9600)
    .meta({
      title: 'Baud rate',
      description:
        'Bits per second, the same for every reader of the bus: 9600 from the factory, 38400 and more for more than four readers. A converter on the network has a setting of its own: keep both equal.',
    }),
  reply_timeout: duration(50, 2 * SECOND_MS, '200ms').meta({
    title: 'Reply time-out',
    description: 'How long a reader may take to begin its answer; longer only for a slow network in between.',
  }),
  character_gap: duration(20, SECOND_MS, '100ms').meta({
    title: 'Character gap',
    description: 'A silence of this length inside an answer ends it. USB adapters and converters send in pieces.',
  }),
});
export type BusConfig = z.output<typeof busSchema>;

const READER_QUIRKS = ['rmac_status_0'] as const;

export const controllerSchema = z.strictObject({
  address: z
    .int()
    .min(0)
    .max(126)
    .meta({ title: 'Address', description: 'The reader’s own, 0 to 126; often 0 from the factory.' }),
  secure_channel: z.enum(['required', 'none']).default('required').meta({
    title: 'Secure Channel',
    description:
      'required: nothing is taken from this reader but under its own key, installed with `lintel osdp install`. none: everything goes in the clear.',
  }),
  check: z.enum(['auto', 'crc', 'checksum']).default('auto').meta({
    title: 'Check characters',
    description: 'auto: CRC, and checksums only for a reader that answers nothing else.',
  }),
  quirks: z.array(z.enum(READER_QUIRKS)).max(READER_QUIRKS.length).default([]).meta({
    title: 'Quirks',
    description:
      'How this model differs from the specification. rmac_status_0: it says 0 where others say 1 when it has accepted Secure Channel.',
  }),
  transparent: z.boolean().default(false).meta({
    title: 'Transparent mode',
    description:
      'true: by turns the reader hands its cards to Lintel, so that a phone or card can prove its own key (`access_method: mobile_key`). Needs Secure Channel, and is best at 38400 baud or more.',
  }),
  pkoc_messages: z.enum(['1.50', '1.63']).nullable().default(null).meta({
    title: 'PKOC messages',
    description:
      'For a reader that speaks to phones and cards with a key itself, and hands over what they signed by messages of the PSIA: the text that it follows. In place of `transparent`. Needs Secure Channel.',
  }),
  readers: z.int().min(1).max(8).default(1).meta({
    title: 'Readers',
    description: 'Heads behind this address, numbered from 0.',
  }),
  inputs: z.int().min(0).max(32).default(0).meta({
    title: 'Inputs',
    description: 'Inputs on the reader’s terminals that are used, numbered from 0: door contact, exit button.',
  }),
  invert_inputs: z.array(z.int().min(0).max(31)).max(32).default([]).meta({
    title: 'Inverted inputs',
    description: 'Inputs that are active when the reader calls them inactive.',
  }),
  outputs: z.int().min(0).max(32).default(0).meta({
    title: 'Outputs',
    description: 'Outputs on the reader’s terminals that are used, numbered from 0: strike.',
  }),
  justify: z.enum(['auto', 'left', 'right']).default('auto').meta({
    title: 'Card bits',
    description:
      'Where the bits of a card begin: left as specified, right as some readers send them; auto: left, until a card shows for certain that this reader sends them right.',
  }),
  keypad: z.boolean().default(true).meta({ title: 'Keypad', description: 'Whether it has keys that count.' }),
  pin_timeout: duration(SECOND_MS, 60 * SECOND_MS, '5s').meta({
    title: 'PIN time-out',
    description: 'After the last key, when no # ends the entry.',
  }),
  pin_on_timeout: z.enum(['submit', 'discard']).default('submit').meta({
    title: 'PIN at time-out',
    description: 'submit: what was typed counts as entered. discard: only # ends an entry.',
  }),
  pin_length: z.int().min(4).max(12).nullable().default(null).meta({
    title: 'PIN length',
    description: 'An entry ends by itself at this many digits; null: only by # and time-out.',
  }),
  biometrics: biometrics.nullable().default(null).meta({
    title: 'Biometrics',
    description:
      'For a reader that reads fingers, faces or the like and compares them with a template that it is given; {} for its defaults, null: it is not used. Needs Secure Channel.',
  }),
  led: z.int().min(0).max(15).default(0).meta({ title: 'LED', description: 'The LED that shows feedback.' }),
  feedback: z
    .strictObject({
      ready: look('What the reader shows at rest.', { led: 'red', flash: false, for: '3s', beep: 0 }),
      prompt_pin: look('A card was read and its PIN is asked for.', { led: 'amber', flash: true, for: '10s', beep: 1 }),
      prompt_biometric: look('A finger, face or the like is asked for.', {
        led: 'cyan',
        flash: true,
        for: '10s',
        beep: 1,
      }),
      granted: look('The door opens.', { led: 'green', flash: false, for: '3s', beep: 1 }),
      denied: look('The door stays shut.', { led: 'red', flash: true, for: '2s', beep: 3 }),
      locked_out: look('PIN entry is locked for a while.', { led: 'magenta', flash: true, for: '5s', beep: 5 }),
    })
    .prefault({})
    .meta({ title: 'Feedback', description: 'What people see and hear. An entrance may say otherwise for its doors.' }),
});
export type ControllerConfig = z.output<typeof controllerSchema>;

const FEEDBACKS: readonly Feedback[] = ['ready', 'prompt_pin', 'prompt_biometric', 'granted', 'denied', 'locked_out'];

export function capabilitiesOf(config: ControllerConfig): Capabilities {
  return {
    slots: null,
    readers: Array.from({ length: config.readers }, () => ({
      keypad: config.keypad,
      card: true,
      mobileKey: config.transparent || config.pkoc_messages !== null,
      biometric: config.biometrics !== null,
      feedback: FEEDBACKS,
      showsLook: true,
    })),
    outputs: Array.from({ length: config.outputs }, () => ({
      devicePulse: true,
      pulseMinMs: MIN_TIMER_MS,
      pulseMaxMs: MAX_TIMER_MS,
      readBack: true,
    })),
    inputs: Array.from({ length: config.inputs }, () => ({ latched: false })),
    doors: [],
    clock: false,
    events: false,
  };
}

export function readerSettings(config: ControllerConfig): ReaderSettings {
  return {
    address: config.address,
    secure: config.secure_channel === 'required',
    checkCharacters: config.check,
    takesStatus0: config.quirks.includes('rmac_status_0'),
    readers: config.readers,
    inputs: config.inputs,
    invertedInputs: config.invert_inputs,
    outputs: config.outputs,
    justify: config.justify,
    keypad: config.keypad
      ? { timeoutMs: parseDuration(config.pin_timeout), onTimeout: config.pin_on_timeout, length: config.pin_length }
      : null,
    biometrics: config.biometrics === null ? null : termsOf(config.biometrics),
    led: config.led,
    looks: {
      ready: lookOf(config.feedback.ready),
      prompt_pin: lookOf(config.feedback.prompt_pin),
      prompt_biometric: lookOf(config.feedback.prompt_biometric),
      granted: lookOf(config.feedback.granted),
      denied: lookOf(config.feedback.denied),
      locked_out: lookOf(config.feedback.locked_out),
    },
  };
}

const termsOf = ({ present_within: within, ...terms }: z.output<typeof biometrics>): BiometricTerms => ({
  ...terms,
  presentMs: parseDuration(within),
});

const lookOf = (given: ControllerConfig['feedback']['ready']): SignalLook => ({
  led: given.led,
  flash: given.flash,
  durationMs: parseDuration(given.for),
  beep: given.beep,
  text: given.text,
});

export const busTimings = (config: BusConfig): BusTimings => ({
  replyTimeoutMs: parseDuration(config.reply_timeout),
  characterGapMs: parseDuration(config.character_gap),
});

export const busLine = (config: BusConfig) => lineSettings(config);
