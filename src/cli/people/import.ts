// `lintel credentials import FILE.csv`: a list of people with their cards and PINs, as another system or a spreadsheet has
// it. What cannot be taken is told line by line, and keeps nothing else from being taken.

import { closeSync, writeSync } from 'node:fs';
import type { CommandName } from '../../commands/contract.ts';
import { printable } from '../../domain/words.ts';
import { openToOthers } from '../../facility/secret.ts';
import { CHANNEL_OPTIONS, readSecretInput, timeoutOf, type Channel } from '../channel.ts';
import { optionRows, type Program } from '../help.ts';
import { mintCommandId } from '../local-channel.ts';
import { openChannel } from '../open-channel.ts';
import { noMoreWords, readOptions, type Option } from '../options.ts';
import { progressBar, type ProgressBar } from '../progress.ts';
import { isFields, type Fields } from '../../domain/fields.ts';
import { DONE, FAILED, UsageError, type Terminal } from '../terminal.ts';
import { FIELDS, REASON } from './columns.ts';
import { csvLine, openPrivate } from './export.ts';
import { knownHere } from './known.ts';
import { planOf, type NewCredential, type NewUser, type Plan, type Refused } from './plan.ts';
import type { List } from './read.ts';

const USAGE = 'lintel credentials import FILE [OPTIONS]';
const OPTIONS: readonly Option[] = [
  { name: 'dry-run', value: null, description: 'Says what it would do, and does nothing' },
  {
    name: 'map',
    value: 'HEADER=FIELD',
    description: 'What a column means, where its name does not say it',
    many: true,
  },
  {
    name: 'refused',
    value: 'PATH',
    description: 'Writes the lines that were refused, with the reason, to mend and import them',
  },
  ...CHANNEL_OPTIONS,
];
const REPLY_MS = 120_000;
/** At a time: they share commits at the agent. */
const AT_ONCE = 16;
const OPERATIONS = 100;

export const importProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Takes a list as CSV: people are added, or found by id, e-mail address or name; each card and PIN becomes a credential of theirs. What is there already stays as it is, so that the same list may come again. Lines that cannot be taken are told with the reason, and the rest is taken.',
    sections: [
      { title: 'Options', rows: optionRows(OPTIONS) },
      {
        title: 'Columns',
        rows: [
          ['who', 'full_name, or first_name and last_name; acs_user_id, email_address, phone_number'],
          [
            'what',
            'card_number with card_format, code (a PIN), or both: two credentials; access_method says which one is meant',
          ],
          ['when', 'starts_at, ends_at: 2027-01-31 (the last day included), 2027-01-31 18:00, 31.01.2027, or RFC 3339'],
          [
            'where',
            'allowed_acs_entrance_ids or access_groups: names or ids with ; between them. Without entrances a credential follows its user',
          ],
          ['besides', 'acs_credential_id, display_name'],
        ],
      },
    ],
    examples: [
      'lintel credentials import people.csv --dry-run',
      "lintel credentials import people.csv --map 'Badge no.=card_number' --refused mend.csv",
    ],
    notes: [
      'The first line names the columns: as above, or as usual (Name, E-mail, Badge number, PIN, Valid from, Valid until, Doors, Groups). Between cells: comma, semicolon or tab. UTF-8.',
      'A PIN of somebody who has one for the same time from the same list is not compared: to change it, lintel credentials update.',
      'Exit codes: 0 all lines taken, 1 some refused, 2 wrong use or a file that cannot be read.',
    ],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel credentials import --help');
    const [file] = given.words;
    if (file === undefined) throw new UsageError(`which file? Usage: ${USAGE}`);
    noMoreWords(given.words, 1, USAGE);
    const timeoutMs = timeoutOf(given, REPLY_MS);
    // Only an import pays for the reader of CSV.
    const { readList } = await import('./read.ts');
    const list = readList(readSecretInput(file, 'the list'), file, given.all('map'));
    warn(terminal, file, list);
    const channel = await openChannel(given, terminal);
    try {
      const plan = planOf(list.lines, await knownHere(channel, timeoutMs));
      const isDry = given.has('dry-run');
      if (!isDry) await carryOut(plan, new Sender(channel, timeoutMs), progressBar(terminal, given.has('json')));
      plan.refused.sort((a, b) => a.line - b.line);
      const target = given.text('refused');
      if (target !== null) writeRefused(target, list, plan.refused);
      await tell(terminal, plan, { isDry, isJson: given.has('json'), lines: list.lines.length });
      return plan.refused.length === 0 ? DONE : FAILED;
    } finally {
      await channel.close();
    }
  },
};

function warn(terminal: Terminal, file: string, { columns }: List): void {
  if (columns.unread.length > 0)
    terminal.err(
      `not read: ${columns.unread.map(printable).join(', ')}. --map 'HEADER=FIELD' says what a column means: ${FIELDS.join(', ')}\n`,
    );
  const openness = columns.fields.includes('code') && file !== '-' ? openToOthers(file) : null;
  if (openness !== null) terminal.err(`there are PINs in it, and ${openness}\n`);
}

// ---- sending --------------------------------------------------------------------------------------------------------

class Sender {
  readonly #channel: Channel;
  readonly #timeoutMs: number;

  constructor(channel: Channel, timeoutMs: number) {
    this.#channel = channel;
    this.#timeoutMs = timeoutMs;
  }

  /** What it answers; a text: why not. */
  async send(name: CommandName, params: Record<string, unknown>): Promise<Fields | string> {
    const reply = await this.#channel.command(name, { command_id: mintCommandId(), params }, this.#timeoutMs);
    return reply.ok ? reply.result : reply.error.message;
  }
}

/** What is refused moves from where it stands in the plan to `refused`. */
async function carryOut(plan: Plan, sender: Sender, bar: ProgressBar): Promise<void> {
  const refused = plan.refused;
  const all = plan.users.length + plan.members.length + plan.credentials.length;
  let done = 0;
  const step = (by: number, words: string): void => bar.show((done += by), all, words);
  try {
    const without = new Set<string>();
    plan.users = await those(plan.users, async (user) => {
      const answer = await sender.send('users/create', user.params);
      step(1, 'people');
      if (typeof answer !== 'string') return true;
      without.add(idOf(user));
      for (const line of user.lines) refused.push({ line, who: whoOf(user), why: answer });
      return false;
    });
    plan.members = await those(plan.members, async ({ line, params }) => {
      const answer = await sender.send('access_groups/add_user', params);
      step(1, 'groups');
      if (typeof answer === 'string') refused.push({ line, who: params.acs_user_id, why: answer });
      return typeof answer !== 'string';
    });
    // Those of whom nobody came to be are refused with them.
    const own = plan.credentials.filter(({ params }) => !without.has(String(params['acs_user_id'])));
    plan.credentials = [];
    for (let at = 0; at < own.length; at += OPERATIONS) {
      const part = own.slice(at, at + OPERATIONS);
      plan.credentials.push(...(await apply(part, sender, refused)));
      step(part.length, 'credentials');
    }
  } finally {
    bar.end();
  }
}

async function apply(part: readonly NewCredential[], sender: Sender, refused: Refused[]): Promise<NewCredential[]> {
  const operations = part.map(({ params }) => ({ op: 'create', params }));
  const answer = await sender.send('credentials/apply', { operations });
  const results = typeof answer === 'string' ? [] : answer['results'];
  return part.filter(({ line, params }, at) => {
    const result: unknown = Array.isArray(results) ? results[at] : undefined;
    if (isFields(result) && result['ok'] === true) return true;
    const error = isFields(result) && isFields(result['error']) ? result['error']['message'] : undefined;
    const why = typeof error === 'string' ? error : typeof answer === 'string' ? answer : 'it was not answered';
    refused.push({ line, who: String(params['access_method']), why });
    return false;
  });
}

/** Those for which `isTaken` answers true, a few at a time, in their order. */
async function those<T>(items: readonly T[], isTaken: (item: T) => Promise<boolean>): Promise<T[]> {
  const taken: T[] = [];
  for (let at = 0; at < items.length; at += AT_ONCE) {
    const part = items.slice(at, at + AT_ONCE);
    const answers = await Promise.all(part.map(isTaken));
    taken.push(...part.filter((_, i) => answers[i] === true));
  }
  return taken;
}

const idOf = ({ params }: NewUser): string => String(params['acs_user_id']);
const whoOf = ({ params }: NewUser): string => printable(String(params['full_name']));

// ---- telling --------------------------------------------------------------------------------------------------------

/** With what stands in the file, PINs as well: for its owner alone. */
function writeRefused(path: string, { headers, lines }: List, refused: readonly Refused[]): void {
  const why = new Map<number, string>();
  for (const one of refused)
    why.set(one.line, [why.get(one.line), one.why].filter((text) => text !== undefined).join('; '));
  const rows = lines.flatMap(({ line, raw }) => {
    const reason = why.get(line);
    return reason === undefined ? [] : [csvLine([...headers.map((_, at) => raw[at] ?? ''), reason])];
  });
  const file = openPrivate('--refused', path);
  writeSync(file, [csvLine([...headers, REASON]), ...rows].join(''));
  closeSync(file);
}

type Told = { isDry: boolean; isJson: boolean; lines: number };

async function tell(terminal: Terminal, plan: Plan, { isDry, isJson, lines }: Told): Promise<void> {
  const { users, credentials, members, there, refused } = plan;
  if (isJson) {
    const counts = { users: users.length, credentials: credentials.length, group_members: members.length };
    terminal.out(`${JSON.stringify({ dry_run: isDry, lines, added: counts, there, refused })}\n`);
    return;
  }
  const added = isDry ? 'would be added' : 'added';
  terminal.out(`${lines} lines. People: ${users.length} ${added}, ${there.users} there already. `);
  terminal.out(`Credentials: ${credentials.length} ${added}, ${there.credentials} there already. `);
  terminal.out(`Group members besides: ${members.length}.\n`);
  if (refused.length === 0) return;
  terminal.out(`${refused.length} refused:\n`);
  for (const [at, { line, who, why }] of refused.entries()) {
    terminal.out(`  line ${line} (${who}): ${why}\n`);
    if (at % 1_000 === 999) await terminal.taken();
  }
}
