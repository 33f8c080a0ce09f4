// What people see and hear at a reader: each signal of the contract as LED, buzzer and text commands. `ready` is the
// reader's permanent state and is restored after every reconnect; everything else is temporary and ends by the reader's
// own timer, so that a cut line leaves no reader green.

import type { Feedback } from '../driver.ts';
import { assert } from '../../src/domain/errors.ts';
import { COLORS, command, LED_PERMANENT, LED_TEMPORARY, TEXT_MODE, TONE } from './commands.ts';
import type { Color, WireCommand } from './commands.ts';

export type SignalLook = {
  led: Color;
  flash: boolean;
  /** How long it is shown; `ready` stays. */
  durationMs: number;
  beep: number;
  /** Shown on readers with a display; empty: nothing. */
  text: string;
};
export type FeedbackLooks = Readonly<Record<Feedback, SignalLook>>;

export const UNIT_MS = 100;
const FLASH_UNITS = 2;
const STEADY_UNITS = 10;
const BEEP_UNITS = 1;

/**
 * What a reader shows at rest, for one that has just come back: whatever it shows for the moment is left to end by
 * itself.
 */
export function restingCommands(
  reader: number,
  led: number,
  look: SignalLook,
  features: { led: boolean; text: boolean },
): WireCommand[] {
  return [
    ...(features.led ? [ledCommand(reader, led, LED_TEMPORARY.nop, look)] : []),
    ...(features.text && look.text !== '' ? [textCommand(reader, true, look)] : []),
  ];
}

/**
 * The commands that show `signal`, the most telling first. `features` says what the reader has; a command it does not
 * know would only cost time.
 */
export function feedbackCommands(
  reader: number,
  led: number,
  signal: Feedback,
  look: SignalLook,
  features: { led: boolean; buzzer: boolean; text: boolean },
): WireCommand[] {
  const commands: WireCommand[] = [];
  if (features.led)
    commands.push(ledCommand(reader, led, signal === 'ready' ? LED_TEMPORARY.cancel : LED_TEMPORARY.set, look));
  if (features.buzzer && look.beep > 0) commands.push(beepCommand(reader, look.beep));
  if (features.text && look.text !== '') commands.push(textCommand(reader, signal === 'ready', look));
  return commands;
}

/** A temporary look, or with `temporary` not being set, the permanent one. */
function ledCommand(reader: number, led: number, temporary: number, look: SignalLook): WireCommand {
  // A record that is "set" must not have both times at 0: some readers refuse it.
  const shown = look.flash
    ? { onUnits: FLASH_UNITS, offUnits: FLASH_UNITS, onColor: COLORS[look.led], offColor: COLORS.off }
    : { onUnits: STEADY_UNITS, offUnits: 0, onColor: COLORS[look.led], offColor: COLORS[look.led] };
  const nothing = { onUnits: 0, offUnits: 0, onColor: 0, offColor: 0 };
  return command('LED', {
    records: [
      temporary === LED_TEMPORARY.set
        ? {
            reader,
            led,
            temporary: { control: temporary, ...shown, timerUnits: units(look.durationMs) },
            permanent: { control: LED_PERMANENT.nop, ...nothing },
          }
        : {
            reader,
            led,
            temporary: { control: temporary, ...nothing, timerUnits: 0 },
            permanent: { control: LED_PERMANENT.set, ...shown },
          },
    ],
  });
}

const beepCommand = (reader: number, count: number): WireCommand =>
  command('BUZ', {
    records: [{ reader, tone: TONE.default, onUnits: BEEP_UNITS, offUnits: BEEP_UNITS, count: Math.min(count, 255) }],
  });

const textCommand = (reader: number, permanent: boolean, look: SignalLook): WireCommand =>
  command('TEXT', {
    reader,
    mode: permanent ? TEXT_MODE.permanent : TEXT_MODE.temporary,
    seconds: permanent ? 0 : Math.min(255, Math.max(1, Math.ceil(look.durationMs / 1000))),
    row: 1,
    column: 1,
    text: look.text,
  });

/** Milliseconds in the protocol's units of 100 ms, rounded up: a pulse or signal is never shorter than asked for. */
export function units(durationMs: number): number {
  const count = Math.ceil(durationMs / UNIT_MS);
  assert(count >= 0 && count <= 0xffff, 'a timer of OSDP ends at 6,553.5 s');
  return count;
}

export const MAX_TIMER_MS = 0xffff * UNIT_MS;
export const MIN_TIMER_MS = UNIT_MS;
