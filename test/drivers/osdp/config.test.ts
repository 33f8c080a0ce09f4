// What an installer writes about an OSDP bus, and what the check says to it.
import { z } from 'zod';
import { describe, expect, it } from 'vitest';
import { osdpDriver } from '../../../drivers/osdp/driver.ts';
import type { PreparedController } from '../../../drivers/driver.ts';

const bus = (keys: Record<string, unknown> = {}): unknown =>
  osdpDriver.busSchema.parse({ port: '/dev/serial/by-id/usb-FTDI_1', ...keys });
const prepare = (name: string, keys: Record<string, unknown>, busConfig = bus()) =>
  osdpDriver.prepare(name, busConfig, osdpDriver.controllerSchema.parse(keys), '/');
const prepared = (name: string, keys: Record<string, unknown>): PreparedController => {
  const { controller } = prepare(name, keys);
  if (controller === null) throw new Error(`${name} is refused`);
  return controller;
};

describe('a bus and its readers', () => {
  it('need no more than a port and an address', () => {
    const { controller, problems } = prepare('lobby', { address: 1 });
    expect(problems).toEqual([]);
    expect(controller?.capabilities).toMatchObject({
      slots: null,
      readers: [
        {
          card: true,
          keypad: true,
          feedback: ['ready', 'prompt_pin', 'prompt_biometric', 'granted', 'denied', 'locked_out'],
          showsLook: true,
        },
      ],
      inputs: [],
      outputs: [],
    });
    expect(bus()).toMatchObject({ baud: 9600, reply_timeout: '200ms' });
  });

  it('with a sensor for fingers are taken under Secure Channel only', () => {
    expect(prepare('lobby', { address: 1, biometrics: {} })).toMatchObject({
      problems: [],
      controller: { capabilities: { readers: [{ biometric: true }] } },
    });
    const { controller, problems } = prepare('lobby', { address: 1, secure_channel: 'none', biometrics: {} });
    expect(controller).toBeNull();
    expect(problems).toContainEqual(expect.objectContaining({ severity: 'error', path: ['biometrics'] }));
    for (const threshold of [0, 256])
      expect(osdpDriver.controllerSchema.safeParse({ address: 1, biometrics: { threshold } }).success).toBe(false);
  });

  it('are read the same from what was read before', () => {
    const config = osdpDriver.controllerSchema.parse({ address: 1, feedback: { granted: { led: 'white' } } });
    expect(osdpDriver.controllerSchema.parse(config)).toEqual(config);
    expect(osdpDriver.busSchema.parse(bus())).toEqual(bus());
  });

  it('say what their terminals can do', () => {
    expect(
      prepared('lobby', { address: 1, inputs: 2, outputs: 1, keypad: false, readers: 2 }).capabilities,
    ).toMatchObject({
      readers: [{ keypad: false }, { keypad: false }],
      inputs: [{ latched: false }, { latched: false }],
      outputs: [{ devicePulse: true, pulseMinMs: 100, readBack: true }],
    });
  });

  it('have a JSON Schema for editors', () => {
    const schema = z.toJSONSchema(osdpDriver.controllerSchema, { io: 'input' });
    expect(schema.required).toEqual(['address']);
    expect(Object.keys(schema.properties ?? {})).toContain('secure_channel');
  });
});

describe('mistakes are refused', () => {
  for (const [what, keys] of [
    ['the broadcast address', { address: 127 }],
    ['a key nobody knows', { address: 1, adress: 2 }],
    ['a colour that LEDs have not', { address: 1, feedback: { ready: { led: 'pink' } } }],
    ['a text that no display shows', { address: 1, feedback: { ready: { text: 'Wëlcome' } } }],
    ['a duration without a unit', { address: 1, pin_timeout: '5' }],
    ['a duration that is too long', { address: 1, pin_timeout: '2m' }],
  ] as const) {
    it(what, () => {
      expect(osdpDriver.controllerSchema.safeParse(keys).success).toBe(false);
    });
  }

  it('a baud that OSDP has not', () => {
    expect(osdpDriver.busSchema.safeParse({ port: '/dev/ttyS0', baud: 14400 }).success).toBe(false);
  });

  it('an inverted input that is not used', () => {
    const { controller, problems } = prepare('lobby', { address: 1, inputs: 1, invert_inputs: [1] });
    expect(controller).toBeNull();
    expect(problems).toMatchObject([{ severity: 'error', path: ['invert_inputs', 0] }]);
  });

  it('two readers at one address', () => {
    const problems = osdpDriver.checkBus('north', bus(), [
      prepared('a', { address: 1 }),
      prepared('b', { address: 1 }),
    ]);
    expect(problems).toMatchObject([{ severity: 'error', path: ['controllers', 'b', 'address'] }]);
  });
});

describe('doubts are said', () => {
  it('a reader in the clear', () => {
    const { controller, problems } = prepare('lobby', { address: 1, secure_channel: 'none' });
    expect(controller).not.toBeNull();
    expect(problems).toMatchObject([{ severity: 'warning', path: ['secure_channel'] }]);
  });

  it('a bus that is too slow for its readers', () => {
    const readers = Array.from({ length: 12 }, (_, address) => prepared(`reader-${address}`, { address }));
    expect(osdpDriver.checkBus('north', bus(), readers)).toMatchObject([
      {
        severity: 'warning',
        path: ['buses', 'north', 'baud'],
        message: expect.stringContaining('12 readers at 9600 baud'),
      },
    ]);
    expect(osdpDriver.checkBus('north', bus({ baud: 38400 }), readers)).toEqual([]);
  });

  it('a port whose name may move', () => {
    expect(osdpDriver.checkBus('north', bus({ port: '/dev/ttyUSB0' }), [])).toMatchObject([
      { path: ['buses', 'north', 'port'] },
    ]);
  });
});
