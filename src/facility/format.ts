// Problems of a facility file for people at a terminal and for machines. The line of the file stands below each, with a
// caret; what of it may be shown was decided where the problem was found.

import type { ShownProblem } from './report.ts';
import { printable } from '../domain/words.ts';

/**
 * `riverside.yaml:12:5  entrances.lobby.strike.output  relay-board has no output 9  Remedy: Its outputs are 0 to 7.`,
 * the line and a caret below, and a count at the end. Empty for no problems.
 */
export function formatProblems(problems: readonly ShownProblem[]): string {
  if (problems.length === 0) return '';
  const more = problems.length - MOST_SHOWN;
  const rest = more > 0 ? [`… and ${more} more; correct these first`] : [];
  return `${[...problems.slice(0, MOST_SHOWN).map(formatProblem), ...rest].join('\n')}\n${count(problems)}\n`;
}

/** More than anybody reads. */
const MOST_SHOWN = 200;

export function problemsJson(problems: readonly ShownProblem[]): string {
  const { errors, warnings } = tally(problems);
  return JSON.stringify({ ok: errors === 0, errors, warnings, problems });
}

function formatProblem(problem: ShownProblem): string {
  const { file, line, column, key, severity, message, remedy, source } = problem;
  const parts = [
    `${file}:${line}:${column}`,
    ...(key === '' ? [] : [key]),
    severity === 'warning' ? `warning: ${message}` : message,
    `Remedy: ${remedy}`,
  ];
  const head = printable(parts.join('  '));
  return source === undefined ? head : `${head}\n${excerpt(source, line, column)}`;
}

const WIDTH = 100;

function excerpt(source: string, line: number, column: number): string {
  const gutter = String(line).padStart(6);
  const isVisible = column - 1 <= source.length;
  // A long line is shown around its place.
  const skipped = isVisible && column > WIDTH - 20 ? column - Math.floor(WIDTH / 2) : 0;
  const lead = skipped > 0 ? '… ' : '';
  const tail = source.length > skipped + WIDTH ? ' …' : '';
  const text = `${lead}${printable(source.slice(skipped, skipped + WIDTH).replaceAll('\t', ' '))}${tail}`;
  const caret = isVisible ? `\n       | ${' '.repeat(lead.length + column - 1 - skipped)}^` : '';
  return `${gutter} | ${text}${caret}`;
}

function count(problems: readonly ShownProblem[]): string {
  const { errors, warnings } = tally(problems);
  const words = [
    ...(errors > 0 ? [`${errors} ${errors === 1 ? 'mistake' : 'mistakes'}`] : []),
    ...(warnings > 0 ? [`${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`] : []),
  ];
  return words.join(', ');
}

function tally(problems: readonly ShownProblem[]): { errors: number; warnings: number } {
  const errors = problems.filter((problem) => problem.severity === 'error').length;
  return { errors, warnings: problems.length - errors };
}
