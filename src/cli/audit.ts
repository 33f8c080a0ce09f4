// `lintel audit verify | export`: whether the event log is whole and unchanged, and the log as a file for others. Reads
// an agent's log over the channel, or a file of events: an export, or what a receiver kept.

import { createInterface } from 'node:readline';
import { closeSync, createReadStream, fsyncSync, openSync, writeSync } from 'node:fs';
import { z } from 'zod';
import { whyUnmade, whyUnread } from '../facility/file-errors.ts';
import type { Checkpoint } from '../store/event-chain.ts';
import { ChainCheck, isSigned, type Verdict } from './audit-chain.ts';
import { CHANNEL_OPTIONS, readInput, timeoutOf, type Channel } from './channel.ts';
import { CSV_HEAD, csvLine, eventIn } from './event-lines.ts';
import { eachEvent, newestSequence } from './event-pages.ts';
import { optionRows, type Program } from './help.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { openChannel } from './open-channel.ts';
import { progressBar } from './progress.ts';
import type { Fields } from '../domain/fields.ts';
import { DONE, FAILED, type Terminal, UsageError } from './terminal.ts';

const USAGE = [
  'lintel audit verify [--file EVENTS | --database FILE] [--checkpoint FILE [--public-key KEY]]',
  'lintel audit export --out FILE [--format jsonl|csv] [--from N] [--to N]',
];
const OPTIONS: readonly Option[] = [
  {
    name: 'file',
    value: 'EVENTS',
    description: 'verify: a file with one event a line, as they were published, instead of an agent',
  },
  {
    name: 'database',
    value: 'FILE',
    description: 'verify: a database file, such as a backup; no agent and no key is needed',
  },
  {
    name: 'checkpoint',
    value: 'FILE',
    description: 'verify: a checkpoint that was kept, as it is published under state/audit',
  },
  {
    name: 'public-key',
    value: 'KEY',
    description: 'verify: the key that the checkpoint must be signed with, as it was noted when the gateway was new',
  },
  { name: 'out', value: 'FILE', description: 'export: where to; - is standard output' },
  { name: 'format', value: 'jsonl|csv', description: 'export: default jsonl, which can be verified again' },
  { name: 'from', value: 'N', description: 'export: the first number' },
  { name: 'to', value: 'N', description: 'export: the last number' },
];
const REPLY_MS = 10_000;

export const auditProgram: Program = {
  help: () => ({
    usage: USAGE,
    about:
      'Whether the event log is whole and unchanged, and the log as a file. Each event names the hash of the one before it; a checkpoint, signed by the gateway and kept elsewhere, tells whether the log before it was made anew. Exit code 1 when something is wrong.',
    sections: [
      { title: 'Options', rows: optionRows(OPTIONS) },
      { title: 'Where', rows: optionRows(CHANNEL_OPTIONS) },
    ],
    examples: [
      'lintel audit export --out riverside.jsonl',
      'lintel audit verify --file riverside.jsonl --checkpoint kept.json',
    ],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, [...OPTIONS, ...CHANNEL_OPTIONS], 'lintel audit --help');
    noMoreWords(given.words, 1, USAGE.join(' or '));
    if (given.words[0] === 'verify') return await verifyLog(given, terminal);
    if (given.words[0] === 'export') return await exportLog(given, terminal);
    throw new UsageError(`Usage: ${USAGE.join(' or ')}`);
  },
};

const checkpointSchema = z.object({
  sequence: z.int().min(0),
  hash: z.string().nullable(),
  signed_at: z.string(),
  public_key: z.string(),
  signature: z.string(),
  facility: z.string(),
});

async function verifyLog(given: Given, terminal: Terminal): Promise<number> {
  const kept = given.text('checkpoint');
  const checkpoint = kept === null ? null : readCheckpoint(kept);
  const check = new ChainCheck(checkpoint?.sequence ?? null);
  const file = given.text('file');
  const database = given.text('database');
  if (file !== null && database !== null) throw new UsageError('either --file or --database');
  if (database !== null) await throughDatabase(database, check);
  else if (file === null)
    await withChannel(given, terminal, (channel) => throughChannel(channel, given, terminal, check));
  else await throughFile(file, check);
  const verdict = check.end();
  const wrong = checkpoint === null ? [] : againstCheckpoint(checkpoint, given.text('public-key'), check, verdict);
  const isGood = verdict.findings.length === 0 && wrong.length === 0;
  if (given.has('json')) {
    terminal.out(`${JSON.stringify({ ok: isGood, ...verdict, checkpoint_problems: wrong })}\n`);
  } else {
    for (const { sequence, problem } of verdict.findings) terminal.err(`event ${sequence}: ${problem}\n`);
    for (const problem of wrong) terminal.err(`the checkpoint: ${problem}\n`);
    terminal.out(`${inWords(verdict, isGood)}\n`);
  }
  return isGood ? DONE : FAILED;
}

function inWords({ events, first, last, chainedFrom, stubs }: Verdict, isGood: boolean): string {
  if (first === null || last === null) return 'no events';
  const range = `${events} events, ${first} to ${last.sequence}`;
  if (!isGood) return `${range}: not whole`;
  const since =
    chainedFrom === null
      ? ', none of which names the one before it'
      : chainedFrom > first
        ? `, chained from ${chainedFrom} on`
        : '';
  return `${range}: whole and unchanged${since}${stubs === 0 ? '' : `; ${stubs} of them are stubs`}. The last one’s hash: ${last.hash}`;
}

function againstCheckpoint(
  checkpoint: z.infer<typeof checkpointSchema>,
  publicKey: string | null,
  check: ChainCheck,
  { first, last }: Verdict,
): string[] {
  const { facility, sequence, hash } = checkpoint;
  if (publicKey !== null && publicKey !== checkpoint.public_key) return ['it names another key than --public-key'];
  if (!isSigned(facility, checkpoint satisfies Checkpoint, publicKey))
    return ['its signature does not fit what it says'];
  if (sequence === 0) return [];
  if (last === null || sequence > last.sequence) return [`the log ended with ${sequence} then, and is shorter now`];
  if (first !== null && sequence < first) return [`event ${sequence} is not in the log: it begins with ${first}`];
  return check.hashOf(sequence) === hash ? [] : [`event ${sequence} is not the one that was signed`];
}

function readCheckpoint(file: string): z.infer<typeof checkpointSchema> {
  const text = readInput(file, '--checkpoint').toString('utf8');
  try {
    return checkpointSchema.parse(JSON.parse(text));
  } catch {
    throw new UsageError(
      `--checkpoint: ${file} is none. Remedy: keep one as it is published: mosquitto_sub -C 1 -t lintel/v1/FACILITY/state/audit`,
    );
  }
}

async function withChannel<T>(given: Given, terminal: Terminal, work: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await openChannel(given, terminal);
  try {
    return await work(channel);
  } finally {
    await channel.close();
  }
}

async function throughChannel(channel: Channel, given: Given, terminal: Terminal, check: ChainCheck): Promise<void> {
  await walk(channel, given, terminal, 1, Number.MAX_SAFE_INTEGER, (event) => check.add(JSON.stringify(event), event));
}

/** Every event between two numbers, with a bar for people. */
async function walk(
  channel: Channel,
  given: Given,
  terminal: Terminal,
  from: number,
  to: number,
  use: (event: Fields) => void | Promise<void>,
): Promise<void> {
  const timeoutMs = timeoutOf(given, REPLY_MS);
  const last = Math.min(to, await newestSequence(channel, timeoutMs));
  const bar = progressBar(terminal, given.has('json') || given.text('out') === '-');
  try {
    await eachEvent(channel, from, last, timeoutMs, async (event) => {
      await use(event);
      const { sequence } = event;
      if (typeof sequence === 'number' && sequence % 200 === 0)
        bar.show(sequence - from, last - from + 1, `event ${sequence} of ${last}`);
    });
  } finally {
    bar.end();
  }
}

/** The library is loaded only where it is used. */
async function throughDatabase(path: string, check: ChainCheck): Promise<void> {
  const { eventsAtRest } = await import('../store/log-at-rest.ts');
  for (const json of eventsAtRest(path)) {
    const event = eventIn(json);
    // Somebody has written into it: without a number it is told as no event.
    check.add(json, typeof event === 'string' ? {} : event);
  }
}

async function throughFile(file: string, check: ChainCheck): Promise<void> {
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  try {
    for await (const line of lines) {
      number += 1;
      if (line.trim() === '') continue;
      const event = eventIn(line);
      if (typeof event === 'string') throw new UsageError(`${file}:${number} ${event}`);
      check.add(line, event);
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`--file: ${file} cannot be read: ${whyUnread(error)}`);
  }
}

async function exportLog(given: Given, terminal: Terminal): Promise<number> {
  const out = given.text('out');
  const format = given.text('format') ?? 'jsonl';
  if (out === null) throw new UsageError('say where to: --out FILE, or --out -');
  if (format !== 'jsonl' && format !== 'csv') throw new UsageError('--format is jsonl or csv');
  const from = given.whole('from', 1, Number.MAX_SAFE_INTEGER) ?? 1;
  const to = given.whole('to', 1, Number.MAX_SAFE_INTEGER) ?? Number.MAX_SAFE_INTEGER;
  let count = 0;
  await withChannel(given, terminal, async (channel) => {
    const file = out === '-' ? null : newFile(out);
    const write = async (text: string): Promise<void> => {
      if (file !== null) return void writeSync(file, text);
      terminal.out(text);
      await terminal.taken();
    };
    try {
      if (format === 'csv') await write(CSV_HEAD);
      await walk(channel, given, terminal, from, to, async (event) => {
        count += 1;
        await write(format === 'csv' ? csvLine(event) : `${JSON.stringify(event)}\n`);
      });
      if (file !== null) fsyncSync(file);
    } finally {
      if (file !== null) closeSync(file);
    }
  });
  if (out !== '-') terminal.out(`${count} events in ${out}\n`);
  return DONE;
}

/** A file that is there is somebody's. */
function newFile(path: string): number {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    throw new UsageError(`--out: ${path} cannot be made: ${whyUnmade(error)}`);
  }
}
