// The console of `lintel simulate`: one line, as typed or over its socket, for one device of the port or for several.

import { OperatingError } from '../../domain/errors.ts';
import { memberOf } from '../../domain/named.ts';
import { didYouMean } from '../../domain/words.ts';
import type { Actions, PlayedDevice } from './played.ts';
import { parseUnits, unitsText } from './units.ts';

const UNITS_FORM = /^[0-9][0-9,-]*$/;

/** One line, as typed: units in front where there are several, then a word. Resolves with what to print. */
export async function perform(devices: readonly PlayedDevice[], line: string): Promise<string> {
  const words = line.trim().split(/\s+/);
  const units = UNITS_FORM.test(words[0] ?? '') ? (words.shift() ?? '') : null;
  const [word = '', ...more] = words;
  if (word === '' && units === null) return '';
  if (word === 'help') return help(devices);
  const chosen = chooseDevices(devices, units, word === '' ? 'help' : word);
  if (word === '') throw new OperatingError('invalid_input', `what of ${units ?? ''}? help lists what it knows`);
  if (devices.length === 1) return await act(chosen[0], word, more);
  const said: string[] = [];
  for (const device of chosen) {
    const answer = await act(device, word, more).catch((error: unknown) => {
      if (error instanceof OperatingError) return error.message;
      throw error;
    });
    said.push(`${device.unit ?? ''}: ${answer}`);
  }
  return said.join('\n');
}

/** A card or code that another program presents; without a unit to the only device. */
export async function present(devices: readonly PlayedDevice[], request: Record<string, unknown>): Promise<string> {
  const { card, code, unit } = request;
  const [word, value] = typeof card === 'string' ? ['card', card] : ['code', typeof code === 'string' ? code : ''];
  const isOne = unit === undefined || (typeof unit === 'number' && Number.isInteger(unit) && unit >= 0);
  if (!isOne) throw new OperatingError('invalid_input', 'unit: a whole number');
  const [device] = chooseDevices(devices, unit === undefined ? null : String(unit), word);
  if (device !== undefined && memberOf(device.actions, word) === undefined)
    throw new OperatingError('not_supported', `it reads no ${word}`);
  return await act(device, word, [value]);
}

/** What is typed, in one line. */
export function summary(devices: readonly PlayedDevice[]): string {
  const words = `${Object.values(actionsOf(devices))
    .map(({ usage }) => usage)
    .join(' | ')} | help`;
  return devices.length === 1 ? `lines: ${words}` : `lines, with ${inFront(devices)}: ${words}`;
}

function help(devices: readonly PlayedDevice[]): string {
  const rows = Object.values(actionsOf(devices)).map(({ usage, about }) => `  ${usage.padEnd(30)} ${about}`);
  return [...(devices.length === 1 ? [] : [`with ${inFront(devices)}`]), ...rows].join('\n');
}

/** How to say which: by the units that there are. */
function inFront(devices: readonly PlayedDevice[]): string {
  const units = unitsOf(devices);
  return `the unit in front (${units[0] ?? ''} ${Object.values(actionsOf(devices))[0]?.usage ?? 'power off'}), or several (${unitsText(units)} power off)`;
}

function chooseDevices(devices: readonly PlayedDevice[], units: string | null, word: string): readonly PlayedDevice[] {
  const known = unitsOf(devices);
  if (units === null) {
    if (devices.length === 1) return devices;
    throw new OperatingError(
      'invalid_input',
      `which of them? There are ${unitsText(known)}: write \`${known[0] ?? ''} ${word} …\`, or several, \`${unitsText(known)} ${word} …\``,
    );
  }
  if (known.length === 0) throw new OperatingError('invalid_input', `it has no units: leave out ${units}`);
  const asked = parseUnits(units);
  if (asked === null) throw new OperatingError('invalid_input', 'units are given as 1, 1,2 or 1-20');
  const strangers = asked.filter((unit) => !known.includes(unit));
  if (strangers.length > 0)
    throw new OperatingError(
      'invalid_input',
      `there is no unit ${unitsText(strangers)}: there are ${unitsText(known)}`,
    );
  return devices.filter(({ unit }) => unit !== null && asked.includes(unit));
}

const unitsOf = (devices: readonly PlayedDevice[]): number[] =>
  devices.flatMap(({ unit }) => (unit === null ? [] : [unit]));

const actionsOf = (devices: readonly PlayedDevice[]): Actions => devices[0]?.actions ?? {};

async function act(device: PlayedDevice | undefined, word: string, words: readonly string[]): Promise<string> {
  const actions = device?.actions ?? {};
  const action = memberOf(actions, word);
  if (action !== undefined) return await action.run(words);
  throw new OperatingError('invalid_input', `it knows no ${word}: ${didYouMean(word, Object.keys(actions))}`);
}
