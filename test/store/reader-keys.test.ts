import Database from 'better-sqlite3';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, describe, it } from 'vitest';
import { OperatingError } from '../../src/domain/errors.ts';
import { openStore, temporaryFolder } from '../support/store.ts';

const KEY = Buffer.from('C3A1F05E77120B9D4408EE6AB1D2937F', 'hex');
const NEXT = Buffer.from('5B0C9EF1287D43A6E01F77C28B64D930', 'hex');

describe('the keys of readers', () => {
  it('are nothing for a reader that has none', () => {
    const { readerKeys } = openStore(temporaryFolder());
    expect(readerKeys.load('front')).toEqual({ active: null, pending: null, pendingHow: null, identity: null });
  });

  it('are pending until the reader has shown that it holds them, and then replace the former', () => {
    const { readerKeys } = openStore(temporaryFolder());
    readerKeys.savePending('front', KEY, 'installed');
    expect(readerKeys.load('front')).toMatchObject({ active: null, pending: KEY });
    readerKeys.activate('front');
    expect(readerKeys.load('front')).toMatchObject({ active: KEY, pending: null });
    readerKeys.savePending('front', NEXT, 'installed');
    expect(readerKeys.load('front')).toMatchObject({ active: KEY, pending: NEXT });
    readerKeys.discardPending('front');
    expect(readerKeys.load('front')).toMatchObject({ active: KEY, pending: null });
  });

  it('are told of in the transaction that makes them active, once', () => {
    const store = openStore(temporaryFolder());
    store.readerKeys.onInstalled = (device, how) =>
      store.events.add({ event_type: 'device.key_installed', body: { device, how } }, 0);
    store.readerKeys.savePending('front', KEY, 'imported');
    store.readerKeys.activate('front');
    store.readerKeys.activate('front');
    store.readerKeys.savePending('front', NEXT, 'rotated');
    store.readerKeys.discardPending('front');
    store.readerKeys.activate('front');
    const told = store.events.after(0, 10).map(({ body }) => JSON.parse(body) as unknown);
    expect(told).toMatchObject([{ device: 'front', how: 'imported' }]);
    store.readerKeys.onInstalled = () => {
      throw new Error('the event cannot be kept');
    };
    store.readerKeys.savePending('front', NEXT, 'rotated');
    expect(() => store.readerKeys.activate('front')).toThrow(/cannot be kept/);
    expect(store.readerKeys.load('front')).toMatchObject({ active: KEY, pending: NEXT });
  });

  it('keep the active key when there is no pending one to take its place', () => {
    const { readerKeys } = openStore(temporaryFolder());
    readerKeys.savePending('front', KEY, 'installed');
    readerKeys.activate('front');
    readerKeys.activate('front');
    expect(readerKeys.load('front').active).toEqual(KEY);
  });

  it('outlive a restart, with the identity, each for its own reader', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.readerKeys.saveIdentity('front', '112233 model 68');
    store.readerKeys.savePending('front', KEY, 'installed');
    store.readerKeys.activate('front');
    store.readerKeys.savePending('back', NEXT, 'installed');
    store.close();
    const again = openStore(folder).readerKeys;
    expect(again.load('front')).toEqual({ active: KEY, pending: null, pendingHow: null, identity: '112233 model 68' });
    expect(again.load('back')).toEqual({ active: null, pending: NEXT, pendingHow: 'installed', identity: null });
  });

  it('are on disk when the call returns, even while a group of commands is open', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.group(() => store.meta.set('a', 1));
    store.readerKeys.savePending('front', KEY, 'installed');
    const other = new Database(join(folder, 'lintel.db'), { readonly: true });
    expect(other.prepare('SELECT count(*) AS n FROM reader_keys WHERE pending_sealed IS NOT NULL').get()).toEqual({
      n: 1,
    });
    other.close();
  });

  it('are nowhere in the files in the clear: not as bytes, not as digits', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.readerKeys.savePending('front', KEY, 'installed');
    const files = (): Buffer[] =>
      readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(folder, entry.name)));
    const whileOpen = files();
    store.readerKeys.activate('front');
    store.close();
    const all = Buffer.concat([...whileOpen, ...files()]);
    expect(all.includes('front')).toBe(true);
    for (const clear of [KEY, KEY.toString('hex'), KEY.toString('hex').toUpperCase(), KEY.toString('base64')])
      expect(all.includes(clear)).toBe(false);
  });

  it('do not open for a reader that they were not made for', () => {
    const folder = temporaryFolder();
    const store = openStore(folder);
    store.readerKeys.savePending('front', KEY, 'installed');
    store.close();
    const thief = new Database(join(folder, 'lintel.db'));
    thief.exec(`INSERT INTO reader_keys SELECT 'back', pending_sealed, NULL, NULL, NULL FROM reader_keys`);
    thief.close();
    expect(() => openStore(folder).readerKeys.load('back')).toThrow(OperatingError);
  });

  it('are refused as an operating error once the database is closed', () => {
    const store = openStore(temporaryFolder());
    store.close();
    expect(() => store.readerKeys.load('front')).toThrow(OperatingError);
    expect(() => store.readerKeys.savePending('front', KEY, 'installed')).toThrow(/front: the database is closed/);
  });
});
