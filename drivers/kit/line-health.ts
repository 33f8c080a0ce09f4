// Whether a line lets its bus work, whoever of its devices answers: exchanges that never happened because the line did
// not fall silent, answers that were lost or damaged at devices that are there, and frames of somebody else. Judged
// over windows of some seconds; an alarm is raised at the first bad one and taken back after two good ones.

import type { BusHealth } from '../../src/domain/ports.ts';

const WINDOW_MS = 5_000;
/** Frames of others in one window: nobody but this gateway and its readers has anything to say here. */
const MANY_STRANGE = 25;
/** Answers that came when nobody waited for them any more. */
const MANY_LATE = 10;
/**
 * So many answers lost, and this part of all; each of them costs a bus the time of a dozen exchanges. Or so many
 * exchanges never begun.
 */
const MANY_LOST = 5;
const LOST_SHARE = 0.2;
const MANY_UNSENT = 3;
const GOOD_WINDOWS = 2;

/**
 * What the devices of this bus are called, and the key of the facility file that gives them more time. `frames`: what
 * they send, where they are not asked for it.
 */
export type LineWords = { devices: string; patience: string; frames?: string };

type Counts = { exchanges: number; lost: number; unsent: number; strange: number; late: number };
const NOTHING: Counts = { exchanges: 0, lost: 0, unsent: 0, strange: 0, late: 0 };

export class LineHealth {
  readonly #words: LineWords;
  readonly #tell: (problem: string | null) => void;
  readonly #total: Counts = { ...NOTHING };
  #counts: Counts = { ...NOTHING };
  #windowEndsMs = 0;
  #good = 0;
  #problem: string | null = null;
  /** Addresses that spoke unasked in this window, each once. */
  readonly #strangers = new Set<number>();

  /** `tell`: the line is disturbed, by what; null: it is well again. */
  constructor(words: LineWords, tell: (problem: string | null) => void) {
    this.#words = words;
    this.#tell = tell;
  }

  /** An exchange with a device that is there has ended. */
  exchanged(wasAnswered: boolean): void {
    this.#counts.exchanges++;
    if (!wasAnswered) this.#counts.lost++;
  }

  /** A device's turn passed, and the line never fell silent. */
  unsent(): void {
    this.#counts.unsent++;
  }

  /** A frame that is neither ours nor one of our devices'. */
  strange(address: number): void {
    this.#counts.strange++;
    if (this.#strangers.size < MANY_STRANGE) this.#strangers.add(address);
  }

  /** A device's answer that nobody waits for. */
  late(): void {
    this.#counts.late++;
  }

  /** To be called while the line is in use, however often. */
  judge(nowMs: number): void {
    if (nowMs < this.#windowEndsMs) return;
    // Whatever was counted before a pause is no window.
    const isWindow = nowMs < this.#windowEndsMs + WINDOW_MS;
    this.#windowEndsMs = nowMs + WINDOW_MS;
    const problem = isWindow ? this.#reason() : null;
    for (const key of COUNTED) this.#total[key] += this.#counts[key];
    this.#counts = { ...NOTHING };
    this.#strangers.clear();
    this.#good = problem === null ? this.#good + 1 : 0;
    if (problem !== null && this.#problem === null) this.#tell(problem);
    if (problem !== null) this.#problem = problem;
    if (this.#problem === null || this.#good < GOOD_WINDOWS) return;
    this.#problem = null;
    this.#tell(null);
  }

  get isDisturbed(): boolean {
    return this.#problem !== null;
  }

  /** `down`: why the line is not open; null: it is. */
  report(down: string | null): BusHealth {
    const count = (key: keyof Counts): number => this.#total[key] + this.#counts[key];
    return {
      state: down !== null ? 'down' : this.#problem !== null ? 'disturbed' : 'good',
      problem: down ?? this.#problem,
      counters: {
        exchanges: count('exchanges'),
        lost: count('lost'),
        unsent: count('unsent'),
        strangeFrames: count('strange'),
        lateFrames: count('late'),
      },
    };
  }

  #reason(): string | null {
    const { exchanges, lost, unsent, strange, late } = this.#counts;
    const { devices, patience, frames = 'answers' } = this.#words;
    const seconds = WINDOW_MS / 1_000;
    const whose = [...this.#strangers]
      .sort((a, b) => a - b)
      .slice(0, 5)
      .join(', ');
    const speakers =
      strange >= MANY_STRANGE
        ? `${Math.round(strange / seconds)} frames a second that are not of this bus, with address ${whose}: is there a second gateway, or one of the ${devices} that the facility file does not name?`
        : null;
    if (unsent >= MANY_UNSENT)
      return `the line never falls silent, so that its ${devices} cannot be asked${speakers === null ? ': look for noise, a wrong baud, and A and B' : `: ${speakers}`}`;
    if (speakers !== null) return `somebody else speaks on the line: ${speakers}`;
    if (late >= MANY_LATE)
      return `answers come when they are no longer waited for (${late} in ${seconds} s): raise \`${patience}\` where the network or a device is slow`;
    if (lost >= MANY_LOST && lost / exchanges >= LOST_SHARE)
      return `${Math.round((lost / exchanges) * 100)} % of the ${frames} are lost or damaged: look at cable, termination and grounding, and who else is on the line`;
    return null;
  }
}

const COUNTED: readonly (keyof Counts)[] = ['exchanges', 'lost', 'unsent', 'strange', 'late'];
