// Whether what an entrance says of its locks and sides goes together: what a lock does without power must be what its
// output does to it at rest, and what locks again by the contact needs one.

import type { Report } from './report.ts';
import { isMapping, valueAt } from './shape.ts';
import { printable } from '../domain/words.ts';
import type { KeyPath } from './yaml-source.ts';

export function checkLocks(report: Report, entrance: unknown, path: KeyPath): void {
  for (const key of ['strike', 'second_lock', 'release', 'second_release'])
    checkRest(report, valueAt(entrance, [key]), [...path, key]);
  const relock = valueAt(entrance, ['strike', 'relock']);
  const hasContact = valueAt(entrance, ['contact']) !== undefined || valueAt(entrance, ['controller']) !== undefined;
  if ((relock === 'opening' || relock === 'closing') && !hasContact)
    report.error(
      [...path, 'strike', 'relock'],
      `without a contact nobody sees the door ${relock === 'opening' ? 'open' : 'close'}`,
      'Add `contact`, or write `relock: end`.',
    );
}

/** At rest no output is energised. */
function checkRest(report: Report, lock: unknown, path: KeyPath): void {
  if (!isMapping(lock)) return;
  const { fail, energised } = lock;
  if (energised === 'locks' && fail !== 'safe')
    report.error(
      [...path, 'fail'],
      'a lock that its output locks by being energised is free without power, and that is not fail: secure',
      'Write `fail: safe`; or `energised: unlocks`, where the output frees it.',
    );
  else if (fail === 'safe' && energised === undefined)
    report.warn(
      [...path, 'fail'],
      'this lock is free without power, and its output locks it at rest: it is free only where the lock itself loses its power, not when Lintel stops or the board does',
      'Write `energised: unlocks` if it is wired so (over the closed contact of the relay), or `energised: locks` if the output must be on for the door to lock.',
    );
}

/** A side is that of one of its readers. */
export function checkExitReaders(report: Report, entrance: unknown, path: KeyPath): void {
  const exits = valueAt(entrance, ['exit_readers']);
  const readers = valueAt(entrance, ['readers']);
  if (!Array.isArray(exits) || !Array.isArray(readers)) return;
  for (const [i, name] of exits.entries()) {
    if (typeof name !== 'string' || readers.includes(name)) continue;
    report.error(
      [...path, 'exit_readers', i],
      `${printable(name)} is none of the readers of this entrance`,
      `Name it under readers as well, or one of these: ${readers.join(', ')}.`,
    );
  }
}
