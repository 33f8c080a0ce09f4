// Help pages: the same plain form for every command.

import type { Option } from './options.ts';
import type { Terminal } from './terminal.ts';
import { painter } from './terminal.ts';

export type HelpPage = {
  usage: readonly string[];
  /** What it does, one or two sentences. */
  about: string;
  sections?: readonly { title: string; rows: readonly (readonly [string, string])[] }[];
  examples?: readonly string[];
  notes?: readonly string[];
};

/** A command of the CLI; its module is loaded when it is called. */
export type Program = {
  help(words: readonly string[]): HelpPage;
  /** Resolves with the exit code; throws UsageError and OperatingError. */
  run(argv: readonly string[], terminal: Terminal): Promise<number>;
};

export const optionRows = (options: readonly Option[]): (readonly [string, string])[] =>
  options.map((option) => [
    `--${option.name}${option.value === null ? '' : ` ${option.value}`}`,
    `${option.description}${option.required === true ? ' (required)' : ''}`,
  ]);

export function renderHelp(page: HelpPage, terminal: Terminal): string {
  const paint = painter(terminal);
  const blocks = [
    page.usage.map((line, i) => `${i === 0 ? paint('bold', 'Usage:') : '      '} ${line}`).join('\n'),
    wrap(page.about, terminal.width).join('\n'),
    ...(page.sections ?? [])
      .filter(({ rows }) => rows.length > 0)
      .map(({ title, rows }) => `${paint('bold', `${title}:`)}\n${columns(rows, terminal.width)}`),
    ...(page.examples === undefined || page.examples.length === 0
      ? []
      : [`${paint('bold', 'Examples:')}\n${page.examples.map((line) => commandLines(line, 2, terminal)).join('\n')}`]),
    ...(page.notes ?? []).map((note) => wrap(note, terminal.width).join('\n')),
  ];
  return `${blocks.join('\n\n')}\n`;
}

const MOST_LEFT = 36;

/** Two columns; where the left one is too long for its place, the text begins below it. */
function columns(rows: readonly (readonly [string, string])[], width: number): string {
  const left = Math.min(MOST_LEFT, Math.max(...rows.map(([name]) => name.length)));
  const indent = ' '.repeat(left + 4);
  return rows
    .map(([name, text]) => {
      const lines = wrap(text, Math.max(30, width - left - 4));
      if (name.length > left) return [`  ${name}`, ...lines.map((line) => `${indent}${line}`)].join('\n');
      return lines.map((line, i) => `${i === 0 ? `  ${name.padEnd(left)}  ` : indent}${line}`).join('\n');
    })
    .join('\n');
}

/**
 * A command to copy: on a screen that is too narrow for it, continued from line to line as a shell reads it, and never
 * broken inside a word.
 */
export function commandLines(command: string, indent: number, terminal: Terminal): string {
  const margin = ' '.repeat(indent);
  if (!terminal.isTty || command.length + indent <= terminal.width) return margin + command;
  const lines: string[] = [];
  for (const part of command.split(/ (?=--)/)) {
    const last = lines.at(-1);
    // Two for the backslash and what stands before it.
    const isRoom = last !== undefined && indent + 2 + last.length + 1 + part.length + 2 <= terminal.width;
    if (isRoom) lines[lines.length - 1] = `${last} ${part}`;
    else lines.push(part);
  }
  return margin + lines.join(` \\\n${margin}  `);
}

export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}
