// How a line is named and set in the facility file.

import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { lineKeys, lineProblems, lineSettings, wireTimeMs } from '../../src/domain/line.ts';

describe('the keys of a bus', () => {
  const schema = z.strictObject({ ...lineKeys({ baud: 19_200, parity: 'even' }) });

  test('take a device path and fill in the defaults of their driver', () => {
    const config = schema.parse({ port: '/dev/serial/by-id/usb-FTDI' });
    expect(lineSettings(config)).toEqual({
      path: '/dev/serial/by-id/usb-FTDI',
      baud: 19_200,
      parity: 'even',
      dataBits: 8,
      stopBits: 1,
    });
  });

  test.each(['tcp://192.0.2.30:4001', 'tcp://converter-3.example:1', 'tcp://[2001:db8::1]:65535'])(
    'take %s',
    (port) => {
      expect(schema.safeParse({ port }).success).toBe(true);
    },
  );

  test.each([
    'ttyUSB0',
    '',
    '/',
    'tcp://192.0.2.30',
    'tcp://192.0.2.30:0',
    'tcp://h:65536',
    'http://h:80',
    'tcp://:4001',
  ])('refuse %j and say what would be right', (port) => {
    const outcome = schema.safeParse({ port });
    expect(outcome.error?.issues[0]).toMatchObject({
      message: expect.stringContaining('tcp://host:port'),
      params: { remedy: expect.stringContaining('/dev/serial/by-id') },
    });
  });

  test('warn of a device number that moves', () => {
    const config = schema.parse({ port: '/dev/ttyUSB0' });
    expect(lineProblems('north', config)).toMatchObject([{ severity: 'warning', path: ['buses', 'north', 'port'] }]);
    expect(lineProblems('north', schema.parse({ port: '/dev/ttyAMA0' }))).toEqual([]);
  });

  test('give the time that bytes take on the wire', () => {
    const line = { path: '/dev/ttyS0', baud: 9600, parity: 'none', dataBits: 8, stopBits: 1 } as const;
    expect(wireTimeMs(line, 96)).toBe(100);
    expect(wireTimeMs({ ...line, parity: 'even', baud: 19_200 }, 256)).toBeCloseTo(146.67, 2);
  });
});
