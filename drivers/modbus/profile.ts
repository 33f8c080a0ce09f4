// Reads a controller profile: YAML to checked data with wire addresses. Every mistake is told at once, each with its
// place, what is wrong and what would be right.

import { readdirSync, readFileSync } from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMap, isNode, LineCounter, parseDocument, type Document } from 'yaml';
import { lintProfile } from './profile-lint.ts';
import {
  PROFILE_SCHEMA,
  profileSchema,
  type Profile,
  type ProfileDocument,
  type ProfileProblem,
} from './profile-schema.ts';
import { FEEDBACK_SIGNALS, type ReaderSpec } from './reader-schema.ts';
import type { Area } from './schema-parts.ts';
import type { ConfigProblem } from '../../src/domain/ports.ts';
import { complaintsOf, UNWORDED, valueAt, type Complaint } from '../../src/domain/wording.ts';
import { cut, quoted, readText } from '../../src/domain/outside-text.ts';
import { didYouMean, nearest, shown } from '../../src/domain/words.ts';

type Path = ProfileProblem['path'];
export type ProfileResult = {
  problems: ConfigProblem[];
  profile: Profile | null;
  file: string;
  /** False where there was no file to read. */
  isRead: boolean;
};

export const SHIPPED_PROFILES = fileURLToPath(new URL('profiles/', import.meta.url));

/** Names of the profiles that come with Lintel. */
export const shippedNames = (): string[] =>
  readdirSync(SHIPPED_PROFILES)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();

/**
 * The file behind the name of a shipped profile (`waveshare-relay-8ch`) or a path relative to `baseFolder`
 * (`./profiles/acme.yaml`).
 */
export const profileFile = (name: string, baseFolder: string): string =>
  /[/\\]|\.ya?ml$/.test(name)
    ? isAbsolute(name)
      ? name
      : resolve(baseFolder, name)
    : join(SHIPPED_PROFILES, `${name}.yaml`);

const MOST_BYTES = 1024 * 1024;

/**
 * Loads a profile; null together with at least one error. Paths of problems start with `profile`, their messages name
 * file and line.
 */
export function loadProfile(name: string, baseFolder: string): ProfileResult {
  const file = profileFile(name, baseFolder);
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    return { problems: [unreadable(name, file, baseFolder, error)], profile: null, file, isRead: false };
  }
  const { text, flaw } = readText(bytes);
  const wrong =
    bytes.length > MOST_BYTES
      ? { line: 1, problem: 'is larger than 1 MiB, and no profile', remedy: 'name a profile' }
      : flaw !== undefined && { ...flaw, remedy: 'save it as UTF-8' };
  if (wrong === false) return { ...parseProfile(text, basename(file)), file, isRead: true };
  const message = `${basename(file)}:${wrong.line}: the file ${wrong.problem}`;
  const problem: ConfigProblem = { severity: 'error', path: ['profile'], message, remedy: wrong.remedy };
  return { problems: [problem], profile: null, file, isRead: true };
}

function unreadable(name: string, file: string, baseFolder: string, error: unknown): ConfigProblem {
  const problem = (message: string, remedy: string): ConfigProblem => ({
    severity: 'error',
    path: ['profile'],
    message,
    remedy,
  });
  if (file.startsWith(SHIPPED_PROFILES))
    return problem(
      `there is no profile ${name}`,
      `give one of ${shippedNames().join(', ')}, or the path of a file of your own, e.g. ./profiles/acme-dc2.yaml`,
    );
  const code = error instanceof Error && 'code' in error ? error.code : null;
  if (code === 'ENOENT')
    return problem(`there is no profile ${file}`, `correct the path; it counts from ${baseFolder}`);
  if (code === 'EISDIR') return problem(`${file} is a folder`, 'name the profile in it');
  return problem(`the profile ${file} cannot be read (${String(code)})`, 'look at its permissions');
}

/** Nothing of such a file is repeated: it may be anything, also a key. */
const NO_PROFILE = `begin with \`schema: ${PROFILE_SCHEMA}\`; the shipped profiles are made to be copied`;

/** Checks the text of a profile; `fileName` only goes into messages. */
export function parseProfile(text: string, fileName: string): { problems: ConfigProblem[]; profile: Profile | null } {
  const lines = new LineCounter();
  const yaml = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const lineOf = (path: Path): number => lines.linePos(offsetOf(yaml, path)).line;
  const located = ({ severity, path, message, remedy }: ProfileProblem): ConfigProblem => ({
    severity,
    path: ['profile'],
    message: `${fileName}:${lineOf(path)}: ${path.length === 0 ? '' : `${cut(path.join('.'), 200)}: `}${message}`,
    remedy,
  });
  if (yaml.errors.length > 0) {
    const problems = yaml.errors.map((error) => ({
      severity: 'error' as const,
      path: ['profile'],
      message: `${fileName}:${lines.linePos(error.pos[0]).line}: ${cut(error.message, 200)}`,
      remedy: 'correct the YAML there: indentation, colons, quotes',
    }));
    return { problems, profile: null };
  }
  const document = plainDocument(yaml);
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    const message = `${fileName}: this is no profile`;
    return { problems: [{ severity: 'error', path: ['profile'], message, remedy: NO_PROFILE }], profile: null };
  }
  const parsed = profileSchema.safeParse(document, UNWORDED);
  if (!parsed.success) {
    const complaints = complaintsOf(profileSchema, document, parsed.error.issues);
    return { problems: complaints.map((complaint) => located(explain(complaint, document))), profile: null };
  }
  const addressProblems: ProfileProblem[] = [];
  const profile = toWire(parsed.data, addressProblems);
  const problems = [...addressProblems, ...lintProfile(profile)];
  const bad = problems.some((problem) => problem.severity === 'error');
  return { problems: problems.map(located), profile: bad ? null : profile };
}

/** Null for aliases that repeat each other until nothing could hold it. */
function plainDocument(yaml: Document): unknown {
  try {
    return yaml.toJS({ maxAliasCount: 100 }) as unknown;
  } catch (error) {
    if (error instanceof ReferenceError || error instanceof RangeError) return null;
    throw error;
  }
}

/** Where a path stands in the file, or where the nearest thing above it does. */
function offsetOf(yaml: Document, path: Path): number {
  for (let depth = path.length; depth > 0; depth--) {
    const above: unknown = yaml.getIn(path.slice(0, depth - 1), true);
    const key = path[depth - 1];
    const pair = isMap(above)
      ? above.items.find((item) => isNode(item.key) && String(item.key.toJS(yaml)) === String(key))
      : undefined;
    const node: unknown = pair?.key ?? yaml.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

/** One mistake of the form, with what to do. */
function explain(complaint: Complaint, document: unknown): ProfileProblem {
  const { path } = complaint;
  const problem = (message: string, remedy: string): ProfileProblem => ({
    severity: 'error',
    path: [...path],
    message,
    remedy,
  });
  switch (complaint.what) {
    case 'unknown_key': {
      const remedy = didYouMean(complaint.key, complaint.known, `keys here: ${complaint.known.join(', ')}`);
      return problem(`${quoted(complaint.key)} is not known here`, `remove it, or correct its spelling: ${remedy}`);
    }
    case 'missing':
      return problem('it is missing', `add it: ${complaint.expected}`);
    case 'unfit': {
      const found = valueAt(document, path);
      const meant = typeof found === 'string' ? nearest(found, (complaint.node?.enum ?? []).map(String)) : null;
      return problem(
        `expected ${complaint.expected}, found ${shown(found)}`,
        meant === null ? `write ${complaint.expected}` : `did you mean ${meant}?`,
      );
    }
    case 'said':
      return problem(complaint.message, 'write it in that form');
  }
}

// ---- addresses ------------------------------------------------------------------------------------------------------

const MODICON_PREFIX: Readonly<Record<Area, number>> = { coil: 0, discrete: 1, input: 3, holding: 4 };

/** From an address as the manual counts to the one on the wire; null when this area has no such address. */
export function wireAddress(base: 0 | 1 | 'modicon', area: Area, at: number): number | null {
  const wire = base === 'modicon' ? fromModicon(area, at) : at - base;
  return wire >= 0 && wire <= 0xffff ? wire : null;
}

/** 40001 and 400001 are both the first holding register; a coil has no leading digit. */
function fromModicon(area: Area, at: number): number {
  const prefix = MODICON_PREFIX[area];
  return at - 1 - prefix * (at >= 100_000 || (prefix === 0 && at > 9_999) ? 100_000 : 10_000);
}

/** The same profile with wire addresses. */
function toWire(document: ProfileDocument, problems: ProfileProblem[]): Profile {
  const { base } = document.addressing;
  const wire = (area: Area, at: number, path: Path): number => {
    const address = wireAddress(base, area, at);
    if (address !== null) return address;
    problems.push({
      severity: 'error',
      path,
      message: `${at} is no address of ${area === 'discrete' ? 'a discrete input' : `area ${area}`} when counting is ${base}`,
      remedy:
        base === 'modicon'
          ? 'write coils as 1…, discrete inputs as 10001…, input registers as 30001…, holding registers as 40001…'
          : `give ${base} to ${65_535 + base}, or set addressing.base as the manual counts`,
    });
    return 0;
  };
  const place = <T extends { at: number }>(item: T, area: Area, ...path: Path): T => ({
    ...item,
    at: wire(area, item.at, [...path, 'at']),
  });
  const maybe = <T extends { at: number }>(item: T | undefined, area: Area | undefined, ...path: Path) =>
    item === undefined || area === undefined ? undefined : place(item, area, ...path);
  type Credentials = NonNullable<ProfileDocument['credentials']>;
  const steps = (list: Credentials['delete']['steps'], ...path: Path): Credentials['delete']['steps'] =>
    list.map((step, i) => ({
      ...step,
      write: maybe(step.write, 'holding', ...path, i, 'write'),
      poll: maybe(step.poll, step.poll?.area, ...path, i, 'poll'),
    }));
  const { credentials, events, clock } = document;
  return {
    ...document,
    addressing: { base: 0 },
    identity: maybe(document.identity, document.identity?.area, 'identity'),
    boot_counter: maybe(document.boot_counter, document.boot_counter?.area, 'boot_counter'),
    reset_flag: maybe(document.reset_flag, document.reset_flag?.area, 'reset_flag'),
    config_check: document.config_check.map((check, i) => place(check, check.area, 'config_check', i)),
    clock: clock && { ...place(clock, 'holding', 'clock'), set: maybe(clock.set, 'holding', 'clock', 'set') },
    credentials: credentials && {
      ...credentials,
      table: {
        ...credentials.table,
        base: wire('holding', credentials.table.base, ['credentials', 'table', 'base']),
      },
      delete: { ...credentials.delete, steps: steps(credentials.delete.steps, 'credentials', 'delete', 'steps') },
      commit: credentials.commit && {
        ...credentials.commit,
        steps: steps(credentials.commit.steps, 'credentials', 'commit', 'steps'),
      },
    },
    events: events && wireEvents(events, wire, place),
    reader: document.reader && wireReader(document.reader, place),
    outputs: document.outputs.map((output, i) => {
      const area = output.kind === 'coil' ? 'coil' : 'holding';
      const pulse = maybe(output.pulse, output.pulse?.area, 'outputs', i, 'pulse');
      if (output.kind === 'register') {
        const state = maybe(output.state, output.state?.area, 'outputs', i, 'state');
        return { ...place(output, area, 'outputs', i), pulse, state };
      }
      return { ...place(output, area, 'outputs', i), pulse };
    }),
    inputs: document.inputs.map((input, i) => ({
      ...place(input, input.area, 'inputs', i),
      latch: maybe(input.latch, 'coil', 'inputs', i, 'latch'),
    })),
    watchdog: maybe(document.watchdog, 'holding', 'watchdog'),
  };
}

type Place = <T extends { at: number }>(item: T, area: Area, ...path: Path) => T;

function wireReader(reader: ReaderSpec, place: Place): ReaderSpec {
  const { bits, area } = reader.card;
  const card = {
    ...place(reader.card, area, 'reader', 'card'),
    bits: typeof bits === 'object' ? place(bits, bits.area, 'reader', 'card', 'bits') : bits,
  };
  const feedback = { ...reader.feedback };
  for (const signal of FEEDBACK_SIGNALS)
    feedback[signal] = feedback[signal].map((write, i) => place(write, write.area, 'reader', 'feedback', signal, i));
  return reader.mode === 'flag-clear'
    ? { ...reader, card, feedback, flag: place(reader.flag, reader.flag.area, 'reader', 'flag') }
    : { ...reader, card, feedback, sequence: place(reader.sequence, reader.sequence.area, 'reader', 'sequence') };
}

type Events = NonNullable<ProfileDocument['events']>;

function wireEvents(events: Events, wire: (area: Area, at: number, path: Path) => number, place: Place): Events {
  const base = wire(events.area, events.base, ['events', 'base']);
  switch (events.mode) {
    case 'flag-clear':
      return { ...events, base, flag: place(events.flag, events.flag.area, 'events', 'flag') };
    case 'sequence':
      return { ...events, base, sequence: place(events.sequence, events.sequence.area, 'events', 'sequence') };
    case 'fifo':
      return {
        ...events,
        base,
        count: place(events.count, events.count.area, 'events', 'count'),
        pop: place(events.pop, 'holding', 'events', 'pop'),
      };
    case 'ring':
      return {
        ...events,
        base,
        head: place(events.head, events.head.area, 'events', 'head'),
        tail: place(events.tail, 'holding', 'events', 'tail'),
      };
  }
}
