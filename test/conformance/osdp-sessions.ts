// Traces of numbers, handshakes and keys, frame by frame.

import { expect } from 'vitest';
import { COMMANDS } from '../../drivers/osdp/commands.ts';
import { SCS } from '../../drivers/osdp/frame.ts';
import { KEY_SELECTOR } from '../../drivers/osdp/secure-channel.ts';
import { REPLIES } from '../../drivers/osdp/replies.ts';
import { isClear, type Seen } from '../drivers/osdp/wire.ts';
import { during, BAUD, fromTheStart, inStep, pass, READER, scene, type Scene, type Trace } from './osdp-scene.ts';

const SHAKEN: readonly number[] = [SCS._11, SCS._12, SCS._13, SCS._14];
/** The frames of handshakes, by the type of their block. */
const shaken = (frames: readonly Seen[]): Seen[] =>
  frames.filter(({ frame }) => frame.block !== null && SHAKEN.includes(frame.block.type));
const types = (frames: readonly Seen[]): (number | undefined)[] => frames.map(({ frame }) => frame.block?.type);

/** Met again after a restart, under the key that it has. */
async function meetAgain(one: Scene): Promise<void> {
  one.wire.clear();
  one.sim.powerCycle();
  await one.bus.passUntil(() => one.wire.replies('RMAC_I').length > 0, 10_000, 'a session again');
  await pass(one, 500);
}

/** A key is given inside a session, and the next one is opened under it. */
async function giveKey(one: Scene): Promise<Buffer> {
  const before = one.sim.key;
  one.wire.clear();
  await during(one, one.osdp.rotateKey(READER));
  await pass(one, 500);
  expect(one.wire.commands('KEYSET')).toHaveLength(1);
  expect(one.wire.commands('KEYSET').filter(isClear)).toEqual([]);
  const set = one.wire.frames.findIndex(({ frame }) => frame.code === COMMANDS.KEYSET.code);
  const greeting = shaken(one.wire.frames.slice(set));
  expect(types(greeting)).toEqual([...SHAKEN]);
  expect(greeting[0]?.frame.block?.data[0]).toBe(KEY_SELECTOR.scbk);
  const { key } = one.sim;
  if (key === null) throw new Error('it has a key');
  expect(key.equals(before ?? Buffer.alloc(0))).toBe(false);
  await inStep(one);
  expect(one.wire.commands().filter(isClear)).toEqual([]);
  return Buffer.from(key);
}

export const SESSIONS: Readonly<Record<string, Trace>> = {
  // The reader repeats the number that it was asked under; one that was not answered is asked again as it was.
  '050-09-19': async () => {
    const one = await fromTheStart();
    await pass(one, 2_000);
    one.bus.simulated.faults.lose = 1;
    await pass(one, 1_500);
    const { frames } = one.wire;
    let repeated = 0;
    let before: Seen | null = null;
    for (const seen of frames) {
      if (seen.from === 'reader') {
        expect(seen.frame.sequence).toBe(before?.frame.sequence);
        continue;
      }
      const isRepeat = before?.frame.bytes.equals(seen.frame.bytes) === true && before.frame.code === seen.frame.code;
      if (isRepeat && before?.frame.sequence !== 0) repeated++;
      else if (before === null) expect(seen.frame.sequence).toBe(0);
      else if (seen.frame.sequence !== 0) expect(seen.frame.sequence).toBe((before.frame.sequence % 3) + 1);
      before = seen;
    }
    expect(repeated).toBe(1);
    await inStep(one);
  },
  '060-16-01': async () => {
    const one = await scene();
    await giveKey(one);
    // Not only in the session that follows: it is the key that both have from now on.
    await meetAgain(one);
    await inStep(one);
  },
  '060-16-02': async () => {
    const one = await scene();
    one.wire.clear();
    await during(one, one.osdp.rotateKey(READER));
    const set = one.wire.frames.findIndex(({ frame }) => frame.code === COMMANDS.KEYSET.code);
    const [answer, ...behind] = one.wire.frames.slice(set + 1);
    expect(answer?.frame).toMatchObject({ code: REPLIES.ACK.code });
    expect(answer?.frame.mac).not.toBeNull();
    // Whatever is said before the new handshake is said in the old session.
    const greeted = behind.findIndex(({ frame }) => frame.code === COMMANDS.CHLNG.code);
    expect(greeted).toBeGreaterThanOrEqual(0);
    const between = behind.slice(0, greeted).filter(({ frame }) => frame.code !== COMMANDS.ID.code);
    expect(between.filter((seen) => seen.from === 'controller' && isClear(seen))).toEqual([]);
    await pass(one, 500);
    await inStep(one);
  },
  '060-16-03': async () => {
    const one = await scene();
    const before = Buffer.from(one.sim.key ?? []);
    one.osdp.forgetKey(READER);
    await one.bus.passUntil(() => one.bus.count('offline') === 1, 2_000, 'it to be out of service');
    Object.assign(one.sim, { key: null, installMode: true });
    one.wire.clear();
    await pass(one, 5_000);
    // Without a window the default key is offered to nobody, and nothing goes over the wire in the clear.
    expect(one.wire.commands('CHLNG')).toEqual([]);
    expect(one.wire.commands('KEYSET')).toEqual([]);
    expect(await during(one, one.osdp.install(READER, 60_000))).toEqual({ outcome: 'installed' });
    expect(one.wire.commands('CHLNG')[0]?.frame.block?.data[0]).toBe(KEY_SELECTOR.scbkDefault);
    expect(one.wire.commands('KEYSET')).toHaveLength(1);
    expect(one.wire.commands('KEYSET').filter(isClear)).toEqual([]);
    expect(one.sim.key?.length).toBe(16);
    expect(one.sim.key?.equals(before)).toBe(false);
    await pass(one, 500);
    await inStep(one);
  },
  '060-16-04': async () => {
    const one = await scene();
    const keys = [Buffer.from(one.sim.key ?? []), await giveKey(one), await giveKey(one)];
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(3);
    await meetAgain(one);
    await inStep(one);
  },
  '060-16-05': async () => {
    const one = await scene();
    one.wire.clear();
    expect(await during(one, one.osdp.setAddress(READER, 9, BAUD))).toMatchObject({ address: 9, baud: BAUD });
    const said = [...one.wire.commands('COMSET'), ...one.wire.replies('COM')];
    expect(said).toHaveLength(2);
    expect(said.filter(isClear)).toEqual([]);
    await pass(one, 500);
    await inStep(one);
    expect(one.wire.commands().every(({ frame }) => frame.address === 9)).toBe(true);
  },
  // Number 0, the reader's own key, and a random number that is another each time.
  '060-17-01': async () => {
    const one = await fromTheStart();
    await pass(one, 2_000);
    const [first] = one.wire.commands('CHLNG');
    await meetAgain(one);
    const [second] = one.wire.commands('CHLNG');
    for (const seen of [first, second]) {
      expect(seen?.frame).toMatchObject({ block: { type: SCS._11 } });
      expect(seen?.frame.block?.data[0]).toBe(KEY_SELECTOR.scbk);
      expect(seen?.frame.data).toHaveLength(8);
    }
    expect(first?.frame.data.equals(second?.frame.data ?? Buffer.alloc(0))).toBe(false);
    expect(types(shaken(one.wire.frames))).toEqual([...SHAKEN]);
    await inStep(one);
  },
  '060-18-01': async () => {
    const one = await fromTheStart();
    await pass(one, 2_000);
    const [, answer, proof, accepted] = shaken(one.wire.frames);
    expect(proof?.frame).toMatchObject({ code: COMMANDS.SCRYPT.code, block: { type: SCS._13 } });
    expect(proof?.frame.data).toHaveLength(16);
    expect(proof?.frame.sequence).toBe(((answer?.frame.sequence ?? 0) % 3) + 1);
    expect(accepted?.frame).toMatchObject({ code: REPLIES.RMAC_I.code, sequence: proof?.frame.sequence });
    await inStep(one);
  },
  // One that does not prove to have the key is not given a proof that we have it.
  '070-16-01': async () => {
    const one = await fromTheStart();
    await pass(one, 2_000);
    expect(one.wire.commands('SCRYPT')).toHaveLength(1);
    await inStep(one);
    const other = await fromTheStart();
    other.sim.key = Buffer.alloc(16, 9);
    await pass(other, 3_000);
    expect(other.wire.replies('CCRYPT').length).toBeGreaterThan(0);
    expect(other.wire.commands('SCRYPT')).toEqual([]);
    expect(other.wire.commands().filter((seen) => !isClear(seen))).toEqual([]);
    expect(other.bus.count('online')).toBe(0);
  },
  // What follows it is secured, chained to it, and answered likewise.
  '070-17-01': async () => {
    const one = await fromTheStart();
    await pass(one, 2_000);
    const at = one.wire.frames.findIndex(({ frame }) => frame.code === REPLIES.RMAC_I.code);
    expect(one.wire.frames[at]?.frame.block?.data[0]).toBe(1);
    const behind = one.wire.frames.slice(at + 1);
    expect(behind.length).toBeGreaterThan(20);
    expect(behind.filter(isClear)).toEqual([]);
    expect(one.wire.replies('NAK')).toEqual([]);
    await inStep(one);
  },
};
