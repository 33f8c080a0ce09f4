// Numbers of cards, and the small languages that people write: durations, hours, units, instants.

import fc from 'fast-check';
import { isBech32 } from '../../../src/domain/bech32.ts';
import {
  candidates, canonicalCard, CARD_FORMATS, encodeWiegand, parseCanonical, readingOf, type CardReading,
} from '../../../src/domain/card-formats.ts'; // prettier-ignore
import { parseUnits, unitsText } from '../../../src/cli/simulators/units.ts';
import { cardUid } from '../../../drivers/soyal/cards.ts';
import { formatDuration, parseDuration } from '../../../src/domain/duration.ts';
import { OperatingError } from '../../../src/domain/errors.ts';
import { parseRanges, parseWeek, rangesText } from '../../../src/domain/schedule.ts';
import { parseConverter } from '../../../src/domain/line.ts';
import { must, orRefused, type Target } from '../target.ts';

/** Width (two bytes), and as many bits. */
function playReading(bytes: Buffer): string {
  const widthBits = bytes.length < 3 ? 1 : 1 + (bytes.readUInt16BE(0) % 2_040);
  const size = Math.ceil(widthBits / 8);
  const bits = Buffer.alloc(size);
  bytes.subarray(2).copy(bits);
  bits[size - 1] = (bits[size - 1] ?? 0) & (0xff << (size * 8 - widthBits));
  const readings: CardReading[] = [
    { kind: 'wiegand', widthBits, bytes: bits },
    { kind: 'uid', bytes: bits.subarray(0, 10) },
    { kind: 'text', bytes: bits, asSent: bits },
  ];
  let way = 'no number';
  for (const reading of readings) {
    for (const format of CARD_FORMATS) {
      const [found] = candidates(reading, [format]);
      if (found === undefined) continue;
      // A number that is read is one that a command may give, unless it is too long to be one.
      const written = orRefused(OperatingError, () => parseCanonical(found));
      must(written === found || written === 'refused', `${format}: another number than was read`);
      if (reading.kind === 'wiegand' && format !== 'uid' && format !== 'uid-reversed') {
        way = format === 'raw' && way !== 'no number' ? way : format;
        if (written === 'refused') continue;
        const again = encodeWiegand(found);
        must(again !== null && candidates({ kind: 'wiegand', ...again }, [format])[0] === found, `${format}: its bits are another card’s`); // prettier-ignore
      }
    }
  }
  return way;
}

const CARDS = ['H10301:123:45678', 'H10302:34359738367', 'C1000-35:4095:1048575', 'C1000-48:1:2', 'H10304:1:2', 'H10306:558:17412', 'uid:04A1B2C3', 'DD:17:38:0A', 'raw:26:025C5AC0', 'FASC-N:7032-1234-123456-1-1-1234567890112345', 'FASC-N-75:32:1:92446:20301231', 'PKOC-64:0123456789ABCDEF', `PKOC-256:04${'AB'.repeat(64)}`, '45678', '123:45678']; // prettier-ignore

/** A number as a command gives it, for every format that it may name. */
function playNumber(bytes: Buffer): string {
  const value = bytes.toString();
  let way = 'refused';
  for (const format of [null, ...CARD_FORMATS, 'constructor']) {
    const canonical = orRefused(OperatingError, () =>
      canonicalCard(value, format, { format: 'H10301', facility_code: 7 }),
    );
    if (canonical === 'refused') continue;
    way = canonical.slice(0, canonical.indexOf(':'));
    must(parseCanonical(canonical) === canonical, 'the one spelling is not one');
    const reading = readingOf(canonical);
    const formats = way === 'uid' ? ['uid'] : [way];
    must(candidates(reading, formats)[0] === canonical, 'its bits are another card’s');
    for (const uidOrder of ['as_read', 'reversed'] as const) cardUid(canonical, { uidOrder, tagBytes: 'last_four' });
  }
  return way;
}

const WORDS = ['500ms', '12h', '999999999d', '07:30-18:00', '00:00-24:00', 'Mon-Fri 07:30-18:00', 'Mon,Wed 08:00-12:00, 13:00-17:00', '1-20', '1,4-6', 'tcp://127.0.0.1:4001', 'tcp://[::1]:80', 'age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj']; // prettier-ignore

function playWords(bytes: Buffer): string {
  const text = bytes.toString();
  const ways: string[] = [];
  const durationMs = orRefused(OperatingError, () => parseDuration(text));
  if (durationMs !== 'refused') {
    ways.push('duration');
    must(Number.isSafeInteger(durationMs) && parseDuration(formatDuration(durationMs)) === durationMs, 'a duration is written otherwise'); // prettier-ignore
  }
  const ranges = parseRanges([text]);
  if (typeof ranges !== 'string') {
    ways.push('hours');
    must(JSON.stringify(parseRanges(rangesText(ranges).split(', '))) === JSON.stringify(ranges), 'hours are written otherwise'); // prettier-ignore
  }
  if (typeof parseWeek(text) !== 'string') ways.push('week');
  const units = parseUnits(text);
  if (units !== null) {
    ways.push('units');
    must(String(parseUnits(unitsText(units))) === String(units), 'units are written otherwise');
  }
  const converter = parseConverter(text);
  if (converter !== null) {
    ways.push('converter');
    must(converter.port >= 1 && converter.port <= 65_535 && converter.host !== '', 'a converter that is nowhere');
  }
  if (isBech32(text, 'age')) ways.push('bech32');
  return ways.join(' ') || 'nothing';
}

const texts = (examples: readonly string[]): Buffer[] => examples.map((text) => Buffer.from(text));

export const CARDS_AND_WORDS: readonly Target[] = [
  {
    name: 'card-readings',
    about: 'bits of cards, in every format',
    seeds: CARDS.flatMap((card) => {
      const bits = orRefused(OperatingError, () => encodeWiegand(card));
      if (bits === 'refused' || bits === null) return [];
      return [Buffer.concat([Buffer.from([(bits.widthBits - 1) >> 8, (bits.widthBits - 1) & 0xff]), bits.bytes])];
    }),
    structured: fc
      .tuple(
        fc.constantFrom(25, 33, 34, 36, 47, 63, 74, 127, 199, 255),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
      )
      .map(([width, bits]) => Buffer.from([0, width, ...bits])),
    mostBytes: 260,
    play: playReading,
  },
  {
    name: 'card-numbers',
    about: 'numbers of cards as commands give them',
    seeds: texts(CARDS),
    structured: fc
      .tuple(fc.constantFrom(...CARD_FORMATS), fc.array(fc.stringMatching(/^[0-9A-F]{1,12}$/), { maxLength: 4 }))
      .map(([format, fields]) => Buffer.from([format, ...fields].join(':'))),
    words: [...CARD_FORMATS, ':', '-', '0', ' ', '\u{1f600}', '__proto__'],
    mostBytes: 400,
    play: playNumber,
  },
  {
    name: 'words',
    about: 'durations, hours, units, converters and keys as people write them',
    seeds: texts(WORDS),
    words: ['Mon', 'Sun', '-', ',', ':', '24:00', 'ms', 'd', '0', ' ', '1'],
    mostBytes: 200,
    play: playWords,
  },
];
