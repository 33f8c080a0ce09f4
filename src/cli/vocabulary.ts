// What can be typed: every command with its verbs and options, read off the help pages. Completion and the manual page
// are made from it, so that neither can say something else than `--help`.

import type { HelpPage, Program } from './help.ts';

/** `of`: what the contract calls it, which is understood as well. */
export type Command = { name: string; summary: string; of?: string; load: () => Promise<Program> };
export type Words = { options: readonly OptionWord[]; verbs: readonly Verb[] };
export type Verb = { name: string; summary: string; page: HelpPage; options: readonly OptionWord[] };
/** `value`: how its value is called, null where it takes none. */
export type OptionWord = { name: string; value: string | null; description: string };
export type Entry = { name: string; summary: string; page: HelpPage; words: Words };

/** Sections whose rows are what comes behind the command. */
const VERBS = new Set(['Verbs', 'Names']);

export async function vocabulary(table: readonly Command[]): Promise<Entry[]> {
  return await Promise.all(
    table.map(async ({ name, summary, load }) => {
      const program = await load();
      const page = program.help([]);
      const verbs = rowsOf(page, (title) => VERBS.has(title)).flatMap(([row, about]): Verb[] => {
        const [verb = ''] = row.replace(`lintel ${name} `, '').split(' ');
        if (!/^[a-z][a-z-]*$/.test(verb)) return [];
        const own = program.help([verb]);
        return [{ name: verb, summary: about, page: own, options: optionsOf(own) }];
      });
      return { name, summary, page, words: { options: optionsOf(page), verbs } };
    }),
  );
}

function rowsOf(page: HelpPage, isWanted: (title: string) => boolean): (readonly [string, string])[] {
  return (page.sections ?? []).filter(({ title }) => isWanted(title)).flatMap(({ rows }) => rows);
}

function optionsOf(page: HelpPage): OptionWord[] {
  return rowsOf(page, (title) => !VERBS.has(title)).flatMap(([row, description]) => {
    const [, name, value] = /^--([a-z][a-z-]*)(?: (.+))?$/.exec(row) ?? [];
    return name === undefined ? [] : [{ name, value: value ?? null, description }];
  });
}
