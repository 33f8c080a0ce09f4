// What an event may weigh, whoever made it: a broker drops what is too large for it, and a reader of the log must be
// able to hold a page of them. What is cut is named.

import { cut } from '../domain/outside-text.ts';

/** The whole event as it is published. */
export const MOST_EVENT_BYTES = 4_096;
/** Its sequence number is put in front of it later. */
const SEQUENCE_BYTES = 32;
const MOST_BODY_BYTES = MOST_EVENT_BYTES - SEQUENCE_BYTES;

type Body = Readonly<Record<string, unknown>>;

/**
 * Head and body as JSON of at most 4 KiB. Where it would be more, the largest members are cut one after another, and
 * `cut` names them.
 */
export function boundedBody(head: Body, body: Body): string {
  const json = JSON.stringify({ ...head, ...body });
  if (fits(json)) return json;
  const members = Object.entries(body);
  for (const limits of STEPS) {
    const shorter = members.map(([key, value]) => [cut(key, MOST_KEY), shortened(value, limits)] as const);
    const names = members.flatMap(([key, value], i) =>
      key === shorter[i]?.[0] && JSON.stringify(value) === JSON.stringify(shorter[i][1]) ? [] : [cut(key, MOST_KEY)],
    );
    const shortJson = JSON.stringify({ ...head, ...Object.fromEntries(shorter), cut: names });
    if (fits(shortJson)) return shortJson;
  }
  // More members than an event of ours has: what comes first is kept.
  const names = members.map(([key]) => cut(key, MOST_KEY)).slice(0, 8);
  return JSON.stringify({ ...head, cut: names });
}

const fits = (json: string): boolean =>
  json.length * 3 <= MOST_BODY_BYTES || (json.length <= MOST_BODY_BYTES && Buffer.byteLength(json) <= MOST_BODY_BYTES);

type Limits = { text: number; items: number; depth: number };

const MOST_KEY = 64;
/** From what loses little to what loses much; ids and instants are whole in every one of them. */
const STEPS: readonly Limits[] = [
  { text: 512, items: 40, depth: 6 },
  { text: 128, items: 16, depth: 5 },
  { text: 64, items: 8, depth: 4 },
  { text: 64, items: 2, depth: 2 },
];

function shortened(value: unknown, limits: Limits): unknown {
  if (typeof value === 'string') return cut(value, limits.text);
  if (typeof value !== 'object' || value === null) return value;
  if (limits.depth === 0) return '…';
  const inner = { ...limits, depth: limits.depth - 1 };
  if (Array.isArray(value)) return value.slice(0, limits.items).map((item) => shortened(item, inner));
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, limits.items)
      .map(([key, member]) => [cut(key, MOST_KEY), shortened(member, inner)]),
  );
}
