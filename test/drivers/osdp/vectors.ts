// The published and cross-checked frames of OSDP, as data for tests.
import { readFileSync } from 'node:fs';

export type Vector = { name: string; dir: 'ACU->PD' | 'PD->ACU'; hex: string; plain?: string; fullmac?: string };
export type KeyVector = { enc: string; m1: string; m2: string; client: string; server: string; rmaci: string };
export type Vectors = {
  plain: Vector[];
  checksum: Vector[];
  sc: Vector[];
  keys: Record<string, KeyVector>;
  diversify: { mk: string; cuid: string; scbk: string };
};

export const vectors = JSON.parse(readFileSync(new URL('./vectors.json', import.meta.url), 'utf8')) as Vectors;
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').toUpperCase();
