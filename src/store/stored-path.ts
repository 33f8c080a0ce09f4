// A path with the rows that it goes over. Each is sealed: one that does not fit was written behind our back, and the
// path is none.

import type { Path } from '../domain/path.ts';
import type { LIST, SealedTable, SealedValue } from './seal.ts';

/** `id`: whose row it is, for whoever is told. */
export type Link = {
  table: SealedTable | typeof LIST;
  id: string;
  values: readonly SealedValue[];
  seal: Buffer | null;
};
export type StoredPath = Path & { links: readonly Link[] };
