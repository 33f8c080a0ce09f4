// Another client with our client id: the broker lets only the newest of the two live, so that each throws the other
// out. Brokers of MQTT 5 may say so (session taken over; Mosquitto 2.0.11 does not); else it is guessed from
// connections that end for no reason. Who it is shows where it is a Lintel as well: it publishes the same state as we
// do.

import type { Clock, Log, Random, Timer } from '../domain/ports.ts';
import { Pace } from './pace.ts';

const FIRST_PAUSE_MS = 2_000;
const MOST_PAUSE_MS = 300_000;
/** Nobody has taken the session for so long: whoever it was is gone. */
const CALM_MS = 900_000;
/** Connections in a row that ended for no reason, each within this time, before somebody else is suspected. */
const QUIET_ENDS = 3;
const QUIET_MS = 60_000;
const MOST_QUOTED = 64;

export type Ended = 'taken_over' | 'for_no_reason' | 'otherwise';

export class Rivals {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #clientId: string;
  /** Who is connected under our id right now, by the retained state of the agent; null: that shows nobody else. */
  readonly #look: () => Promise<string | null>;
  readonly #onChange: () => void;
  readonly #pace: Pace;
  #quietEnds = 0;
  #calm: Timer | null = null;
  #isLooking = false;
  #who: string | null = null;
  #cause: 'told' | 'guessed' | null = null;
  /** Connections taken over so far. */
  count = 0;

  constructor(
    ports: { clock: Clock; random: Random; log: Log },
    clientId: string,
    look: () => Promise<string | null>,
    onChange: () => void,
  ) {
    this.#clock = ports.clock;
    this.#log = ports.log;
    this.#clientId = clientId;
    this.#look = look;
    this.#onChange = onChange;
    this.#pace = new Pace(ports.random, FIRST_PAUSE_MS, MOST_PAUSE_MS);
  }

  /** For people; null while nobody is known to be there. */
  get problem(): string | null {
    if (this.#cause === null) return null;
    const uses = this.#cause === 'told' || this.#who !== null ? 'uses' : 'seems to use';
    const who = this.#who ?? 'it shows no state of a Lintel: another program, or one that we may not see';
    return `another client ${uses} our client id ${this.#clientId} at this broker, and the two throw each other out: ${who}. Remedy: give each its own mqtt.client_id, or stop the other (the broker's log has its address)`;
  }

  connected(): void {
    this.#calm?.cancel();
    if (this.#cause === null) return;
    this.#calm = this.#clock.after(CALM_MS, () => {
      this.#pace.proved();
      this.#cause = null;
      this.#who = null;
      this.#log.info('nobody else uses our client id any more', { client_id: this.#clientId });
      this.#onChange();
    });
  }

  /** A connection has ended. Returns how long to leave the session to the other; 0: there is none. */
  ended(how: Ended, livedMs: number): number {
    this.#calm?.cancel();
    this.#quietEnds = how === 'for_no_reason' && livedMs < QUIET_MS ? this.#quietEnds + 1 : 0;
    const isGuess = this.#quietEnds >= QUIET_ENDS;
    if (how !== 'taken_over' && !isGuess) return 0;
    this.count += 1;
    const isNew = this.#cause === null;
    if (how === 'taken_over') this.#cause = 'told';
    else this.#cause ??= 'guessed';
    if (isNew) this.#onChange();
    this.#find(isNew);
    return this.#pace.next();
  }

  stop(): void {
    this.#calm?.cancel();
  }

  #find(isNew: boolean): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    void this.#look()
      .catch(() => null)
      .then((who) => {
        this.#isLooking = false;
        const before = this.#who;
        this.#who = who ?? before;
        if (!isNew && before === this.#who) return;
        this.#log.error(this.problem ?? 'another client used our client id');
        this.#onChange();
      });
  }
}

/** Who published this state of an agent, where it was somebody else. `own`: by what ours is told. */
export function strangerIn(payload: string, own: { started_at: unknown; host: unknown }): string | null {
  let state: unknown;
  try {
    state = JSON.parse(payload);
  } catch {
    return null;
  }
  if (typeof state !== 'object' || state === null || !('online' in state) || state.online !== true) return null;
  const { started_at, host, version } = state as Record<string, unknown>;
  if (started_at === own.started_at && host === own.host) return null;
  const text = (value: unknown): string =>
    typeof value === 'string' ? JSON.stringify(value.slice(0, MOST_QUOTED)) : '?';
  return `it is a Lintel ${text(version)} on host ${text(host)}, started at ${text(started_at)}`;
}
