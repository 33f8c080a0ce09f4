// Replies for people: one object as `key: value`, many as a table with the columns that matter. What is null or empty
// is not shown; `--json` shows everything.

import { isFields, type Fields } from '../domain/fields.ts';
import { printable } from '../domain/words.ts';
import { wrap } from './help.ts';
import { painter, type Terminal } from './terminal.ts';
import { localTimeOf } from './times.ts';
import { memberOf } from '../domain/named.ts';

/** Columns of lists, by the member of the result that holds them. */
const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  acs_users: ['acs_user_id', 'full_name', 'is_suspended', 'access_schedule'],
  acs_credentials: [
    ...['acs_credential_id', 'display_name', 'card_number', 'opens', 'starts_at', 'ends_at'],
    ...['is_issued', 'states', 'warnings'],
  ],
  acs_access_groups: ['acs_access_group_id', 'name', 'user_count', 'acs_entrance_count', 'schedule_id'],
  access_grants: ['access_grant_id', 'display_name', 'reservation_key', 'starts_at', 'ends_at'],
  access_methods: ['access_method_id', 'mode', 'code', 'card_number', 'is_issued', 'warnings'],
  spaces: ['space_id', 'name'],
  phones: [
    ...['acs_credential_id', 'display_name', 'acs_user_id', 'opens', 'starts_at', 'ends_at'],
    ...['state', 'credential_manager_acs_system_id'],
  ],
  timeline: [
    'sequence',
    'occurred_at',
    'event_type',
    'count',
    'doors',
    'controller',
    'slot',
    'changed',
    'reason',
    'who',
  ],
  memberships: ['acs_user_id', 'starts_at', 'ends_at'],
  acs_entrances: ['name', 'display_name', 'acs_entrance_id', 'decided_by', 'locked', 'open', 'online'],
  buses: ['bus', 'state', 'problem'],
  controllers: ['controller', 'driver', 'bus', 'online', 'since', 'slots', 'pending_writes', 'problem'],
  events: ['sequence', 'occurred_at', 'event_type', 'what'],
  results: ['position', 'ok', 'acs_credential_id', 'error'],
};

/** Columns that are made of several members, or of one that needs words. */
const CELLS: Readonly<Record<string, (row: Fields, timeZone: string | null, names: Names) => unknown>> = {
  opens: ({ allowed_acs_entrance_ids: ids }, _timeZone, names) => (Array.isArray(ids) ? doorNames(ids, names) : null),
  warnings: ({ warnings }) =>
    Array.isArray(warnings) ? warnings.filter(isFields).map((warning) => cell(warning['warning_code'])) : null,
  access_schedule: ({ access_schedule: window }, timeZone) =>
    isFields(window) ? `${cell(window['starts_at'], timeZone)} to ${cell(window['ends_at'], timeZone)}` : null,
  states: ({ controller_states: states }) =>
    Array.isArray(states)
      ? states.filter(isFields).map((state) => `${cell(state['controller'])} ${cell(state['state'])}`)
      : null,
  locked: ({ is_locked: isLocked }) => isLocked,
  open: ({ is_open: isOpen }) => isOpen,
  slots: ({ slots }) => (isFields(slots) ? `${cell(slots['used'])}/${cell(slots['total'])}` : null),
  acs_credential_id: (row) =>
    row['acs_credential_id'] ?? (isFields(row['acs_credential']) ? row['acs_credential']['acs_credential_id'] : null),
  error: ({ error }) => (isFields(error) ? `${cell(error['message'])} (${cell(error['type'])})` : null),
  doors: ({ acs_entrance_ids: ids }, _timeZone, names) => (Array.isArray(ids) ? doorNames(ids, names) : null),
  who: ({ by }) => (isFields(by) ? (by['sender'] ?? by['source']) : null),
  what: (event, timeZone) => eventDetails(event, timeZone),
};

/** Entrances by their ids, for ids that people know by a name. */
export type Names = ReadonlyMap<string, string>;
const NO_NAMES: Names = new Map();
const doorNames = (ids: readonly unknown[], names: Names): string[] =>
  ids.map((id) => (typeof id === 'string' ? (names.get(id) ?? id) : ''));

/** The result of a command, for people. `timeZone` is the facility's; null: the machine's own. */
export function showResult(
  result: Fields,
  terminal: Terminal,
  timeZone: string | null,
  names: Names = NO_NAMES,
): string {
  const blocks: string[] = [];
  const plain: [string, unknown][] = [];
  for (const [name, value] of Object.entries(result)) {
    const columns = memberOf(COLUMNS, name);
    if (columns !== undefined && Array.isArray(value)) {
      const rows = value.filter(isFields).map((row, position) => ({ position, ...row }));
      blocks.push(rows.length === 0 ? noneOf(name) : table(rows, columns, { terminal, timeZone, names }));
    } else if (isFields(value) && name !== 'pagination') {
      blocks.push(keyValues(Object.entries(withDoorNames(value, names)), terminal, timeZone));
    } else if (name !== 'pagination') {
      plain.push([name, value]);
    }
  }
  if (plain.length > 0) blocks.push(keyValues(plain, terminal, timeZone));
  const { pagination } = result;
  if (isFields(pagination) && typeof pagination['next_page_cursor'] === 'string')
    blocks.push(`more: --page-cursor ${pagination['next_page_cursor']}\n`);
  return blocks.filter((block) => block !== '').join('\n') || nothingToShow(result);
}

/** An empty list is an answer, and not that something was done. */
function nothingToShow(result: Fields): string {
  const empty = Object.entries(result).find(([, value]) => Array.isArray(value) && value.length === 0);
  return empty === undefined ? 'done\n' : noneOf(empty[0]);
}

const noneOf = (name: string): string => `no ${name.replace('acs_', '').replaceAll('_', ' ')}\n`;

/** `key: value`, aligned; objects in lists one line each below their key. */
export function keyValues(entries: readonly [string, unknown][], terminal: Terminal, timeZone: string | null): string {
  const shown = entries.filter(([, value]) => !isNothing(value));
  const width = Math.max(0, ...shown.map(([name]) => name.length)) + 1;
  const paint = painter(terminal);
  return shown
    .map(([name, value]) => {
      const label = paint('dim', `${name}:`.padEnd(width));
      if (!Array.isArray(value) || !value.some(isFields))
        return `${label} ${hanging(cell(value, timeZone), width + 1, terminal)}\n`;
      const items = value.map((item) => `  ${hanging(cell(item, timeZone), 2, terminal)}\n`);
      return `${paint('dim', `${name}:`)}\n${items.join('')}`;
    })
    .join('');
}

/** On a screen, wrapped between words behind a margin of `indent`; in a pipe as it is. */
const hanging = (text: string, indent: number, terminal: Terminal): string =>
  terminal.isTty ? wrap(text, Math.max(30, terminal.width - indent)).join(`\n${' '.repeat(indent)}`) : text;

const isNothing = (value: unknown): boolean =>
  value === null || value === undefined || (Array.isArray(value) && value.length === 0) || isEmptyFields(value);
const isEmptyFields = (value: unknown): boolean => isFields(value) && Object.values(value).every(isNothing);

/** A credential says the names of its entrances beside their ids. */
const withDoorNames = (value: Fields, names: Names): Fields =>
  Array.isArray(value['allowed_acs_entrance_ids']) && names.size > 0
    ? { ...value, opens: doorNames(value['allowed_acs_entrance_ids'], names) }
    : value;

type Shown = { terminal: Terminal; timeZone: string | null; names: Names };

/**
 * A line a row where the screen is wide enough; else a block of lines a row, so that nothing breaks inside a word or an
 * id.
 */
function table(rows: readonly Fields[], columns: readonly string[], { terminal, timeZone, names }: Shown): string {
  const cells = rows.map((row) =>
    columns.map((column) => cell(memberOf(CELLS, column)?.(row, timeZone, names) ?? memberOf(row, column), timeZone)),
  );
  // A column in which nobody has anything says nothing.
  const kept = columns.map((_, i) => i).filter((i) => cells.some((row) => row[i] !== ''));
  const widths = kept.map((i) => Math.max((columns[i] ?? '').length, ...cells.map((row) => (row[i] ?? '').length)));
  const total = widths.reduce((sum, width) => sum + width + 2, -2);
  if (terminal.isTty && total > terminal.width)
    return cells
      .map((row) =>
        keyValues(
          kept.map((i) => [columns[i] ?? '', row[i] ?? '']),
          terminal,
          null,
        ),
      )
      .join('\n');
  const line = (row: readonly string[]): string =>
    kept
      .map((i, at) => (row[i] ?? '').padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  return [painter(terminal)('dim', line(columns)), ...cells.map(line)].map((text) => `${text}\n`).join('');
}

/** One value on one line, printable on any terminal. */
export function cell(value: unknown, timeZone: string | null = null): string {
  if (isNothing(value)) return '';
  if (typeof value === 'string') return localTimeOf(value, timeZone) ?? printable(value);
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) return value.map((item) => cell(item, timeZone)).join(', ');
  if (!isFields(value)) return '';
  return Object.entries(value)
    .filter(([, inner]) => !isNothing(inner))
    .map(([name, inner]) => `${name} ${cell(inner, timeZone)}`)
    .join(', ');
}

// ---- events ---------------------------------------------------------------------------------------------------------

/** What every event has, and what is told in other words. */
const ENVELOPE = new Set([
  ...['sequence', 'event_id', 'event_type', 'occurred_at', 'created_at', 'clock', 'acs_system_id'],
  ...[
    'entrance',
    'acs_entrance_id',
    'acs_credential_id',
    'acs_user_id',
    'access_method',
    'reason',
    'gates',
    'action_attempt_id',
  ],
]);

/** Where, why, who, and whatever else it says. */
function eventDetails(event: Fields, timeZone: string | null): string {
  const { reason, acs_credential_id: credential, acs_user_id: user } = event;
  const because = isFields(reason) ? (reason['detail'] ?? reason['reason_code'] ?? reason['message']) : reason;
  const who = isNothing(credential) ? (['user', user] as const) : (['credential', credential] as const);
  const others = [who, ...Object.entries(event).filter(([name]) => !ENVELOPE.has(name))];
  return [
    cell(event['entrance'] ?? event['acs_entrance_id']),
    cell(because).replaceAll('_', ' '),
    ...others.filter(([, value]) => !isNothing(value)).map(([name, value]) => `${name}=${cell(value, timeZone)}`),
  ]
    .filter((part) => part !== '')
    .join('  ');
}

/** `  12  2026-03-01 11:40:00 +01:00  lock.unlocked  lobby …`, one line for each event. */
export function eventLine(event: Fields, terminal: Terminal, timeZone: string | null): string {
  const paint = painter(terminal);
  const type = cell(event['event_type']);
  const parts = [
    cell(event['sequence']).padStart(6),
    paint('dim', cell(event['occurred_at'], timeZone)),
    paint(colourOf(type), type.padEnd(28)),
    eventDetails(event, timeZone),
  ];
  return `${parts.join('  ').trimEnd()}\n`;
}

function colourOf(type: string): 'green' | 'red' | 'yellow' | 'cyan' {
  if (type === 'lock.unlocked' || type.endsWith('.connected')) return 'green';
  if (/denied|forced|duress|tampered|failed|disconnected|lost/.test(type)) return 'red';
  return type.startsWith('agent.') ? 'yellow' : 'cyan';
}
