// Traces of files: every fragment, and what goes over the wire between two of them.

import { expect } from 'vitest';
import { COMMANDS } from '../../drivers/osdp/commands.ts';
import { FTSTAT_ACTION, REPLIES } from '../../drivers/osdp/replies.ts';
import type { Seen } from '../drivers/osdp/wire.ts';
import { during, failing, inStep, pass, READER, scene, type Scene, type Trace } from './osdp-scene.ts';

const CONTENT = Buffer.from(Array.from({ length: 1_500 }, (_, i) => i & 0xff));
const isFragment = ({ frame }: Seen): boolean => frame.code === COMMANDS.FILETRANSFER.code;

type Sent = { one: Scene; fragments: Seen[]; frames: readonly Seen[] };

/** Sends a file to a reader with such manners, which has it whole behind that. */
async function send(manners: Partial<Scene['sim']['fileManners']> = {}): Promise<Sent> {
  const one = await scene();
  Object.assign(one.sim.fileManners, manners);
  one.wire.clear();
  await during(one, one.osdp.transferFile(READER, { type: 1, content: CONTENT }));
  await pass(one, 200);
  expect(one.sim.file?.equals(CONTENT)).toBe(true);
  const frames = [...one.wire.frames];
  await inStep(one);
  return { one, frames, fragments: frames.filter(isFragment) };
}

/** Polls that went between the first fragment and the last. */
function pollsBetween({ frames }: Sent): number {
  const first = frames.findIndex(isFragment);
  const last = frames.findLastIndex(isFragment);
  return frames.slice(first, last).filter(({ frame }) => frame.code === COMMANDS.POLL.code).length;
}
const gapsMs = (fragments: readonly Seen[]): number[] =>
  fragments.slice(1).map(({ atMs }, i) => atMs - (fragments[i]?.atMs ?? 0));

export const FILES: Readonly<Record<string, Trace>> = {
  '060-26-01': async () => {
    const { fragments, frames } = await send();
    expect(fragments.length).toBeGreaterThanOrEqual(2);
    const answers = frames.filter(({ frame }) => frame.code === REPLIES.FTSTAT.code && frame.reply);
    expect(answers).toHaveLength(fragments.length);
  },
  '070-25-01': async () => {
    const one = await scene();
    Object.assign(one.sim.fileManners, { failAt: 500 });
    const told = await during(one, failing(one.osdp.transferFile(READER, { type: 1, content: CONTENT })));
    expect(told).toContain('it gave the transfer up');
    const sent = one.wire.commands('FILETRANSFER').length;
    await pass(one, 1_000);
    expect(one.wire.commands('FILETRANSFER')).toHaveLength(sent);
    expect(one.sim.file).toBeNull();
    await inStep(one);
  },
  '070-25-02': async () => {
    const [least] = gapsMs((await send({ delayMs: 300 })).fragments).sort((a, b) => a - b);
    expect(least).toBeGreaterThanOrEqual(300);
  },
  // Behind the last piece as well, where it takes no other commands meanwhile.
  '070-25-03': async () => {
    const { frames } = await send({ action: 0, delayMs: 700 });
    const last = frames.findLastIndex(({ frame }) => frame.code === REPLIES.FTSTAT.code && frame.reply);
    const next = frames[last + 1];
    expect(next?.from).toBe('controller');
    // As the analyser sees it, which hears a frame's end a little after the other side.
    expect((next?.atMs ?? 0) - (frames[last]?.atMs ?? 0)).toBeGreaterThan(699);
  },
  '070-25-04': async () => {
    const whole = (await send()).fragments.length;
    const { fragments } = await send({ finishing: 3 });
    expect(fragments).toHaveLength(whole + 3);
    const lengths = fragments.map(({ frame }) => frame.bytes.length);
    const empty = lengths.slice(whole);
    expect(new Set(empty).size).toBe(1);
    expect(empty[0]).toBeLessThan(60);
    expect(Math.min(...lengths.slice(0, whole))).toBeGreaterThan(60);
  },
  '070-25-05': async () => {
    expect(pollsBetween(await send({ action: FTSTAT_ACTION.interleave, delayMs: 200 }))).toBeGreaterThan(0);
    expect(pollsBetween(await send({ action: 0, delayMs: 200 }))).toBe(0);
  },
  '070-25-07': async () => {
    expect(pollsBetween(await send({ action: FTSTAT_ACTION.pollResponse, delayMs: 200 }))).toBeGreaterThan(0);
  },
  '070-25-08': async () => {
    const { fragments } = await send({ maxMessageBytes: 200 });
    const [first = 0, ...rest] = fragments.map(({ frame }) => frame.bytes.length);
    expect(first).toBeGreaterThan(200);
    expect(Math.max(...rest)).toBeLessThanOrEqual(200);
  },
};
