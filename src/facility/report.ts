// Collects what is found in a facility file and turns it into problems with places. Here is also what must not be
// shown: a line of the file that holds a secret by mistake is cut where the secret begins.

import { quotedPath } from '../domain/outside-text.ts';
import type { Problem } from '../domain/facility.ts';
import type { KeyPath, Span, YamlSource } from './yaml-source.ts';

export type Finding = {
  severity: 'error' | 'warning';
  path: KeyPath;
  /** Point at the key, or at what it says. */
  at: 'key' | 'value';
  message: string;
  remedy: string;
};

/** A problem with the line that it is about, as far as it may be shown. */
export type ShownProblem = Problem & {
  /** The line as written, without what may be a secret; absent where there is no such line. */
  source?: string;
};

export class Report {
  readonly file: string;
  readonly #source: YamlSource;
  readonly #findings: Finding[] = [];
  readonly #unknownKeys = new Set<string>();

  constructor(file: string, source: YamlSource) {
    this.file = file;
    this.#source = source;
  }

  error(path: KeyPath, message: string, remedy: string, at: Finding['at'] = 'value'): void {
    this.#findings.push({ severity: 'error', path, at, message, remedy });
  }

  warn(path: KeyPath, message: string, remedy: string, at: Finding['at'] = 'value'): void {
    this.#findings.push({ severity: 'warning', path, at, message, remedy });
  }

  unknownKey(path: KeyPath, message: string, remedy: string): void {
    this.#unknownKeys.add(keyText(path));
    this.error(path, message, remedy, 'key');
  }

  /** Whether something was said about this very place already. */
  mentions(path: KeyPath): boolean {
    return this.#findings.some((finding) => keyText(finding.path) === keyText(path));
  }

  /** Whether this very place was found wrong already. */
  refuses(path: KeyPath): boolean {
    return this.#findings.some((finding) => finding.severity === 'error' && keyText(finding.path) === keyText(path));
  }

  /**
   * In the order of the file, each once. Behind the first syntax error nothing is certain, so only what stands before
   * it is told beside it.
   */
  problems(): ShownProblem[] {
    const hidden = this.#hiddenSpans();
    const broken = Math.min(...this.#source.findings.filter((f) => f.syntax).map((f) => f.offset));
    const ofText = this.#source.findings.map((finding) =>
      this.#problem({ ...finding, severity: finding.doubt === true ? 'warning' : 'error' }, finding.offset, hidden),
    );
    const ofContent = this.#findings.flatMap((finding) => {
      const offset = this.#source.offsetOf(finding.path, finding.at);
      return this.#isCertain(finding, offset, broken) ? [this.#problem(finding, offset, hidden)] : [];
    });
    const unique = new Map<string, ShownProblem>();
    for (const problem of [...ofText, ...ofContent]) {
      const id = `${problem.line}:${problem.column} ${problem.key} ${problem.message}`;
      if (!unique.has(id)) unique.set(id, problem);
    }
    return [...unique.values()].sort((a, b) => a.line - b.line || a.column - b.column);
  }

  #isCertain(finding: Finding, offset: number, broken: number): boolean {
    if (broken === Infinity) return true;
    // What is said to be missing may stand behind the broken place.
    return (
      this.#source.has(finding.path) &&
      this.#source.lineAndColumn(offset).line < this.#source.lineAndColumn(broken).line
    );
  }

  #problem(
    finding: Pick<Finding, 'severity' | 'path' | 'message' | 'remedy'>,
    offset: number,
    hidden: readonly Span[],
  ): ShownProblem {
    const { line, column } = this.#source.lineAndColumn(offset);
    const problem = {
      severity: finding.severity,
      file: this.file,
      line,
      column,
      key: keyText(quotedPath(finding.path)),
      message: finding.message,
      remedy: asSentence(finding.remedy),
    };
    const source = this.#hasKeys ? this.#shownLine(offset - (column - 1), hidden) : null;
    return source === null ? problem : { ...problem, source };
  }

  #shownLine(start: number, hidden: readonly Span[]): string | null {
    const { text } = this.#source;
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline;
    const covering = hidden.filter((span) => span.start < end && span.end > start);
    const cut = Math.min(end, ...covering.map((span) => Math.max(start, span.start)));
    const line = cutAtSecretKey(text.slice(start, cut).replace(/\r$/, ''));
    if (line.length > MOST_LINE) return null;
    if (cut < end) return `${line.trimEnd()} …`;
    return line.trim() === '' ? null : line;
  }

  /** What is no facility file at all may be a key or a password, named by mistake: nothing of it is shown. */
  get #hasKeys(): boolean {
    const { value } = this.#source;
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  }

  /**
   * What stands under keys that hold secrets (or nearly have such a name), unless it only says where the secret is; and
   * under unknown keys, for they may be anything.
   */
  #hiddenSpans(): Span[] {
    const spans: Span[] = [];
    for (const { path, value, isMap } of this.#source.keys()) {
      const isUnknown = this.#unknownKeys.has(keyText(path));
      if (isUnknown || (!isMap && isSecretKey(path.at(-1)))) spans.push(value);
      else if (isMap && isSecretKey(path.at(-1)) && this.#holdsUnknown(path)) spans.push(value);
    }
    return spans;
  }

  #holdsUnknown(path: KeyPath): boolean {
    for (const { path: inner } of this.#source.keys()) {
      const isChild = inner.length === path.length + 1 && path.every((step, i) => step === inner[i]);
      if (isChild && inner.at(-1) !== 'file' && inner.at(-1) !== 'credential') return true;
    }
    return false;
  }
}

/** A line longer than this was written by no person. */
const MOST_LINE = 4_096;

const SECRET_KEY = /^(.*_)?(pass.*|pwd|secret|token|pin|key|code)$/i;

export function isSecretKey(key: string | number | undefined): boolean {
  return typeof key === 'string' && key !== 'facility_code' && SECRET_KEY.test(key);
}

/** True where what stands at `path` must never be repeated in a message. */
export const isSecretPath = (path: KeyPath): boolean => path.some(isSecretKey);

/**
 * In a text that is no good YAML the keys are not known: whatever follows something like one that holds a secret is
 * cut.
 */
function cutAtSecretKey(line: string): string {
  const match = /([A-Za-z_]+)["']?\s*:\s*(?!\{|$|\s)/g;
  for (let found = match.exec(line); found !== null; found = match.exec(line)) {
    if (isSecretKey(found[1])) return `${line.slice(0, found.index + found[0].length).trimEnd()} …`;
  }
  const credentials = /:\/\/\S*@/.exec(line);
  return credentials === null ? line : `${line.slice(0, credentials.index + 3)}…`;
}

/** Drivers say what to do in their own style; it is shown in one. */
const asSentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.?!…]$/.test(text) ? '' : '.'}`;

/** `entrances.lobby.readers[0]`. */
export function keyText(path: KeyPath): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}
