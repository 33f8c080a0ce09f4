// `lintel restore`: a sealed backup put on a gateway, new or old. What is there is put aside, not deleted. Nothing of
// what the backup says about controllers is believed before each was compared, and event numbers go on behind those
// that may have been given since.

import { existsSync, lchownSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { newEvent } from '../domain/events.ts';
import type { Facility, SecretSource } from '../domain/facility.ts';
import { DRIVERS } from '../drivers.ts';
import { formatProblems } from '../facility/format.ts';
import { loadFacility } from '../facility/load.ts';
import { systemClock } from '../ops/clock.ts';
import { systemRandom } from '../ops/random.ts';
import { flush } from '../store/durable.ts';
import { makeFolders } from '../store/folders.ts';
import { generationPath, hasGeneration } from '../store/generation.ts';
import { holdDatabase } from '../store/lock.ts';
import type { OpenedBackup } from '../store/sealed-backup.ts';
import { MASTER_KEY_CREDENTIAL } from '../store/secrets.ts';
import { Store } from '../store/store.ts';
import { EXPECT_KEY, expectedKey, identityText, signerText } from './backup.ts';
import { moveDurably, ownerOf, type Owner } from './moving.ts';
import { optionRows, type Program } from './help.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { filesOf, putAside } from './store.ts';
import { DONE, UsageError, WRONG_USE, type Terminal } from './terminal.ts';

const USAGE = 'lintel restore BACKUP --identity FILE --config FILE [--replace] [--key-out FILE] [--expect-key KEY]';
const OPTIONS: readonly Option[] = [
  { name: 'identity', value: 'FILE', description: 'The recovery identity; - is standard input', required: true },
  {
    name: 'config',
    value: 'FILE',
    description: 'The facility file; where there is none, that of the backup is written there',
    required: true,
  },
  { name: 'replace', value: null, description: 'A database that is there is put aside' },
  {
    name: 'key-out',
    value: 'FILE',
    description: 'Where to write the master key, when the unit is to take it from a systemd credential',
  },
  EXPECT_KEY,
];
/** More than a gateway gives between two backups: no number is given twice, whatever was told since. */
const NUMBERS_AHEAD = 1_000_000;

export const restoreProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Puts a sealed backup back, on this gateway or on a new one: credentials, people, keys of readers and phones, the event log and the master key. Stop Lintel first. Every controller is compared before anything is written to it. What was acknowledged after the backup is not in it: every revocation since then must be sent again.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: [
      'lintel restore riverside-20260901T023012Z.tar.gz.age --identity recovery.txt --config /etc/lintel/riverside.yaml',
    ],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel restore --help');
    noMoreWords(given.words, 1, USAGE);
    const [file] = given.words;
    const config = given.text('config');
    if (file === undefined || config === null) throw new UsageError(`Usage: ${USAGE}`);
    const { identitiesIn, openBackup, restoringFolder } = await import('../store/sealed-backup.ts');
    const [identities, expected] = [identitiesIn(identityText(given)), expectedKey(given)];
    const known = existsSync(config) ? read(config, terminal) : null;
    if (known === undefined) return WRONG_USE;
    // Beside the database, so that it is moved there in one step; without a facility file nobody knows where that is.
    const scratch = restoringFolder(known === null ? config : known.store.path);
    const hadFolder = known === null ? null : existsSync(dirname(known.store.path));
    makeFolders(dirname(scratch));
    rmSync(scratch, { recursive: true, force: true });
    try {
      const opened = await openBackup(file, identities, scratch, expected);
      const facility = known ?? written(opened, config, terminal);
      if (facility === undefined) return WRONG_USE;
      const { path } = facility.store;
      putBack(facility, opened, { scratch, hadFolder: hadFolder ?? existsSync(dirname(path)) }, given, terminal);
      return DONE;
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  },
};

/** Undefined, and what is wrong with it is said. */
function read(config: string, terminal: Terminal): Facility | undefined {
  const { facility, problems } = loadFacility(config, DRIVERS);
  if (facility === null) terminal.err(formatProblems(problems));
  return facility ?? undefined;
}

function written({ facilityText }: OpenedBackup, config: string, terminal: Terminal): Facility | undefined {
  writeOwn(config, facilityText, 0o640);
  flush(dirname(config));
  const { uid, gid } = statSync(dirname(config));
  giveTo({ uid, gid }, config);
  terminal.out(`${config} is written as it was when the backup was made\n`);
  return read(config, terminal);
}

function putBack(
  facility: Facility,
  opened: OpenedBackup,
  { scratch, hadFolder }: { scratch: string; hadFolder: boolean },
  given: Given,
  terminal: Terminal,
): void {
  const { manifest } = opened;
  const { path } = facility.store;
  if (facility.acsSystemId !== manifest.acs_system_id)
    throw new UsageError(
      `the backup is that of ${manifest.facility} (acs_system_id ${manifest.acs_system_id}), and ${facility.file} is another building's. Remedy: give the facility file of that building`,
    );
  const owner = ownerOf(dirname(path));
  const hold = holdDatabase(path);
  try {
    const [beside, elsewhere] = keyPlaces(facility, given);
    const isThere = existsSync(path) || hasGeneration(path);
    if (isThere && !given.has('replace'))
      throw new UsageError(`a database is there already, ${path}. Remedy: --replace puts it aside`);
    const key = join(scratch, 'key');
    writeOwn(key, opened.masterKey, 0o400);
    // Made ready where it was opened: what goes wrong with it leaves everything as it is.
    const told = accepted(opened, { file: key });
    if (isThere) putAside(filesOf(path), terminal);
    if (beside !== null) keepKey(beside, opened.masterKey, given.has('replace'), owner, terminal);
    if (elsewhere !== null) keepKey(elsewhere, opened.masterKey, given.has('replace'), null, terminal);
    // The database last: a power cut before it leaves none, and the command to be given again.
    moveDurably(generationPath(opened.database), generationPath(path));
    moveDurably(opened.database, path);
    giveTo(owner, ...(hadFolder ? [] : [dirname(path)]), ...allOf(path));
    terminal.out(summaryOf(facility, opened, told));
    if (elsewhere !== null)
      terminal.out(
        `The master key is in ${elsewhere}. Seal it for this machine, then delete that file:\n  systemd-creds encrypt --name=lintel-master-key ${elsewhere} /etc/credstore.encrypted/${facility.name}.lintel-master-key\n`,
      );
  } finally {
    hold?.release();
  }
}

/** The database and what stands beside it under its name: its lock, and what was put aside. */
const allOf = (path: string): string[] =>
  readdirSync(dirname(path))
    .filter((name) => name.startsWith(basename(path, '.db')))
    .map((name) => join(dirname(path), name));

/** Where the key goes: beside the database or to the file that is named, and where the operator wants it. */
function keyPlaces({ name, store: { masterKey, path } }: Facility, given: Given): [string | null, string | null] {
  const elsewhere = given.text('key-out');
  if (masterKey !== null && 'file' in masterKey) return [masterKey.file, elsewhere];
  if (elsewhere !== null) return [null, elsewhere];
  const sealed = `/etc/credstore.encrypted/${name}.${MASTER_KEY_CREDENTIAL}`;
  if (masterKey === null && existsSync(sealed))
    throw new UsageError(
      `the unit takes the master key from ${sealed}, which goes before a file. Remedy: --key-out FILE writes the key of the backup there, to be sealed in its place`,
    );
  if (masterKey === null) return [join(dirname(path), 'master.key'), null];
  throw new UsageError(
    `store.master_key is the systemd credential ${masterKey.credential}, which only you can make. Remedy: --key-out FILE writes the key of the backup there, to be sealed with systemd-creds`,
  );
}

/** `owner`: whom it belongs to; null: whoever gave the command. */
function keepKey(place: string, masterKey: string, isReplaced: boolean, owner: Owner | null, terminal: Terminal): void {
  if (existsSync(place)) {
    if (readFileSync(place, 'latin1').trim() === masterKey.trim()) return;
    if (!isReplaced)
      throw new UsageError(`another master key is there already, ${place}. Remedy: --replace puts it aside`);
    putAside([place], terminal);
  }
  writeOwn(place, masterKey, 0o400);
  giveTo(owner, place);
}

/** Durable, and overwrites nothing. */
function writeOwn(path: string, content: string, mode: number): void {
  writeFileSync(path, content, { flag: 'wx', mode, flush: true });
}

/** As root; somebody may have put a link there: that is not followed. */
function giveTo(owner: Owner | null, ...paths: readonly string[]): void {
  if (process.getuid?.() !== 0 || owner === null) return;
  for (const path of paths) lchownSync(path, owner.uid, owner.gid);
}

type Told = { users: number; credentials: number; next: number };

/** Says in the database itself what became of it. */
function accepted({ manifest, database }: OpenedBackup, masterKey: SecretSource): Told {
  const store = new Store({
    path: database,
    masterKey,
    env: {},
    clock: systemClock,
    random: systemRandom,
    clockState: () => 'untrusted',
    acceptance: 'copy',
  });
  try {
    const { users, credentials } = store.digest.read();
    const { generation } = store.generation;
    const next = manifest.sequence + NUMBERS_AHEAD + 1;
    store.now(() => {
      store.controllers.distrust();
      store.events.add(
        newEvent('agent.storage_accepted', {
          how: 'backup',
          generation,
          rows_sealed: null,
          made_at: manifest.created_at,
        }),
        systemClock.nowMs(),
        next,
      );
    });
    return { users, credentials, next };
  } finally {
    store.close();
  }
}

const summaryOf = (
  { store: { path } }: Facility,
  { manifest, signer }: OpenedBackup,
  { users, credentials, next }: Told,
): string =>
  [
    `${path} is as it was on ${manifest.created_at}: ${users} users, ${credentials} credentials. Event numbers go on with ${next}.`,
    `The backup is ${signerText(signer)}.`,
    'Start Lintel: it compares every controller before it writes to it. Then send every revocation since that instant again: compare the digest (lintel facility digest).',
    '',
  ].join('\n');
