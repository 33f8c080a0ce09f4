// What follows from a decision: the strike, what the reader shows, and what becomes durable, in the order that the
// decision asks for. What changes the next decision is durable before anything moves; an ordinary grant commands the
// strike first, and its event is durable in the same turn.

import { newEvent, type NewEvent } from '../domain/events.ts';
import type { ApiError } from '../domain/errors.ts';
import type { Clock, Device, DriverEvent, Feedback, Timer } from '../domain/ports.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { Store } from '../store/store.ts';
import type { Areas } from './areas.ts';
import type { CodeGate, CodePlace, Lock } from './code-gate.ts';
import { isGuess, type Detail } from './details.ts';
import type { Door } from './door.ts';
import { eventsOf, writeEffect } from './effects.ts';
import type { Judgement } from './judging.ts';
import { mustHold, type Effect } from './ladder.ts';
import type { Recorder } from './recorder.ts';
import type { ReadAs, Spot, Words } from './words.ts';

/** How long the event of a grant waits for its strike to be handed to a busy bus. */
const RECORD_WITHIN_MS = 100;

export type ActingOptions = {
  store: Store | null;
  codeGate: CodeGate | null;
  areas: Pick<Areas, 'areThere' | 'noteSeen' | 'violations'>;
  recorder: Recorder;
  clock: Clock;
  words: Words;
  acsSystemId: string;
  device: (name: string) => Device | undefined;
  /** Controllers whose tables must be looked at. */
  wake: (controllers: readonly string[]) => void;
};

export type Presented = DriverEvent & { type: 'presented' };
/** What was presented, at which door, and how it was read. */
export type Presence = { door: Door; event: Presented; readAs: ReadAs | null };
export type Granted = Judgement & { detail: null };
/** A place that is opened by what was presented: a door, or one of the floors of a lift. */
export type Opened = { presence: Presence; judged: Granted };

export type UnlockRequest = {
  entrance: SiteEntrance;
  acsUserId: string | null;
  acsCredentialId: string | null;
  reason: string | null;
  commandId: string;
  /** The way the command came, and who its sender says it is. */
  asker: { source: 'mqtt' | 'local'; sender: string | null };
  actionAttemptId: string;
};

export class Acting {
  readonly #options: ActingOptions;
  /** Grants whose strike is on its way to the line. */
  readonly #unrecorded = new Set<() => void>();

  constructor(options: ActingOptions) {
    this.#options = options;
  }

  stop(): void {
    for (const record of [...this.#unrecorded]) record();
    this.#options.codeGate?.touchAll();
    this.#record([]);
  }

  // ---- at a reader --------------------------------------------------------------------------------------------------

  /**
   * Opens all that one presentation opens. What it uses up, and who is in danger, is of the presentation, and not of
   * each place. `also`: told beside.
   */
  grant(opened: readonly [Opened, ...Opened[]], also: readonly NewEvent[] = []): void {
    const { recorder, words } = this.#options;
    const [{ presence, judged: first }] = opened;
    const judged = { ...first, effects: eachOnce(opened.flatMap((one) => one.judged.effects)) };
    const unlocked = (): NewEvent[] => opened.map((one) => this.#unlocked(one));
    const duress = opened.flatMap((one) => this.#duress(one.presence, one.judged)).slice(0, 1);
    if (judged.effects.some(mustHold)) {
      if (!this.#carryOut(presence, judged, [...unlocked(), ...also, ...duress])) {
        this.deny(presence, { ...judged, detail: 'store_unavailable' });
        return;
      }
      for (const one of opened) this.#drive(one.presence, one.judged.credential);
      this.show(presence, 'granted');
      return;
    }
    this.#rightCode(judged);
    const told: NewEvent[] = [];
    const record = this.#onceSoon(() => void this.#record(told, this.#passing(presence, judged)));
    // Relay, then light, then words and disk: on an idle bus all in this very turn.
    const progress = { unsent: new Set(opened), isShown: false };
    for (const one of opened)
      this.#drive(one.presence, one.judged.credential, () => {
        progress.unsent.delete(one);
        if (progress.unsent.size === 0 && progress.isShown) record();
      });
    this.show(presence, 'granted');
    for (const [i, event] of unlocked().entries())
      told.push(...recorder.within(words.source(spotOf(opened[i]?.presence ?? presence)), [event]));
    told.push(...recorder.within(words.source(spotOf(presence)), [...this.#eventsOf(judged), ...also]), ...duress);
    progress.isShown = true;
    if (progress.unsent.size === 0) record();
  }

  #unlocked({ presence, judged }: Opened): NewEvent {
    const told = { ...judged, readAs: presence.readAs };
    return this.#options.words.unlocked(spotOf(presence), told, judged.second, companionIn(judged));
  }

  deny(presence: Presence, judged: Judgement & { detail: Detail }, also: readonly NewEvent[] = []): void {
    const { recorder, codeGate, words, areas } = this.#options;
    const { code, detail } = judged;
    const spot = spotOf(presence);
    const denied = words.denied(spot, { ...judged, readAs: presence.readAs }, detail);
    const duress = this.#duress(presence, judged);
    const card = detail === 'biometric_mismatch' ? judged.credential : null;
    if (card === null && (code === null || !isGuess(detail))) {
      this.show(presence, detail === 'locked_out' ? 'locked_out' : 'denied');
      const acsUserId = judged.credential?.acs_user_id ?? null;
      const against = detail === 'anti_passback' && acsUserId !== null ? areas.violations(spot.entrance, spot.reader, acsUserId) : []; // prettier-ignore
      if (duress.length > 0) recorder.record(duress);
      recorder.note(words.source(spot), [denied, ...against, ...also]);
      return;
    }
    const place = code?.place ?? placeOf(spot, card);
    const wrong = (): Lock[] | undefined => code === null ? codeGate?.wrongFinger(place.acsCredentialId ?? '') : codeGate?.wrong(place, code.digits); // prettier-ignore
    const locks = wrong() ?? [];
    const told = [...recorder.within(words.source(spot), [denied, ...also]), ...duress];
    // Counted durably before anybody is told that it was wrong: pulling the plug in between gives no guess for nothing.
    this.#record([...told, ...locks.map((lock) => words.locked(spot.entrance, place, lock))]);
    this.show(presence, locks.length > 0 ? 'locked_out' : 'denied');
  }

  /**
   * Whoever types such a code, or puts such a finger there, is in danger, whether it opens or not. No budget of events
   * takes it.
   */
  #duress(presence: Presence, { credential, second, finger, method, isLookedUp, detail }: Judgement): NewEvent[] {
    const typed = second ?? (method === 'keycode' || finger?.isDuress === true ? credential : null);
    if (!isLookedUp || typed === null || (typed.is_duress !== 1 && finger?.isDuress !== true)) return [];
    return [this.#options.words.duress(spotOf(presence), typed, detail === null)];
  }

  /** The card that waited for its code or finger, or whoever waited for a second person, is denied. */
  nothingCame({ entrance, reader }: Spot, judged: Judgement, readAs: ReadAs | null, detail: Detail): void {
    const { recorder, words, device } = this.#options;
    const spot = { entrance, reader };
    const denied = words.denied(spot, { ...judged, readAs }, detail);
    recorder.note(words.source(spot), [denied]);
    device(reader)?.readers?.feedback(0, 'denied', entrance.feedback.denied);
  }

  /** Neither let in nor refused: somebody else must be shown. */
  showWaiting({ door, event }: Presence): void {
    this.#options.device(event.device)?.readers?.feedback(event.reader, 'denied', door.entrance.feedback.held);
  }

  show({ door, event }: Presence, signal: Feedback): void {
    const { feedback } = door.entrance;
    const look = signal === 'granted' ? feedback.granted : signal === 'denied' ? feedback.denied : undefined;
    this.#options.device(event.device)?.readers?.feedback(event.reader, signal, look);
  }

  // ---- by command ---------------------------------------------------------------------------------------------------

  async unlock(door: Door, request: UnlockRequest): Promise<{ confirmed: boolean } | { error: ApiError }> {
    const { clock, recorder, words } = this.#options;
    const outcome = await door.strike(clock.monotonicMs(), undefined, {
      isExtended: this.#needsLonger(request.acsUserId),
    });
    const body = {
      ...words.base(request.entrance),
      acs_credential_id: request.acsCredentialId,
      acs_user_id: request.acsUserId,
      method: 'remote' as const,
      decided_by: 'command' as const,
      command_id: request.commandId,
      ...request.asker,
      action_attempt_id: request.actionAttemptId,
      reason: request.reason,
    };
    if (outcome.outcome === 'done') {
      recorder.record([newEvent('lock.unlocked', { ...body, was_confirmed_by_device: outcome.confirmed })]);
      return { confirmed: outcome.confirmed };
    }
    door.strikeFailed(outcome.error);
    const error: ApiError = {
      type: outcome.error === 'too_late' ? 'timed_out' : outcome.error,
      message: `${request.entrance.name}: ${outcome.message}`,
    };
    recorder.record([newEvent('acs_entrance.unlock_failed', { ...body, error })]);
    return { error };
  }

  #needsLonger(acsUserId: string | null): boolean {
    const { store } = this.#options;
    return acsUserId !== null && store?.users.byId(acsUserId)?.is_extended_access === 1;
  }

  // ---- what becomes durable -----------------------------------------------------------------------------------------

  /** Durable before anything moves; false when the disk failed, and then nothing moves. */
  #carryOut(presence: Presence, judged: Granted, events: readonly NewEvent[]): boolean {
    const { store, wake } = this.#options;
    if (store === null) return false;
    const touched = new Set<string>();
    this.#rightCode(judged);
    const write = this.#passing(presence, judged, touched);
    const isDurable = this.#record([...events, ...this.#eventsOf(judged)], write);
    if (isDurable && touched.size > 0) wake([...touched]);
    return isDurable;
  }

  #eventsOf({ effects }: Granted): NewEvent[] {
    const { acsSystemId, clock } = this.#options;
    return effects.flatMap((effect) => eventsOf(effect, acsSystemId, clock.nowMs()));
  }

  /** What a grant writes beside its event; null: nothing. `touched`: controllers that it concerns. */
  #passing(presence: Presence, { effects, credential }: Granted, touched = new Set<string>()): (() => void) | null {
    const { store, clock, areas } = this.#options;
    const { door, event } = presence;
    const acsUserId = credential.acs_user_id;
    if (store === null || (effects.length === 0 && !areas.areThere)) return null;
    const nowMs = clock.nowMs();
    return () => {
      for (const effect of effects) for (const controller of writeEffect(store, effect, nowMs)) touched.add(controller);
      if (acsUserId !== null) areas.noteSeen(acsUserId, door.entrance, event.device);
    };
  }

  #rightCode({ code, second, credential }: Granted): void {
    if (code !== null) this.#options.codeGate?.right(code.place, code.digits, (second ?? credential).acs_credential_id);
  }

  /** What wrong codes have cost is written together with whatever is recorded. */
  #record(events: readonly NewEvent[], change: (() => void) | null = null): boolean {
    const { codeGate } = this.#options;
    if (events.length === 0 && change === null && codeGate?.isUnwritten !== true) return true;
    const isDurable = this.#options.recorder.record(events, () => {
      change?.();
      codeGate?.write();
    });
    if (isDurable) codeGate?.written();
    return isDurable;
  }

  /**
   * Runs `record` once: when told to, at the latest in a moment. The event of an ordinary grant is committed in the
   * turn in which the strike is handed to the line; on a bus that is busy with another exchange that is a little later,
   * and a flush of a slow disk must not come in between.
   */
  #onceSoon(record: () => void): () => void {
    const pending = { record, timer: null as Timer | null };
    const run = (): void => {
      if (!this.#unrecorded.delete(run)) return;
      pending.timer?.cancel();
      pending.record();
    };
    this.#unrecorded.add(run);
    pending.timer = this.#options.clock.after(RECORD_WITHIN_MS, run);
    return run;
  }

  #drive(presence: Presence, credential: CredentialWithUser, onSent: () => void = () => undefined): void {
    const { recorder, words } = this.#options;
    const { door, event } = presence;
    const isExit = door.entrance.exitReaders.includes(event.device);
    const passing = { isExtended: credential.user_is_extended === 1, isExit };
    void door.strike(event.atMonotonicMs, onSent, passing).then((outcome) => {
      onSent();
      if (outcome.outcome === 'done') return;
      door.strikeFailed(outcome.error);
      const error = { type: outcome.error, message: outcome.message };
      // So that somebody can be given a new one in place of a use that opened nothing.
      const { acs_credential_id, acs_user_id } = credential;
      const body = { ...words.base(door.entrance), reader: event.device, acs_credential_id, acs_user_id, error };
      recorder.note(words.source(spotOf(presence)), [newEvent('acs_entrance.unlock_failed', body)]);
    });
  }
}

/** Who goes through as well. */
const companionIn = ({ effects }: Granted): CredentialWithUser | null =>
  effects.flatMap((effect) => (effect.kind === 'passage' ? (effect.passage.companion ?? []) : []))[0]?.credential ??
  null;

/** One credential that opens several places opens them once. */
function eachOnce(effects: readonly Effect[]): Effect[] {
  const seen = new Map<string, Effect>();
  for (const effect of effects) {
    const key = effect.kind === 'use' ? `use ${effect.credential.credential_key}` : `passage ${effect.passage.reader}`;
    if (!seen.has(key)) seen.set(key, effect);
  }
  return [...seen.values()];
}

const spotOf = ({ door, event }: Presence): Spot => ({ entrance: door.entrance, reader: event.device });

/** Of a finger behind a card. */
const placeOf = ({ entrance, reader }: Spot, card: CredentialWithUser | null): CodePlace => ({
  reader,
  place: entrance.acsEntranceId,
  acsCredentialId: card?.acs_credential_id ?? null,
});
