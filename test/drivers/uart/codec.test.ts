import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  encodeTag,
  FRAMES,
  frameLength,
  TagParser,
  type FrameName,
  type Reading,
} from '../../../drivers/uart/codec.ts';

const uidOf = fc.uint8Array({ minLength: 5, maxLength: 5 }).map((bytes) => Buffer.from(bytes));
const anyFrame = fc.constantFrom(...FRAMES);

function readAll(frame: FrameName, chunks: readonly Uint8Array[]): Reading {
  const parser = new TagParser(frame);
  const all: Reading = { uids: [], wrongChecksums: 0, noiseBytes: 0 };
  for (const chunk of chunks) {
    const { uids, wrongChecksums, noiseBytes } = parser.push(chunk, 0);
    all.uids.push(...uids);
    all.wrongChecksums += wrongChecksums;
    all.noiseBytes += noiseBytes;
  }
  return all;
}

const bytesIn = (frame: FrameName, reading: Reading): number =>
  (reading.uids.length + reading.wrongChecksums) * frameLength(frame) + reading.noiseBytes;

/** Cuts a stream at these places, given as fractions of it. */
function cut(bytes: Buffer, fractions: readonly number[]): Buffer[] {
  const places = [0, ...fractions.map((f) => Math.floor(f * bytes.length)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end));
}

describe('a frame', () => {
  test('is read and written as the manual of the RDM630 shows it', () => {
    const bytes = Buffer.from('0236324533303836434544303803', 'hex');
    expect(encodeTag('rdm6300', Buffer.from('62E3086CED', 'hex'))).toEqual(bytes);
    expect(readAll('rdm6300', [bytes]).uids).toEqual([Buffer.from('62E3086CED', 'hex')]);
  });

  test('of an ID-12LA ends with CR, LF and the end byte', () => {
    const bytes = Buffer.from('\x0262E3086CED08\r\n\x03', 'latin1');
    expect(encodeTag('id-12la', Buffer.from('62E3086CED', 'hex'))).toEqual(bytes);
    expect(bytes).toHaveLength(16);
    expect(readAll('id-12la', [bytes]).uids).toEqual([Buffer.from('62E3086CED', 'hex')]);
  });

  test('in lower case digits is read the same', () => {
    const bytes = Buffer.from('\x0262e3086ced08\x03', 'latin1');
    expect(readAll('rdm6300', [bytes]).uids).toEqual([Buffer.from('62E3086CED', 'hex')]);
  });

  test('of the other kind is not read', () => {
    const uid = Buffer.from('62E3086CED', 'hex');
    expect(readAll('rdm6300', [encodeTag('id-12la', uid)])).toMatchObject({ uids: [], noiseBytes: 16 });
    expect(readAll('id-12la', [encodeTag('rdm6300', uid)])).toMatchObject({ uids: [], noiseBytes: 14 });
  });

  test('with a wrong checksum is counted and not read', () => {
    const bytes = Buffer.from('\x0262E3086CED09\x03', 'latin1');
    expect(readAll('rdm6300', [bytes])).toEqual({ uids: [], wrongChecksums: 1, noiseBytes: 0 });
  });

  test('whose bytes are too far apart has lost some in between and is not read', () => {
    const parser = new TagParser('rdm6300');
    const bytes = encodeTag('rdm6300', Buffer.from('62E3086CED', 'hex'));
    expect(parser.push(bytes.subarray(0, 7), 5_000).uids).toHaveLength(0);
    expect(parser.push(bytes.subarray(7), 6_001)).toEqual({ uids: [], wrongChecksums: 0, noiseBytes: 14 });
    expect(parser.push(bytes.subarray(0, 7), 8_000).uids).toHaveLength(0);
    expect(parser.push(bytes.subarray(7), 8_900).uids).toHaveLength(1);
  });
});

describe('a stream', () => {
  test('of whole frames gives each tag once, however it is cut', () => {
    fc.assert(
      fc.property(
        anyFrame,
        fc.array(uidOf, { maxLength: 20 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
        (frame, uids, at) => {
          const stream = Buffer.concat(uids.map((uid) => encodeTag(frame, uid)));
          expect(readAll(frame, cut(stream, at))).toEqual({ uids, wrongChecksums: 0, noiseBytes: 0 });
        },
      ),
    );
  });

  test('of any bytes is survived, read the same however it is cut, and accounted for to the last frame', () => {
    const mostlyFrameBytes = fc.oneof(
      fc.constantFrom(0x02, 0x03, 0x0d, 0x0a, 0x30, 0x41),
      fc.integer({ min: 0, max: 255 }),
    );
    fc.assert(
      fc.property(
        anyFrame,
        fc.array(mostlyFrameBytes, { maxLength: 400 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
        (frame, bytes, at) => {
          const stream = Buffer.from(bytes);
          const whole = readAll(frame, [stream]);
          expect(readAll(frame, cut(stream, at))).toEqual(whole);
          const waiting = stream.length - bytesIn(frame, whole);
          expect(waiting).toBeGreaterThanOrEqual(0);
          expect(waiting).toBeLessThan(frameLength(frame));
        },
      ),
      { numRuns: 500 },
    );
  });

  test('finds its feet at the next frame, whatever came before', () => {
    fc.assert(
      fc.property(anyFrame, fc.uint8Array({ maxLength: 60 }), uidOf, (frame, before, uid) => {
        const { uids } = readAll(frame, [before, encodeTag(frame, uid)]);
        expect(uids.at(-1)).toEqual(uid);
      }),
    );
  });

  test('loses only the frame that was cut short', () => {
    fc.assert(
      fc.property(anyFrame, uidOf, uidOf, fc.integer({ min: 0, max: 15 }), (frame, first, second, kept) => {
        const short = encodeTag(frame, first).subarray(0, Math.min(kept, frameLength(frame) - 1));
        const { uids } = readAll(frame, [short, encodeTag(frame, second)]);
        expect(uids).toEqual([second]);
      }),
    );
  });

  test('with one bit flipped never gives another tag, and loses no frame but the one that was hit', () => {
    fc.assert(
      fc.property(anyFrame, uidOf, uidOf, fc.integer({ min: 0, max: 16 * 8 - 1 }), (frame, first, second, bit) => {
        const hit = encodeTag(frame, first);
        const at = (bit >> 3) % hit.length;
        hit.writeUInt8(hit.readUInt8(at) ^ (1 << (bit & 7)), at);
        const { uids } = readAll(frame, [hit, encodeTag(frame, second)]);
        // A flip between capital and small letter changes no digit.
        if (uids.length === 2) expect(uids).toEqual([first, second]);
        else expect(uids).toEqual([second]);
      }),
      { numRuns: 1000 },
    );
  });
});
