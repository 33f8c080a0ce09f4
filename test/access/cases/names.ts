// What stands behind the names of the cases: ids, card numbers, codes and keys, the same in every run but for the keys.

import { createHash } from 'node:crypto';
import { SimulatedCard } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import type { Cast } from './rows.ts';

/** The id of something that has a name. */
export function idOf(kind: string, name: string): string {
  const hex = createHash('sha256').update(`${kind} ${name}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-'); // prettier-ignore
}

/** `anna card`. */
export const holdingId = (person: string, kind: string): string => idOf('credential', `${person} ${kind}`);

const numberOf = (name: string): number => createHash('sha256').update(name).digest().readUInt16BE(0);
export const cardOf = (person: string, cast: Cast): string => {
  const serial = cast.people[person]?.card?.serial;
  return serial === undefined ? `H10301:1:${numberOf(person)}` : `uid:${serial}`;
};
/** Six digits; none of them begins with a zero, as wrong codes of the rows do. */
export const codeOf = (person: string): string => String(200_000 + numberOf(person) * 11);

/** Eight digits: no slip of the finger makes it of a code. */
export const duressOf = (person: string): string => `77${codeOf(person)}`;

/** What a sensor makes of it. */
export const fingerOf = (person: string, kind: string): Buffer => Buffer.from(`${person} ${kind}`);

const PHONES = new Map<string, Buffer>();
export function phoneOf(person: string): Buffer {
  const point = PHONES.get(person) ?? new SimulatedCard().point;
  PHONES.set(person, point);
  return point;
}
