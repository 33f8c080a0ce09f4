// What an analyser on the wire of a virtual bus would show: each frame with who sent it and when.

import { COMMANDS } from '../../../drivers/osdp/commands.ts';
import type { CommandName } from '../../../drivers/osdp/commands.ts';
import { decodeFrame } from '../../../drivers/osdp/frame.ts';
import type { Frame } from '../../../drivers/osdp/frame.ts';
import { REPLIES } from '../../../drivers/osdp/replies.ts';
import type { ReplyName } from '../../../drivers/osdp/replies.ts';
import type { VirtualBus } from './virtual-bus.ts';

export type Seen = { from: 'controller' | 'reader'; atMs: number; frame: Frame };

export type Wire = {
  readonly frames: readonly Seen[];
  /** Frames of the controller that carry this command, secured or not; all of them without a name. */
  commands(name?: CommandName): Seen[];
  replies(name?: ReplyName): Seen[];
  /** From here on. */
  clear(): void;
};

export function watchWire(bus: Pick<VirtualBus, 'simulated' | 'time'>): Wire {
  const frames: Seen[] = [];
  bus.simulated.tap = (bytes, from) => {
    const frame = decodeFrame(Buffer.from(bytes));
    // Noise, or what was damaged on its way, is no frame.
    if (typeof frame !== 'string') frames.push({ from, atMs: bus.time.nowMs, frame });
  };
  const of = (from: Seen['from'], code: number | undefined): Seen[] =>
    frames.filter((one) => one.from === from && (code === undefined || one.frame.code === code));
  return {
    frames,
    commands: (name) => of('controller', name === undefined ? undefined : COMMANDS[name].code),
    replies: (name) => of('reader', name === undefined ? undefined : REPLIES[name].code),
    clear: () => void (frames.length = 0),
  };
}

export const isClear = ({ frame }: Seen): boolean => frame.mac === null;
