// What a device of this profile can do, in the words of the contract: known without the wire.

import { cardLayout } from './cards.ts';
import { recordRegisters } from './layout.ts';
import type { Profile } from './profile-schema.ts';
import { readerCapabilities } from './reader.ts';
import { TIME_FORMS } from './times.ts';
import type { Capabilities, OutputCapabilities, SlotCapabilities } from '../../src/domain/ports.ts';

/**
 * A pulse that Lintel itself ends: not so short that a slow line makes it longer, not so long that anybody forgets it.
 */
export const HOST_PULSE_MIN_MS = 200;
export const HOST_PULSE_MAX_MS = 3_600_000;

/** `looks`: how often its inputs are read, where that is known. */
export function capabilitiesOf(profile: Profile, looks: { lookMs?: number } = {}): Capabilities {
  return {
    slots: slotCapabilities(profile),
    readers: profile.reader === undefined ? [] : [readerCapabilities(profile.reader)],
    outputs: profile.outputs.map(outputCapabilities),
    inputs: profile.inputs.map((input) => ({ latched: input.latch !== undefined, ...looks })),
    doors: profile.doors.map(({ strike, contact, rex }, i) => ({
      door: i + 1,
      strike: strike ?? null,
      contact: contact ?? null,
      rex: rex ?? null,
    })),
    clock: profile.clock !== undefined,
    events: profile.events !== undefined,
  };
}

function outputCapabilities(output: Profile['outputs'][number]): OutputCapabilities {
  const readBack = output.kind === 'coil' ? output.state : output.kind === 'bit' || output.state !== undefined;
  return output.pulse === undefined
    ? { devicePulse: false, pulseMinMs: HOST_PULSE_MIN_MS, pulseMaxMs: HOST_PULSE_MAX_MS, readBack }
    : { devicePulse: true, pulseMinMs: output.pulse.min, pulseMaxMs: output.pulse.max, readBack };
}

function slotCapabilities({ credentials, limits }: Profile): SlotCapabilities | null {
  if (credentials === undefined) return null;
  const { table, record, capabilities, readback } = credentials;
  const { card, pin, from, until } = record;
  const formats = card === undefined ? [] : typeof card.format === 'string' ? [card.format] : card.format;
  const resolutions = [from, until].flatMap((edge) => (edge === undefined ? [] : [TIME_FORMS[edge.type].resolutionMs]));
  return {
    firstSlot: table.first_slot,
    count: table.count,
    pin:
      pin === undefined
        ? null
        : {
            lengths: range(...pin.digits),
            ...(capabilities.code_constraints.length === 0 ? {} : { constraints: capabilities.code_constraints }),
          },
    cardFormats: [...new Set(formats.flatMap((name) => cardLayout(name).formats))],
    cardAndPin: capabilities.card_and_pin,
    pinWithoutCard: capabilities.pin_without_card,
    windows: until === undefined ? 'none' : from === undefined ? 'until' : 'from-until',
    windowResolutionMs: Math.max(0, ...resolutions),
    readBack: readback.mode,
    oneTimeUse: record.flags?.bits.one_time !== undefined,
    duplicatePins: capabilities.duplicate_pins,
    slotsPerWrite: slotsPerWrite(credentials, limits.write_registers),
  };
}

/** Slots that one FC16 carries: contiguous ones, gaps between records included. */
export function slotsPerWrite(credentials: NonNullable<Profile['credentials']>, writeRegisters: number): number {
  const { table, record } = credentials;
  const length = recordRegisters(record);
  return Math.max(1, Math.floor((writeRegisters - length) / table.stride) + 1);
}

const range = (first: number, last: number): number[] => Array.from({ length: last - first + 1 }, (_, i) => first + i);
