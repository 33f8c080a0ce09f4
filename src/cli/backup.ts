// `lintel backup`: a sealed backup now, beside those of every night; a new recovery key; a look into a backup.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DRIVERS } from '../drivers.ts';
import { formatProblems } from '../facility/format.ts';
import { loadFacility } from '../facility/load.ts';
import { systemClock } from '../ops/clock.ts';
import { loadMasterKey } from '../store/secrets.ts';
import { readInput, readSecretInput } from './channel.ts';
import { optionRows, type Program } from './help.ts';
import { writeNewFile } from './new-file.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { DONE, UsageError, WRONG_USE, type Terminal } from './terminal.ts';
import { version } from './version.ts';

const USAGE = [
  'lintel backup --config FILE [--out FOLDER]',
  'lintel backup new-key --out FILE',
  'lintel backup check BACKUP --identity FILE [--expect-key KEY]',
];
/** Of `check` and of `restore`. */
export const EXPECT_KEY: Option = {
  name: 'expect-key',
  value: 'KEY',
  description: 'The public key of the gateway that must have signed it, as under state/audit',
};
const OPTIONS: readonly Option[] = [
  { name: 'config', value: 'FILE', description: 'The facility file, which names the recovery key' },
  { name: 'out', value: 'PATH', description: 'The folder, in place of store.backup.folder; new-key: the new file' },
  EXPECT_KEY,
  { name: 'identity', value: 'FILE', description: 'check: the recovery identity; - is standard input' },
];

export const backupProgram: Program = {
  help: () => ({
    usage: USAGE,
    about:
      'Seals the database, its master key and the facility file to the recovery key of the site (store.backup.recovery_key), while Lintel runs; it does so by itself every night. `new-key` makes such a key: keep its file off the gateway. `check` opens a backup and says what is in it.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: [
      'lintel backup new-key --out recovery.txt',
      'lintel backup --config /etc/lintel/riverside.yaml',
      'lintel backup check riverside-20260901T023012Z.tar.gz.age --identity recovery.txt',
    ],
    notes: ['Run it as the user that Lintel runs as. To put a backup back: lintel restore --help'],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel backup --help');
    const [verb, file] = given.words;
    if (verb === undefined) return await backUp(given, terminal);
    noMoreWords(given.words, verb === 'check' ? 2 : 1, USAGE.join(' or '));
    if (verb === 'new-key') return await newKey(given, terminal);
    if (verb === 'check' && file !== undefined) return await look(file, given, terminal);
    throw new UsageError(`Usage: ${USAGE.join(' or ')}`);
  },
};

async function backUp(given: Given, terminal: Terminal): Promise<number> {
  const config = given.text('config');
  if (config === null) throw new UsageError(`which facility? Usage: ${USAGE[0] ?? ''}`);
  const { facility, problems } = loadFacility(config, DRIVERS);
  if (facility === null) {
    terminal.err(formatProblems(problems));
    return WRONG_USE;
  }
  const { path, masterKey, backup } = facility.store;
  if (backup === null)
    throw new UsageError(
      `${config} names no recovery key. Remedy: lintel backup new-key --out recovery.txt, write what it says under store.backup, and keep the file off the gateway`,
    );
  const { sealBackup } = await import('../store/sealed-backup.ts');
  const { file, bytes } = await sealBackup({
    path,
    masterKey: loadMasterKey(masterKey, path, false, terminal.env),
    facilityFile: facility.file,
    facility: facility.name,
    acsSystemId: facility.acsSystemId,
    version: version(),
    nowMs: systemClock.nowMs(),
    recipient: backup.recoveryKey,
    folder: given.text('out') ?? backup.folder,
    keep: backup.keep,
  });
  terminal.out(`${file}: ${Math.ceil(bytes / 1024)} KiB, opened again and sound\n`);
  return DONE;
}

async function newKey(given: Given, terminal: Terminal): Promise<number> {
  const out = given.text('out');
  if (out === null) throw new UsageError(`where to? Usage: ${USAGE[1] ?? ''}`);
  const file = writeNewFile(out);
  const { newRecoveryKey } = await import('../store/sealed-backup.ts');
  const { identity, recipient } = await newRecoveryKey();
  file.keep(Buffer.from(`# public key: ${recipient}\n${identity}\n`));
  terminal.out(
    [
      'store:',
      '  backup:',
      `    recovery_key: ${recipient}`,
      '',
      `Write that into the facility file. Whoever has ${out} opens every backup, and without it nobody does:`,
      'move it off this gateway to where the keys of the building are kept, twice.',
      '',
    ].join('\n'),
  );
  return DONE;
}

async function look(file: string, given: Given, terminal: Terminal): Promise<number> {
  const { identitiesIn, openBackup } = await import('../store/sealed-backup.ts');
  const folder = mkdtempSync(join(tmpdir(), 'lintel-backup-'));
  try {
    const opened = await openBackup(
      file,
      identitiesIn(identityText(given)),
      join(folder, 'opened'),
      expectedKey(given),
    );
    const { manifest, signer } = opened;
    const { facility, created_at: at, lintel, sequence, database } = manifest;
    terminal.out(
      `${file}: sound. ${facility}, of ${at}, by lintel ${lintel}, up to event ${sequence}, ${Math.ceil(database.bytes / 1024)} KiB, ${signerText(signer)}\n`,
    );
    return DONE;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Null: whoever it was. */
export function expectedKey(given: Given): string | null {
  const key = given.text('expect-key');
  if (key === null || /^[A-Za-z0-9_-]{43}$/.test(key)) return key;
  throw new UsageError('--expect-key: the public_key of the gateway, 43 characters, as it stands under state/audit');
}

export const signerText = (signer: string | null): string =>
  signer === null
    ? 'signed by nobody: it is of an older version, or not of a gateway'
    : `signed with the key ${signer}`;

export function identityText(given: Given): string {
  const identity = given.text('identity');
  if (identity === null) throw new UsageError('--identity FILE: which recovery identity opens it?');
  return (identity === '-' ? readInput(identity, '--identity') : readSecretInput(identity, '--identity')).toString();
}
