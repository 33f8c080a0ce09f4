// The corpus of each target: its seeds, and what is kept beside them in corpus/, a file for each target: inputs that
// came upon something once, and inputs that came to places in the code which others do not come to.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { isUtf8 } from 'node:buffer';
import { join } from 'node:path';
import type { Target } from './target.ts';

/** As text where it is text that can be read. `found`: what it came upon. */
type Entry = { found?: string } & ({ text: string } | { hex: string });

const fileOf = (target: Target): string => join(import.meta.dirname, 'corpus', `${target.name}.json`);

function entriesOf(target: Target): Entry[] {
  const file = fileOf(target);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Entry[]) : [];
}

const bytesOf = (entry: Entry): Buffer => ('text' in entry ? Buffer.from(entry.text) : Buffer.from(entry.hex, 'hex'));

/** All that a target begins with. */
export const corpusOf = (target: Target): Buffer[] => [...target.seeds, ...entriesOf(target).map(bytesOf)];

export function keep(target: Target, more: readonly Buffer[]): void {
  const isReadable = (bytes: Buffer): boolean => isUtf8(bytes) && !/[^\n\x20-\x7e]/.test(bytes.toString());
  const added = more.map((bytes): Entry => (isReadable(bytes) ? { text: bytes.toString() } : { hex: bytes.toString('hex') })); // prettier-ignore
  writeFileSync(fileOf(target), `${JSON.stringify([...entriesOf(target), ...added], null, 2)}\n`);
}
