// What the contract says of one command.

import type { z } from 'zod';

export type CommandSpec = {
  summary: string;
  params: z.ZodType;
  /** The member of `result`, and what it is. */
  result: string;
  /**
   * `reads`: no effect, not journalled. `stores`: one durable effect. `moves`: acts on the physical world, needs
   * `expires_at`, happens at most once. `works`: takes time, is accepted durably, answered when done.
   */
  kind: 'reads' | 'stores' | 'moves' | 'works';
  /** What the reference says of its effect, where that is not what all of its kind have. */
  effect?: string;
  /** It acts on the physical world without moving anything: it needs `expires_at` as well. */
  mustExpire?: true;
  /** How long it may take until it is answered, where somebody is waited for. */
  takesMs?: number;
  /** It takes access away: a number in its stream or a clock that goes before ours is no reason to refuse it. */
  revokes?: true;
  /** While nobody knows the time it is taken all the same: late is better than never. */
  isUrgent?: true;
  example: Record<string, unknown>;
};

export const command = <P extends z.ZodType>(spec: CommandSpec & { params: P }): CommandSpec & { params: P } => spec;
