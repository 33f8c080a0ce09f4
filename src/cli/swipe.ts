// `lintel swipe`: what a card or code would do at a reader now, step by step; with `--present` it is really shown to a
// simulated reader, and what came of it.

import { OperatingError } from '../domain/errors.ts';
import { systemClock } from '../ops/clock.ts';
import { connectControl } from '../ops/control-client.ts';
import { CHANNEL_OPTIONS, readReply, timeoutOf, type Reply } from './channel.ts';
import { openChannel } from './open-channel.ts';
import { optionRows, type Program } from './help.ts';
import { mintCommandId, openLocalChannel } from './local-channel.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { explanation } from './reply.ts';
import { entranceNamed, entrancesOf } from './names.ts';
import { FROM_INPUT, readSecretLine } from './secret-line.ts';
import { senderHere } from './sender.ts';
import { isFields, type Fields } from '../domain/fields.ts';
import { cell, eventLine } from './show.ts';
import { DONE, FAILED, painter, type Terminal, UsageError } from './terminal.ts';

const USAGE = 'lintel swipe (--entrance NAME | --reader NAME) (--card CARD | --code CODE) [--present]';
const OPTIONS: readonly Option[] = [
  { name: 'entrance', value: 'NAME', description: 'Where: an entrance, by its name or id' },
  { name: 'reader', value: 'NAME', description: 'Where: a reader, by its name in the facility file' },
  { name: 'card', value: 'CARD', description: 'A card: H10301:123:45678, uid:04A1B2C3, or a number alone' },
  { name: 'card-format', value: 'FORMAT', description: 'How a number alone is read' },
  {
    name: 'code',
    value: 'CODE',
    description: 'A PIN; - asks for it, or reads it from standard input, so that no shell remembers it',
  },
  { name: 'present', value: null, description: 'Really present it, to a simulated reader' },
  {
    name: 'simulator',
    value: 'PATH',
    description: 'With --present: the socket of a running `lintel simulate`',
  },
  { name: 'unit', value: 'N', description: 'With --simulator: at which of its devices, where it plays several' },
];
const REPLY_MS = 10_000;

export const swipeProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Explains what would happen if this card or code were presented at this reader now: nothing moves. That it was asked, and by whom, is an event, for the answer tells whether somebody has it; 200 times a day. Exit code 1 when it would be denied.',
    sections: [
      { title: 'Options', rows: optionRows(OPTIONS) },
      { title: 'Where the agent is', rows: optionRows(CHANNEL_OPTIONS) },
    ],
    examples: [
      'lintel swipe --entrance lobby --card uid:0A00B1C2D3',
      'lintel swipe --reader desk-reader --card uid:0A00B1C2D3 --present --simulator /tmp/desk.sock',
    ],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, [...OPTIONS, ...CHANNEL_OPTIONS], 'lintel swipe --help');
    noMoreWords(given.words, 0, USAGE);
    if (given.has('card') === given.has('code')) throw new UsageError('give either --card or --code');
    if (given.has('simulator') && !given.has('present')) throw new UsageError('--simulator belongs to --present');
    if (given.has('unit') && !given.has('simulator')) throw new UsageError('--unit belongs to --simulator');
    if (!given.has('simulator') && given.has('entrance') === given.has('reader'))
      throw new UsageError('give either --entrance or --reader');
    const what = await shownBy(given, terminal);
    if (given.has('simulator')) return await presentToSimulator(what, given, terminal);
    if (given.has('url')) return await explainFarAway(what, given, terminal);
    return await swipeHere(what, given, terminal);
  },
};

type Shown = { card: string } | { code: string };

async function shownBy(given: Given, terminal: Terminal): Promise<Shown> {
  const card = given.text('card');
  if (card !== null) return { card };
  const code = given.text('code') ?? '';
  return { code: code === FROM_INPUT ? await readSecretLine('--code', 'Code', terminal) : code };
}

async function swipeHere(what: Shown, given: Given, terminal: Terminal): Promise<number> {
  const channel = await openLocalChannel(given.text('socket'), given.text('facility'));
  try {
    const fields = {
      ...(given.has('entrance') ? { entrance: given.text('entrance') } : { reader: given.text('reader') }),
      ...what,
      ...(given.has('card-format') ? { card_format: given.text('card-format') } : {}),
      present: given.has('present'),
      sender: senderHere(false),
    };
    const answer = await channel.request('swipe', fields, timeoutOf(given, REPLY_MS));
    if (!given.has('present')) {
      const reply = readReply(answer['reply']);
      if (reply === null)
        throw new OperatingError('internal', 'the agent answers what this lintel does not understand');
      return printExplanation(reply, cell(answer['entrance']), given, terminal);
    }
    return printDecision(answer, given, terminal, given.has('json') ? null : await channel.timeZone());
  } finally {
    await channel.close();
  }
}

async function explainFarAway(what: Shown, given: Given, terminal: Terminal): Promise<number> {
  if (given.has('present')) throw new UsageError('--present needs the agent on this machine: leave out --url');
  if (given.has('reader')) throw new UsageError('over a broker give --entrance: readers are known on the gateway only');
  const channel = await openChannel(given, terminal);
  const timeoutMs = timeoutOf(given, REPLY_MS);
  try {
    const entrance = entranceNamed(given.text('entrance') ?? '', await entrancesOf(channel, timeoutMs));
    const params = {
      acs_entrance_id: entrance.id,
      ...('card' in what ? { card_number: what.card } : what),
      ...(given.has('card-format') ? { card_format: given.text('card-format') } : {}),
    };
    const reply = await channel.command('entrances/explain', { command_id: mintCommandId(), params }, timeoutMs);
    return printExplanation(reply, entrance.name, given, terminal);
  } finally {
    await channel.close();
  }
}

function printExplanation(reply: Reply, entrance: string, given: Given, terminal: Terminal): number {
  if (given.has('json')) terminal.out(`${JSON.stringify(reply)}\n`);
  else if (reply.ok) terminal.out(`${painter(terminal)('bold', entrance)}\n${explanation(reply.result, terminal)}`);
  else terminal.err(`lintel: ${reply.error.message} (${reply.error.type})\n`);
  return reply.ok && reply.result['outcome'] === 'granted' ? DONE : FAILED;
}

function printDecision(answer: Fields, given: Given, terminal: Terminal, timeZone: string | null): number {
  const { event, entrance, reader, said } = answer;
  if (given.has('json')) terminal.out(`${JSON.stringify(answer)}\n`);
  if (given.has('json')) return isOpened(event) ? DONE : FAILED;
  if (typeof said === 'string') terminal.out(`${cell(reader ?? entrance)}: ${said}\n`);
  if (isFields(event)) terminal.out(eventLine({ ...event, entrance }, terminal, timeZone));
  else if (said === null)
    terminal.err('lintel: it was presented, and no decision came of it: while a card is held there it is taken once\n');
  return isOpened(event) || said === 'granted' ? DONE : FAILED;
}

const isOpened = (event: unknown): boolean => isFields(event) && event['event_type'] === 'lock.unlocked';

async function presentToSimulator(what: Shown, given: Given, terminal: Terminal): Promise<number> {
  const path = given.text('simulator') ?? '';
  const unit = given.whole('unit', 0, 255);
  const connection = await connectControl(systemClock, path, REPLY_MS);
  if (!connection.connected)
    throw new OperatingError(
      'controller_offline',
      `no simulator answers at ${path}. Remedy: start one, lintel simulate --help`,
    );
  try {
    await connection.client.request('present', unit === null ? what : { ...what, unit }, {
      timeoutMs: timeoutOf(given, REPLY_MS),
    });
    terminal.out(given.has('json') ? '{"presented":true}\n' : 'presented\n');
    return DONE;
  } finally {
    connection.client.close();
  }
}
