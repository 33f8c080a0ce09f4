// `lintel credentials export`: people with their cards and PINs as a list that `import` reads again. A PIN is never in
// it: nobody can read one out of Lintel.

import { closeSync, fchmodSync, openSync, writeSync } from 'node:fs';
import { whyUnmade } from '../../facility/file-errors.ts';
import { CHANNEL_OPTIONS, timeoutOf, type Channel } from '../channel.ts';
import { csvRow } from '../csv.ts';
import { optionRows, type Program } from '../help.ts';
import { openChannel } from '../open-channel.ts';
import { noMoreWords, readOptions, type Option } from '../options.ts';
import { entrancesOf } from '../names.ts';
import { asker, eachOf } from '../pages.ts';
import { plainText, type Fields } from '../../domain/fields.ts';
import { DONE, UsageError, type Terminal } from '../terminal.ts';
import type { Field } from './columns.ts';

const USAGE = 'lintel credentials export [--out PATH] [OPTIONS]';
const OPTIONS: readonly Option[] = [
  { name: 'out', value: 'PATH', description: 'Into a file (mode 0600) instead of standard output' },
  ...CHANNEL_OPTIONS.filter(({ name }) => name !== 'json'),
];
const REPLY_MS = 30_000;

const COLUMNS: readonly Field[] = [
  'acs_user_id',
  'full_name',
  'email_address',
  'phone_number',
  'acs_credential_id',
  'access_method',
  'card_format',
  'card_number',
  'starts_at',
  'ends_at',
  'allowed_acs_entrance_ids',
  'display_name',
];

export const exportProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Writes everybody with their cards, PINs and mobile keys as CSV, one credential a line; who has none stands by themselves. PINs are left out: nobody can read one out of Lintel. `import` takes the cards of it as they are.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: ['lintel credentials export --out people.csv'],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel credentials export --help');
    noMoreWords(given.words, 0, USAGE);
    const timeoutMs = timeoutOf(given, REPLY_MS);
    const channel = await openChannel(given, terminal);
    const sink = sinkOf(given.text('out'), terminal);
    try {
      sink.write(csvLine(COLUMNS));
      for await (const row of rowsOf(channel, timeoutMs)) {
        sink.write(csvLine(COLUMNS.map((column) => row[column] ?? '')));
        await terminal.taken();
      }
      return DONE;
    } finally {
      sink.close();
      await channel.close();
    }
  },
};

type Row = Partial<Record<Field, string>>;

async function* rowsOf(channel: Channel, timeoutMs: number): AsyncGenerator<Row> {
  const names = new Map((await entrancesOf(channel, timeoutMs)).map(({ id, name }) => [id, name]));
  const ask = asker(channel, timeoutMs);
  const people = new Map<string, Row>();
  for await (const user of eachOf(ask, 'users/list', 'acs_users'))
    people.set(
      plainText(user['acs_user_id']),
      fieldsOf(user, ['acs_user_id', 'full_name', 'email_address', 'phone_number']),
    );
  const withCredential = new Set<string>();
  for await (const credential of eachOf(ask, 'credentials/list', 'acs_credentials')) {
    const owner = plainText(credential['acs_user_id']);
    withCredential.add(owner);
    const entrances = credential['allowed_acs_entrance_ids'];
    const listed = Array.isArray(entrances)
      ? entrances.map((id) => names.get(plainText(id)) ?? plainText(id)).join('; ')
      : '';
    yield {
      ...people.get(owner),
      ...fieldsOf(credential, ['acs_credential_id', 'access_method', 'card_format', 'card_number', 'starts_at', 'ends_at', 'display_name']),
      allowed_acs_entrance_ids: listed,
    }; // prettier-ignore
  }
  for (const [id, person] of people) if (!withCredential.has(id)) yield person;
}

const fieldsOf = (object: Fields, fields: readonly Field[]): Row =>
  Object.fromEntries(fields.map((field) => [field, plainText(object[field])]));

type Sink = { write: (text: string) => void; close: () => void };

function sinkOf(path: string | null, terminal: Terminal): Sink {
  if (path === null) return { write: (text) => terminal.out(text), close: () => undefined };
  const file = openPrivate('--out', path);
  return { write: (text) => void writeSync(file, text), close: () => closeSync(file) };
}

/** For its owner alone, also where a file of that name was there before; it is emptied. */
export function openPrivate(option: string, path: string): number {
  try {
    const file = openSync(path, 'w', 0o600);
    fchmodSync(file, 0o600);
    return file;
  } catch (error) {
    throw new UsageError(`${option} ${path} cannot be written: ${whyUnmade(error)}`);
  }
}

export const csvLine = (cells: readonly string[]): string => `${csvRow(cells)}\r\n`;
