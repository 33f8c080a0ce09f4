// `lintel credentials`: the verbs of the contract, and beside them whole lists as files.

import type { Program } from '../help.ts';
import { resourceProgram } from '../resource.ts';
import { exportProgram } from './export.ts';
import { importProgram } from './import.ts';

const VERBS: ReadonlyMap<string, { program: Program; summary: string }> = new Map([
  ['import', { program: importProgram, summary: 'People with their cards and PINs, from a list as CSV.' }],
  ['export', { program: exportProgram, summary: 'People with their cards, as a list that `import` reads.' }],
]);

const ofContract = resourceProgram('credentials');

export const credentialsProgram: Program = {
  help: ([verb]) => {
    const own = VERBS.get(verb ?? '');
    if (own !== undefined) return own.program.help([]);
    const page = ofContract.help(verb === undefined ? [] : [verb]);
    if (verb !== undefined) return page;
    const rows = [...VERBS].map(([name, { summary }]) => [name, summary] as const);
    const sections = page.sections?.map((section) =>
      section.title === 'Verbs' ? { ...section, rows: [...section.rows, ...rows] } : section,
    );
    return { ...page, ...(sections === undefined ? {} : { sections }) };
  },
  run: async (argv, terminal) => {
    const [verb = '', ...rest] = argv;
    return await (VERBS.get(verb)?.program.run(rest, terminal) ?? ofContract.run(argv, terminal));
  },
};
