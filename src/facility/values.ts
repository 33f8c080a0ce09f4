// The kinds of value that a facility file is made of. Each carries, for the editor and for messages, what it expects in
// plain words (`patternErrorMessage`, a keyword that YAML editors show as it is).

import { z } from 'zod';
import { CARD_FORMATS } from '../domain/card-formats.ts';
import { DURATION_FORM, formatDuration, parseDuration } from '../domain/duration.ts';
import { nearest, shown } from '../domain/words.ts';

/**
 * What every key says of itself: a title for the editor's list, a sentence or two, and an example where the default
 * does not show one.
 */
export type KeyWords = {
  title: string;
  description: string;
  examples?: unknown[];
  patternErrorMessage?: string;
};

/** Names of facilities, buses, controllers and entrances: they stand in topics, paths and messages. */
export const NAME_FORM = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/;
export const NAME_WORDS = 'a name of 1 to 40 lower-case letters, digits and hyphens, with no hyphen at either end';

export const name = () => z.string().regex(NAME_FORM).meta({ patternErrorMessage: NAME_WORDS });

export const uuid = (words: KeyWords) =>
  z
    .string()
    .regex(/^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/)
    .transform((text) => text.toLowerCase())
    .meta({ patternErrorMessage: 'an id in the form of a UUID, of any version', ...words });

/** A duration with its unit; milliseconds once read. */
export const duration = (minMs: number, maxMs: number) => {
  const words = `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, with its unit (ms, s, m, h or d)`;
  return z
    .string()
    .regex(DURATION_FORM)
    .transform((text, context) => {
      const durationMs = parseDuration(text);
      if (durationMs >= minMs && durationMs <= maxMs) return durationMs;
      context.issues.push({ code: 'custom', input: text, message: `expected ${words}, found ${text}` });
      return z.NEVER;
    })
    .meta({ patternErrorMessage: words });
};

const isOffset = (zone: string): boolean => /^[+-]/.test(zone);

export function isTimeZone(zone: string): boolean {
  if (isOffset(zone)) return false;
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

export const timeZone = () =>
  z.string().superRefine((zone, context) => {
    if (isTimeZone(zone)) return;
    const zones = Intl.supportedValuesOf('timeZone');
    const city = `/${zone.toLowerCase().replaceAll(' ', '_')}`;
    const meant = zones.find((known) => known.toLowerCase().endsWith(city)) ?? nearest(zone, zones);
    context.addIssue({
      code: 'custom',
      message: `there is no time zone ${shown(zone)}`,
      params: { remedy: meant === null ? 'Write its IANA name, for example Europe/Oslo.' : `Did you mean ${meant}?` },
    });
  });

/** Where a secret is. The secret itself is never in the file, and what stands here by mistake is never shown. */
export const secretSource = () =>
  z
    .union(
      [
        z.strictObject({
          file: z.string().min(1).meta({
            title: 'File',
            description: 'Path of the file that holds it, relative to the facility file; mode 0400.',
          }),
        }),
        z.strictObject({
          credential: z
            .string()
            .regex(/^[A-Za-z0-9._-]{1,255}$/)
            .meta({
              title: 'Credential',
              description: "Name of a systemd credential, found in the service's `$CREDENTIALS_DIRECTORY`.",
              patternErrorMessage: 'the name of a systemd credential: letters, digits, dot, hyphen, underscore',
            }),
        }),
      ],
      { error: 'expected {file: …} or {credential: …}; a secret itself never stands in this file' },
    )
    .meta({ patternErrorMessage: '`{file: …}` or `{credential: …}`' });

/** Formats whose numbers a command can give without naming the format. */
export const DEFAULT_CARD_FORMATS = CARD_FORMATS.filter((format) => format !== 'uid-reversed');

export const cardFormats = () =>
  z
    .array(z.enum(CARD_FORMATS))
    .min(1)
    .max(CARD_FORMATS.length)
    .refine((formats) => new Set(formats).size === formats.length, { error: 'a format stands here twice' });

/** `{facility}` and `{topic_prefix}` stand for what the file says of them. */
export const fillNames = (text: string, facility: string, topicPrefix: string): string =>
  text.replaceAll('{facility}', facility).replaceAll('{topic_prefix}', topicPrefix);

export const DEFAULT_PREFIX = 'lintel/v1';
