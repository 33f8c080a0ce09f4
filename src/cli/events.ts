// `lintel events`: the last events, those from a number on, or with `--follow` each as it happens. `lintel events list`
// is the plain command of the contract.

import type { Fields } from '../domain/fields.ts';
import { eventLine } from './show.ts';
import { CHANNEL_OPTIONS, timeoutOf, type Channel } from './channel.ts';
import { openChannel } from './open-channel.ts';
import { optionRows, type Program } from './help.ts';
import { eachEvent, newestSequence } from './event-pages.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { entrancesOf } from './names.ts';
import { resourceProgram } from './resource.ts';
import { untilSignal } from './signals.ts';
import { DONE, type Terminal, UsageError } from './terminal.ts';
import { eventTypes, isEventType } from '../domain/events.ts';
import { didYouMean, printable } from '../domain/words.ts';

const USAGE = 'lintel events [--follow] [--from N] [--type TYPE,…]';
const OPTIONS: readonly Option[] = [
  { name: 'follow', value: null, description: 'Go on with each event as it happens, until Ctrl-C' },
  { name: 'from', value: 'N', description: 'Begin with this sequence number' },
  { name: 'last', value: 'N', description: 'Begin with the last N there are; default 20, with --follow 0' },
  { name: 'type', value: 'TYPE,…', many: true, description: 'Only these; `lock.` means all that begin so' },
];
const STANDARD_LAST = 20;
const REPLY_MS = 10_000;

export const eventsProgram: Program = {
  help: ([verb]) =>
    verb === undefined
      ? {
          usage: [USAGE, 'lintel events list [OPTIONS]'],
          about: 'What happened in the building, oldest first, and with --follow what happens.',
          sections: [
            { title: 'Options', rows: optionRows(OPTIONS) },
            { title: 'Where', rows: optionRows(CHANNEL_OPTIONS) },
          ],
          examples: ['lintel events --follow', 'lintel events --from 4711 --type lock. --json'],
        }
      : resourceProgram('events').help([verb]),
  async run(argv, terminal) {
    if (argv[0] !== undefined && !argv[0].startsWith('-')) return await resourceProgram('events').run(argv, terminal);
    const given = readOptions(argv, [...OPTIONS, ...CHANNEL_OPTIONS], 'lintel events --help');
    noMoreWords(given.words, 0, USAGE);
    if (given.has('from') && given.has('last')) throw new UsageError('either --from or --last');
    for (const type of typesOf(given)) checkType(type);
    const channel = await openChannel(given, terminal);
    try {
      return await show(channel, given, terminal);
    } finally {
      await channel.close();
    }
  },
};

async function show(channel: Channel, given: Given, terminal: Terminal): Promise<number> {
  const timeoutMs = timeoutOf(given, REPLY_MS);
  const from = given.whole('from', 0, Number.MAX_SAFE_INTEGER);
  const last = given.whole('last', 0, 1_000_000);
  const print = await printer(channel, given, terminal, timeoutMs);
  if (!given.has('follow')) {
    await eachEvent(
      channel,
      from ?? (await newestSequence(channel, timeoutMs)) - (last ?? STANDARD_LAST) + 1,
      Number.MAX_SAFE_INTEGER,
      timeoutMs,
      async (event) => {
        print(event);
        await terminal.taken();
      },
    );
    return DONE;
  }
  // A number from the start: what happens from now on is shown, even while the stream is still being set up.
  const start = from ?? Math.max(1, (await newestSequence(channel, timeoutMs)) - (last ?? 0) + 1);
  if (!given.has('json')) terminal.err(`events from ${start} on; Ctrl-C ends it\n`);
  const ended = new AbortController();
  void untilSignal().then(() => ended.abort());
  await channel.follow(start, print, ended.signal);
  return DONE;
}

async function printer(
  channel: Channel,
  given: Given,
  terminal: Terminal,
  timeoutMs: number,
): Promise<(event: Fields) => void> {
  const wanted = typesOf(given);
  const isWanted = ({ event_type: type }: Fields): boolean =>
    wanted.length === 0 ||
    (typeof type === 'string' && wanted.some((one) => type === one || (one.endsWith('.') && type.startsWith(one))));
  if (given.has('json'))
    return (event) => {
      if (isWanted(event)) terminal.out(`${JSON.stringify(event)}\n`);
    };
  const names = await entrancesOf(channel, timeoutMs).catch(() => []);
  const nameOf = new Map(names.map(({ id, name }) => [id, name]));
  const timeZone = await channel.timeZone();
  return (event) => {
    const id = event['acs_entrance_id'];
    const entrance = typeof id === 'string' ? (nameOf.get(id) ?? id) : null;
    if (isWanted(event)) terminal.out(eventLine({ ...event, entrance }, terminal, timeZone));
  };
}

const typesOf = (given: Given): string[] => given.all('type').flatMap((text) => text.split(','));

/** A misspelt type would show nothing, for ever. */
function checkType(type: string): void {
  const isKnown = type.endsWith('.') ? eventTypes().some((one) => one.startsWith(type)) : isEventType(type);
  if (isKnown) return;
  const families = [...new Set(eventTypes().map((one) => one.slice(0, one.indexOf('.') + 1)))];
  const word = type.slice(0, 64);
  const meant = didYouMean(word, [...eventTypes(), ...families], `all of a kind are ${families.join(', ')}`);
  throw new UsageError(`--type: no event is called ${printable(word)}: ${meant}`);
}
