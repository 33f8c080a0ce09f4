// Somebody's list as a file: CSV with commas, semicolons or tabs, with or without a byte order mark, as spreadsheets
// write it in this or that country.

import { CsvError, parse } from 'csv-parse/sync';
import { UsageError } from '../terminal.ts';
import { columnsOf, type Columns, type Field } from './columns.ts';

export type Line = {
  /** Where it begins in the file, from 1. */
  line: number;
  /** What stands under each field, without the space around it; what is empty is left out. */
  cells: ReadonlyMap<Field, string>;
  /** As it stands in the file. */
  raw: readonly string[];
};
export type List = { headers: readonly string[]; columns: Columns; lines: readonly Line[] };

const MOST_BYTES = 64 * 1024 * 1024;
const MOST_LINES = 200_000;
const MOST_CELL = 2_000;

/** Throws a UsageError that names the line and what would be right. */
export function readList(bytes: Buffer, where: string, mapped: readonly string[]): List {
  if (bytes.length > MOST_BYTES) throw new UsageError(`${where} is larger than 64 MiB: divide it`);
  const text = textOf(bytes, where);
  const records = recordsOf(text, where);
  const [head, ...rest] = records;
  if (head === undefined) throw new UsageError(`${where} is empty: its first line names the columns`);
  if (rest.length > MOST_LINES) throw new UsageError(`${where} has more than ${MOST_LINES} lines: divide it`);
  const headers = head.record;
  const columns = columnsOf(headers, mapped);
  if (!columns.fields.some((field) => field !== null && ['full_name', 'last_name', 'acs_user_id'].includes(field)))
    throw new UsageError(
      `${where}: no column says who: there is ${headers.join(', ')}. The first line names the columns; --map 'HEADER=full_name' says which one is the name`,
    );
  const said = rest.filter(({ record }) => record.some((cell) => cell.trim() !== ''));
  return { headers, columns, lines: said.map(({ record, line }) => lineOf(record, line, columns)) };
}

function lineOf(record: readonly string[], line: number, { fields }: Columns): Line {
  const cells = new Map<Field, string>();
  for (const [at, field] of fields.entries()) {
    const value = unquoted((record[at] ?? '').trim().replaceAll(/\s+/g, ' '));
    if (field !== null && value !== '') cells.set(field, value.slice(0, MOST_CELL));
  }
  return { line, cells, raw: record };
}

/** Spreadsheets take what begins so for a formula: `export` puts a sign in front, as people do. */
const unquoted = (value: string): string => (/^'[=+\-@]/.test(value) ? value.slice(1) : value);

function textOf(bytes: Buffer, where: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(
      `${where} is no UTF-8: names would be spoiled. Save it as “CSV UTF-8”, or: iconv -f WINDOWS-1252 -t UTF-8 FILE`,
    );
  }
}

type CsvRecord = { record: string[]; line: number };

function recordsOf(text: string, where: string): CsvRecord[] {
  const [head = ''] = text.split(/\r?\n/, 1);
  const count = (sign: string): number => head.split(sign).length - 1;
  const delimiter = [',', ';', '\t'].reduce((most, sign) => (count(sign) > count(most) ? sign : most));
  try {
    const ends: number[] = [];
    const records = parse(text, {
      delimiter,
      skip_empty_lines: true,
      relax_column_count_less: true,
      max_record_size: 1024 * 1024,
      on_record: (record: string[], { lines }) => {
        ends.push(lines);
        return record;
      },
    });
    // What is told is where a record ends; cells may have lines of their own.
    return records.map((record, at) => ({
      record,
      line: (ends[at] ?? 0) - record.reduce((sum, cell) => sum + cell.split('\n').length - 1, 0),
    }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    throw new UsageError(`${where}: ${wordOf(error)}`);
  }
}

/** What the library says, without what stands there: it may be a PIN. */
function wordOf(error: CsvError): string {
  const lines: unknown = Reflect.get(error, 'lines');
  const line = typeof lines === 'number' ? `line ${lines}: ` : '';
  if (error.code === 'CSV_RECORD_INCONSISTENT_FIELDS_LENGTH' || error.code.startsWith('CSV_RECORD'))
    return `${line}it has more cells than the first line has columns`;
  if (error.code.startsWith('CSV_QUOTE') || error.code.includes('QUOTE'))
    return `${line}a quotation mark is not closed, or stands in the middle of a cell`;
  return `${line}this is no CSV (${error.code})`;
}
