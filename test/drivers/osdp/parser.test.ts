import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCommand } from '../../../drivers/osdp/commands.ts';
import { decodeFrame, encodeFrame, MAX_FRAME_BYTES } from '../../../drivers/osdp/frame.ts';
import type { Frame } from '../../../drivers/osdp/frame.ts';
import { decodeFragment, MultipartAssembler } from '../../../drivers/osdp/multipart.ts';
import { FrameParser } from '../../../drivers/osdp/parser.ts';
import { decodeExtendedId, decodeReply } from '../../../drivers/osdp/replies.ts';
import { deriveKeys, SCBK_DEFAULT, SecureSession } from '../../../drivers/osdp/secure-channel.ts';
import { hex, hexOf, vectors } from './vectors.ts';

const POLL = hex('530008000460EBAA');
const CARD = hex('53801000055000011A00BDD937403585');
const texts = (frames: Frame[]): string[] => frames.map((frame) => hexOf(frame.bytes));

/** Any frame that can be on a line. */
const anyFrame = fc
  .record({
    address: fc.integer({ min: 0, max: 0x7f }),
    reply: fc.boolean(),
    sequence: fc.integer({ min: 0, max: 3 }),
    crc: fc.boolean(),
    block: fc.option(fc.record({ type: fc.integer({ min: 0x11, max: 0x14 }), data: fc.uint8Array({ maxLength: 1 }) }), {
      nil: null,
    }),
    code: fc.integer({ min: 0x40, max: 0xb1 }),
    data: fc.uint8Array({ maxLength: 300 }),
  })
  .map((fields) =>
    encodeFrame({
      ...fields,
      block: fields.block === null ? null : { type: fields.block.type, data: Buffer.from(fields.block.data) },
      data: Buffer.from(fields.data),
    }),
  );

/** Cuts `bytes` at these places. */
function chunks(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const ends = [...places, bytes.length];
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

describe('the parser', () => {
  it('finds frames with no mark, one mark and many marks before them', () => {
    const parser = new FrameParser();
    const stream = Buffer.concat([POLL, hex('FF'), CARD, hex('FFFFFFFFFF'), POLL]);
    expect(texts(parser.push(stream))).toEqual([POLL, CARD, POLL].map(hexOf));
    expect(parser.pending).toBe(false);
  });

  it('gives the same frames however the line splits or joins them', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { minLength: 1, maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        (frames, cuts) => {
          const parser = new FrameParser();
          const stream = Buffer.concat(frames.flatMap((frame) => [hex('FF'), frame]));
          expect(chunks(stream, cuts).flatMap((chunk) => texts(parser.push(chunk)))).toEqual(frames.map(hexOf));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('takes up the frame behind a false beginning once the line is silent', () => {
    const parser = new FrameParser();
    expect(parser.push(Buffer.concat([hex('53802000'), hex('04'), CARD]))).toEqual([]);
    expect(parser.pending).toBe(true);
    expect(texts(parser.stalled())).toEqual([hexOf(CARD)]);
    expect(parser.pending).toBe(false);
  });

  it('takes up the frame behind one with bad check characters at once', () => {
    const parser = new FrameParser();
    const broken = Buffer.from(CARD);
    broken[9] = 0x53;
    expect(texts(parser.push(Buffer.concat([broken, POLL])))).toEqual([hexOf(POLL)]);
    expect(parser.badFrames).toBe(1);
  });

  it('counts what was a frame but for its check characters, and no noise', () => {
    const parser = new FrameParser();
    expect(parser.push(hex('53FFFFFFFFFFFFFFFF'))).toEqual([]);
    expect([parser.badFrames, parser.pending]).toEqual([0, false]);
    const broken = Buffer.from(CARD);
    broken[9] = 0x01;
    expect(parser.push(broken)).toEqual([]);
    expect([parser.badFrames, parser.pending]).toEqual([1, false]);
  });

  it('forgets the beginning of a frame when it is told to', () => {
    const parser = new FrameParser();
    parser.push(CARD.subarray(0, 8));
    expect(parser.pending).toBe(true);
    parser.clear();
    expect(parser.pending).toBe(false);
    expect(parser.push(CARD.subarray(8))).toEqual([]);
    expect(texts(parser.push(CARD))).toEqual([hexOf(CARD)]);
  });

  it('does not take a frame out of the data of another that is still arriving', () => {
    const parser = new FrameParser();
    const outer = encodeFrame({ address: 1, reply: true, sequence: 1, crc: true, block: null, code: 0x90, data: CARD });
    expect(parser.push(outer.subarray(0, outer.length - 2))).toEqual([]);
    expect(texts(parser.push(outer.subarray(outer.length - 2)))).toEqual([hexOf(outer)]);
  });

  it('survives any bytes, holds no more than one frame of them, and finds the next frame after a silence', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 4 }), (noise) => {
        const parser = new FrameParser();
        for (const bytes of noise) parser.push(Buffer.from(bytes));
        parser.stalled();
        expect(parser.pending).toBe(false);
        expect(texts(parser.push(POLL))).toEqual([hexOf(POLL)]);
      }),
      { numRuns: 200 },
    );
  });

  it('finds the untouched frames among flipped bits and cut frames', () => {
    fc.assert(
      fc.property(anyFrame, fc.nat(), fc.nat(), fc.boolean(), (frame, at, bit, cut) => {
        const damaged = Buffer.from(frame);
        damaged[at % frame.length] = (damaged[at % frame.length] ?? 0) ^ (1 << (bit % 8));
        const first = cut ? frame.subarray(0, at % frame.length) : damaged;
        const parser = new FrameParser();
        const found = texts([...parser.push(Buffer.concat([first, POLL])), ...parser.stalled()]);
        // A cut frame and the beginning of the next can by chance be a whole one, its checksum included: nobody can
        // tell.
        fc.pre(found.every((text) => text === hexOf(POLL)));
        expect(found).toContain(hexOf(POLL));
      }),
      { numRuns: 500 },
    );
  });
});

describe('decoders', () => {
  const anyBytes = fc.uint8Array({ maxLength: MAX_FRAME_BYTES }).map((bytes) => Buffer.from(bytes));

  it('survive any bytes', () => {
    const keys = deriveKeys(SCBK_DEFAULT, Buffer.alloc(8));
    const session = new SecureSession(keys, Buffer.alloc(16));
    const assembler = new MultipartAssembler(1024);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 255 }), anyBytes, (code, data) => {
        decodeCommand(code, data);
        decodeReply(code, data);
        decodeExtendedId(data);
        const fragment = decodeFragment(data);
        if (fragment !== null) assembler.accept(fragment);
        const frame = decodeFrame(data);
        if (typeof frame !== 'string') session.openReply(frame, Buffer.alloc(16));
        return true;
      }),
      { numRuns: 2000 },
    );
  });

  it('notice any one wrong byte in any published frame', () => {
    for (const { hex: text } of [...vectors.plain, ...vectors.checksum, ...vectors.sc]) {
      const bytes = hex(text);
      for (let at = 0; at < bytes.length; at++) {
        for (let change = 1; change < 256; change++) {
          // The bit that says which check characters there are is the one that a check character cannot vouch for.
          if (at === 4 && (change & 0x04) !== 0) continue;
          bytes[at] = (bytes[at] ?? 0) ^ change;
          if (typeof decodeFrame(bytes) !== 'string') expect.fail(`${hexOf(bytes)} was taken for a frame`);
          bytes[at] = (bytes[at] ?? 0) ^ change;
        }
      }
    }
  });
});
