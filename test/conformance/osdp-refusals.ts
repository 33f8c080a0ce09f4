// Traces of cases in which a reader refuses something, or answers a vendor's command: what is made of it, and what goes
// over the wire behind it.

import { expect } from 'vitest';
import { COMMANDS, commandName } from '../../drivers/osdp/commands.ts';
import { NAK, REPLIES, reply, type WireReply } from '../../drivers/osdp/replies.ts';
import { hex } from '../drivers/osdp/vectors.ts';
import { isClear } from '../drivers/osdp/wire.ts';
import {
  CONTROLLER,
  during,
  failing,
  fromTheStart,
  hasTold,
  inStep,
  OUI,
  pass,
  READER,
  scene,
  type Scene,
  type Trace,
} from './osdp-scene.ts';

const vendorCommand = (one: Scene, data = hex('01')) => during(one, one.osdp.manufacturer(READER, OUI, data));

/** It is told in these words, asked once, and the next number follows in the same session. */
const refusedWith =
  (error: number, words: string, details: Buffer = Buffer.alloc(0)): Trace =>
  async () => {
    const one = await scene();
    one.sim.manufacturer = () => reply('NAK', { error, details });
    one.wire.clear();
    expect(await failing(vendorCommand(one))).toContain(words);
    await pass(one, 300);
    expect(one.wire.commands('MFG')).toHaveLength(1);
    const at = one.wire.frames.findIndex(({ frame }) => frame.code === REPLIES.NAK.code);
    const refused = one.wire.frames[at]?.frame;
    const next = one.wire.frames.slice(at + 1).find(({ from }) => from === 'controller')?.frame;
    expect(next?.sequence).toBe(((refused?.sequence ?? 0) % 3) + 1);
    expect(next?.mac).not.toBeNull();
    expect(one.wire.commands('CHLNG')).toEqual([]);
    expect(one.wire.replies('NAK')).toHaveLength(1);
    await inStep(one);
  };

/** Inside a session, by a reader that has lost it; gives what went over the wire behind it until there was one again. */
async function sessionRefused(one: Scene, error: number): Promise<void> {
  one.wire.clear();
  one.sim.naks.set('MFG', error);
  expect(await failing(vendorCommand(one))).toContain('the link began anew');
  one.sim.naks.clear();
  await one.bus.passUntil(() => one.osdp.status(READER).secured, 5_000, 'a session again');
  await pass(one, 200);
}

/** What it has refused once is not asked of it again, and something else of the kind is. */
const biometricRefused =
  (what: 'type' | 'format'): Trace =>
  async () => {
    const one = await scene();
    one.sim.sensor.knows = { types: [1], formats: [1], ...(what === 'type' ? { formats: [0, 1] } : { types: [0, 1] }) };
    const read = (asked: number) =>
      during(
        one,
        failing(one.osdp.readBiometric(READER, { reader: 0, type: 0, format: 0, quality: 0, [what]: asked }, 5_000)),
      );
    expect(await read(0)).toContain(`biometric ${what} not supported`);
    expect(one.wire.commands('BIOREAD')).toHaveLength(1);
    expect(await read(0)).toContain(`does not know this biometric ${what}`);
    expect(one.wire.commands('BIOREAD')).toHaveLength(1);
    expect(await read(1)).toBe('done');
    expect(one.wire.commands('BIOREAD')).toHaveLength(2);
    await inStep(one);
  };

export const REFUSALS: Readonly<Record<string, Trace>> = {
  '070-03-01': refusedWith(NAK.record, 'record not accepted'),
  '070-03-02': refusedWith(NAK.unknownCommand, 'unknown command'),
  '070-03-04': async () => {
    const one = await scene();
    one.bus.simulated.faults.damageCommands = 1;
    await pass(one, 1_000);
    expect(one.wire.replies('NAK').map(({ frame }) => frame.data[0])).toEqual([NAK.badCheck]);
    // The same bytes again, under the same number.
    const at = one.wire.frames.findIndex(({ frame }) => frame.code === REPLIES.NAK.code);
    const again = one.wire.frames[at + 1];
    expect(again).toMatchObject({ from: 'controller', frame: { sequence: one.wire.frames[at]?.frame.sequence } });
    await inStep(one);
  },
  '070-03-05': refusedWith(NAK.badLength, 'wrong command length'),
  // What it does not know is not sent again; what it knows is.
  '070-03-06': async () => {
    const one = await scene();
    const shown = async (signal: 'granted' | 'denied'): Promise<[number, number]> => {
      one.wire.clear();
      one.bus.driver.devices.get(READER)?.readers?.feedback(0, signal, { led: 'green', beep: 1 });
      await pass(one, 400);
      return [one.wire.commands('LED').length, one.wire.commands('BUZ').length];
    };
    one.sim.naks.set('LED', NAK.unknownCommand);
    expect(await shown('granted')).toEqual([1, 1]);
    expect(await shown('denied')).toEqual([0, 1]);
    await inStep(one);
  },
  '070-03-07': async () => {
    const one = await scene();
    const last = (): number | undefined => one.wire.commands().at(-1)?.frame.sequence;
    await one.bus.passUntil(() => last() === 1 && one.wire.frames.at(-1)?.from === 'reader', 1_000, 'number 1');
    one.sim.powerCycle();
    one.wire.clear();
    await one.bus.passUntil(() => one.wire.replies('RMAC_I').length > 0, 5_000, 'a session again');
    const at = one.wire.frames.findIndex(({ frame }) => frame.code === REPLIES.NAK.code);
    expect(one.wire.frames[at]?.frame.data[0]).toBe(NAK.badSequence);
    expect(one.wire.frames.slice(at + 1).find(({ from }) => from === 'controller')?.frame.sequence).toBe(0);
    expect(one.wire.replies('NAK')).toHaveLength(1);
    await pass(one, 500);
    await inStep(one);
  },
  // Once it is a glitch; again and again it is on record.
  '070-03-08': async () => {
    const one = await scene();
    const isTold = (): boolean => hasTold({ type: 'fault', code: 'secure_channel_unstable' })(one.bus);
    for (let times = 1; times <= 5; times++) {
      expect(isTold()).toBe(false);
      await sessionRefused(one, NAK.securityBlock);
      expect(one.wire.commands('CHLNG')).toHaveLength(1);
    }
    expect(isTold()).toBe(true);
    await pass(one, 500);
    await inStep(one);
  },
  // Behind it nothing in the clear but what begins a session.
  '070-03-09': async () => {
    const one = await scene();
    await sessionRefused(one, NAK.encryptionRequired);
    expect(one.wire.commands('CHLNG')).toHaveLength(1);
    const clear = one.wire.commands().filter(isClear);
    const names = clear.map(({ frame }) => commandName(frame.code) ?? '');
    expect(names.filter((name) => !['ID', 'CAP', 'COMSET', 'CHLNG', 'SCRYPT'].includes(name))).toEqual([]);
    await inStep(one);

    const plain = await fromTheStart({ controller: { ...CONTROLLER, secure_channel: 'none' } });
    await plain.bus.passUntil(() => plain.wire.replies('NAK').length > 0, 5_000, 'a refusal');
    plain.wire.clear();
    await pass(plain, 20_000);
    // It knocks to find out whether that has changed, and no more.
    expect(plain.wire.commands('POLL').length).toBeLessThan(20);
    expect(hasTold({ type: 'fault', code: 'secure_channel_wanted' })(plain.bus)).toBe(true);
  },
  '070-03-10': biometricRefused('type'),
  '070-03-11': biometricRefused('format'),
  '070-03-12': refusedWith(NAK.record, 'record not accepted', hex('000103')),
  '070-03-13': refusedWith(0xff, 'NAK 0xff'),
};

/** A vendor's command answered so. */
async function answered(answer: Buffer | WireReply | 'ack'): Promise<{ one: Scene; told: unknown }> {
  const one = await scene();
  one.sim.manufacturer = () => answer;
  one.wire.clear();
  const told = await vendorCommand(one).catch(String);
  expect(one.wire.commands('MFG')).toHaveLength(1);
  await pass(one, 200);
  await inStep(one);
  return { one, told };
}

export const VENDOR: Readonly<Record<string, Trace>> = {
  '060-19-01': async () => {
    const one = await scene();
    let heard = '';
    one.sim.manufacturer = (oui, data) => {
      heard = `${oui.toString('hex')} ${data.toString('hex')}`;
      return 'ack';
    };
    expect(await vendorCommand(one, hex('C0FFEE'))).toEqual({ answer: 'ack' });
    expect(heard).toBe('112233 c0ffee');
    expect(one.wire.frames.filter(({ frame }) => frame.code === COMMANDS.MFG.code)).toHaveLength(1);
    await inStep(one);
  },
  '070-18-01': async () => {
    const { told } = await answered(reply('MFGREP', { oui: OUI, data: hex('0203') }));
    expect(told).toEqual({ answer: 'reply', oui: OUI, data: hex('0203') });
    const other = await answered(reply('MFGREP', { oui: hex('AABBCC'), data: hex('02') }));
    expect(other.told).toContain('for another vendor (aabbcc)');
  },
  '070-23-01': async () => {
    expect((await answered(reply('MFGSTATR', { data: hex('07') }))).told).toEqual({
      answer: 'status',
      data: hex('07'),
    });
  },
  '070-24-01': async () => {
    expect((await answered(reply('MFGERRR', { data: hex('2A') }))).told).toContain('with an error of its vendor (2a)');
  },
};
