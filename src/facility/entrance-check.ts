// What entrances say about controllers, and about each other: names that exist, channels that the devices have, nothing
// used twice. It reads the file as it stands and passes over what has the wrong type, so that one mistake never hides
// another.

import { DURATION_FORM, formatDuration, parseDuration } from '../domain/duration.ts';
import type { Capabilities } from '../domain/ports.ts';
import { PULSE_MAX_MS, PULSE_MIN_MS, type EntranceKind } from './entrance-schema.ts';
import { checkByTime, checkShown } from './factor-check.ts';
import { checkExitReaders, checkLocks } from './lock-check.ts';
import type { Report } from './report.ts';
import { isMapping, valueAt } from './shape.ts';
import { meantWord, printable } from '../domain/words.ts';
import { keyText } from './report.ts';
import type { KeyPath } from './yaml-source.ts';

/** Every controller in the file by name; null for one whose own section could not be understood. */
export type KnownControllers = ReadonlyMap<string, Capabilities | null>;

/**
 * An output or an input that an entrance uses. `path` is where the file says so; for what the device's own door gives,
 * where the door is named.
 */
type Channel = { controller: string; channel: number; path: KeyPath };
type ChannelKey = 'strike' | 'second_lock' | 'contact' | 'rex';
export type EntranceChannels = { readonly [K in ChannelKey]: Channel | null };

const CHANNELS = [
  { key: 'strike', channelKey: 'output' },
  { key: 'second_lock', channelKey: 'output' },
  { key: 'contact', channelKey: 'input' },
  { key: 'rex', channelKey: 'input' },
] as const;

export function kindOf(entrance: unknown): EntranceKind {
  if (valueAt(entrance, ['lift']) !== undefined) return 'floor';
  return valueAt(entrance, ['controller']) === undefined ? 'gateway' : 'controller';
}

/** What a floor of a lift has in their place. */
const AT_FLOOR = { strike: 'release', second_lock: 'second_release', contact: 'selected', rex: 'rex' } as const;
const keyAt = (entrance: unknown, key: ChannelKey): string => (kindOf(entrance) === 'floor' ? AT_FLOOR[key] : key);

/**
 * What strike, contact and exit button an entrance has: as the file says, and at a controller-decided one else as the
 * device's door is wired. Of a floor what releases it, and as its contact where it is seen that it was selected.
 */
export function channelsOf(entrance: unknown, path: KeyPath, controllers: KnownControllers): EntranceChannels {
  const decider = deciderOf(entrance);
  const door = decider === null ? null : doorOf(entrance, controllers.get(decider) ?? null);
  const channel = (key: ChannelKey, channelKey: string): Channel | null => {
    const section = valueAt(entrance, [keyAt(entrance, key)]);
    if (key === 'second_lock' && section === undefined) return null;
    const controller =
      textAt(section, ['controller']) ?? (section === undefined || isMapping(section) ? decider : null);
    const stated = integerAt(section, [channelKey]);
    const number = stated ?? (controller === decider && key !== 'second_lock' ? (door?.[key] ?? null) : null);
    if (controller === null || number === null) return null;
    return {
      controller,
      channel: number,
      path: stated === null ? [...path, 'controller'] : [...path, keyAt(entrance, key), channelKey],
    };
  };
  return {
    strike: channel('strike', 'output'),
    second_lock: channel('second_lock', 'output'),
    contact: channel('contact', 'input'),
    rex: channel('rex', 'input'),
  };
}

/** A floor is decided about at its lift, whatever else it names. */
const deciderOf = (entrance: unknown): string | null =>
  kindOf(entrance) === 'floor' ? null : textAt(entrance, ['controller']);

/** The device's own door that a controller-decided entrance means. */
export function doorOf(entrance: unknown, capabilities: Capabilities | null) {
  const stated = valueAt(entrance, ['door']);
  const [only, ...others] = capabilities?.doors ?? [];
  if (stated === undefined) return others.length === 0 ? (only ?? null) : null;
  return capabilities?.doors.find((door) => door.door === stated) ?? null;
}

/** `lifts`: their readers are nobody else's. */
export function checkEntrances(
  entrances: Readonly<Record<string, unknown>>,
  lifts: Readonly<Record<string, unknown>>,
  controllers: KnownControllers,
  report: Report,
): Claims {
  const context: Context = { controllers, report, claims: new Map() };
  for (const [name, entrance] of Object.entries(entrances)) {
    if (!isMapping(entrance)) continue;
    const path = ['entrances', name];
    if (kindOf(entrance) === 'gateway') checkReaders(context, entrance, path);
    const doorIsOurs = kindOf(entrance) !== 'controller' || checkDecider(context, entrance, path);
    for (const { key, channelKey } of CHANNELS)
      checkReference(context, entrance, [...path, keyAt(entrance, key)], key, channelKey);
    claimChannels(context, channelsOf(entrance, path, controllers), doorIsOurs);
    checkLocks(context.report, entrance, path);
    checkExitReaders(context.report, entrance, path);
    checkFeedback(context, entrance, path);
    checkEncoder(context, entrance, path);
    claimId(context, textAt(entrance, ['acs_entrance_id']), [...path, 'acs_entrance_id']);
    claimId(context, textAt(entrance, ['encoder', 'acs_encoder_id']), [...path, 'encoder', 'acs_encoder_id']);
  }
  for (const [name, lift] of Object.entries(lifts)) {
    if (!isMapping(lift)) continue;
    checkReaders(context, lift, ['lifts', name]);
    checkFeedback(context, lift, ['lifts', name]);
    checkFloorTime(context, lift, name, entrances);
  }
  return (thing, path) => void claim(context, thing, path, thing);
}

/** Claims a thing for its place in the file, or says that it is used already. */
export type Claims = (thing: string, path: KeyPath) => void;

type Context = { controllers: KnownControllers; report: Report; claims: Map<string, KeyPath> };

// ---- references -----------------------------------------------------------------------------------------------------

/**
 * The capabilities of the controller named there; null (and a finding where it does not exist) when they are not known.
 */
function controllerAt(context: Context, name: string, path: KeyPath): Capabilities | null {
  const capabilities = context.controllers.get(name);
  if (capabilities !== undefined) return capabilities;
  context.report.error(
    path,
    `there is no controller "${printable(name)}"`,
    whichName(name, [...context.controllers.keys()], 'controllers'),
  );
  return null;
}

export function whichName(name: string, names: readonly string[], section: string): string {
  const known = names.length === 0 ? `Add it under ${section}.` : `Under ${section} there are: ${names.join(', ')}.`;
  return meantWord(name, names) || known;
}

/** The key of the file's section that names a controller and one of its outputs or inputs. */
function checkReference(
  context: Context,
  entrance: unknown,
  path: KeyPath,
  key: ChannelKey,
  channelKey: 'output' | 'input',
): void {
  const section = valueAt(entrance, path.slice(-1));
  if (!isMapping(section)) return;
  const stated = textAt(section, ['controller']);
  const decider = deciderOf(entrance);
  const name = stated ?? decider;
  if (name === null || (stated === null && !context.controllers.has(name))) return;
  const capabilities = controllerAt(context, name, [...path, 'controller']);
  if (capabilities === null) return;
  const channels = channelKey === 'output' ? capabilities.outputs : capabilities.inputs;
  const number = integerAt(section, [channelKey]);
  if (number !== null && number >= channels.length) {
    context.report.error(
      [...path, channelKey],
      `${name} has no ${channelKey} ${number}`,
      whichChannel(channels.length, channelKey),
    );
  }
  const doorHas = name === decider && key !== 'second_lock' && doorOf(entrance, capabilities)?.[key] != null;
  if (valueAt(section, [channelKey]) === undefined && decider !== null && !doorHas && key !== 'rex') {
    context.report.error(
      [...path, channelKey],
      'this key is missing',
      `Add ${channelKey}: the door of ${decider} names none.`,
      'key',
    );
  }
  if (key === 'rex') checkLooks(context, path, name, capabilities, number);
  if (key === 'strike') {
    const ofDoor = name === decider ? (doorOf(entrance, capabilities)?.strike ?? null) : null;
    for (const pulse of ['pulse', 'extended_pulse'])
      checkPulse(context, section, [...path, pulse], capabilities, number ?? ofDoor);
  }
}

/** The time after which no strike is commanded any more; a press that may be older drives none. */
const LONGEST_LOOK_MS = 2_000;

function checkLooks(
  context: Context,
  path: KeyPath,
  name: string,
  capabilities: Capabilities,
  input: number | null,
): void {
  const lookMs = input === null ? undefined : capabilities.inputs[input]?.lookMs;
  if (lookMs === undefined || lookMs < LONGEST_LOOK_MS) return;
  context.report.warn(
    [...path, 'input'],
    `the inputs of ${name} are looked at every ${formatDuration(lookMs)}: whoever presses there may have left when it is seen, so the strike is mostly not driven`,
    `Have ${name} looked at every second or more often.`,
  );
}

function whichChannel(count: number, channelKey: string): string {
  if (count === 0) return `It has no ${channelKey}s at all: name another controller.`;
  return count === 1 ? `It has one ${channelKey}, 0.` : `Its ${channelKey}s are 0 to ${count - 1}.`;
}

/** Of floors that do not say how long they are free: the lift says it for them. */
function checkFloorTime(
  context: Context,
  lift: unknown,
  name: string,
  entrances: Readonly<Record<string, unknown>>,
): void {
  for (const floor of Object.values(entrances)) {
    if (kindOf(floor) !== 'floor' || textAt(floor, ['lift']) !== name) continue;
    if (valueAt(floor, ['release', 'pulse']) !== undefined) continue;
    const capabilities = context.controllers.get(textAt(floor, ['release', 'controller']) ?? '');
    if (capabilities == null) continue;
    const before = context.report.refuses(['lifts', name, 'floor_time']);
    if (!before)
      checkPulse(context, lift, ['lifts', name, 'floor_time'], capabilities, integerAt(floor, ['release', 'output']));
  }
}

function checkPulse(
  context: Context,
  strike: unknown,
  path: KeyPath,
  capabilities: Capabilities,
  output: number | null,
): void {
  const channel = output === null ? undefined : capabilities.outputs[output];
  const stated = textAt(strike, path.slice(-1));
  if (channel === undefined || stated === null || !DURATION_FORM.test(stated)) return;
  const pulseMs = parseDuration(stated);
  const leastMs = Math.max(channel.pulseMinMs, PULSE_MIN_MS);
  const mostMs = Math.min(channel.pulseMaxMs, PULSE_MAX_MS);
  if (pulseMs >= leastMs && pulseMs <= mostMs) return;
  const [least, most] = [formatDuration(leastMs), formatDuration(mostMs)];
  context.report.error(
    path,
    `this output cannot be pulsed for ${stated}`,
    least === most
      ? `Write ${least}, as the device has it, or leave it out.`
      : `Write a pulse from ${least} to ${most}.`,
  );
}

// ---- readers and factors --------------------------------------------------------------------------------------------

function checkReaders(context: Context, entrance: unknown, path: KeyPath): void {
  const readers = valueAt(entrance, ['readers']);
  if (!Array.isArray(readers)) return;
  for (const [i, reader] of readers.entries()) {
    if (typeof reader !== 'string') continue;
    const at = [...path, 'readers', i];
    claim(context, `reader ${reader}`, at, `the reader ${reader}`);
    const capabilities = controllerAt(context, reader, at);
    if (capabilities === null) continue;
    if (capabilities.readers.length === 0) {
      context.report.error(at, `${reader} has no reader`, readersThere(context));
      continue;
    }
    checkShown(reader, at, entrance, capabilities, context.report);
  }
}

/** Colours and beeps that nobody will see or hear. */
function checkFeedback(context: Context, entrance: unknown, path: KeyPath): void {
  if (valueAt(entrance, ['feedback']) === undefined) return;
  const at = [...path, 'feedback'];
  const decider = textAt(entrance, ['controller']);
  if (decider !== null) {
    const message = `${printable(decider)} decides and shows what came of it in its own way, so this has no effect`;
    context.report.warn(at, message, 'Leave it out.', 'key');
    return;
  }
  const readers = valueAt(entrance, ['readers']);
  for (const name of Array.isArray(readers) ? readers : []) {
    const known = typeof name === 'string' ? context.controllers.get(name) : null;
    if (typeof name !== 'string' || known == null || known.readers.length === 0) continue;
    if (known.readers.some((reader) => reader.showsLook)) continue;
    const showsOwn = known.readers.some((reader) => reader.feedback.length > 0);
    context.report.warn(
      at,
      `${name} takes no colours and beeps from here: ${showsOwn ? 'it shows what its own settings say' : 'it shows nothing'}`,
      showsOwn
        ? 'Say there what it shows (reader.feedback of its profile), and leave this out where no other reader follows it.'
        : 'Leave it out where no other reader follows it; a light of its own must be wired.',
      'key',
    );
  }
}

function readersThere(context: Context): string {
  const readers = [...context.controllers]
    .filter(([, capabilities]) => (capabilities?.readers.length ?? 0) > 0)
    .map(([name]) => name);
  return readers.length === 0 ? 'Add a controller that is a reader.' : `Readers are: ${readers.join(', ')}.`;
}

function checkEncoder(context: Context, entrance: unknown, path: KeyPath): void {
  const reader = textAt(entrance, ['encoder', 'reader']);
  if (reader === null) return;
  const at = [...path, 'encoder', 'reader'];
  const capabilities = controllerAt(context, reader, at);
  if (capabilities === null || capabilities.readers.some((one) => one.card)) return;
  context.report.error(
    at,
    `${reader} ${capabilities.readers.length === 0 ? 'has no reader' : 'reads no cards'}`,
    readersThere(context),
  );
}

// ---- controller-decided ---------------------------------------------------------------------------------------------

/**
 * False when another entrance has that door already: then so has it all that belongs to the door, and to say it once is
 * enough.
 */
function checkDecider(context: Context, entrance: unknown, path: KeyPath): boolean {
  const decider = textAt(entrance, ['controller']);
  const capabilities = decider === null ? null : controllerAt(context, decider, [...path, 'controller']);
  if (decider === null || capabilities === null) return true;
  const { slots, doors } = capabilities;
  if (slots === null || doors.length === 0) {
    context.report.error(
      [...path, 'controller'],
      `${decider} ${slots === null ? 'holds no credentials' : 'has no doors of its own'}, so it cannot decide`,
      'Name a controller with a credential table; or leave controller and door out, and name readers and a strike.',
    );
    return true;
  }
  const factors = textAt(entrance, ['factors']);
  checkByTime(decider, entrance, path, context.report);
  const lacks = factors === null ? null : missingFactor(factors, slots);
  if (lacks !== null) {
    context.report.error(
      [...path, 'factors'],
      `${decider} ${lacks}`,
      'Write factors that its table can hold, or leave the key out.',
    );
  }
  return claimDoor(context, entrance, path, decider, capabilities);
}

function claimDoor(
  context: Context,
  entrance: unknown,
  path: KeyPath,
  decider: string,
  capabilities: Capabilities,
): boolean {
  const stated = valueAt(entrance, ['door']);
  const numbers = capabilities.doors.map((door) => door.door);
  const door = doorOf(entrance, capabilities);
  if (door !== null) {
    const at = [...path, stated === undefined ? 'controller' : 'door'];
    return claim(context, `door ${decider} ${door.door}`, at, `door ${door.door} of ${decider}`);
  }
  if (stated === undefined) {
    const which = `Add door: one of ${numbers.join(', ')}.`;
    context.report.error(
      [...path, 'door'],
      `this key is missing: ${decider} has ${numbers.length} doors`,
      which,
      'key',
    );
  } else if (typeof stated === 'number') {
    context.report.error(
      [...path, 'door'],
      `${decider} has no door ${stated}`,
      `Its doors are: ${numbers.join(', ')}.`,
    );
  }
  return true;
}

function missingFactor(factors: string, slots: NonNullable<Capabilities['slots']>): string | null {
  const cards = slots.cardFormats.length > 0;
  if (factors === 'card_and_biometric') return 'asks for no fingers';
  if ((factors === 'card' || factors === 'card_and_code') && !cards) return 'holds no cards';
  if (factors === 'code' && (slots.pin === null || !slots.pinWithoutCard)) return 'holds no codes without a card';
  return factors === 'card_and_code' && !slots.cardAndPin ? 'cannot ask for a card and a code' : null;
}

// ---- nothing twice --------------------------------------------------------------------------------------------------

function claimChannels(context: Context, channels: EntranceChannels, doorIsOurs: boolean): void {
  for (const { key, channelKey } of CHANNELS) {
    const used = channels[key];
    if (used === null || (!doorIsOurs && used.path.at(-1) === 'controller')) continue;
    const what = `${channelKey} ${used.channel} of ${used.controller}`;
    claim(context, what, used.path, what);
  }
}

function claimId(context: Context, id: string | null, path: KeyPath): void {
  if (id !== null) claim(context, `${String(path.at(-1))} ${id.toLowerCase()}`, path, 'this id');
}

/** True where nobody has claimed the thing before. */
function claim(context: Context, thing: string, path: KeyPath, what: string): boolean {
  const first = context.claims.get(thing);
  if (first === undefined) {
    context.claims.set(thing, path);
    return true;
  }
  context.report.error(
    path,
    `${what} is used already, by ${keyText(first)}`,
    'Each belongs to one entrance and one purpose: name another.',
  );
  return false;
}

const textAt = (value: unknown, path: KeyPath): string | null => {
  const found = valueAt(value, path);
  return typeof found === 'string' ? found : null;
};
const integerAt = (value: unknown, path: KeyPath): number | null => {
  const found = valueAt(value, path);
  return typeof found === 'number' && Number.isInteger(found) && found >= 0 ? found : null;
};
