// Files: of the facility and of controllers, keys, kept event logs, backups.

import { Decrypter } from 'age-encryption';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseProfile, shippedNames, SHIPPED_PROFILES } from '../../../drivers/modbus/profile.ts';
import { parseKey } from '../../../drivers/osdp/keys.ts';
import { ChainCheck, isSigned } from '../../../src/cli/audit-chain.ts';
import { CSV_HEAD, csvLine, eventIn } from '../../../src/cli/event-lines.ts';
import { planOf, type Known } from '../../../src/cli/people/plan.ts';
import { readList } from '../../../src/cli/people/read.ts';
import { problemText } from '../../../src/cli/problem-text.ts';
import { UsageError } from '../../../src/cli/terminal.ts';
import { signingKey } from '../../../src/domain/credential-manager.ts';
import { OperatingError } from '../../../src/domain/errors.ts';
import { readText } from '../../../src/domain/outside-text.ts';
import { importPoint } from '../../../src/domain/p256.ts';
import { DRIVERS } from '../../../src/drivers.ts';
import { formatProblems } from '../../../src/facility/format.ts';
import { loadFacilityText } from '../../../src/facility/load.ts';
import { packed, unpack } from '../../../src/store/archive.ts';
import { CheckpointKey, eventHash, type Checkpoint } from '../../../src/store/event-chain.ts';
import { identitiesIn } from '../../../src/store/sealed-backup.ts';
import { LOBBY, USER } from '../../support/room.ts';
import { changedLines } from '../mutate.ts';
import { must, orRefused, pieces, type Target } from '../target.ts';

const HOME = join(import.meta.dirname, '..', '..', '..');
const examples = (folder: string): Buffer[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => readFileSync(join(folder, name)));

/** Comments are half of the examples, and say nothing to a parser. */
const bare = (bytes: Buffer): Buffer => Buffer.from(bytes.toString().replaceAll(/^ *#.*\n/gm, '').replaceAll(/ +# .*$/gm, '')); // prettier-ignore

/** What is shown on a terminal steers none. */
const isPrintable = (text: string): boolean => !/[^\n\x20-\x7e\u00a1-\uffff]/u.test(text.replaceAll(/[\u{10000}-\u{10ffff}]/gu, '')); // prettier-ignore

// ---- the facility, and its controllers ------------------------------------------------------------------------------

const FACILITY = 'facility: a\nacs_system_id: 88888888-8888-8888-8888-888888888881\ntime_zone: Europe/Oslo\nmqtt: {url: mqtt://127.0.0.1}\n'; // prettier-ignore
const SMALL = [
  `${FACILITY}buses: {b: {driver: uart, port: /dev/a, frame: rdm6300}}\ncontrollers: {r: {bus: b}}\nentrances: {d: {acs_entrance_id: 55555555-5555-5555-5555-555555555555, readers: [{in: r}], strike: {controller: r}}}\n`,
  `${FACILITY}buses: {m: {driver: modbus, transport: tcp, host: h}}\ncontrollers: {p: {bus: m, unit: 1, profile: plc-door-1}}\nentrances: {d: {acs_entrance_id: 55555555-5555-5555-5555-555555555555, decided_by: controller, controller: p, door: 1}}\n`,
];

function playFacility(bytes: Buffer): string {
  const { text, flaw } = readText(bytes);
  if (flaw !== undefined) return 'no text';
  const { facility, problems } = loadFacilityText(text, '/etc/lintel/a.yaml', DRIVERS);
  const errors = problems.filter(({ severity }) => severity === 'error');
  must((facility === null) === errors.length > 0, 'a facility with mistakes, or none without');
  for (const { line, column, message, remedy } of problems)
    must(line >= 1 && column >= 1 && message.length < 1_500 && remedy.length < 1_500, 'a problem without place or bounds'); // prettier-ignore
  const shown = formatProblems(problems);
  must(isPrintable(shown), 'what is shown could steer a terminal');
  return facility !== null ? 'facility' : errors.some(({ message }) => message.includes('no facility file')) ? 'no facility' : 'mistakes'; // prettier-ignore
}

function playProfile(bytes: Buffer): string {
  const { text, flaw } = readText(bytes);
  if (flaw !== undefined) return 'no text';
  const { profile, problems } = parseProfile(text, 'a.yaml');
  const errors = problems.filter(({ severity }) => severity === 'error');
  must((profile === null) === errors.length > 0, 'a profile with mistakes, or none without');
  must(
    problems.every(({ message }) => message.length < 1_500),
    'a problem without bounds',
  );
  problemText(problems);
  return profile !== null ? 'profile' : 'mistakes';
}

const YAML_WORDS = [': ', '- ', '\n', '  ', '{', '}', '[', ']', '&a ', '*a', '!!binary ', '<<: *a', '? ', '|', '>', '"', "'", '#', '---\n', '...', '0x1F', '1_000', '.inf', '.nan', 'null', '~', 'true', '2026-03-02', '\t', '\u{1f600}', '\\u0000', '__proto__: ', 'constructor: ', '99999999999999999999', '-1']; // prettier-ignore

// ---- keys -----------------------------------------------------------------------------------------------------------

function playKeys(bytes: Buffer): string {
  const text = bytes.toString();
  const ways: string[] = [];
  if (orRefused(OperatingError, () => parseKey(text)) !== 'refused') ways.push('key of a reader');
  if (signingKey(text) !== null) ways.push('key of an issuer');
  if (importPoint(bytes) !== null) ways.push('point');
  for (const identity of identitiesIn(text).slice(0, 8)) {
    // Any error of this library is one that is answered for in one place.
    try {
      new Decrypter().addIdentity(identity);
      ways.push('identity');
    } catch (error) {
      must(error instanceof Error && !(error instanceof RangeError), 'an identity is read past its end');
    }
  }
  return ways.join(', ') || 'no key';
}

// ---- kept events ----------------------------------------------------------------------------------------------------

const CHECKPOINT_KEY = new CheckpointKey(Buffer.alloc(32, 5));
function chain(count: number): string[] {
  const lines: string[] = [];
  for (let i = 1; i <= count; i++) {
    const [before] = lines.slice(-1);
    lines.push(JSON.stringify({ sequence: i, event_type: 'lock.unlocked', occurred_at: '2026-03-02T09:00:00Z', note: '=1+1,"x"', ...(before === undefined ? {} : { previous_hash: eventHash(before) }) })); // prettier-ignore
  }
  return lines;
}
const CHAIN = chain(6);

function playEvents(bytes: Buffer): string {
  const check = new ChainCheck(3);
  for (const line of bytes.toString().split('\n')) {
    const event = eventIn(line);
    if (typeof event === 'string') continue;
    check.add(line, event);
    const cells = readCsv(csvLine(event));
    must(cells.length === CSV_HEAD.split(',').length, 'a cell more or less');
    must(
      cells.every((cell) => !/^[=+\-@\t\r]/.test(cell)),
      'a spreadsheet would calculate',
    );
    isSigned('riverside', event as Checkpoint, CHECKPOINT_KEY.publicKey);
  }
  const { findings, events } = check.end();
  must(findings.length <= 1_000 && findings.every(({ problem }) => problem.length < 300), 'findings without bounds');
  return events === 0 ? 'no events' : findings.length > 0 ? 'not whole' : 'whole';
}

/** One line of RFC 4180. */
function readCsv(line: string): string[] {
  const cells: string[] = [];
  for (let at = 0; at < line.length; at++) {
    const isQuoted = line[at] === '"';
    let end = at + (isQuoted ? 1 : 0);
    while (isQuoted ? line[end] !== '"' || line[end + 1] === '"' : !',\n'.includes(line[end] ?? ',')) end += line[end] === '"' ? 2 : 1; // prettier-ignore
    cells.push(isQuoted ? line.slice(at + 1, end).replaceAll('""', '"') : line.slice(at, end));
    at = end + (isQuoted ? 1 : 0);
  }
  return cells;
}

// ---- lists of people ------------------------------------------------------------------------------------------------

const HERE: Known = {
  timeZone: 'Europe/Oslo',
  users: [{ acs_user_id: USER, full_name: 'Jane Doe', email_address: 'jane@example.com' }],
  credentialIds: new Set(),
  entrances: [{ id: LOBBY, name: 'lobby', displayName: 'Lobby' }],
  groups: [],
};
const LISTS = [
  `acs_user_id,name,email,card,pin,from,until,groups\n${USER},,,H10301:1:1,482917,2027-01-01,31.01.2027,\n,Bob,b@example.com,H10301:1:2,,,2027-01-31T18:00:00+01:00,\n`,
  'Name;Badge no.;Valid until\r\n"Doe; ""JD""\n Jane";H10301:1:2;\r\n;;\r\nBob;H10301:1:3;2027-01-31 18:00\r\n',
  'last_name\tfirst_name\tcard\nDoe\tJane\tuid:04A1B2C3\n',
];

function playList(bytes: Buffer): string {
  const list = orRefused(UsageError, () => readList(bytes, 'people.csv', []));
  if (list === 'refused') return list;
  const plan = planOf(list.lines, HERE);
  must(plan.refused.every(({ who, why, line }) => line >= 1 && isPrintable(`${who}${why}`.replaceAll('\n', ' '))), 'what is wrong with a line could steer a terminal'); // prettier-ignore
  must(plan.refused.length + plan.users.length <= list.lines.length, 'more people than lines');
  return plan.credentials.length > 0 ? 'credentials' : plan.users.length > 0 ? 'people' : 'nobody';
}

// ---- backups --------------------------------------------------------------------------------------------------------

async function tar(...files: readonly (readonly [string, Buffer])[]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of packed(files.map(([name, content]) => ({ name, size: content.length, content: [content] })))) parts.push(part); // prettier-ignore
  return Buffer.concat(parts);
}
const TARS = [
  await tar(['manifest.json', Buffer.from('{"format":1}\n')], ['a.yaml', Buffer.from(FACILITY)], ['lintel.db', Buffer.alloc(1_300, 3)]), // prettier-ignore
  await tar(['manifest.json', Buffer.alloc(0)]),
];

async function playArchive(bytes: Buffer): Promise<string> {
  const source = Array.from(pieces(bytes));
  let [files, content] = [0, 0];
  try {
    await unpack(generator(source), async (_name, size, parts) => {
      files += 1;
      must(size >= 0, 'a file of less than nothing');
      let held = 0;
      for await (const part of parts) held += part.length;
      must(held === size, 'a file of another length than was said');
      content += held;
    });
  } catch (error) {
    if (error instanceof OperatingError) return 'refused';
    throw error;
  }
  must(content <= bytes.length && files <= bytes.length / 512, 'more comes out than went in');
  return `${Math.min(files, 3)} files`;
}

async function* generator(parts: readonly Buffer[]): AsyncGenerator<Buffer> {
  for (const part of parts) yield await Promise.resolve(part);
}

/** The checksum of each header made good again, and sometimes the size in it. */
const mendedTar: NonNullable<Target['mend']> = (bytes, chance) => {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const header = bytes.subarray(at, at + 512);
    if (header.toString('latin1', 257, 262) !== 'ustar') continue;
    if (chance.is(0.2)) header.write(chance.of(['00000000001\0', '77777777777\0', '00000001000\0', '-1         \0']), 124, 'latin1'); // prettier-ignore
    header.write('        ', 148);
    const sum = header.reduce((all, byte) => all + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  }
  return bytes;
};

export const FILES: readonly Target[] = [
  {
    name: 'facility-files',
    about: 'the facility file: YAML, and what it says',
    seeds: [...SMALL.map((text) => Buffer.from(text)), ...examples(join(HOME, 'config')).map(bare)],
    words: YAML_WORDS,
    change: (bytes, chance, kept) => changedLines(bytes, chance, kept, YAML_WORDS),
    mostBytes: 6_000,
    play: playFacility,
    inputsInSuite: 50,
  },
  {
    name: 'profile-files',
    about: 'profiles of controllers: YAML, and what they say',
    seeds: shippedNames().map((name) => bare(readFileSync(join(SHIPPED_PROFILES, `${name}.yaml`)))),
    words: YAML_WORDS,
    change: (bytes, chance, kept) => changedLines(bytes, chance, kept, YAML_WORDS),
    mostBytes: 6_000,
    play: playProfile,
    inputsInSuite: 150,
  },
  {
    name: 'keys',
    about: 'keys of readers, issuers and backups, as people write them',
    seeds: ['8899AABBCCDDEEFF0123456789ABCDEE', '88:99:AA:BB:CC:DD:EE:FF:01:23:45:67:89:AB:CD:EE', CHECKPOINT_KEY.publicKey, 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '# created\nAGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX\n'].map((text) => Buffer.from(text)), // prettier-ignore
    mostBytes: 400,
    play: playKeys,
  },
  {
    name: 'kept-events',
    about: 'event logs that somebody kept: verified, and written as a table',
    seeds: [
      Buffer.from(CHAIN.join('\n')),
      Buffer.from(
        JSON.stringify(CHECKPOINT_KEY.sign('riverside', { sequence: 3, hash: eventHash(CHAIN[2] ?? '') }, 0)),
      ),
      Buffer.from('{"sequence":7,"is_stub":true,"hash":"x"}\n{"sequence":9,"previous_hash":"y"}'),
    ],
    words: ['\n', '"sequence":', '1e400', '-1', '0.5', '"previous_hash":', '"is_stub":true', '=cmd', '\r', '"'],
    play: playEvents,
  },
  {
    name: 'people-lists',
    about: 'lists of people and cards, as spreadsheets write them',
    seeds: LISTS.map((text) => Buffer.from(text)),
    words: [
      ',',
      ';',
      '\t',
      '"',
      '\r\n',
      '\ufeff',
      "'=",
      'H10301:1:2',
      '2027-02-30',
      '31.12.9999',
      '\u001b[2J',
      USER,
      'lobby',
    ],
    mostBytes: 1_000,
    play: playList,
  },
  {
    name: 'backup-archives',
    about: 'the archive in a sealed backup',
    seeds: TARS,
    mend: mendedTar,
    mostBytes: 6_000,
    play: playArchive,
  },
];
