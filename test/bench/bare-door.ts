// A door as bare as it can be made: a reader's bytes from a socket, one look-up by better-sqlite3, one write to a
// socket. What a decision takes is held against it.

import { once } from 'node:events';
import { connect } from 'node:net';
import Database from 'better-sqlite3';

/** What an rdm6300 says for a tag, and as many bytes as a relay request has. */
const TAG_BYTES = 14;
const RELAY_REQUEST = Buffer.alloc(8, 0x55);

export type BareDoor = {
  /** Resolves with the time from the last byte of the tag that comes next to the write, ms. */
  next: (cardHash: Buffer) => Promise<number>;
};

export async function openBareDoor(database: string, at: { reader: number; relays: number }): Promise<BareDoor> {
  const db = new Database(database, { readonly: true });
  const lookUp = db.prepare<[Buffer]>('SELECT credential_key FROM credentials WHERE card_hash = ?');
  const reader = connect({ port: at.reader, host: '127.0.0.1', noDelay: true });
  const relays = connect({ port: at.relays, host: '127.0.0.1', noDelay: true });
  await Promise.all([once(reader, 'connect'), once(relays, 'connect')]);
  let hash = Buffer.alloc(0);
  let come = 0;
  let opened: (tookMs: number) => void = () => undefined;
  reader.on('data', (bytes) => {
    const handedMs = performance.now();
    come += bytes.length;
    if (come < TAG_BYTES) return;
    come = 0;
    if (lookUp.get(hash) === undefined) throw new Error('the card is in the database');
    relays.write(RELAY_REQUEST);
    opened(performance.now() - handedMs);
  });
  return {
    next: (cardHash) => {
      hash = Buffer.from(cardHash);
      return new Promise((resolve) => (opened = resolve));
    },
  };
}
