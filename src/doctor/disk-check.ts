// The disk under the database, and the folder itself: space, kind, who may read and who must write.

import { existsSync, readdirSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Facility } from '../domain/facility.ts';
import { Findings, type Finding } from './finding.ts';
import type { DiskSpace, DoctorsMachine } from './machine.ts';

const MIB = 1024 * 1024;
/** Below the first of these a commit may fail any hour; below the second nobody would put off looking. */
const NO_ROOM_BYTES = 64 * MIB;
const LITTLE_ROOM_BYTES = 512 * MIB;
const FEW_FILES = 1_000;

/** Magic numbers of file systems on which a database does not survive a cut of power, or is not alone (statfs(2)). */
const UNFIT: ReadonlyMap<number, string> = new Map([
  [0x01021994, 'memory (tmpfs): all of it is gone after a restart of the machine'],
  [0x858458f6, 'memory (ramfs): all of it is gone after a restart of the machine'],
  [0x6969, 'a network (NFS): its locks and flushes are not those that a database needs'],
  [0xff534d42, 'a network (CIFS): its locks and flushes are not those that a database needs'],
  [0xfe534d42, 'a network (SMB): its locks and flushes are not those that a database needs'],
  [0x4d44, 'FAT: it knows no owners, and a cut of power spoils it'],
  [0x794c7630, 'an overlay: what is written may be gone after a restart of the machine or container'],
]);

export function checkDisk({ spaceOf }: DoctorsMachine, facility: Facility): Finding[] {
  const found = new Findings('disk');
  const { path, backup } = facility.store;
  checkSpace(found, spaceOf, dirname(path), 'the database');
  if (backup !== null && !backup.folder.startsWith(`${dirname(path)}/`))
    checkSpace(found, spaceOf, backup.folder, 'the backups');
  if (backup === null)
    found.warning(
      'no backup is made: with this disk all readers’ keys and credentials are lost',
      'Add `store: {backup: …}`; `lintel backup new-key` makes a recovery key',
    );
  return [...found.all, ...checkFolder(path, facility)];
}

function checkSpace(found: Findings, spaceOf: DoctorsMachine['spaceOf'], folder: string, whose: string): void {
  const there = nearest(folder);
  const space = spaceOf(there);
  if (space === null) {
    found.look(`nobody here may look at the disk of ${folder}`, 'Run the doctor as root', folder);
    return;
  }
  const unfit = UNFIT.get(space.type);
  if (unfit !== undefined)
    found.warning(`${whose} lies on ${unfit}`, 'Give it a disk of its own: ext4, xfs or f2fs', folder);
  const free = `${inWords(space.free)} of ${inWords(space.total)} are free`;
  const remedy = `Free space, or have less kept (store.events); du -x ${there} shows what is large`;
  if (space.free < NO_ROOM_BYTES) found.fault(`${free} for ${whose}`, remedy, folder);
  else if (isShort(space)) found.warning(`${free} for ${whose}`, remedy, folder);
  else found.good(`${free} for ${whose}`, folder);
}

const isShort = ({ free, freeFiles }: DiskSpace): boolean =>
  free < LITTLE_ROOM_BYTES || (freeFiles !== null && freeFiles < FEW_FILES);

function checkFolder(path: string, { store }: Facility): Finding[] {
  const found = new Findings('database');
  const folder = dirname(path);
  const own = statOf(folder);
  if (own === null) {
    found.good('there is none yet: the first start makes it', path);
    return found.all;
  }
  if ((own.mode & 0o077) !== 0)
    found.warning(
      `others may look into ${folder} (mode ${octal(own.mode)})`,
      `chmod 700 ${folder}; the agent does so at its start where the folder is its own`,
      folder,
    );
  const strangers = filesOf(path).filter((file) => {
    const there = statOf(file);
    return there !== null && there.uid !== own.uid;
  });
  // Whoever opens the database as root leaves files that the service can no longer write.
  if (strangers.length > 0)
    found.fault(
      `${strangers.map((file) => basename(file)).join(', ')} belong${strangers.length === 1 ? 's' : ''} to somebody else than ${folder}, so that the service may not write there`,
      `chown --reference=${folder} ${strangers.join(' ')}`,
      folder,
    );
  const keyFile = join(folder, 'master.key');
  if (store.masterKey === null && existsSync(keyFile))
    found.warning(
      'the master key lies beside the database: whoever takes the disk has both',
      'Seal it to this machine: systemd-creds encrypt --name=lintel-master-key (README, “On a gateway”)',
      keyFile,
    );
  if (found.all.length === 0) found.good(`${folder} is kept well`, path);
  return found.all;
}

/** The database and what SQLite and Lintel keep beside it. */
function filesOf(path: string): string[] {
  try {
    return readdirSync(dirname(path))
      .filter((name) => name.startsWith(basename(path)))
      .map((name) => join(dirname(path), name));
  } catch {
    return [];
  }
}

function nearest(folder: string): string {
  for (let at = folder; ; at = dirname(at)) if (existsSync(at) || dirname(at) === at) return at;
}

function statOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

const octal = (mode: number): string => (mode & 0o777).toString(8).padStart(3, '0');
const inWords = (bytes: number): string =>
  bytes >= 1024 * MIB ? `${(bytes / (1024 * MIB)).toFixed(1)} GiB` : `${Math.floor(bytes / MIB)} MiB`;
