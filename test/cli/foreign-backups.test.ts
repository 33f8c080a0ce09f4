// Whoever knows the public key of a site, which is no secret, can seal anything to it; and a disk can be full, or end
// where another begins.

import { Encrypter } from 'age-encryption';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { createHash } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { copyDurably, moveDurably, ownerOf } from '../../src/cli/moving.ts';
import { packed } from '../../src/store/archive.ts';
import { CheckpointKey } from '../../src/store/event-chain.ts';
import { Secrets } from '../../src/store/secrets.ts';
import { SYSTEM } from '../support/room.ts';
import { smallDisk } from '../support/small-disk.ts';
import { openStore, temporaryFolder } from '../support/store.ts';
import { say } from './lintel.ts';

type File = { name: string; content: Buffer; says?: number };
type Site = { folder: string; config: string; identity: string; recipient: string; key: Buffer };

async function site(folder = temporaryFolder()): Promise<Site> {
  const identity = join(folder, 'recovery.txt');
  const [recipient] = /age1[a-z0-9]{58}/.exec((await say('backup', 'new-key', '--out', identity)).stdout) ?? [''];
  const config = join(folder, 'riverside.yaml');
  writeFileSync(
    config,
    `facility: riverside\nacs_system_id: ${SYSTEM}\ntime_zone: Europe/Oslo\nmqtt: {url: "mqtt://127.0.0.1:1"}\nstore: {path: ${join(folder, 'lintel.db')}, backup: {recovery_key: ${recipient}}}\nentrances: {}\n`,
  );
  openStore(folder).close();
  const key = Buffer.from(readFileSync(join(folder, 'master.key'), 'latin1').trim(), 'hex');
  return { folder, config, identity, recipient, key };
}

/** A backup as the site itself makes it, taken apart. */
function filesOf({ folder, config, key }: Site, database: Buffer = readFileSync(join(folder, 'lintel.db'))): File[] {
  const manifest = {
    format: 1, lintel: '0.1.0', facility: 'riverside', acs_system_id: SYSTEM,
    created_at: '2026-03-02T09:00:00Z', sequence: 0,
    database: { bytes: database.length, sha256: createHash('sha256').update(database).digest('hex') },
  }; // prettier-ignore
  return [
    { name: 'manifest.json', content: Buffer.from(JSON.stringify(manifest)) },
    { name: 'riverside.yaml', content: readFileSync(config) },
    { name: 'master.key', content: Buffer.from(`${key.toString('hex')}\n`) },
    { name: 'lintel.db', content: database },
  ];
}

/** Sealed by somebody who has the public key. */
async function sealed(
  { folder, recipient }: Site,
  files: readonly File[],
  behind: Buffer = Buffer.alloc(0),
): Promise<string> {
  const parts: Uint8Array[] = [];
  for (const { name, content, says } of files) {
    const { value } = await packed([{ name, size: content.length, content: [content] }]).next();
    const block = Buffer.from(value ?? []);
    if (says !== undefined) {
      block.write(says.toString(8).padStart(11, '0'), 124);
      block.write('        ', 148);
      block.write(
        `${block
          .reduce((sum, byte) => sum + byte, 0)
          .toString(8)
          .padStart(6, '0')}\0 `,
        148,
      );
    }
    parts.push(block, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  const encrypter = new Encrypter();
  encrypter.addRecipient(recipient);
  const file = join(folder, 'foreign.age');
  const tar = Buffer.concat([...parts, Buffer.alloc(1_024), behind]);
  writeFileSync(file, await encrypter.encrypt(new Uint8Array(gzipSync(tar))));
  return file;
}

const changed = (files: readonly File[], name: string, content: (before: Buffer) => Buffer): File[] =>
  files.map((file) => (file.name === name ? { ...file, content: content(file.content) } : file));
const manifestWith = (files: readonly File[], more: Record<string, unknown>): File[] =>
  changed(files, 'manifest.json', (before) =>
    Buffer.from(JSON.stringify({ ...JSON.parse(before.toString()), ...more })),
  );

const restore = (made: Site, file: string, ...more: string[]): ReturnType<typeof say> =>
  say('restore', file, '--identity', made.identity, '--config', made.config, '--replace', ...more);

/** A database that says it is of a version that nobody has built yet. */
function newerDatabase(made: Site): Buffer {
  const file = join(made.folder, 'newer.db');
  writeFileSync(file, readFileSync(join(made.folder, 'lintel.db')));
  const db = new Database(file);
  db.pragma('user_version = 9000');
  db.close();
  return readFileSync(file);
}

/** A lock that nobody holds says nothing. */
const namesIn = ({ folder }: Site): string[] =>
  readdirSync(folder)
    .filter((name) => !name.endsWith('.lock'))
    .sort();

const signatureOf = (text: string, key: Buffer): File => {
  const signer = new CheckpointKey(new Secrets(key).checkpointSeed());
  return { name: 'signature.json', content: Buffer.from(JSON.stringify({ public_key: signer.publicKey, signature: signer.signText(text) })) }; // prettier-ignore
};

describe('a backup that is not what it seems', () => {
  const cases: [string, RegExp, (made: Site) => File[] | [File[], Buffer]][] = [
    ['says less of its database than there is', /not as large as its manifest says/, (made) => manifestWith(filesOf(made), { database: { bytes: 5, sha256: '' } })], // prettier-ignore
    ['says nothing of itself first', /no backup of Lintel/, (made) => filesOf(made).slice(1)],
    ['has a file of somebody else’s', /holds a strange file, \.\.\/x/, (made) => [{ name: '../x', content: Buffer.alloc(1) }, ...filesOf(made)]], // prettier-ignore
    ['has a file twice', /holds a strange file, master\.key/, (made) => [...filesOf(made).slice(0, 3), ...filesOf(made).slice(2)]], // prettier-ignore
    ['has too much in a small file', /holds a strange file, riverside\.yaml/, (made) => changed(filesOf(made), 'riverside.yaml', () => Buffer.alloc(2 ** 20 + 1, 0x23))], // prettier-ignore
    ['has more behind its end', /something stands behind its end/, (made) => [filesOf(made), Buffer.alloc(2 ** 20)]],
    ['has a database that is none', /database in .* is damaged\. Remedy: take an older backup/, (made) => filesOf(made, Buffer.alloc(8_192, 1))], // prettier-ignore
    ['has a database that was exchanged', /not the one that was put there/, (made) => changed(filesOf(made), 'lintel.db', (before) => Buffer.concat([before.subarray(0, -1), Buffer.from([7])]))], // prettier-ignore
    [
      'has a database of a newer version',
      /made by lintel 0\.1\.0, which is newer/,
      (made) => filesOf(made, newerDatabase(made)),
    ],
    ['is of a newer version', /made by lintel 9\.0\.0, which is newer than this one\. Remedy: install/, (made) => manifestWith(filesOf(made), { format: 2, lintel: '9.0.0' })], // prettier-ignore
    [
      'has another master key',
      /key/,
      (made) => changed(filesOf(made), 'master.key', () => Buffer.from('ab'.repeat(32))),
    ],
    ['has a signature of something else', /signature in .* does not fit/, (made) => filesOf(made).toSpliced(1, 0, signatureOf('something else', made.key))], // prettier-ignore
  ];

  it.each(cases)('%s: it is refused, and everything stays as it is', async (_what, wanted, make) => {
    const made = await site();
    const result = make(made);
    const [files, behind] = Array.isArray(result[0]) ? (result as [File[], Buffer]) : [result as File[], undefined];
    const file = await sealed(made, files, behind);
    const before = namesIn(made);
    const bytes = readFileSync(join(made.folder, 'lintel.db'));
    const { code, stderr } = await restore(made, file);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(wanted);
    expect(stderr).not.toMatch(/\n {4}at |internal error/);
    expect(namesIn(made)).toEqual(before);
    expect(readFileSync(join(made.folder, 'lintel.db'))).toEqual(bytes);
    expect(existsSync(join(made.folder, '..', 'x'))).toBe(false);
  });

  it('needs more room than there is, which is told before any of it is taken', async () => {
    const { folder } = smallDisk(24);
    const made = await site(folder);
    const bytes = 200 * 2 ** 20;
    const files = manifestWith(filesOf(made), { database: { bytes, sha256: '' } });
    const file = await sealed(
      made,
      files.map((one) => (one.name === 'lintel.db' ? { ...one, says: bytes } : one)),
    );
    const { code, stderr } = await restore(made, file);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/needs 232 MiB to be opened, and .* has \d+ MiB free\. Remedy: make room there/);
  });

  it('is no file, which is said', async () => {
    const made = await site();
    const { code, stderr } = await restore(made, join(made.folder, 'gone.age'));
    expect([code === 0, /gone\.age is no file/.test(stderr)]).toEqual([false, true]);
  });
});

describe('who made a backup', () => {
  it('is told, and nobody else’s is taken where a key is expected', async () => {
    const made = await site();
    const { publicKey } = new CheckpointKey(new Secrets(made.key).checkpointSeed());
    expect((await say('backup', '--config', made.config)).code).toBe(0);
    const [name = ''] = readdirSync(join(made.folder, 'sealed'));
    const own = join(made.folder, 'sealed', name);
    const check = (file: string, ...more: string[]): ReturnType<typeof say> =>
      say('backup', 'check', file, '--identity', made.identity, ...more);
    expect((await check(own, '--expect-key', publicKey)).stdout).toContain(`signed with the key ${publicKey}`);
    const unsigned = await sealed(made, filesOf(made));
    expect((await check(unsigned)).stdout).toContain('signed by nobody');
    const refused = await restore(made, unsigned, '--expect-key', publicKey);
    expect(refused.stderr).toMatch(/not of the gateway that --expect-key names: nobody has signed it/);
    const other = await restore(made, own, '--expect-key', 'x'.repeat(43));
    expect(other.stderr).toMatch(/not of the gateway that --expect-key names: it is signed with the key/);
    expect((await restore(made, own, '--expect-key', 'short')).stderr).toMatch(/--expect-key: the public_key/);
    const taken = await restore(made, own, '--expect-key', publicKey);
    expect(taken).toMatchObject({ code: 0, stderr: '' });
    expect(taken.stdout).toContain(`The backup is signed with the key ${publicKey}`);
  });
});

describe('what is put back', () => {
  it('is whole in its place, also on another file system, or not there at all', () => {
    const folder = temporaryFolder();
    const elsewhere = mkdtempSync(join(import.meta.dirname, 'moved-'));
    onTestFinished(() => rmSync(elsewhere, { recursive: true }));
    for (const move of [moveDurably, copyDurably]) {
      writeFileSync(join(folder, 'a'), 'content');
      move(join(folder, 'a'), join(elsewhere, 'b'));
      expect(readFileSync(join(elsewhere, 'b'), 'utf8')).toBe('content');
      expect(readdirSync(elsewhere)).toEqual(['b']);
    }
    mkdirSync(join(elsewhere, 'c'));
    writeFileSync(join(folder, 'a'), 'content');
    expect(() => copyDurably(join(folder, 'a'), join(elsewhere, 'c'))).toThrow();
    expect(readdirSync(elsewhere)).toEqual(['b', 'c']);
  });

  it('belongs to whom the folder belongs to, and on a new gateway to the user of the service', () => {
    const folder = temporaryFolder();
    const passwd = join(folder, 'passwd');
    writeFileSync(passwd, 'root:x:0:0::/root:/bin/sh\nlintel:x:987:986::/var/lib/lintel:/usr/sbin/nologin\n');
    const { uid, gid } = statSync(folder);
    const expected = uid === 0 ? { uid: 987, gid: 986 } : { uid, gid };
    expect(ownerOf(join(folder, 'not', 'there'), passwd)).toEqual(expected);
    writeFileSync(passwd, 'root:x:0:0::/root:/bin/sh\n');
    expect(ownerOf(folder, passwd)).toEqual({ uid, gid });
  });
});
