// The parser against whatever a line may bring: pieces, noise, cut and damaged frames.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame, FrameParser, type Frame } from '../../../drivers/soyal/frame.ts';

const bytesOf = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('the parser', () => {
  const payload = fc.uint8Array({ minLength: 1, maxLength: 252 });
  const anyFrame = fc.tuple(fc.integer({ min: 0, max: 255 }), payload).map(([destination, bytes]) => ({
    destination,
    payload: Buffer.from(bytes),
  }));
  const encode = (frame: Frame): Buffer => encodeFrame(frame.destination, frame.payload);

  test('frames come out whole, in whatever pieces they came in', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 4 }), fc.integer({ min: 1, max: 40 }), (frames, size) => {
        const stream = Buffer.concat(frames.map(encode));
        const parser = new FrameParser();
        const found: Frame[] = [];
        for (let at = 0; at < stream.length; at += size) found.push(...parser.push(stream.subarray(at, at + size)));
        expect(found).toEqual(frames);
        expect(parser.unfinished).toBe(false);
      }),
    );
  });

  test('after any noise and a silence, the next frame is read', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), anyFrame, (noise, frame) => {
        const parser = new FrameParser();
        parser.push(noise);
        parser.expire();
        expect(parser.push(encode(frame))).toEqual([frame]);
      }),
    );
  });

  test('a head in the noise holds the frame behind it back until the line is silent, and no longer', () => {
    const parser = new FrameParser();
    const ack = bytesOf('7e 05 00 04 01 fa ff');
    expect(parser.push(Buffer.concat([bytesOf('7e 13 37'), ack]))).toEqual([]);
    expect(parser.unfinished).toBe(true);
    expect(parser.expire()).toEqual([{ destination: 0, payload: bytesOf('04 01') }]);
    expect(parser.unfinished).toBe(false);
  });

  test('a frame cut short does not swallow the one that follows it', () => {
    fc.assert(
      fc.property(anyFrame, fc.nat(), anyFrame, (first, cut, second) => {
        const whole = encode(first);
        const parser = new FrameParser();
        const found = parser.push(Buffer.concat([whole.subarray(0, cut % whole.length), encode(second)]));
        expect([...found, ...parser.expire()]).toContainEqual(second);
      }),
    );
  });

  test('a single wrong bit in what the checksums cover never gives a frame', () => {
    fc.assert(
      fc.property(anyFrame, fc.nat(), fc.integer({ min: 0, max: 7 }), (frame, at, bit) => {
        const bytes = encode(frame);
        const index = 2 + (at % (bytes.length - 2));
        bytes.writeUInt8(bytes.readUInt8(index) ^ (1 << bit), index);
        const parser = new FrameParser();
        const found = [...parser.push(bytes), ...parser.expire()];
        expect(found).not.toContainEqual(frame);
        expect(found.every((one) => one.payload.length < frame.payload.length)).toBe(true);
      }),
    );
  });

  test('zeros are nothing to it', () => {
    const parser = new FrameParser();
    expect(parser.push(Buffer.alloc(257))).toEqual([]);
    expect(parser.unfinished).toBe(false);
  });
});
