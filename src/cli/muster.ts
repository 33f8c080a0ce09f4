// `lintel muster`: who is inside, by area, to be read out or printed: a line for each person with a box to tick, since
// when, and where they were seen last.

import { systemClock } from '../ops/clock.ts';
import { CHANNEL_OPTIONS, timeoutOf, type Channel } from './channel.ts';
import { optionRows, type Program } from './help.ts';
import { entrancesOf } from './names.ts';
import { openChannel } from './open-channel.ts';
import { allOf, asker, type Ask } from './pages.ts';
import { noMoreWords, readOptions, type Option } from './options.ts';
import { fieldsIn, type Fields } from '../domain/fields.ts';
import { cell } from './show.ts';
import { DONE, painter, type Terminal } from './terminal.ts';

const USAGE = 'lintel muster [AREA] [OPTIONS]';
const OPTIONS: readonly Option[] = [...CHANNEL_OPTIONS];
const REPLY_MS = 10_000;

export const musterProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Lists who is inside, by area: name, since when, and where they were let through last. Whoever may have left by a door that stood open, or may be inside though nobody knows, is marked. On the gateway it needs neither broker nor network.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: ['lintel muster', 'lintel muster workshop', 'lintel muster | lp'],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel muster --help');
    noMoreWords(given.words, 1, USAGE);
    const [only] = given.words;
    const timeoutMs = timeoutOf(given, REPLY_MS);
    const channel = await openChannel(given, terminal);
    try {
      const lines = given.has('json') ? jsonOf(channel, only, timeoutMs) : musterOf(channel, only, systemClock.nowMs(), terminal, timeoutMs); // prettier-ignore
      for await (const line of lines) {
        terminal.out(line);
        await terminal.taken();
      }
      return DONE;
    } finally {
      await channel.close();
    }
  },
};

async function* jsonOf(channel: Asked, only: string | undefined, timeoutMs: number): AsyncGenerator<string> {
  for (const one of await occupantsOf(asker(channel, timeoutMs), only)) yield `${JSON.stringify(one)}\n`;
}

/** The list in parts, an area each. */
export async function* musterOf(
  channel: Asked,
  only: string | undefined,
  nowMs: number,
  terminal: Terminal,
  timeoutMs: number,
): AsyncGenerator<string> {
  const ask = asker(channel, timeoutMs);
  const areas = await areasOf(ask, only);
  const occupants = await occupantsOf(ask, only);
  const known = await entrancesOf(channel, timeoutMs).catch(() => []);
  const doors = new Map(known.map(({ id, displayName }) => [id, displayName]));
  yield* sheets({ areas, occupants, doors, nowMs, zone: await channel.timeZone() }, terminal);
}

type Asked = Pick<Channel, 'command' | 'timeZone'>;
async function areasOf(ask: Ask, only: string | undefined): Promise<Fields[]> {
  if (only === undefined) return fieldsIn((await ask('areas/list', {}))['areas']);
  return fieldsIn([(await ask('areas/get', { area: only }))['area']]);
}

const occupantsOf = (ask: Ask, only: string | undefined): Promise<Fields[]> =>
  allOf(ask, 'areas/list_occupants', 'occupants', only === undefined ? {} : { area: only });

// ---- on paper -------------------------------------------------------------------------------------------------------

const MARKS: ReadonlyMap<unknown, string> = new Map([
  ['unsure', 'may have left'],
  ['unknown', 'may be inside'],
]);

type Sheet = {
  areas: readonly Fields[];
  occupants: readonly Fields[];
  doors: ReadonlyMap<string, string>;
  nowMs: number;
  zone: string | null;
};

function* sheets({ areas, occupants, doors, nowMs, zone }: Sheet, terminal: Terminal): Generator<string> {
  const paint = painter(terminal);
  const now = new Date(nowMs).toISOString();
  yield `${paint('bold', `Muster list of ${cell(now, zone)}`)}\n`;
  if (areas.length === 0) yield 'this facility has no areas\n';
  for (const area of areas) {
    const people = occupants.filter((one) => one['area'] === area['area']).sort(byName);
    const unknown = people.filter((one) => one['state'] === 'unknown').length;
    const more = unknown === 0 ? '' : `, ${unknown} more may be`;
    yield `\n${paint('bold', `${cell(area['display_name'])}: ${people.length - unknown} inside${more}`)}\n`;
    if (people.length > 0) yield table(people, doors, zone);
  }
  const counted = (isUnknown: boolean): Set<unknown> =>
    new Set(occupants.filter((one) => (one['state'] === 'unknown') === isUnknown).map((one) => one['acs_user_id']));
  const inside = counted(false);
  const others = [...counted(true)].filter((one) => !inside.has(one)).length;
  if (areas.length > 1)
    yield `\n${paint('bold', `All areas: ${inside.size} ${inside.size === 1 ? 'person' : 'people'} inside, ${others} more may be`)}\n`;
}

const nameOf = (one: Fields): string => cell(one['display_name'] ?? one['acs_user_id']);
const byName = (one: Fields, other: Fields): number => nameOf(one).localeCompare(nameOf(other));

function table(people: readonly Fields[], doors: ReadonlyMap<string, string>, zone: string | null): string {
  const rows = people.map((one) => {
    const { last_acs_entrance_id: id, state } = one;
    const door = typeof id === 'string' ? (doors.get(id) ?? id) : '';
    const seen = `${cell(one['last_seen_at'], zone)} at ${cell(door)}`;
    return [nameOf(one), `since ${cell(one['entered_at'], zone)}`, `seen ${seen}`, MARKS.get(state) ?? ''];
  });
  const widths = [0, 1, 2].map((i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  return rows
    .map((row) => `[ ]  ${row.map((text, i) => text.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd())
    .map((line) => `${line}\n`)
    .join('');
}
