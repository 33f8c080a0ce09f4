// `lintel check FILE`: every mistake of a facility file at once, each with its place and what would be right.

import { resolve } from 'node:path';
import { DRIVERS } from '../drivers.ts';
import { formatProblems, problemsJson } from '../facility/format.ts';
import { loadFacility } from '../facility/load.ts';
import { optionRows, type Program } from './help.ts';
import { noMoreWords, readOptions, type Option } from './options.ts';
import { DONE, UsageError, WRONG_USE } from './terminal.ts';

const USAGE = 'lintel check FILE [--json]';
const OPTIONS: readonly Option[] = [
  { name: 'json', value: null, description: 'One JSON object: {ok, errors, warnings, problems}.' },
];

export const checkProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Checks a facility file and everything it names (profiles, buses, doors) without opening anything. Exit code 2 when something is wrong; warnings alone are no reason not to start.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: ['lintel check /etc/lintel/riverside.yaml'],
  }),
  run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel check --help');
    const [file] = given.words;
    if (file === undefined) throw new UsageError(`which file? Usage: ${USAGE}`);
    noMoreWords(given.words, 1, USAGE);
    const { facility, problems } = loadFacility(file, DRIVERS);
    if (given.has('json')) {
      terminal.out(`${problemsJson(problems)}\n`);
    } else {
      terminal.err(formatProblems(problems));
      if (facility !== null)
        terminal.out(
          `${resolve(file)}: good. ${facility.name}: ${count(facility.entrances.length, 'entrance')}, ${count(facility.controllers.length, 'controller')}, ${count(facility.buses.length, 'bus', 'buses')}.\n`,
        );
    }
    return Promise.resolve(facility === null ? WRONG_USE : DONE);
  },
};

const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;
