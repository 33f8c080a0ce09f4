// `lintel doors [--watch]`: every door in a line: its mode and what wants it, whether it is locked, open, held, forced,
// and what is wrong with it.

import { CHANNEL_OPTIONS, timeoutOf, type Channel } from './channel.ts';
import { optionRows, type Program } from './help.ts';
import { openChannel } from './open-channel.ts';
import { allOf, asker } from './pages.ts';
import { noMoreWords, readOptions, type Option } from './options.ts';
import { isOver, pause } from './pause.ts';
import { isFields, type Fields } from '../domain/fields.ts';
import { cell } from './show.ts';
import { untilSignal } from './signals.ts';
import { DONE, FAILED, painter, type Terminal } from './terminal.ts';

const USAGE = 'lintel doors [--watch] [--facility NAME] [--json]';
const OPTIONS: readonly Option[] = [
  { name: 'watch', value: null, description: 'Go on showing them, until Ctrl-C' },
  ...CHANNEL_OPTIONS,
];
const REPLY_MS = 10_000;
const LOOK_MS = 1_000;
/** Cursor home, and behind the table nothing of the one before. */
const HOME = '\u001b[H';
const CLEAR_LINE = '\u001b[K\n';
const CLEAR_BELOW = '\u001b[J';
const CLEAR_ALL = '\u001b[2J';

export const doorsProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Shows every door, and every floor with its lift behind it, in a line: its mode and what wants it, whether it is locked and closed, and what is wrong with it. With --watch the table is renewed every second. Exit code 1 when a door is forced, held or away.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: ['lintel doors', 'lintel doors --watch'],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel doors --help');
    noMoreWords(given.words, 0, USAGE);
    const channel = await openChannel(given, terminal);
    const timeoutMs = timeoutOf(given, REPLY_MS);
    try {
      const zone = given.has('json') ? null : await channel.timeZone();
      const tell = (doors: readonly Fields[]): string =>
        given.has('json') ? `${JSON.stringify(doors)}\n` : table(doors, terminal, zone);
      if (!given.has('watch')) {
        const doors = await doorsOf(channel, timeoutMs);
        terminal.out(tell(doors));
        return doors.every(isWell) ? DONE : FAILED;
      }
      return await watch(() => doorsOf(channel, timeoutMs), tell, terminal, given.has('json'));
    } finally {
      await channel.close();
    }
  },
};

async function watch(
  look: () => Promise<readonly Fields[]>,
  tell: (doors: readonly Fields[]) => string,
  terminal: Terminal,
  isForMachines: boolean,
): Promise<number> {
  const ended = new AbortController();
  void untilSignal().then(() => ended.abort());
  const isDrawn = terminal.isTty && !isForMachines;
  if (isDrawn) terminal.out(CLEAR_ALL);
  let told = '';
  for (;;) {
    const doors = await look();
    const text = tell(doors);
    if (isDrawn) terminal.out(`${HOME}${text.replaceAll('\n', CLEAR_LINE)}${CLEAR_BELOW}`);
    else if (text !== told) terminal.out(text);
    told = text;
    await pause(LOOK_MS, ended.signal);
    if (isOver(ended.signal)) return doors.every(isWell) ? DONE : FAILED;
  }
}

const doorsOf = (channel: Channel, timeoutMs: number): Promise<Fields[]> =>
  allOf(asker(channel, timeoutMs), 'entrances/list', 'acs_entrances');

const isWell = (door: Fields): boolean => door['forced'] !== true && door['held'] !== true && door['online'] === true;

const HEAD = ['door', 'mode', 'by', 'lock', 'leaf', 'trouble'] as const;

function table(doors: readonly Fields[], terminal: Terminal, zone: string | null): string {
  if (doors.length === 0) return 'this facility has no doors\n';
  const paint = painter(terminal);
  const rows = doors.map((door) => rowOf(door, zone));
  const widths = HEAD.map((head, i) => Math.max(head.length, ...rows.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row
      .map((text, i) => text.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  const lines = rows.map((row, i) => {
    const door = doors[i] ?? {};
    if (!isWell(door)) return paint('red', line(row));
    return door['is_locked'] === true ? line(row) : paint('yellow', line(row));
  });
  return [paint('bold', line(HEAD)), ...lines].map((text) => `${text}\n`).join('');
}

function rowOf(door: Fields, zone: string | null): string[] {
  const [source] = Array.isArray(door['mode_sources']) ? door['mode_sources'].filter(isFields) : [];
  const until = source?.['until'] == null ? '' : ` until ${cell(source['until'], zone)}`;
  const warnings = Array.isArray(door['warnings']) ? door['warnings'].filter(isFields) : [];
  const trouble = [
    ...(door['forced'] === true ? ['forced'] : []),
    ...(door['held'] === true ? ['held open'] : []),
    ...(door['online'] === true ? [] : ['away']),
    ...warnings.map((warning) => cell(warning['message'])),
  ];
  return [
    typeof door['lift'] === 'string' ? `${cell(door['name'])} (${cell(door['lift'])})` : cell(door['name']),
    cell(door['mode']),
    source === undefined ? '' : `${cell(source['origin'])}${until}`,
    door['is_locked'] === true ? 'locked' : 'free',
    door['is_open'] === null ? '' : door['is_open'] === true ? 'open' : 'closed',
    trouble.join(', '),
  ];
}
