// Inputs out of others: the small mistakes of wires and of people, and the lies of somebody who knows the format.

import type { Chance } from '../world/seeded/chance.ts';
import type { Target } from './target.ts';

const MOST_BYTES = 2_048;
const MOST_CHANGES = 5;
const TELLING = [0x00, 0x01, 0x02, 0x10, 0x1f, 0x20, 0x40, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0xfe, 0xff];
const TELLING_WORDS = [0, 1, 4, 0x7f, 0x80, 0xff, 0x100, 0x5a0, 0x7fff, 0x8000, 0xffff];

type Change = (bytes: Buffer, chance: Chance, others: readonly Buffer[], words: readonly string[]) => Buffer;

const place = (bytes: Buffer, chance: Chance): number => chance.whole(0, Math.max(0, bytes.length - 1));
const put = (bytes: Buffer, at: number, between: Uint8Array, over = 0): Buffer =>
  Buffer.concat([bytes.subarray(0, at), between, bytes.subarray(at + over)]);
const someOf = (bytes: Buffer, chance: Chance): Buffer => {
  const from = place(bytes, chance);
  return bytes.subarray(from, from + chance.whole(1, Math.max(1, Math.min(64, bytes.length - from))));
};
const written = (bytes: Buffer, change: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(bytes);
  if (copy.length > 0) change(copy);
  return copy;
};

const flipped: Change = (bytes, chance) =>
  written(bytes, (copy) => {
    const at = place(copy, chance);
    copy[at] = (copy[at] ?? 0) ^ (1 << chance.whole(0, 7));
  });
const replaced: Change = (bytes, chance) =>
  written(
    bytes,
    (copy) => void (copy[place(copy, chance)] = chance.is(0.5) ? chance.of(TELLING) : chance.whole(0, 255)),
  );
const counted: Change = (bytes, chance) =>
  written(bytes, (copy) => {
    const at = place(copy, chance);
    copy[at] = ((copy[at] ?? 0) + chance.of([-2, -1, 1, 2])) & 0xff;
  });
/** A length or a number of two bytes, of either end. */
const lied: Change = (bytes, chance) =>
  written(bytes, (copy) => {
    if (copy.length < 2) return;
    const at = chance.whole(0, copy.length - 2);
    const value = chance.of([...TELLING_WORDS, copy.length, copy.length - at]) & 0xffff;
    if (chance.is(0.5)) copy.writeUInt16LE(value, at);
    else copy.writeUInt16BE(value, at);
  });
const cutShort: Change = (bytes, chance) => bytes.subarray(0, place(bytes, chance));
const beheaded: Change = (bytes, chance) => bytes.subarray(place(bytes, chance));
const takenOut: Change = (bytes, chance) => put(bytes, place(bytes, chance), Buffer.alloc(0), chance.whole(1, 16));
const putBetween: Change = (bytes, chance) =>
  put(bytes, place(bytes, chance), Buffer.from([chance.is(0.5) ? chance.of(TELLING) : chance.whole(0, 255)]));
const repeated: Change = (bytes, chance) => {
  const some = someOf(bytes, chance);
  return put(bytes, place(bytes, chance), Buffer.concat(Array.from({ length: chance.whole(1, 8) }, () => some)));
};
const filled: Change = (bytes, chance) =>
  put(bytes, place(bytes, chance), Buffer.alloc(chance.of([3, 17, 64, 300]), chance.of(TELLING)));
const spliced: Change = (bytes, chance, others) => {
  const other = chance.of(others);
  return Buffer.concat([bytes.subarray(0, place(bytes, chance)), other.subarray(place(other, chance))]);
};
const borrowed: Change = (bytes, chance, others) => {
  const some = someOf(chance.of(others), chance);
  return put(bytes, place(bytes, chance), some, chance.is(0.5) ? some.length : 0);
};
const followed: Change = (bytes, chance, others) => Buffer.concat([bytes, chance.of(others)]);
const worded: Change = (bytes, chance, others, words) =>
  words.length === 0
    ? borrowed(bytes, chance, others, words)
    : put(bytes, place(bytes, chance), Buffer.from(chance.of(words)), chance.is(0.5) ? chance.whole(0, 12) : 0);

const CHANGES: readonly (readonly [number, Change])[] = [
  [6, flipped],
  [6, replaced],
  [4, counted],
  [5, lied],
  [2, cutShort],
  [1, beheaded],
  [3, takenOut],
  [3, putBetween],
  [2, repeated],
  [1, filled],
  [2, spliced],
  [4, borrowed],
  [1, followed],
  [4, worded],
];

/** One more input, out of what is kept. */
export function mutated(target: Target, kept: readonly Buffer[], chance: Chance): Buffer {
  if (kept.length === 0 || chance.is(0.01)) return chance.random().bytes(chance.whole(0, 200));
  let bytes = chance.of(kept);
  const { change } = target;
  // Either stays in its form, or does not.
  const isFormal = change !== undefined && chance.is(0.7);
  for (let left = chance.whole(1, isFormal ? 2 : MOST_CHANGES); left > 0; left--)
    bytes = isFormal ? change(bytes, chance, kept) : chance.weighed(CHANGES)(bytes, chance, kept, target.words ?? []);
  const fits = bytes.subarray(0, target.mostBytes ?? MOST_BYTES);
  return target.mend !== undefined && chance.is(0.7) ? target.mend(Buffer.from(fits), chance) : fits;
}

const KEY_AND_VALUE = /^( *(?:- )?[\w-]+: ?)(.*)$/;

/** Of texts in lines: a line is left out, doubled, moved, borrowed, or says something else. */
export function changedLines(bytes: Buffer, chance: Chance, kept: readonly Buffer[], words: readonly string[]): Buffer {
  const lines = bytes.toString().split('\n');
  const at = chance.whole(0, lines.length - 1);
  const line = lines[at] ?? '';
  const others = chance.of(kept).toString().split('\n');
  switch (chance.whole(0, 5)) {
    case 0:
      lines.splice(at, 1);
      break;
    case 1:
      lines.splice(chance.whole(0, lines.length), 0, line);
      break;
    case 2:
      lines.splice(at, chance.is(0.5) ? 1 : 0, chance.of(others));
      break;
    case 3:
      lines[at] = chance.is(0.5) ? `  ${line}` : line.replace(/^ {2}/, '');
      break;
    default: {
      const [, key = '', value = ''] = KEY_AND_VALUE.exec(line) ?? [];
      const [, , other = ''] = KEY_AND_VALUE.exec(chance.of(others)) ?? [];
      lines[at] = key + chance.of([other, chance.of(words), value.slice(0, chance.whole(0, value.length)), `[${value}]`, `{${value}}`]); // prettier-ignore
    }
  }
  return Buffer.from(lines.join('\n'));
}
