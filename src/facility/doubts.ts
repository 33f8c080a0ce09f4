// What is allowed and yet probably not meant, or not ready: warnings, which never stop a start.

import { statSync } from 'node:fs';
import type { Facility } from '../domain/facility.ts';
import type { Report } from './report.ts';
import { factorsIn } from './factor-check.ts';
import { whyUnread } from './file-errors.ts';
import { openToOthers, secretPath } from './secret.ts';
import { section, valueAt } from './shape.ts';
import { printable } from '../domain/words.ts';

type Root = Readonly<Record<string, unknown>>;

/** What nothing refers to is often a slip of the pen, and harmless when it is not. */
export function checkUse(root: Root, report: Report): void {
  const mentioned = new Set<string>();
  collectTexts(root['entrances'], mentioned);
  collectTexts(root['lifts'], mentioned);
  collectTexts(root['mode_inputs'], mentioned);
  const controllers = section(root, 'controllers');
  for (const name of Object.keys(controllers)) {
    if (mentioned.has(name)) continue;
    const remedy = 'Name it at an entrance, or leave it out.';
    report.warn(['controllers', name], 'no entrance uses this controller', remedy, 'key');
  }
  const busesUsed = new Set(Object.values(controllers).map((controller) => valueAt(controller, ['bus'])));
  for (const name of Object.keys(section(root, 'buses'))) {
    if (busesUsed.has(name) || report.mentions(['buses', name])) continue;
    report.warn(['buses', name], 'no controller is on this bus', 'Put a controller on it, or leave it out.', 'key');
  }
  if (Object.keys(section(root, 'entrances')).length === 0) {
    report.warn([], 'there are no entrances: nothing can be opened', 'Add entrances.', 'key');
  }
  if (valueAt(root, ['store', 'events', 'keep']) === undefined) {
    report.warn(
      ['store', 'events', 'keep'],
      'nobody has said how long events are kept; it will be 90d',
      'Say it on purpose, for it is a legal choice: add `store: {events: {keep: 90d}}`.',
      'key',
    );
  }
}

/** More wrong PINs a day at a door than people make who mistype: slips are given back. */
const MANY_GUESSES = 500;

/** Settings under which guessing PINs pays. */
export function checkGuessing(root: Root, report: Report): void {
  const places = [
    ...Object.values(section(root, 'entrances')).filter((entrance) => valueAt(entrance, ['lift']) === undefined),
    ...Object.values(section(root, 'lifts')),
  ];
  const takesCodes = places.some((place) =>
    factorsIn(place).some((factors) => factors !== 'card' && factors !== 'card_and_biometric'),
  );
  if (!takesCodes) return;
  const perDay = valueAt(root, ['policy', 'lockout', 'per_day']);
  if (typeof perDay === 'number' && perDay > MANY_GUESSES) {
    const message = `${perDay} wrong PINs a day at each entrance: with six digits that finds one of 10 people's in a day with a chance of ${perDay / 1000} %`;
    report.warn(['policy', 'lockout', 'per_day'], message, 'Write fewer, or give longer PINs.');
  }
  if (valueAt(root, ['policy', 'pin_quality']) === 'off') {
    const remedy = 'Write `pin_quality: warn` or `refuse`, or leave it out.';
    report.warn(['policy', 'pin_quality'], 'PINs such as 0000 and 1234 are taken without a word', remedy);
  }
}

/** A card number without its format is read by a default: one that no door reads makes cards that open nothing. */
export function checkBareNumbers({ entrances, policy }: Pick<Facility, 'entrances' | 'policy'>, report: Report): void {
  const read = [
    ...new Set(entrances.filter(({ factors }) => factors !== 'code').flatMap(({ cardFormats }) => cardFormats)),
  ];
  const { format } = policy.defaultCardFormat;
  if (read.length === 0 || read.includes(format) || (format === 'uid' && read.includes('uid-reversed'))) return;
  report.warn(
    ['policy', 'default_card_format'],
    `a card number that comes without its format is taken for ${format}, which no entrance reads: they read ${read.join(', ')}`,
    `Write default_card_format with one of them, for example \`{format: ${read[0] ?? 'uid'}${read[0] === 'H10301' ? ', facility_code: 123' : ''}}\`, or have every number sent with its format.`,
    'key',
  );
}

function collectTexts(value: unknown, into: Set<string>): void {
  if (typeof value === 'string') into.add(value);
  else if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) collectTexts(inner, into);
  }
}

const SECRETS = [
  { path: ['mqtt', 'password'], isPublic: false },
  { path: ['mqtt', 'ca'], isPublic: true },
  { path: ['mqtt', 'cert'], isPublic: true },
  { path: ['mqtt', 'key'], isPublic: false },
  { path: ['store', 'master_key'], isPublic: false },
] as const;

/**
 * Secrets that stand in files: whether they are there and kept well is worth knowing before the start. At a desk they
 * may rightly be absent.
 */
export function checkSecrets(root: Root, folder: string, report: Report): void {
  for (const { path, isPublic } of SECRETS) {
    const file = valueAt(root, [...path, 'file']);
    if (typeof file !== 'string' || file === '') continue;
    const place = secretPath(file, folder);
    const fault = fileFault(place) ?? (isPublic ? null : openToOthers(place));
    if (fault !== null) {
      const remedy = isPublic ? 'Put it there.' : 'Put it there with mode 0400, or use {credential: …}.';
      report.warn([...path, 'file'], fault, remedy);
    }
  }
}

function fileFault(path: string): string | null {
  try {
    return statSync(path).isFile() ? null : `${printable(path)} is no file`;
  } catch (error) {
    const [why] = whyUnread(error).split('. Remedy: ');
    return `${printable(path)} cannot be read: ${why ?? ''}`;
  }
}
