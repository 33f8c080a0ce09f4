// `lintel manual`: the manual page of the whole command line, in roff, as `man` shows it. A package installs it.

import type { HelpPage, Program } from './help.ts';
import { noMoreWords } from './options.ts';
import { DONE } from './terminal.ts';
import { version } from './version.ts';
import { vocabulary, type Command, type Entry } from './vocabulary.ts';

export const manualProgram = (table: readonly Command[]): Program => ({
  help: () => ({
    usage: ['lintel manual'],
    about: 'The manual page of all commands, in roff. A package brings it along as lintel(1).',
    examples: ['lintel manual | man -l -'],
  }),
  async run(argv, terminal) {
    noMoreWords(argv, 0, 'lintel manual');
    terminal.out(page(await vocabulary(table)));
    return DONE;
  },
});

/** A line that is text and no request: dots and quotes in front, backslashes and hyphens as they are typed, the rest by its
 * number. */
const text = (line: string): string =>
  line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll(/[^ -~]/gu, (sign) => `\\[u${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`)
    .replace(/^(?=[.'])/, '\\&');

const rows = (list: readonly (readonly [string, string])[]): string[] =>
  list.flatMap(([name, about]) => ['.TP', `.B "${text(name).replaceAll('"', '\\(dq')}"`, text(about)]);

function shown(help: HelpPage, isWanted: (title: string) => boolean): string[] {
  return [
    ...help.usage.flatMap((line) => ['.PP', '.nf', text(line), '.fi']),
    '.PP',
    text(help.about),
    ...(help.sections ?? [])
      .filter(({ title, rows: list }) => list.length > 0 && isWanted(title))
      .flatMap(({ title, rows: list }) => ['.PP', text(`${title}:`), ...rows(list)]),
    ...(help.examples === undefined || help.examples.length === 0
      ? []
      : ['.PP', 'Examples:', '.PP', '.nf', ...help.examples.map((line) => text(`    ${line}`)), '.fi']),
    ...(help.notes ?? []).flatMap((note) => ['.PP', text(note)]),
  ];
}

/** Where the agent is, is said once for all that ask it. */
const WHERE = /^Where/;

function page(entries: readonly Entry[]): string {
  const where = entries.flatMap(({ page: help }) => help.sections ?? []).find(({ title }) => title === 'Where');
  const lines = [
    `.TH LINTEL 1 "" "lintel ${version()}" "Lintel"`,
    '.SH NAME',
    'lintel \\- door access for one building, decided on the spot',
    '.SH SYNOPSIS',
    '.B lintel',
    '.I COMMAND',
    '[\\fIOPTIONS\\fR]',
    '.SH DESCRIPTION',
    text(
      'Takes credentials over MQTT, keeps them, writes them to door controllers and decides at its readers, also while nothing above it answers.',
    ),
    '.SH COMMANDS',
    ...rows(entries.map(({ name, summary }) => [name, summary] as const)),
    ...(where === undefined
      ? []
      : ['.SH WHERE THE AGENT IS', text('Commands that speak to an agent take:'), ...rows(where.rows)]),
    ...entries.flatMap(({ name, page: help, words }) => [
      `.SH ${text(name).toUpperCase()}`,
      ...shown(help, (title) => !WHERE.test(title)),
      ...words.verbs.flatMap((verb) => [
        `.SS ${text(`${name} ${verb.name}`)}`,
        ...shown(verb.page, (title) => !WHERE.test(title)),
      ]),
    ]),
    '.SH EXIT STATUS',
    ...rows([
      ['0', 'done'],
      ['1', 'failed'],
      ['2', 'wrong use, or a wrong file'],
    ]),
    '.SH FILES',
    ...rows([
      ['/etc/lintel/FACILITY.yaml', 'The facility file of a building.'],
      ['/var/lib/lintel/FACILITY', 'Its database, master key and backups.'],
      ['/run/lintel/FACILITY', 'The control socket of its agent.'],
      ['/usr/share/doc/lintel', 'The documentation, examples and the bill of materials.'],
    ]),
  ];
  return `${lines.join('\n')}\n`;
}
