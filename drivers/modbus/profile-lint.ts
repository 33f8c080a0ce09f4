// What no schema can see in a profile: fields that overlap, numbers that do not fit, windows without a clock, doors
// without a strike to open. Runs on wire addresses.

import { cardLayout } from './cards.ts';
import type { FunctionCode } from './codec.ts';
import { cardRegisters, extents, patternNumber, recordRegisters, type CredentialsSpec } from './layout.ts';
import { keepsLeadingZeros, pinCapacity, pinRegisters } from './pins.ts';
import type { Profile, ProfileProblem } from './profile-schema.ts';
import { lintReader, lintReaderFunctions } from './reader-lint.ts';
import { READ_FUNCTION } from './schema-parts.ts';
import { TIME_FORMS } from './times.ts';

type Report = (path: readonly (string | number)[], message: string, remedy: string) => void;

export function lintProfile(profile: Profile): ProfileProblem[] {
  const problems: ProfileProblem[] = [];
  const error: Report = (path, message, remedy) => problems.push({ severity: 'error', path, message, remedy });
  const warning: Report = (path, message, remedy) => problems.push({ severity: 'warning', path, message, remedy });
  lintSpans(profile, error);
  lintFunctions(profile, error);
  if (profile.credentials !== undefined) {
    lintRecord(profile.credentials, error);
    lintCard(profile.credentials, error);
    lintPin(profile.credentials, error);
    lintKinds(profile.credentials, error);
    lintWindows(profile, profile.credentials, error);
    lintWriting(profile, profile.credentials, error, warning);
  }
  lintClock(profile, error);
  lintEvents(profile, error);
  lintOutputs(profile, error, warning);
  lintTwins(profile, error);
  lintInputsAndDoors(profile, error);
  lintReader(profile, error, warning);
  lintExamples(profile, error);
  return problems;
}

/** Blocks of registers must end before the last address. */
function lintSpans(profile: Profile, error: Report): void {
  const span = (path: (string | number)[], at: number, count: number): void => {
    if (at + count - 1 > 0xffff)
      error(path, `its ${count} registers end past address 65535`, 'lower the address, the count or the stride');
  };
  const { credentials, events, identity } = profile;
  if (credentials !== undefined) {
    const { base, stride, count } = credentials.table;
    span(['credentials', 'table'], base, stride * (count - 1) + recordRegisters(credentials.record));
  }
  if (identity !== undefined) span(['identity'], identity.at, identity.expect.length);
  if (events !== undefined)
    span(['events'], events.base, events.mode === 'ring' ? events.stride * events.count : events.registers);
  profile.config_check.forEach((check, i) => span(['config_check', i], check.at, check.count));
}

/** A device that lacks a function code cannot be asked with it. */
function lintFunctions(profile: Profile, error: Report): void {
  const has = (...codes: FunctionCode[]): boolean => codes.some((code) => profile.limits.functions.includes(code));
  const need = (path: (string | number)[], what: string, ...codes: FunctionCode[]): void => {
    if (!has(...codes))
      error(
        path,
        `${what} needs function ${codes.join(' or ')}`,
        'add it to limits.functions, or describe it otherwise',
      );
  };
  profile.outputs.forEach((output, i) => {
    if (output.kind === 'coil') need(['outputs', i], 'a coil', 5, 15);
    else if (output.kind === 'register') need(['outputs', i], 'a register', 6, 16);
    else need(['outputs', i], 'a bit of a word', 6, 16, 22);
    if (output.pulse !== undefined)
      need(
        ['outputs', i, 'pulse'],
        'this pulse',
        ...(output.pulse.area === 'coil' ? ([5] as const) : ([6, 16] as const)),
      );
  });
  profile.inputs.forEach((input, i) => need(['inputs', i], `area ${input.area}`, READ_FUNCTION[input.area]));
  lintReaderFunctions(profile, need);
  if (profile.credentials !== undefined) {
    need(['credentials', 'table'], 'writing slots', 16, 6);
    if (profile.credentials.readback.mode !== 'none') need(['credentials', 'table'], 'reading slots', 3);
  }
}

// ---- the record -----------------------------------------------------------------------------------------------------

const RECORD = ['credentials', 'record'] as const;

function lintRecord({ record, table }: CredentialsSpec, error: Report): void {
  const owner = new Map<string, string>();
  for (const { name, at, masks } of extents(record)) {
    masks.forEach((mask, i) => {
      for (let bit = 0; bit < 16; bit++) {
        if ((mask & (1 << bit)) === 0) continue;
        const place = `${at + i}.${bit}`;
        const other = owner.get(place);
        if (other !== undefined && other !== name) {
          error(
            [...RECORD, ...name.split('.')],
            `it overlaps ${other} at register ${at + i}, bit ${bit}`,
            'move one of them',
          );
          return;
        }
        owner.set(place, name);
      }
    });
  }
  const length = recordRegisters(record);
  if (length > table.stride) {
    const remedy = `set stride to ${length} or more, or correct the offsets`;
    error(
      ['credentials', 'table', 'stride'],
      `a record is ${length} registers long, a slot only ${table.stride}`,
      remedy,
    );
  }
  for (const [name, field] of [
    ['mode', record.mode],
    ['slot', record.slot],
    ['card_width', record.card_width],
    ['pin_length', record.pin_length],
    ['doors', record.doors],
  ] as const) {
    if (field?.bits !== undefined && field.bits.lo + field.bits.width > 16)
      error([...RECORD, name, 'bits'], 'they reach past bit 15', 'a register has bits 0 to 15');
  }
  const door = record.flags?.bits.door;
  if (door !== undefined && door.lo + door.width > 16)
    error([...RECORD, 'flags', 'bits', 'door'], 'they reach past bit 15', 'a register has bits 0 to 15');
  const { enabled, card, pin, card_and_pin, one_time } = record.flags?.bits ?? {};
  const used = [enabled, card, pin, card_and_pin, one_time].filter((bit) => bit !== undefined);
  if (new Set(used).size !== used.length)
    error([...RECORD, 'flags', 'bits'], 'two flags share a bit', 'give each flag a bit of its own');
  if (door !== undefined && record.doors !== undefined)
    error([...RECORD, 'doors'], 'doors stand in the flags already', 'keep one of the two');
}

function needWords(
  path: readonly (string | number)[],
  registers: number,
  words: string | undefined,
  error: Report,
): void {
  if (registers > 1 && words === undefined)
    error(
      [...path],
      `it spans ${registers} registers and does not say which comes first`,
      'add words: hi-lo, or words: lo-hi',
    );
}

function lintCard({ record }: CredentialsSpec, error: Report): void {
  const { card } = record;
  if (card === undefined) {
    if (record.card_width !== undefined)
      error([...RECORD, 'card_width'], 'there is no card whose width it could be', 'remove it');
    return;
  }
  const path = [...RECORD, 'card'] as const;
  const counted = card.type === 'bcd' || card.type === 'ascii';
  if (counted !== (card.registers !== undefined))
    error(
      path,
      `registers goes with bcd and ascii, and only with those`,
      counted ? 'add registers' : 'remove registers',
    );
  if (card.type !== 'ascii') needWords(path, cardRegisters(card), card.words, error);
  const digits = card.type === 'bcd' ? cardRegisters(card) * 4 : cardRegisters(card) * 2;
  const room = counted ? Math.floor(digits * Math.log2(10)) : cardRegisters(card) * 16;
  for (const name of typeof card.format === 'string' ? [card.format] : card.format) {
    const { bits } = cardLayout(name);
    const needed = card.mask?.keep ?? bits ?? 0;
    const hexText = card.type === 'ascii' && name === '10h';
    if (needed > (hexText ? digits * 4 : room))
      error(
        [...path, 'format'],
        `${name} needs ${needed} bits, there is room for ${room}`,
        'use a longer type or a format that fits',
      );
    if (bits === null && card.mask === undefined && record.card_width === undefined)
      error(
        path,
        'raw bits without their number of bits are not one card',
        'add card_width, or a format of known width',
      );
    if (card.mask !== undefined && name !== 'raw')
      error([...path, 'mask'], 'a mask takes from the raw bits', 'set format: raw');
  }
}

function lintPin({ record, capabilities }: CredentialsSpec, error: Report): void {
  const { pin } = record;
  const { code_constraints: constraints } = capabilities;
  if (pin === undefined) {
    if (constraints.length > 0)
      error(
        ['credentials', 'capabilities', 'code_constraints'],
        'there is no PIN that they could be about',
        'remove them',
      );
    if (record.pin_length !== undefined)
      error([...RECORD, 'pin_length'], 'there is no PIN whose length it could be', 'remove it');
    return;
  }
  const path = [...RECORD, 'pin'] as const;
  const [least, most] = pin.digits;
  const binary = pin.type === 'u16' || pin.type === 'u32';
  if (most < 3 && constraints.includes('at_least_three_unique_digits'))
    error(
      ['credentials', 'capabilities', 'code_constraints'],
      `no PIN of ${most} digits has three different ones`,
      'leave at_least_three_unique_digits out, or give the longest more digits',
    );
  if (least > most) error([...path, 'digits'], 'the shortest is longer than the longest', 'write [shortest, longest]');
  if (most > pinCapacity(pin)) {
    const remedy = binary ? 'lower the longest, or use a type with room' : 'lower the longest, or give more registers';
    error([...path, 'digits'], `${most} digits do not fit, there is room for ${pinCapacity(pin)}`, remedy);
  }
  if (binary && pin.registers !== undefined)
    error([...path, 'registers'], `${pin.type} has its own length`, 'remove registers');
  if (binary && (pin.pad !== undefined || pin.align !== undefined))
    error(path, `${pin.type} has no filling`, 'remove pad and align');
  if (pin.type !== 'ascii') {
    needWords(path, pinRegisters(pin), pin.words, error);
    if ((pin.pad ?? 0) > 0xf) error([...path, 'pad'], 'a nibble is at most 0xF', 'give 0 to 0xF');
  }
  if (!keepsLeadingZeros(pin) && record.pin_length === undefined)
    error(
      path,
      'digits of different number become the same registers: 0123 and 123, say',
      'use a filling that is no digit, one number of digits, or add pin_length',
    );
}

/** Every kind of slot that the profile promises can be told from the others. */
function lintKinds({ record, capabilities: can }: CredentialsSpec, error: Report): void {
  const path = ['credentials', 'capabilities'];
  if (record.card === undefined && record.pin === undefined)
    error(RECORD, 'it holds neither card nor PIN', 'describe card, or pin');
  if (can.pin_without_card && record.pin === undefined)
    error([...path, 'pin_without_card'], 'the record holds no PIN', 'describe pin, or remove it');
  if ((can.card_and_pin || can.card_or_pin) && (record.card === undefined || record.pin === undefined))
    error(path, 'card and PIN in one slot need both in the record', 'describe both, or remove it');
  if (can.card_and_pin && can.card_or_pin && record.flags?.bits.card_and_pin === undefined && record.mode === undefined)
    error(path, 'nothing in the record tells "both" from "either"', 'describe flags.bits.card_and_pin, or mode');
  if (record.mode === undefined) return;
  const needed = {
    card: record.card !== undefined,
    pin: can.pin_without_card,
    card_and_pin: can.card_and_pin,
    card_or_pin: can.card_or_pin,
  };
  for (const kind of ['card', 'pin', 'card_and_pin', 'card_or_pin'] as const) {
    if (needed[kind] && record.mode.values[kind] === undefined)
      error([...RECORD, 'mode', 'values'], `there is no value for ${kind}`, `add ${kind}`);
  }
}

function lintWindows(profile: Profile, { record }: CredentialsSpec, error: Report): void {
  for (const edge of ['from', 'until'] as const) {
    const instant = record[edge];
    if (instant === undefined) continue;
    const { registers } = TIME_FORMS[instant.type];
    needWords([...RECORD, edge], registers, instant.words, error);
    if (profile.clock === undefined)
      error(
        [...RECORD, edge],
        'a window means nothing to a device whose clock cannot be set',
        'describe clock, or remove it',
      );
    if (edge === 'from' && instant.inclusive)
      error([...RECORD, edge, 'inclusive'], 'a start is always the first moment', 'remove inclusive');
    if (typeof instant.none === 'number' && BigInt(instant.none) > patternNumber('ones', registers))
      error([...RECORD, edge, 'none'], 'it does not fit into the field', 'give a smaller value');
  }
  if (record.from !== undefined && record.until === undefined)
    error([...RECORD, 'from'], 'a start without an end cannot close a window', 'describe until as well');
}

function lintWriting(profile: Profile, spec: CredentialsSpec, error: Report, warning: Report): void {
  const { record, write_order: order, delete: erase, readback, commit } = spec;
  const canDisable = record.flags?.bits.enabled !== undefined || record.mode !== undefined;
  const path = ['credentials', 'write_order'];
  if (!order.includes('payload')) error(path, 'nothing writes the record', 'add payload');
  if ((order.includes('enable') || order.includes('disable')) && !canDisable)
    error(
      path,
      'the record has nothing to disable it by',
      'describe flags.bits.enabled or mode, or write the payload alone',
    );
  if (order.includes('enable') && order.indexOf('enable') < order.indexOf('payload'))
    error(path, 'it enables before the payload is written', 'put enable last');
  if (order.includes('disable') && !order.includes('enable'))
    error(path, 'what is disabled is never enabled', 'add enable at the end');
  if (canDisable && !order.includes('enable') && commit === undefined)
    warning(path, 'a half-written record may be in force', 'write [payload, enable]');
  if (order.includes('readback') && readback.mode === 'none')
    error(path, 'this device cannot be read back', 'remove readback here, or set readback.mode');
  if (readback.mode !== 'masked' && readback.mask_fields.length > 0)
    error(
      ['credentials', 'readback', 'mask_fields'],
      'they only go with mode: masked',
      'set mode: masked, or remove them',
    );
  if (erase.mode === 'flag-clear' && !canDisable)
    error(
      ['credentials', 'delete', 'mode'],
      'there is no flag to clear',
      'describe flags.bits.enabled or mode, or use fill',
    );
  if ((erase.mode === 'command') !== erase.steps.length > 0)
    error(['credentials', 'delete', 'steps'], 'steps go with mode: command', 'describe the command in steps');
  const whole = recordRegisters(record);
  if (whole > profile.limits.write_registers && !canDisable)
    error(
      ['limits', 'write_registers'],
      `a record of ${whole} registers needs several writes and cannot be disabled meanwhile`,
      'describe flags.bits.enabled or mode',
    );
  if (erase.mode === 'fill' && record.mode !== undefined && erase.fill !== 0 && erase.fill !== 0xffff)
    warning(
      ['credentials', 'delete', 'fill'],
      'a filling that is neither 0 nor 0xFFFF is unusual',
      'check it against the manual',
    );
}

// ---- the rest -------------------------------------------------------------------------------------------------------

function lintClock({ clock }: Profile, error: Report): void {
  if (clock === undefined) return;
  if (clock.type === 'unix32') {
    needWords(['clock'], 2, clock.words, error);
    if (clock.order !== undefined) error(['clock', 'order'], 'unix32 has no parts', 'remove order');
    return;
  }
  const order = clock.order ?? [];
  const years = order.filter((part) => part === 'yy' || part === 'yyyy');
  const complete = (['mm', 'dd', 'hh', 'mi', 'ss'] as const).every((part) => order.includes(part));
  if (years.length !== 1 || !complete || new Set(order).size !== order.length)
    error(['clock', 'order'], 'it must name each part once', 'write e.g. [yy, mm, dd, hh, mi, ss]');
  if (clock.type !== 'registers' && (order.length !== 6 || order.includes('yyyy') || order.includes('wd')))
    error(
      ['clock', 'order'],
      `${clock.type} is six bytes: yy, mm, dd, hh, mi and ss`,
      'leave out yyyy and wd, or use type: registers',
    );
}

function lintEvents({ events, doors }: Profile, error: Report): void {
  if (events === undefined) return;
  const length = events.mode === 'ring' ? events.stride : events.registers;
  const { code, slot, door, time } = events.record;
  const ends = [code, slot, door].map((field) => (field === undefined ? 0 : field.at + 1));
  if (time !== undefined) {
    const { registers } = TIME_FORMS[time.type];
    needWords(['events', 'record', 'time'], registers, time.words, error);
    ends.push(time.at + registers);
  }
  if (Math.max(...ends) > length)
    error(
      ['events', 'record'],
      `its fields need ${Math.max(...ends)} registers, an event has ${length}`,
      'correct the offsets or the length',
    );
  if (events.mode === 'ring' && events.indices === 'counter' && 65_536 % events.count !== 0)
    error(
      ['events', 'count'],
      'a counter of 16 bits jumps in a ring of this size when it wraps',
      'use a power of two, or indices: slot',
    );
  if (door !== undefined && doors.length === 0)
    error(['events', 'record', 'door'], 'the profile has no doors', 'describe doors, or remove it');
  lintEventPlaces(events, error);
}

/**
 * Freeing an event would write into the next one, or a part of one would be taken for the number of those that wait.
 */
function lintEventPlaces(events: NonNullable<Profile['events']>, error: Report): void {
  const length = events.mode === 'ring' ? events.stride * events.count : events.registers;
  const [first, second] = eventPlaces(events);
  for (const place of [first, second])
    if (place?.area === events.area && place.at >= events.base && place.at < events.base + length)
      error(['events', place.key], 'it stands inside the events', 'correct the addresses');
  if (first !== undefined && second !== undefined && first.area === second.area && first.at === second.at)
    error(['events', second.key], `it is the register of ${first.key}`, 'correct the addresses');
}

/** The registers beside the events themselves. A flag is a bit of another area. */
function eventPlaces(events: NonNullable<Profile['events']>): { key: string; area: string; at: number }[] {
  switch (events.mode) {
    case 'flag-clear':
      return [];
    case 'sequence':
      return [{ key: 'sequence', ...events.sequence }];
    case 'fifo':
      return [
        { key: 'count', ...events.count },
        { key: 'pop', area: 'holding', at: events.pop.at },
      ];
    case 'ring':
      return [
        { key: 'head', ...events.head },
        { key: 'tail', area: 'holding', at: events.tail.at },
      ];
  }
}

function lintOutputs({ outputs }: Profile, error: Report, warning: Report): void {
  outputs.forEach((output, i) => {
    const { pulse } = output;
    if (pulse !== undefined) {
      if (pulse.min > pulse.max) error(['outputs', i, 'pulse'], 'min is more than max', 'swap them');
      if (pulse.base + Math.ceil(pulse.max / pulse.unit) > 0xffff)
        error(['outputs', i, 'pulse', 'max'], 'so long a pulse does not fit into 16 bits', 'lower max');
    }
    if (output.kind === 'bit') {
      needWords(['outputs', i], output.registers, output.words, error);
      if (output.bit >= output.registers * 16)
        error(
          ['outputs', i, 'bit'],
          `there are bits 0 to ${output.registers * 16 - 1}`,
          'correct it, or set registers: 2',
        );
    }
    if (output.kind === 'register' && output.state === undefined)
      warning(['outputs', i], 'nothing tells whether it moved', 'describe state, if the device has one');
  });
}

/**
 * What an output is driven by, as far as another one must not be: the same command at the same place moves the same
 * relay, and opens the other door.
 */
function drivenBy(output: Profile['outputs'][number]): string[] {
  const { pulse } = output;
  const pulsed = pulse === undefined ? [] : [`${pulse.area} ${pulse.at}${pulse.base === 0 ? '' : ` + ${pulse.base}`}`];
  if (output.kind === 'coil') return [`coil ${output.at}`, ...pulsed];
  if (output.kind === 'register') return [`holding ${output.at} = ${output.on}`, ...pulsed];
  return [`holding ${output.at} bit ${output.bit}`, ...pulsed];
}

function lintTwins({ outputs }: Profile, error: Report): void {
  outputs.forEach((output, i) => {
    const twin = outputs.slice(0, i).findIndex((other) => drivenBy(other).some((by) => drivenBy(output).includes(by)));
    if (twin >= 0) error(['outputs', i], `it would drive output ${twin} as well`, 'correct its address, or its pulse');
  });
}

function lintInputsAndDoors({ inputs, outputs, doors }: Profile, error: Report): void {
  inputs.forEach((input, i) => {
    const inRegister = input.area === 'holding' || input.area === 'input';
    if (inRegister !== (input.bit !== undefined))
      error(['inputs', i], 'bit goes with holding and input registers', inRegister ? 'add bit' : 'remove bit');
  });
  doors.forEach((door, i) => {
    for (const [key, list] of [
      ['strike', outputs],
      ['contact', inputs],
      ['rex', inputs],
    ] as const) {
      const index = door[key];
      if (index !== undefined && index >= list.length)
        error(
          ['doors', i, key],
          `there is no such ${key === 'strike' ? 'output' : 'input'}`,
          `give 0 to ${list.length - 1}`,
        );
    }
  });
}

function lintExamples({ examples, outputs, credentials, reader }: Profile, error: Report): void {
  examples.forEach(({ do: action }, i) => {
    const path = ['examples', i, 'do'];
    if ('output' in action && action.output >= outputs.length)
      error(path, 'there is no such output', `give 0 to ${outputs.length - 1}`);
    if (CARD_VERBS.includes(action.verb) && reader === undefined)
      error(path, 'the profile has no reader', 'describe reader, or remove the example');
    if (action.verb === 'acknowledge_card' && reader?.mode === 'sequence')
      error(path, 'a reader that counts its cards is not acknowledged', 'remove the example');
    if (action.verb === 'feedback' && reader?.feedback[action.signal].length === 0)
      error(path, `nothing is written for ${action.signal}`, `describe reader.feedback.${action.signal}, or remove it`);
    if (!('slot' in action)) return;
    const table = credentials?.table;
    const exists =
      table !== undefined && action.slot >= table.first_slot && action.slot < table.first_slot + table.count;
    if (!exists) error(path, 'there is no such slot', 'give one of the table');
  });
}

const CARD_VERBS: readonly string[] = ['look_for_card', 'read_card', 'acknowledge_card', 'feedback'];
