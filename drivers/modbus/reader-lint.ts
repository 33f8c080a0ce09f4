// What no schema can see in the description of a reader: a card that does not fit, a held card that would be told again
// and again, a light that would drive a strike.

import { capacityBits, UID_BITS } from './reader-card.ts';
import { FEEDBACK_SIGNALS, type ReaderSpec } from './reader-schema.ts';
import type { Profile } from './profile-schema.ts';
import { READ_FUNCTION } from './schema-parts.ts';
import { formatDuration } from '../../src/domain/duration.ts';

type Report = (path: readonly (string | number)[], message: string, remedy: string) => void;
export type NeedFunction = (path: (string | number)[], what: string, ...codes: Profile['limits']['functions']) => void;

const LEAST_POLL_MS = 20;
/** A person at a door waits this long without wondering. */
const WONDERING_MS = 500;

export function lintReader(profile: Profile, error: Report, warning: Report): void {
  const { reader } = profile;
  if (reader === undefined) return;
  lintCard(reader, error);
  lintTimes(reader, error, warning);
  lintFeedback(profile, reader, error);
}

function lintCard({ card, ...reader }: ReaderSpec, error: Report): void {
  const path = ['reader', 'card'] as const;
  const room = capacityBits(card);
  const { bits, kind } = card;
  if (card.at + card.registers - 1 > 0xffff)
    error(path, `its ${card.registers} registers end past address 65535`, 'lower the address, or registers');
  if (card.registers > 1 && card.words === undefined)
    error(
      path,
      `it spans ${card.registers} registers and does not say which comes first`,
      'add words: hi-lo, or words: lo-hi',
    );
  if (card.bytes_per_register === 1 && card.bytes === 'lo-hi')
    error([...path, 'bytes'], 'a register that holds one byte has no order of bytes', 'remove bytes');
  if (kind === 'raw' && bits !== undefined)
    error([...path, 'bits'], 'raw takes all of the registers', 'remove bits, or use kind: wiegand');
  if (kind !== 'wiegand' && card.parity === 'stripped')
    error([...path, 'parity'], 'only the bits of a card format have parity', 'remove parity, or use kind: wiegand');
  const width = typeof bits === 'object' ? null : (bits ?? room);
  if (width !== null && width > room)
    error(
      [...path, 'bits'],
      `a card of ${width} bits, where there is room for ${room}`,
      'give more registers, or fewer bits',
    );
  if (kind === 'uid' && width !== null && (width % 8 !== 0 || width < UID_BITS.min || width > UID_BITS.max))
    error(
      path,
      `a serial number of ${width} bits`,
      'a serial number has 3 to 10 whole bytes: give bits, or change registers or kind',
    );
  if (kind !== 'raw' && width !== room && card.align === undefined)
    error(
      path,
      'a card may be shorter than its registers, and nothing says where it stands',
      'add align: left, or right',
    );
  const place = reader.mode === 'sequence' ? reader.sequence : reader.flag;
  if (place.area === card.area && place.at >= card.at && place.at < card.at + card.registers)
    error(
      ['reader', reader.mode === 'sequence' ? 'sequence' : 'flag'],
      'it stands inside the card',
      'correct the addresses',
    );
}

function lintTimes(reader: ReaderSpec, error: Report, warning: Report): void {
  const { poll, debounce } = reader;
  if (poll < LEAST_POLL_MS)
    error(['reader', 'poll'], 'so short a period fills the bus', `give at least ${formatDuration(LEAST_POLL_MS)}`);
  if (poll > WONDERING_MS)
    warning(
      ['reader', 'poll'],
      'so long a person waits before anything happens',
      'give 50ms to 200ms where the bus allows',
    );
  if (debounce <= poll)
    error(
      ['reader', 'debounce'],
      'a card that is held would be shown again at every look',
      'give several times poll, e.g. 2s',
    );
  if (reader.mode === 'flag-clear' && reader.flag.area === 'coil' && reader.flag.clear > 1)
    error(['reader', 'flag', 'clear'], 'a coil is 0 or 1', 'give 0, or area: holding');
}

/** A light is written far more carelessly than a strike: at the same address it would open the door. */
function lintFeedback(profile: Profile, { feedback, ...reader }: ReaderSpec, error: Report): void {
  for (const signal of FEEDBACK_SIGNALS) {
    feedback[signal].forEach(({ area, at }, i) => {
      const path = ['reader', 'feedback', signal, i];
      profile.outputs.forEach((output, index) => {
        const place = output.kind === 'coil' ? 'coil' : 'holding';
        const last = output.at + (output.kind === 'bit' ? output.registers : 1) - 1;
        const drives =
          (area === place && at >= output.at && at <= last) ||
          (output.pulse !== undefined && area === output.pulse.area && at === output.pulse.at);
        if (drives) error(path, `it would drive output ${index}`, 'give the address of a light or a buzzer');
      });
      if (reader.mode === 'flag-clear' && reader.flag.area === area && reader.flag.at === at)
        error(path, 'it would touch the flag of the card', 'give the address of a light or a buzzer');
    });
  }
}

/** Which function codes it takes. */
export function lintReaderFunctions({ reader }: Profile, need: NeedFunction): void {
  if (reader === undefined) return;
  const { card, feedback } = reader;
  need(['reader', 'card'], `area ${card.area}`, READ_FUNCTION[card.area]);
  if (typeof card.bits === 'object')
    need(['reader', 'card', 'bits'], `area ${card.bits.area}`, READ_FUNCTION[card.bits.area]);
  if (reader.mode === 'sequence')
    need(['reader', 'sequence'], `area ${reader.sequence.area}`, READ_FUNCTION[reader.sequence.area]);
  else {
    need(['reader', 'flag'], `area ${reader.flag.area}`, READ_FUNCTION[reader.flag.area]);
    need(['reader', 'flag'], 'clearing it', ...WRITES[reader.flag.area]);
  }
  for (const signal of FEEDBACK_SIGNALS)
    feedback[signal].forEach(({ area }, i) => need(['reader', 'feedback', signal, i], `area ${area}`, ...WRITES[area]));
}

const WRITES = { coil: [5, 15], holding: [6, 16] } as const;
