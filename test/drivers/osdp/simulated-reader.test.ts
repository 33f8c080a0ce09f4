// The simulated reader against the published conversations and the probes of a real implementation: bytes in, bytes
// out.
import { beforeEach, describe, expect, it } from 'vitest';
import { command } from '../../../drivers/osdp/commands.ts';
import { decodeFrame, encodeFrame } from '../../../drivers/osdp/frame.ts';
import type { Frame } from '../../../drivers/osdp/frame.ts';
import { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { deriveKeys, initialRmac, SecureSession, serverCryptogram } from '../../../drivers/osdp/secure-channel.ts';
import type { Clock, Random } from '../../../drivers/driver.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { hex, hexOf, vectors } from './vectors.ts';

const RANDOM_A = hex('B0B1B2B3B4B5B6B7');
const RANDOM_B = hex('A0A1A2A3A4A5A6A7');
const KEY = hex('C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF');

let nowMs = 0;
const clock: Clock = {
  nowMs: () => nowMs,
  monotonicMs: () => nowMs,
  after: () => ({ cancel: () => undefined }),
  immediate: (run) => run(),
};
const random: Random = { ...systemRandom, bytes: () => RANDOM_B };

const whole = (bytes: Buffer): Frame => {
  const frame = decodeFrame(bytes);
  if (typeof frame === 'string') throw new Error(frame);
  return frame;
};
const say = (reader: SimulatedReader, text: string): string => {
  const answer = reader.receive(whole(hex(text)));
  return answer === null ? '' : hexOf(answer.bytes);
};
const clear = (sequence: number, code: number, data: string): string =>
  hexOf(encodeFrame({ address: 0, reply: false, sequence, crc: true, block: null, code, data: hex(data) }));

const make = (options: ConstructorParameters<typeof SimulatedReader>[2]): SimulatedReader =>
  new SimulatedReader(clock, random, { quirks: { marks: 0 }, ...options });

beforeEach(() => {
  nowMs = 0;
});

describe('in the clear it answers as published', () => {
  const plain = vectors.plain.map((vector) => vector.hex);
  for (const [index, name] of [
    [0, 'POLL'],
    [2, 'ID'],
    [6, 'LED'],
    [8, 'BUZ'],
    [10, 'OUT'],
    [12, 'TEXT'],
    [22, 'an unknown command'],
    [24, 'COMSET'],
  ] as const) {
    it(name, () => {
      const reader = make({});
      const sent = whole(hex(plain[index] ?? ''));
      // The conversation is taken up in its middle: the reader must expect this number.
      for (let sequence = 0; sequence < sent.sequence; sequence++) say(reader, clear(sequence, 0x60, ''));
      expect(say(reader, plain[index] ?? '')).toBe(plain[index + 1]);
    });
  }

  for (const [index, name, act] of [
    [14, 'a card', (reader: SimulatedReader) => reader.presentCard(26, hex('BDD93740'))],
    [16, 'keys', (reader: SimulatedReader) => reader.typeKeys('1234#')],
    [18, 'tamper', (reader: SimulatedReader) => reader.setTamper(true)],
    [20, 'an input', (reader: SimulatedReader) => reader.setInput(0)],
  ] as const) {
    it(`${name} at the next poll`, () => {
      const reader = make({});
      const sent = whole(hex(plain[index] ?? ''));
      for (let sequence = 0; sequence < sent.sequence; sequence++) say(reader, clear(sequence, 0x60, ''));
      act(reader);
      expect(say(reader, plain[index] ?? '')).toBe(plain[index + 1]);
    });
  }
});

describe('under Secure Channel', () => {
  it('it shakes hands and answers the published conversation byte for byte', () => {
    // The published reader has another order of bytes in its cUID; everything that is proved is the same.
    const reader = make({ key: null, installMode: true });
    const asPublished = (text: string): string => text.replace('1122334455667788', '1122440066778899');
    const [chlng, ccrypt, scrypt, rmac, poll, ack, led, ledAck] = vectors.sc.map((vector) => vector.hex);
    const challenge = whole(hex(say(reader, chlng ?? '')));
    expect(asPublished(hexOf(challenge.data))).toBe(hexOf(whole(hex(ccrypt ?? '')).data));
    expect(say(reader, scrypt ?? '')).toBe(rmac);
    expect(say(reader, poll ?? '')).toBe(ack);
    expect(say(reader, led ?? '')).toBe(ledAck);
    expect(reader.led()).toMatchObject({ color: 1, temporary: false });
  });
});

/** A reader in session, and the controller's side of that session. */
function inSession(reader: SimulatedReader): SecureSession {
  const keys = deriveKeys(KEY, RANDOM_A);
  const server = serverCryptogram(keys, RANDOM_A, RANDOM_B);
  const block = (type: number) => ({ type, data: Buffer.from([1]) });
  const shake = (sequence: number, type: number, wire: ReturnType<typeof command>): string =>
    hexOf(
      encodeFrame({
        address: 0,
        reply: false,
        sequence,
        crc: true,
        block: block(type),
        code: wire.code,
        data: wire.data,
      }),
    );
  say(reader, shake(0, 0x11, command('CHLNG', { randomA: RANDOM_A })));
  say(reader, shake(1, 0x13, command('SCRYPT', { serverCryptogram: server })));
  expect(reader.secured).toBe(true);
  return new SecureSession(keys, initialRmac(keys, server));
}

describe('probed like a real one', () => {
  const nak = (answer: string): string => {
    const frame = whole(hex(answer));
    return frame.code === 0x41 && frame.block === null ? hexOf(frame.data) : frame.code.toString(16);
  };

  it('the same bytes again: the same answer, and nothing is done twice', () => {
    const reader = make({});
    say(reader, clear(0, 0x60, ''));
    const first = say(reader, clear(1, 0x68, '00053200'));
    expect(say(reader, clear(1, 0x68, '00053200'))).toBe(first);
    expect(reader.terminals.pulses).toHaveLength(1);
  });

  it('a number skipped: NAK 04 with the number that was expected', () => {
    const reader = make({});
    say(reader, clear(0, 0x60, ''));
    const answer = whole(hex(say(reader, clear(3, 0x60, ''))));
    expect({ code: answer.code, data: hexOf(answer.data), sequence: answer.sequence }).toEqual({
      code: 0x41,
      data: '04',
      sequence: 1,
    });
  });

  it('another address: silence; a frame of another reader: silence', () => {
    const reader = make({ address: 5 });
    expect(say(reader, clear(0, 0x60, ''))).toBe('');
    expect(say(reader, '53800800044059AC')).toBe('');
  });

  it('the broadcast address: an answer from the broadcast address', () => {
    const reader = make({ address: 5 });
    const answer = say(reader, '537F0D00046E00802500006E38');
    expect(answer.slice(0, 4)).toBe('53FF');
  });

  it('another address in a session: its answer from the old one, and the session goes on at the new one', () => {
    const reader = make({ key: KEY });
    const session = inSession(reader);
    const ask = (address: number, sequence: number, wire: ReturnType<typeof command>) => {
      const sealed = session.sealCommand({ address, sequence, crc: true, code: wire.code, data: wire.data });
      const answer = reader.receive(whole(sealed.bytes));
      if (answer === null) throw new Error('nobody answers');
      answer.afterwards?.();
      const frame = whole(answer.bytes);
      return { frame, opened: session.openReply(frame, sealed.cmac) };
    };
    const moved = ask(0, 2, command('COMSET', { address: 9, baud: 115_200 }));
    expect(moved.frame.address).toBe(0);
    expect(moved.opened).toMatchObject({ ok: true, data: hex('0900C20100') });
    const polled = ask(9, 3, command('POLL', {}));
    expect(polled.frame).toMatchObject({ address: 9, sequence: 3, code: 0x40 });
    expect(polled.opened).toMatchObject({ ok: true });
    expect(reader.secured).toBe(true);
  });

  it('an LED record cut short: NAK 02; one with both times 0: NAK 09', () => {
    const reader = make({});
    expect(nak(say(reader, clear(0, 0x69, '00'.repeat(13))))).toBe('02');
    expect(nak(say(reader, clear(1, 0x69, '0000000000000000000100000000')))).toBe('09');
  });

  it('a key in the clear: NAK 06', () => {
    expect(nak(say(make({}), clear(0, 0x75, '0110000102030405060708090A0B0C0D0E0F')))).toBe('06');
  });

  it('clear commands to a reader that has a key: NAK 06, but for its identity', () => {
    const reader = make({ key: KEY });
    expect(nak(say(reader, clear(0, 0x60, '')))).toBe('06');
    expect(nak(say(reader, clear(1, 0x69, '0000000000000000000100000000')))).toBe('06');
    expect(whole(hex(say(reader, clear(2, 0x61, '00')))).code).toBe(0x45);
  });

  it('a wrong MAC: NAK 06 in the clear, and the session is gone', () => {
    const reader = make({ key: KEY });
    const session = inSession(reader);
    const poll = session.sealCommand({ address: 0, sequence: 2, crc: true, code: 0x60, data: Buffer.alloc(0) });
    const frame = whole(poll.bytes);
    const wrong = encodeFrame(frame, () => Buffer.alloc(16));
    expect(nak(say(reader, hexOf(wrong)))).toBe('06');
    expect(reader.secured).toBe(false);
  });

  it('a wrong cryptogram: NAK 05 in the clear', () => {
    const reader = make({ key: KEY });
    const block = (type: number) => ({ type, data: Buffer.from([1]) });
    const frame = (sequence: number, type: number, code: number, data: Buffer): string =>
      hexOf(encodeFrame({ address: 0, reply: false, sequence, crc: true, block: block(type), code, data }));
    say(reader, frame(0, 0x11, 0x76, RANDOM_A));
    expect(nak(say(reader, frame(1, 0x13, 0x77, Buffer.alloc(16))))).toBe('05');
    expect(reader.secured).toBe(false);
  });

  it('eight seconds of silence: offline, the session and the waiting cards are gone', () => {
    const reader = make({ key: KEY });
    const session = inSession(reader);
    reader.presentCard(26, hex('BDD93740'));
    nowMs += 8_000;
    const poll = session.sealCommand({ address: 0, sequence: 2, crc: true, code: 0x60, data: Buffer.alloc(0) });
    expect(nak(say(reader, hexOf(poll.bytes)))).toBe('06');
    expect(reader.secured).toBe(false);
  });

  it('a card shown while nobody listens is lost', () => {
    const reader = make({});
    nowMs = 60_000;
    reader.presentCard(26, hex('BDD93740'));
    expect(whole(hex(say(reader, clear(0, 0x60, '')))).code).toBe(0x40);
  });
});
