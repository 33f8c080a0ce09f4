// `lintel store new|accept --config FILE`: an operator's word about a database that Lintel refuses, given while Lintel
// is stopped. Nothing is deleted: what is replaced is put aside.

import { newEvent } from '../domain/events.ts';
import { existsSync, renameSync } from 'node:fs';
import { DRIVERS } from '../drivers.ts';
import type { Facility } from '../domain/facility.ts';
import { OperatingError } from '../domain/errors.ts';
import { formatProblems } from '../facility/format.ts';
import { loadFacility } from '../facility/load.ts';
import { systemClock } from '../ops/clock.ts';
import { systemRandom } from '../ops/random.ts';
import { generationPath, markBeginning } from '../store/generation.ts';
import { holdDatabase } from '../store/lock.ts';
import { Store } from '../store/store.ts';
import { optionRows, type Program } from './help.ts';
import { noMoreWords, readOptions, type Option } from './options.ts';
import { DONE, UsageError, WRONG_USE, type Terminal } from './terminal.ts';

const USAGE = 'lintel store new|accept --config FILE [--rows]';
const OPTIONS: readonly Option[] = [
  { name: 'config', value: 'FILE', description: 'The facility file', required: true },
  {
    name: 'rows',
    value: null,
    description: 'With accept: every row is right as it stands, also one that Lintel did not write',
  },
];

export const storeProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Says that a database which Lintel refuses is meant. `accept`: an older copy was put back on purpose; every revocation since it was made must be sent again. `new`: this building begins anew; what is there is put aside, not deleted. Stop Lintel first, and run it as the user that Lintel runs as.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: ['lintel store accept --config /etc/lintel/riverside.yaml'],
  }),
  run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel store --help');
    noMoreWords(given.words, 1, USAGE);
    const [verb] = given.words;
    const file = given.text('config');
    if (file === null || (verb !== 'new' && verb !== 'accept')) throw new UsageError(`Usage: ${USAGE}`);
    const { facility, problems } = loadFacility(file, DRIVERS);
    if (facility === null) {
      terminal.err(formatProblems(problems));
      return Promise.resolve(WRONG_USE);
    }
    const hold = holdDatabase(facility.store.path);
    try {
      if (verb === 'new') beginAnew(facility, terminal);
      else accept(facility, given.has('rows'), terminal);
    } finally {
      hold?.release();
    }
    return Promise.resolve(DONE);
  },
};

function accept({ store: { path, masterKey } }: Facility, isForRows: boolean, terminal: Terminal): void {
  if (!existsSync(path))
    throw new OperatingError('invalid_input', `there is no database ${path}. Remedy: put it there first`);
  const store = new Store({
    path,
    masterKey,
    env: terminal.env,
    clock: systemClock,
    random: systemRandom,
    clockState: () => 'untrusted',
    acceptance: isForRows ? 'rows' : 'copy',
  });
  const { users, credentials } = store.digest.read();
  const { generation } = store.generation;
  const rows = store.past.sealedRows;
  const how = isForRows ? 'rows' : 'copy';
  store.now(() => {
    store.controllers.distrust();
    store.events.add(newEvent('agent.storage_accepted', { how, generation, rows_sealed: rows }), systemClock.nowMs());
  });
  store.close();
  terminal.out(
    [
      `${path} is accepted as it stands: ${users} users, ${credentials} credentials${rows === null ? '' : `, ${rows} rows sealed anew`}.`,
      'Start Lintel. Then send every revocation since this copy was made again: compare the digest (lintel facility digest).',
      '',
    ].join('\n'),
  );
}

function beginAnew({ store: { path } }: Facility, terminal: Terminal): void {
  putAside(filesOf(path), terminal);
  markBeginning(path);
  terminal.out('Start Lintel: it begins empty, and event numbers begin at 1. The master key stays.\n');
}

/** The database last: a power cut in between leaves one that is refused, and the command to be given again. */
export const filesOf = (path: string): string[] => [generationPath(path), `${path}-shm`, `${path}-wal`, path];

/** Those that are there get another name. */
export function putAside(files: readonly string[], terminal: Terminal): void {
  const stamp = new Date(systemClock.nowMs())
    .toISOString()
    .replaceAll(/[-:]/g, '')
    .replace(/\.\d+Z$/, 'Z');
  for (const one of files.filter((file) => existsSync(file))) {
    const aside = `${one}.${stamp}`;
    renameSync(one, aside);
    terminal.out(`${one} is now ${aside}\n`);
  }
}
