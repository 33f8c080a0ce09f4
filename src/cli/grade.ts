// `lintel grade FILE`: which grade the settings of a facility file reach, for each entrance and overall, and what is
// missing for the next.

import { resolve } from 'node:path';
import { DRIVERS } from '../drivers.ts';
import { formatProblems } from '../facility/format.ts';
import { gradeOf, type Reached } from '../facility/grades.ts';
import { loadFacility } from '../facility/load.ts';
import { optionRows, type Program } from './help.ts';
import { noMoreWords, readOptions, type Option } from './options.ts';
import { DONE, painter, UsageError, WRONG_USE, type Terminal } from './terminal.ts';

const USAGE = 'lintel grade FILE [--json]';
const OPTIONS: readonly Option[] = [
  { name: 'json', value: null, description: 'One JSON object: {grade, facility, entrances, chosen}.' },
];

export const gradeProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Says which of the grades 1 to 4 of access control the settings of a facility file reach, for each entrance and overall, and what is missing. It is no assessment: docs/grades.md says what it looks at. Exit code 2 when the file is wrong.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: ['lintel grade /etc/lintel/riverside.yaml'],
  }),
  run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel grade --help');
    const [file] = given.words;
    if (file === undefined) throw new UsageError(`which file? Usage: ${USAGE}`);
    noMoreWords(given.words, 1, USAGE);
    const { facility, problems } = loadFacility(file, DRIVERS);
    if (facility === null) {
      terminal.err(formatProblems(problems));
      return Promise.resolve(WRONG_USE);
    }
    const graded = gradeOf(facility);
    if (given.has('json')) {
      terminal.out(`${JSON.stringify(graded)}\n`);
      return Promise.resolve(DONE);
    }
    const bold = (text: string): string => painter(terminal)('bold', text);
    terminal.out(`${bold(`${resolve(file)}: ${facility.name} ${inWords(graded.grade)}`)}\n`);
    tell(terminal, 'the facility as a whole', graded.facility);
    for (const entrance of graded.entrances) tell(terminal, entrance.entrance, entrance);
    terminal.out('chosen by the risk of the site, in any grade:\n');
    for (const { name, setting, isSet } of graded.chosen)
      terminal.out(`  ${isSet ? 'set' : 'not set'}: ${name} (${setting})\n`);
    return Promise.resolve(DONE);
  },
};

const inWords = (grade: Reached['grade']): string => (grade === null ? 'reaches no grade' : `reaches grade ${grade}`);

function tell(terminal: Terminal, what: string, { grade, missing }: Reached): void {
  const lines = missing.map(
    ({ from, name, setting }) => `  for grade ${from}: ${name} (${setting ?? 'not offered'})\n`,
  );
  terminal.out(`${what}: ${inWords(grade)}\n${lines.join('')}`);
}
