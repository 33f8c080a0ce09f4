// Events as lines of a file: read back as they were published, and written as a table for people.

import { memberOf } from '../domain/named.ts';
import { csvRow } from './csv.ts';
import { isFields, type Fields } from '../domain/fields.ts';

/** An event as it was published, or what is wrong with the line. */
export function eventIn(line: string): Fields | string {
  try {
    const event: unknown = JSON.parse(line);
    return isFields(event) ? event : 'is no event';
  } catch {
    return 'is no JSON. Remedy: one event a line, as they were published (lintel audit export)';
  }
}

/** What every event has, and by what people look for one; the whole of it stands in the last column. */
const COLUMNS = [
  'sequence',
  'occurred_at',
  'created_at',
  'event_type',
  'acs_entrance_id',
  'acs_user_id',
  'acs_credential_id',
];

export const CSV_HEAD = `${COLUMNS.join(',')},event\n`;

export function csvLine(event: Fields): string {
  const cells = [...COLUMNS.map((name) => memberOf(event, name)), event];
  return `${csvRow(cells.map(cellOf))}\n`;
}

const cellOf = (value: unknown): string =>
  value === undefined || value === null ? '' : typeof value === 'string' ? value : JSON.stringify(value);
