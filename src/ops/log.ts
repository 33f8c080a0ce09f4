// The log, on stderr: JSON for machines (with journald's priority before each line when it is journald that listens),
// and short lines for a person at a terminal. Writing never waits: a stalled journal costs a bounded buffer and then
// lines, which are counted, but never a door.

import { fstatSync } from 'node:fs';
import { pino, symbols, type DestinationStream, type Logger } from 'pino';
import type { Clock, Log, LogFields } from '../domain/ports.ts';
import { memberOf } from '../domain/named.ts';
import { LogBudget } from './log-budget.ts';
import { redactFields } from './redact.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFormat = 'human' | 'json' | 'journal';

export type LogSetup = {
  clock: Clock;
  level: LogLevel;
  format: LogFormat;
  /** Takes whole lines, each with its newline. Must neither wait nor throw. */
  write(line: string): void;
  /** Human lines in colour. */
  colour: boolean;
};

const LEVELS: Readonly<Record<LogLevel, { priority: number; label: string; colour: number }>> = {
  debug: { priority: 7, label: 'debug', colour: 90 },
  info: { priority: 6, label: 'info ', colour: 36 },
  warn: { priority: 4, label: 'WARN ', colour: 33 },
  error: { priority: 3, label: 'ERROR', colour: 31 },
};

/** Names that a line itself uses; a field of such a name gets a `_` behind it. */
const LINE_NAMES = new Set(['level', 'time', 'message']);

/**
 * A log that writes through `setup.write`. Fields pass the second net (`redact.ts`); messages do not, so none may be
 * made from a secret.
 */
export function createLog(setup: LogSetup): Log {
  const root = pino(
    {
      level: setup.level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${instant(setup.clock.nowMs())}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination(setup),
  );
  const budget = new LogBudget(setup.clock, (lines, example) =>
    root.warn({ lines, example: oneLine(example) }, 'log lines were left out, for there were too many of a kind'),
  );
  return wrap(root, budget);
}

/**
 * The process's own log: format, level and colour from the environment. `flush` writes what is still buffered, at the
 * end of a command.
 */
export function openLog(
  clock: Clock,
  env: Readonly<Record<string, string | undefined>>,
  options: { json: boolean },
): { log: Log; flush: () => void } {
  const sink = pino.destination({ fd: 2, sync: false, maxLength: MAX_BUFFERED });
  const { level, problem } = levelFrom(env['LINTEL_LOG']);
  const terminal = process.stderr.isTTY && !options.json;
  const log = createLog({
    clock,
    level,
    format: terminal ? 'human' : journalListens(env) ? 'journal' : 'json',
    colour: terminal && (env['NO_COLOR'] ?? '') === '',
    write: (line) => void sink.write(line),
  });
  countLost(sink, log);
  if (problem !== null) log.warn(problem);
  return { log, flush: () => flushed(sink) };
}

/** Whoever read the log may have gone: then its last lines are lost, and nothing else. */
function flushed(sink: ReturnType<typeof pino.destination>): void {
  try {
    sink.flushSync();
  } catch {
    return;
  }
}

const MAX_BUFFERED = 4 * 1024 * 1024;

/** Says how many lines were lost once the sink takes lines again: a gap in a log must not look like silence. */
function countLost(sink: ReturnType<typeof pino.destination>, log: Log): void {
  let lost = 0;
  sink.on('drop', () => (lost += 1));
  sink.on('error', () => undefined); // a log that cannot be written is no reason to end
  sink.on('drain', () => {
    if (lost === 0) return;
    const lines = lost;
    lost = 0;
    log.warn('log lines were lost, for nobody read them', { lines });
  });
}

/** `LINTEL_LOG` as a level; a wrong one is no reason to keep a door shut: `info`, and the problem to log. */
export function levelFrom(text: string | undefined): { level: LogLevel; problem: string | null } {
  const wanted = (text ?? '').trim().toLowerCase();
  if (wanted === '') return { level: 'info', problem: null };
  if (isLevel(wanted)) return { level: wanted, problem: null };
  return { level: 'info', problem: 'LINTEL_LOG must be debug, info, warn or error; it is neither, so info is used' };
}

function isLevel(text: string): text is LogLevel {
  return Object.hasOwn(LEVELS, text);
}

/** True when our stderr is the stream journald made for this unit (systemd.exec, JOURNAL_STREAM). */
function journalListens(env: Readonly<Record<string, string | undefined>>): boolean {
  const stream = env['JOURNAL_STREAM'];
  if (stream === undefined) return false;
  try {
    const { dev, ino } = fstatSync(2);
    return stream === `${dev}:${ino}`;
  } catch {
    return false;
  }
}

/** `said`: the fields that the parents write already. JSON with one name twice is refused by some readers of it. */
function wrap(logger: Logger, budget: LogBudget, said: Readonly<Record<string, unknown>> = {}): Log {
  const news = (fields: LogFields | undefined): Record<string, unknown> =>
    Object.fromEntries(Object.entries(safe(fields)).filter(([name, value]) => memberOf(said, name) !== value));
  const place = JSON.stringify(said);
  const speaks = (level: LogLevel, message: string, fields: LogFields | undefined): boolean =>
    logger.isLevelEnabled(level) && budget.admits(message, `${place}${placeOf(fields)}`);
  return {
    debug: (message, fields) => logger.isLevelEnabled('debug') && logger.debug(news(fields), oneLine(message)),
    info: (message, fields) => speaks('info', message, fields) && logger.info(news(fields), oneLine(message)),
    warn: (message, fields) => speaks('warn', message, fields) && logger.warn(news(fields), oneLine(message)),
    error: (message, fields) => speaks('error', message, fields) && logger.error(news(fields), oneLine(message)),
    child: (fields) => wrap(logger.child(news(fields)), budget, { ...said, ...safe(fields) }),
  };
}

/** One mad device says as much as it may, and the others go on being heard. */
function placeOf(fields: LogFields | undefined): string {
  if (fields === undefined) return '';
  return PLACES.map((name) => (typeof fields[name] === 'string' ? fields[name] : '')).join(' ');
}
const PLACES = ['bus', 'device', 'controller', 'entrance'] as const;

function safe(fields: LogFields | undefined): Record<string, unknown> {
  if (fields === undefined) return {};
  return Object.fromEntries(
    Object.entries(redactFields(fields)).map(([name, value]) => [LINE_NAMES.has(name) ? `${name}_` : name, value]),
  );
}

function destination(setup: LogSetup): DestinationStream {
  if (setup.format === 'human') return { write: (line) => setup.write(humanLine(line, setup.colour)) };
  if (setup.format === 'json') return { write: (line) => setup.write(line) };
  // journald takes `<N>` off the line and files it as the priority, so that `journalctl -p warning` works.
  const stream = {
    [symbols.needsMetadataGsym]: true,
    lastLevel: 30,
    write: (line: string) => setup.write(`<${priorityOf(stream.lastLevel)}>${line}`),
  };
  return stream;
}

/** pino's numbers (20 debug, 30 info, 40 warn, 50 error) as syslog's. */
function priorityOf(level: number): number {
  if (level >= 50) return LEVELS.error.priority;
  if (level >= 40) return LEVELS.warn.priority;
  return level >= 30 ? LEVELS.info.priority : LEVELS.debug.priority;
}

/**
 * `08:30:00.123 WARN  reader went offline  bus=north device=lobby-reader`, in local time. Takes a line of the JSON
 * form.
 */
function humanLine(json: string, colour: boolean): string {
  const { level, time, message, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const look = LEVELS[typeof level === 'string' && isLevel(level) ? level : 'info'];
  const paint = (code: number, text: string): string => (colour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const details = Object.entries(fields).map(([name, value]) => `${paint(90, `${name}=`)}${humanValue(value)}`);
  const head = `${paint(90, localTime(time))} ${paint(look.colour, look.label)} ${String(message)}`;
  const stack = Object.values(fields)
    .map(stackOf)
    .find((text) => text !== null);
  return `${[head, details.join(' ')].filter((part) => part !== '').join('  ')}${stack === undefined ? '' : `\n${stack}`}\n`;
}

/**
 * A text is shown bare only when it can neither be mistaken for two fields nor move the cursor of the terminal it is
 * shown on.
 */
function humanValue(value: unknown): string {
  if (typeof value === 'string')
    return /^[\p{L}\p{N}\p{P}\p{S}]+$/u.test(value) && !/["=]/.test(value) ? value : JSON.stringify(value);
  if (stackOf(value) !== null) return JSON.stringify((value as { message?: unknown }).message);
  return JSON.stringify(value);
}

function stackOf(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || !('stack' in value) || typeof value.stack !== 'string')
    return null;
  return value.stack
    .split('\n')
    .map((line) => `    ${oneLine(line).trim()}`)
    .join('\n');
}

function localTime(time: unknown): string {
  const at = new Date(typeof time === 'string' ? time : Number.NaN);
  if (Number.isNaN(at.getTime())) return '--:--:--.---';
  const digits = (value: number, width: number): string => String(value).padStart(width, '0');
  return `${digits(at.getHours(), 2)}:${digits(at.getMinutes(), 2)}:${digits(at.getSeconds(), 2)}.${digits(at.getMilliseconds(), 3)}`;
}

/**
 * Messages are our own words, but may quote the world's: control characters must neither break the line nor reach a
 * terminal.
 */
function oneLine(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\u2028\u2029]/gu,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function instant(atMs: number): string {
  const at = new Date(atMs);
  return Number.isNaN(at.getTime()) ? 'unknown' : at.toISOString();
}
