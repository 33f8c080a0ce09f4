// `lintel osdp piv-data`, `authenticate`, `keep-active`, `card-pin`: a smart card that lies at a reader.

import { timeoutOf } from './channel.ts';
import type { Given } from './options.ts';
import { ownSignal, PERSON_MS, say, unhurried, type Call } from './osdp-call.ts';
import type { Fields } from '../domain/fields.ts';
import { cell } from './show.ts';
import { DONE, FAILED, UsageError } from './terminal.ts';

export async function card({ channel, given, terminal, words }: Call, action: string, fields: Fields): Promise<number> {
  const answer = await channel.request('osdp', { action, reader: words[0], ...fields }, timeoutOf(given, PERSON_MS));
  return say(given, terminal, answer, typeof answer['data'] === 'string' ? cell(answer['data']) : 'done');
}

/** Either of the two, and not both. */
export function keyOf(given: Given): Fields {
  if (given.has('key') === given.has('extended-key'))
    throw new UsageError('give --key or --extended-key, one of the two');
  return given.has('key') ? { key: given.whole('key', 0, 255) } : { extended_key: hexOf(given, 'extended-key') };
}

export async function cardPin({ channel, given, terminal, words }: Call): Promise<number> {
  const seconds = given.whole('seconds', 5, 120);
  const pin = given.whole('pin', 0, 255);
  const fields = {
    action: 'card-pin',
    reader: words[0],
    ...(seconds === null ? {} : { seconds }),
    ...(pin === null ? {} : { pin }),
    ...(given.has('application') ? { application: hexOf(given, 'application') } : {}),
  };
  if (!given.has('json')) terminal.err(`Lay the card on ${cell(words[0])} now, and type its PIN there.\n`);
  const answer = await channel.request('osdp', fields, unhurried(given), { signal: ownSignal() });
  const isVerified = answer['is_verified'] === true;
  const left = answer['tries_left'];
  const tries = typeof left === 'number' ? `; tries that are left: ${left}` : '';
  say(given, terminal, answer, isVerified ? 'the card has taken its PIN' : `the card has not taken a PIN${tries}`);
  return isVerified ? DONE : FAILED;
}

export function hexOf(given: Given, name: string): string {
  const text = given.text(name) ?? '';
  if (/^([0-9A-Fa-f]{2})+$/.test(text)) return text;
  throw new UsageError(`--${name}: hexadecimal digits, two a byte, e.g. 5FC102`);
}
