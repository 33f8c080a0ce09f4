// Modes of an entrance and what they come from. Several sources may want something of a door at the same time: the
// strongest one holds, the others wait and come back when it goes.

import type { EntranceSetup } from './facility.ts';

export const MODES = ['normal', 'unlocked', 'locked', 'lockdown', 'evacuate'] as const;
export type Mode = (typeof MODES)[number];
export const isMode = (text: string): text is Mode => (MODES as readonly string[]).includes(text);

/** Strongest first. A schedule is no row: it holds by the clock. */
export const MODE_KINDS = ['evacuate', 'lockdown', 'command', 'schedule'] as const;
export type ModeKind = (typeof MODE_KINDS)[number];

/** In place of an entrance’s id: every entrance. */
export const EVERYWHERE = '*';
/** Set for one entrance, or for the facility; an input is `input NAME`. */
export const BY_ENTRANCE = 'entrance';
export const BY_FACILITY = 'facility';
export const byInput = (name: string): string => `input ${name}`;

export type ModeSource = {
  /** An entrance’s id, or `EVERYWHERE`. */
  place: string;
  kind: ModeKind;
  /** Whose word it is. */
  origin: string;
  mode: Mode;
  /** Epoch ms; null: until it is taken back. */
  untilMs: number | null;
  sinceMs: number;
  /** Which command it was, as its events say; null: none. */
  command: { command_id: string; source: 'mqtt' | 'local'; sender: string | null } | null;
};

export const keyOf = ({ place, kind, origin }: Pick<ModeSource, 'place' | 'kind' | 'origin'>): string =>
  `${place} ${kind} ${origin}`;

/** How strong the word of a command or an input is that wants this mode. */
export const kindOf = (mode: Mode): ModeKind => (mode === 'evacuate' || mode === 'lockdown' ? mode : 'command');

/** Of sources that all hold at this moment; null: none, and the entrance is `normal`. */
export function strongest<S extends Pick<ModeSource, 'kind' | 'sinceMs'>>(sources: readonly S[]): S | null {
  const rank = ({ kind }: S): number => MODE_KINDS.indexOf(kind);
  // Of two of a kind the later word.
  return [...sources].sort((a, b) => rank(a) - rank(b) || b.sinceMs - a.sinceMs)[0] ?? null;
}

/** Whether a mode gives what a decision would not: its end must not depend on a clock that nobody vouches for. */
export const isPermissive = (mode: Mode): boolean => mode === 'unlocked' || mode === 'normal';

/** Whether an entrance can be in this mode at all: one whose table its controller keeps cannot be locked from here. */
export function canBeIn(mode: Mode, { decidedBy, strike }: Pick<EntranceSetup, 'decidedBy' | 'strike'>): boolean {
  if (mode === 'locked' || mode === 'lockdown') return decidedBy === 'gateway';
  return mode === 'normal' || strike !== null;
}
