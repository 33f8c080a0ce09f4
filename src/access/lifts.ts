// Lifts: what is told of a presentation in a cabin beside what is told of each floor, and which floor was chosen then,
// where the lift says so. Lintel only lets floors be chosen; where the cabin goes is the lift's own affair.

import { newEvent, newEventAt, type NewEvent } from '../domain/events.ts';
import type { Clock, InputEvent } from '../domain/ports.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import { STRIKE_DEADLINE_MS, type Door } from './door.ts';
import { openOf, shutOf, type Open, type Verdict } from './floors.ts';
import type { Recorder } from './recorder.ts';

export type LiftsOptions = {
  clock: Clock;
  recorder: Recorder;
  acsSystemId: string;
  /** Somebody who was let in has chosen this floor. */
  letIn: (entrance: SiteEntrance) => void;
};

/** Somebody who was let in a moment ago, and the floors that may be chosen for it. */
type Ride = { credential: CredentialWithUser; floors: readonly Door[]; untilMs: number };

/** At one lift: who came before them has chosen, or is not waited for any more. */
const MOST_RIDES = 8;

export class Lifts {
  readonly #options: LiftsOptions;
  /** Floors whose choice is seen. */
  readonly #seen: readonly { door: Door; lift: NonNullable<SiteEntrance['lift']> }[];
  readonly #rides = new Map<string, Ride[]>();
  readonly #chosen = new Set<string>();

  constructor(doors: readonly Door[], options: LiftsOptions) {
    this.#options = options;
    this.#seen = doors.flatMap((door) => {
      const { lift } = door.entrance;
      return lift === null || lift.selected === null ? [] : [{ door, lift }];
    });
  }

  /** Of the presentation as a whole; nothing where it was at a door. */
  told(verdicts: readonly Verdict[], { judged, door: { entrance } }: Verdict, reader: string): NewEvent[] {
    if (entrance.lift === null) return [];
    return [
      newEvent('lift.presented', {
        acs_system_id: this.#options.acsSystemId,
        lift: entrance.lift.name,
        reader,
        acs_credential_id: judged.credential?.acs_credential_id ?? null,
        acs_user_id: judged.credential?.acs_user_id ?? null,
        granted_acs_entrance_ids: openOf(verdicts).map(({ door }) => door.entrance.acsEntranceId),
        denied: shutOf(verdicts),
      }),
    ];
  }

  /** From now on one of these floors may be chosen. */
  released(open: readonly Open[]): void {
    const [first] = open;
    const lift = first?.door.entrance.lift ?? null;
    if (first === undefined || lift === null) return;
    const { credential } = first.judged;
    const nowMs = this.#options.clock.monotonicMs();
    const times = open.map(({ door: { entrance } }) =>
      credential.user_is_extended === 1 ? entrance.strike?.extendedPulseMs : entrance.strike?.pulseMs,
    );
    const untilMs = nowMs + Math.max(...times.map((time) => time ?? 0));
    const ride = { credential, floors: open.map(({ door }) => door), untilMs };
    this.#rides.set(lift.name, [ride, ...this.#ridesAt(lift.name)].slice(0, MOST_RIDES));
  }

  /** The lift says that a floor was chosen, or is no more. */
  input({ device, input, active, changedAfterMonotonicMs: changedAfter }: InputEvent): void {
    for (const { door, lift } of this.#seen) {
      if (lift.selected?.controller !== device || lift.selected.input !== input) continue;
      const { acsEntranceId } = door.entrance;
      const wasChosen = this.#chosen.has(acsEntranceId);
      if (active) this.#chosen.add(acsEntranceId);
      else this.#chosen.delete(acsEntranceId);
      if (!active || wasChosen) continue;
      // What was chosen while nobody could see it was chosen by nobody knows whom.
      const isFresh = changedAfter !== null && this.#options.clock.monotonicMs() - changedAfter <= STRIKE_DEADLINE_MS;
      if (isFresh || changedAfter !== null) this.#selected(door, lift, isFresh);
    }
  }

  #selected(door: Door, { name, isOneFloor }: { name: string; isOneFloor: boolean }, isFresh: boolean): void {
    const { recorder, acsSystemId, letIn } = this.#options;
    const { entrance } = door;
    const rides = this.#ridesAt(name);
    const ride = isFresh ? rides.find(({ floors }) => floors.includes(door)) : undefined;
    const place = { acs_system_id: acsSystemId, acs_entrance_id: entrance.acsEntranceId };
    recorder.note({ ...place, device: null }, [
      newEventAt('acs_entrance.floor_selected', place, {
        lift: name,
        acs_user_id: ride?.credential.acs_user_id ?? null,
        acs_credential_id: ride?.credential.acs_credential_id ?? null,
      }),
    ]);
    if (ride === undefined) return;
    letIn(entrance);
    if (!isOneFloor) return;
    const others = rides.filter((one) => one !== ride);
    this.#rides.set(name, others);
    for (const floor of ride.floors)
      if (floor !== door && !others.some(({ floors }) => floors.includes(floor))) floor.callBack();
  }

  #ridesAt(lift: string): Ride[] {
    const nowMs = this.#options.clock.monotonicMs();
    return (this.#rides.get(lift) ?? []).filter(({ untilMs }) => untilMs > nowMs);
  }
}
