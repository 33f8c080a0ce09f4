// `lintel osdp …`: the service of OSDP readers, through the agent that has their line. Keys come from a file or
// standard input, never from the command line, which every user of the machine can read.

import { BAUDS } from '../../drivers/osdp/commands.ts';
import { openToOthers } from '../facility/secret.ts';
import { CHANNEL_OPTIONS, readInput, readSecretInput, timeoutOf } from './channel.ts';
import { optionRows, type HelpPage, type Program } from './help.ts';
import { openLocalChannel, type LocalChannel } from './local-channel.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { ownSignal, QUICK_MS, say, unhurried, type Call } from './osdp-call.ts';
import { card, cardPin, hexOf, keyOf } from './osdp-cards.ts';
import { match, template } from './osdp-fingers.ts';
import { sendPieces, type Asking } from './osdp-upload.ts';
import { tellVerified } from './osdp-verified.ts';
import { progressBar } from './progress.ts';
import { FROM_INPUT, readSecretLine } from './secret-line.ts';
import { isFields, type Fields } from '../domain/fields.ts';
import { cell, keyValues } from './show.ts';
import { DONE, FAILED, painter, type Terminal, UsageError } from './terminal.ts';
import { memberOf } from '../domain/named.ts';

type Verb = {
  usage: string;
  about: string;
  /** How many words it takes behind its name: at least, at most. */
  words: readonly [number, number];
  options: readonly Option[];
  examples: readonly string[];
  run: (call: Call) => Promise<number>;
};

const WHERE: readonly Option[] = CHANNEL_OPTIONS.filter(({ name }) =>
  ['facility', 'socket', 'timeout', 'json'].includes(name),
);
const HANDSHAKE_MS = 40_000;
const MAX_FILE_BYTES = 16 * 1024 * 1024;

const VERBS: Readonly<Record<string, Verb>> = {
  status: {
    usage: 'lintel osdp status [READER]',
    about:
      'How OSDP readers are: online, under their own key or not, who they say they are, and what keeps one away. Exit code 1 while one is offline.',
    words: [0, 1],
    options: [],
    examples: ['lintel osdp status', 'lintel osdp status front-reader --json'],
    run: status,
  },
  install: {
    usage: 'lintel osdp install READER [--minutes 5]',
    about:
      'Gives a reader its first key. Opens an install window for this one reader: only while it is open is the default key tried, and the reader then gets a random key that is kept sealed and never shown. Ctrl-C closes the window.',
    words: [1, 1],
    options: [{ name: 'minutes', value: 'N', description: 'How long the window stays open, 1 to 30; default 5' }],
    examples: ['lintel osdp install front-reader'],
    run: install,
  },
  'import-key': {
    usage: 'lintel osdp import-key READER --file FILE',
    about:
      'Takes over the key that a reader has already: 32 hexadecimal digits in a file, or - for standard input. Kept only when the reader proves that it has it. Delete the file afterwards.',
    words: [1, 1],
    options: [{ name: 'file', value: 'FILE', description: 'Where the key is; - for standard input', required: true }],
    examples: [
      'lintel osdp import-key front-reader --file front.key',
      'pass show front-reader | lintel osdp import-key front-reader --file -',
    ],
    run: importKey,
  },
  rotate: {
    usage: 'lintel osdp rotate READER',
    about: 'Gives an online reader a new random key, under the one it has.',
    words: [1, 1],
    options: [],
    examples: ['lintel osdp rotate front-reader'],
    run: async ({ channel, given, terminal, words }) => {
      const answer = await channel.request(
        'osdp',
        { action: 'rotate', reader: words[0] },
        timeoutOf(given, HANDSHAKE_MS),
      );
      return say(given, terminal, answer, `${cell(words[0])} has a new key`);
    },
  },
  forget: {
    usage: 'lintel osdp forget READER',
    about:
      'Throws away the key that Lintel has for a reader: for one that is given back, or that is to be installed anew. Its door is out of service until lintel osdp install; reset the reader at its door first, for it keeps its key.',
    words: [1, 1],
    options: [],
    examples: ['lintel osdp forget front-reader'],
    run: async ({ channel, given, terminal, words }) => {
      const answer = await channel.request('osdp', { action: 'forget', reader: words[0] }, timeoutOf(given, QUICK_MS));
      return say(
        given,
        terminal,
        answer,
        `the key of ${cell(words[0])} is forgotten: lintel osdp install gives it another`,
      );
    },
  },
  address: {
    usage: 'lintel osdp address READER --to N [--baud B]',
    about:
      'Gives a reader another address, and where it is asked for another baud. The facility file must follow: the answer says how.',
    words: [1, 1],
    options: [
      { name: 'to', value: 'N', description: 'The new address, 0 to 126', required: true },
      { name: 'baud', value: 'B', description: 'The new baud; default: that of its bus' },
    ],
    examples: ['lintel osdp address front-reader --to 5'],
    run: setAddress,
  },
  scan: {
    usage: 'lintel osdp scan BUS [--alone] [--to N [--baud B]]',
    about:
      'Looks for a reader of which nothing is known, at every baud and address. It must be alone on the line. With --to it is given that address at once. Exit code 1 when nobody answers.',
    words: [1, 1],
    options: [
      { name: 'alone', value: null, description: 'I have taken every other reader off this line' },
      { name: 'to', value: 'N', description: 'The address to give it, 0 to 126' },
      { name: 'baud', value: 'B', description: 'With --to: the baud to give it; default: that of the bus' },
    ],
    examples: ['lintel osdp scan north', 'lintel osdp scan north --alone --to 3'],
    run: scan,
  },
  transfer: {
    usage: 'lintel osdp transfer READER FILE --type N',
    about:
      'Sends a file to a reader: firmware, or a picture for its display. What a type means is in the manual of the reader.',
    words: [2, 2],
    options: [
      {
        name: 'type',
        value: 'N',
        description: '1 opaque, 2 template, 3 display data, 128 and more the vendor’s own',
        required: true,
      },
    ],
    examples: ['lintel osdp transfer front-reader firmware.bin --type 128'],
    run: transfer,
  },
  template: {
    usage: 'lintel osdp template READER --out FILE [--type N]',
    about:
      'Asks for a finger (or what --type says) at a biometric reader and writes its template to a new file that only you can read.',
    words: [1, 1],
    options: [
      { name: 'out', value: 'FILE', description: 'Where the template goes; must not exist', required: true },
      {
        name: 'type',
        value: 'N',
        description: 'Which finger or what else, as in the manual of the reader; default 0: any',
      },
    ],
    examples: ['lintel osdp template front-reader --out finger.bin'],
    run: template,
  },
  match: {
    usage: 'lintel osdp match READER FILE [--type N] [--threshold 128]',
    about:
      'Asks for a finger at a biometric reader and has the reader compare it with the template in FILE. Exit code 1 when it is another.',
    words: [2, 2],
    options: [
      { name: 'type', value: 'N', description: 'As with template; default 0: any' },
      { name: 'threshold', value: 'N', description: 'How alike they must be, 0 to 255; default 128' },
    ],
    examples: ['lintel osdp match front-reader finger.bin'],
    run: match,
  },
  manufacturer: {
    usage: 'lintel osdp manufacturer READER --oui HEX [--data HEX]',
    about: 'Passes a vendor’s own command through and shows the answer, as the manual of the reader describes both.',
    words: [1, 1],
    options: [
      { name: 'oui', value: 'HEX', description: 'The vendor code, 6 hexadecimal digits', required: true },
      { name: 'data', value: 'HEX', description: 'The command, in hexadecimal digits' },
    ],
    examples: ['lintel osdp manufacturer front-reader --oui 112233 --data 01'],
    run: manufacturer,
  },
  verified: {
    usage: 'lintel osdp verified [PROFILE]',
    about:
      'What the public test programme for OSDP asks of a control panel, and what of it Lintel does. Asks no agent.',
    words: [0, 1],
    options: [],
    examples: ['lintel osdp verified', 'lintel osdp verified secure-channel'],
    run: ({ given, terminal, words }) => {
      tellVerified(words[0], given.has('json'), terminal);
      return Promise.resolve(DONE);
    },
  },
  'piv-data': {
    usage: 'lintel osdp piv-data READER --object HEX',
    about: 'Reads an object of the PIV card that lies at a reader, and shows it in hexadecimal digits.',
    words: [1, 1],
    options: [{ name: 'object', value: 'HEX', description: 'Its name, e.g. 5FC102 for the CHUID', required: true }],
    examples: ['lintel osdp piv-data front-reader --object 5FC102'],
    run: (call) => card(call, 'piv-data', { object: hexOf(call.given, 'object') }),
  },
  authenticate: {
    usage: 'lintel osdp authenticate READER --algorithm N (--key N | --extended-key HEX) --data HEX [--general]',
    about:
      'Has the card that lies at a reader sign a challenge, and shows what it answers. With --general the data are a template of your own for GENERAL AUTHENTICATE.',
    words: [1, 1],
    options: [
      {
        name: 'algorithm',
        value: 'N',
        description: 'As NIST SP 800-78 numbers it, e.g. 7 for RSA 2048',
        required: true,
      },
      {
        name: 'key',
        value: 'N',
        description: 'Which key of the card, e.g. 158 for card authentication',
      },
      {
        name: 'extended-key',
        value: 'HEX',
        description: 'Instead of --key, at a reader of OSDP 2.2.2 and later: the whole field, as its manual has it',
      },
      { name: 'data', value: 'HEX', description: 'The challenge, or the template', required: true },
      { name: 'general', value: null, description: 'GENERAL AUTHENTICATE instead of a challenge' },
    ],
    examples: ['lintel osdp authenticate front-reader --algorithm 7 --key 158 --data 00112233445566778899AABBCCDDEEFF'],
    run: (call) =>
      card(call, 'authenticate', {
        how: call.given.has('general') ? 'general' : 'challenge',
        algorithm: call.given.whole('algorithm', 0, 255),
        ...keyOf(call.given),
        data: hexOf(call.given, 'data'),
      }),
  },
  'card-pin': {
    usage: 'lintel osdp card-pin READER [--seconds 30]',
    about:
      'Has the PIN of the smart card that lies at a reader typed there, into the card and nowhere else, and asks the card whether it took it. Exit code 1 when it did not.',
    words: [1, 1],
    options: [
      { name: 'seconds', value: 'N', description: 'How long a person has for it, 5 to 120; default 30' },
      { name: 'application', value: 'HEX', description: 'The application of the card; default: that of PIV' },
      { name: 'pin', value: 'N', description: 'Which PIN of it; default 128, that of the PIV application' },
    ],
    examples: ['lintel osdp card-pin front-reader'],
    run: cardPin,
  },
  'keep-active': {
    usage: 'lintel osdp keep-active READER --ms N',
    about: 'Keeps the card that lies at a reader in its field for so long; 0 lets it go.',
    words: [1, 1],
    options: [{ name: 'ms', value: 'N', description: 'Milliseconds, at most 65535', required: true }],
    examples: ['lintel osdp keep-active front-reader --ms 5000'],
    run: (call) => card(call, 'keep-active', { ms: call.given.whole('ms', 0, 0xffff) }),
  },
  abort: {
    usage: 'lintel osdp abort READER',
    about: 'Has a reader give up what takes long: a file, a finger, a long message.',
    words: [1, 1],
    options: [],
    examples: ['lintel osdp abort front-reader'],
    run: (call) => card(call, 'abort', {}),
  },
};

export const osdpProgram: Program = {
  help: ([name]) => {
    const verb = name === undefined ? undefined : memberOf(VERBS, name);
    return verb === undefined ? overview() : verbHelp(verb);
  },
  async run(argv, terminal) {
    const [name = '', ...rest] = argv;
    const verb = memberOf(VERBS, name);
    if (verb === undefined) {
      const problem = name === '' ? 'what about OSDP readers?' : `there is no lintel osdp ${name}.`;
      throw new UsageError(`${problem} There are ${Object.keys(VERBS).join(', ')}; see lintel osdp --help`);
    }
    const given = readOptions(rest, [...verb.options, ...WHERE], `lintel osdp ${name} --help`);
    noMoreWords(given.words, verb.words[1], verb.usage);
    const missing = verb.options.find((option) => option.required === true && !given.has(option.name));
    if (given.words.length < verb.words[0] || missing !== undefined) throw new UsageError(`Usage: ${verb.usage}`);
    const channel = openedLater(() => openLocalChannel(given.text('socket'), given.text('facility')));
    try {
      return await verb.run({ channel, given, terminal, words: given.words });
    } finally {
      await channel.close();
    }
  },
};

/**
 * A wrong command line is told as one, also where no agent is there to be asked: the channel opens with the first
 * question.
 */
function openedLater(open: () => Promise<LocalChannel>): Asking {
  let opened: Promise<LocalChannel> | null = null;
  return {
    request: async (...question) => await (await (opened ??= open())).request(...question),
    close: async () => await (await opened?.catch(() => null))?.close(),
  };
}

const overview = (): HelpPage => ({
  usage: ['lintel osdp VERB …', 'lintel osdp VERB --help'],
  about: 'The service of OSDP readers, through the agent on this machine that has their line.',
  sections: [
    {
      title: 'Verbs',
      rows: Object.values(VERBS).map(({ usage, about }) => [usage, firstSentence(about)] as const),
    },
  ],
  notes: ['Exit codes: 0 done, 1 failed, 2 wrong use.'],
});

const firstSentence = (text: string): string => `${text.split(/\.( |$)/, 1)[0] ?? ''}.`;

const verbHelp = ({ usage, about, options, examples }: Verb): HelpPage => ({
  usage: [usage],
  about,
  sections: [
    { title: 'Options', rows: optionRows(options) },
    { title: 'Where the agent is', rows: optionRows(WHERE) },
  ],
  examples,
});

// ---- verbs ----------------------------------------------------------------------------------------------------------

async function status({ channel, given, terminal, words }: Call): Promise<number> {
  const fields = { action: 'status', ...(words[0] === undefined ? {} : { reader: words[0] }) };
  const answer = await channel.request('osdp', fields, timeoutOf(given, QUICK_MS));
  const readers = Array.isArray(answer['readers']) ? answer['readers'].filter(isFields) : [];
  if (given.has('json')) terminal.out(`${JSON.stringify(answer)}\n`);
  else if (readers.length === 0) terminal.out('this facility has no OSDP readers\n');
  else terminal.out(readers.map((reader) => statusBlock(reader, terminal)).join('\n'));
  return readers.every((reader) => reader['online'] === true) ? DONE : FAILED;
}

function statusBlock(reader: Fields, terminal: Terminal): string {
  const { reader: name, online, secured, capabilities, ...rest } = reader;
  const paint = painter(terminal);
  const state =
    online !== true
      ? paint('red', 'offline')
      : secured === true
        ? paint('green', 'online, under its own key')
        : paint('yellow', 'online, in the clear');
  const can = Array.isArray(capabilities)
    ? capabilities
        .filter(isFields)
        .map((one) => `${cell(one['function'])}:${cell(one['compliance'])}:${cell(one['number'])}`)
    : null;
  return `${paint('bold', cell(name))}  ${state}\n${keyValues(Object.entries({ ...rest, capabilities: can }), terminal, null)}`;
}

async function install({ channel, given, terminal, words }: Call): Promise<number> {
  const minutes = given.whole('minutes', 1, 30) ?? 5;
  const [reader = ''] = words;
  const opened = `The install window of ${reader} is open for ${minutes} min. Put the reader into install mode now, as its manual says. Ctrl-C closes the window.\n`;
  const answer = await channel.request('osdp', { action: 'install', reader, minutes }, unhurried(given), {
    signal: ownSignal(),
    onItem: (item) => {
      if (!isFields(item) || given.has('json')) return;
      terminal.err(item['window'] === 'open' ? opened : `  ${cell(item['problem'])}\n`);
    },
  });
  const { outcome, message } = answer;
  if (outcome === 'installed') return say(given, terminal, answer, `${reader} has a key of its own now`);
  if (outcome === 'already_installed')
    return say(
      given,
      terminal,
      answer,
      `${reader} is online and has its key already; nothing was changed. A new one: lintel osdp rotate ${reader}`,
    );
  if (given.has('json')) terminal.out(`${JSON.stringify(answer)}\n`);
  else terminal.err(`lintel: ${reader} got no key: ${cell(message)}\n`);
  return FAILED;
}

async function importKey({ channel, given, terminal, words }: Call): Promise<number> {
  const file = given.text('file') ?? '';
  const key =
    file === FROM_INPUT
      ? await readSecretLine('--file', 'Key', terminal)
      : readSecretInput(file, '--file').toString('latin1').trim();
  if (!/^[0-9A-Fa-f]{32}$/.test(key.replaceAll(/[\s:-]/g, '')))
    throw new UsageError('--file: a Secure Channel key is written as 32 hexadecimal digits');
  const open = file === FROM_INPUT ? null : openToOthers(file);
  if (open !== null) terminal.err(`lintel: ${open}\n`);
  const [reader] = words;
  const answer = await channel.request('osdp', { action: 'import-key', reader, key }, timeoutOf(given, HANDSHAKE_MS));
  const advice = file === FROM_INPUT ? '' : ` Delete ${file} now.`;
  return say(given, terminal, answer, `${cell(reader)} has proven that it holds this key.${advice}`);
}

async function setAddress({ channel, given, terminal, words }: Call): Promise<number> {
  const fields = { action: 'address', reader: words[0], ...addressFields(given) };
  const answer = await channel.request('osdp', fields, timeoutOf(given, QUICK_MS));
  return say(given, terminal, answer, cell(answer['advice']));
}

function addressFields(given: Given): Fields {
  const to = given.whole('to', 0, 126);
  const baud = given.whole('baud', 1, 1_000_000);
  if (to === null && baud !== null) throw new UsageError('--baud belongs to --to');
  if (baud !== null && !BAUDS.some((known) => known === baud))
    throw new UsageError(`--baud: one of ${BAUDS.join(', ')}`);
  return { ...(to === null ? {} : { to }), ...(baud === null ? {} : { baud }) };
}

async function scan({ channel, given, terminal, words }: Call): Promise<number> {
  const bar = progressBar(terminal, given.has('json'));
  const fields = { action: 'scan', bus: words[0], alone: given.has('alone'), ...addressFields(given) };
  const onItem = (item: unknown): void => {
    if (!isFields(item)) return;
    bar.show(Number(item['tried']), Number(item['of']), `${cell(item['baud'])} baud, address ${cell(item['address'])}`);
  };
  const answer = await channel
    .request('osdp', fields, unhurried(given), { signal: ownSignal(), onItem })
    .finally(() => bar.end());
  const { found } = answer;
  if (given.has('json')) terminal.out(`${JSON.stringify(answer)}\n`);
  else if (!isFields(found))
    terminal.err(
      'lintel: nobody answered, at any baud and address. Is the reader powered, A and B not swapped, and alone on the line?\n',
    );
  else if (typeof found['advice'] === 'string') terminal.out(`${cell(found['advice'])}\n`);
  else
    terminal.out(
      `found at address ${cell(found['address'])}, ${cell(found['baud'])} baud${found['identity'] === null ? '' : `: ${cell(found['identity'])}`}\n`,
    );
  return isFields(found) ? DONE : FAILED;
}

async function transfer({ channel, given, terminal, words }: Call): Promise<number> {
  const [reader = '', file = ''] = words;
  const type = given.whole('type', 0, 255);
  const timeoutMs = timeoutOf(given, QUICK_MS);
  const content = readInput(file, 'FILE');
  if (content.length === 0) throw new UsageError(`${file} is empty`);
  if (content.length > MAX_FILE_BYTES) throw new UsageError(`${file} has more than ${MAX_FILE_BYTES} bytes`);
  const upload = await sendPieces(channel, content, timeoutMs);
  const bar = progressBar(terminal, given.has('json'));
  const onItem = (item: unknown): void => {
    if (!isFields(item)) return;
    const isFinishing = item['state'] === 'finishing';
    bar.show(
      Number(item['sentBytes']),
      Number(item['totalBytes']),
      isFinishing ? 'the reader takes it in' : `${cell(item['sentBytes'])} bytes`,
    );
  };
  const fields = { action: 'transfer', reader, upload, type };
  const answer = await channel
    .request('osdp', fields, unhurried(given), { signal: ownSignal(), onItem })
    .finally(() => bar.end());
  return say(given, terminal, answer, `${reader} has taken ${file} (${content.length} bytes)`);
}

async function manufacturer({ channel, given, terminal, words }: Call): Promise<number> {
  const oui = given.text('oui') ?? '';
  const data = given.text('data') ?? '';
  if (!/^[0-9A-Fa-f]{6}$/.test(oui)) throw new UsageError('--oui: 6 hexadecimal digits, e.g. 112233');
  if (!/^([0-9A-Fa-f]{2})*$/.test(data)) throw new UsageError('--data: hexadecimal digits, two a byte, e.g. 01FF');
  const fields = { action: 'manufacturer', reader: words[0], oui, data };
  const answer = await channel.request('osdp', fields, timeoutOf(given, QUICK_MS));
  return say(given, terminal, answer, answer['answer'] === 'ack' ? 'acknowledged' : cell(answer['data']));
}
