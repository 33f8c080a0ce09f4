// What the driver of OSDP is handed in a bench: one key for every reader, and nobody who reads what it says.

import type { Log, ReaderKeys } from '../../src/domain/ports.ts';

export const KEY = 'C3A1F05E77120B9D4408EE6AB1D2937F';

const ignore = (): undefined => undefined;
export const log: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, child: () => log };
export const readerKeys: ReaderKeys = {
  load: () => ({ active: Buffer.from(KEY, 'hex'), pending: null, pendingHow: null, identity: null }),
  savePending: ignore,
  activate: ignore,
  discardPending: ignore,
  forget: ignore,
  saveIdentity: ignore,
};
