// The readers and doors that Lintel serves itself: what is presented is decided from the database, the strike is
// commanded first, and the event of it is durable in the same turn. What changes the next decision (a one-time use, a
// lockout) is durable before anything moves.

import { newEvent, type NewEvent } from '../domain/events.ts';
import { candidates, type CardReading } from '../domain/card-formats.ts';
import type { ApiError } from '../domain/errors.ts';
import type { Policy } from '../domain/facility.ts';
import type { EventSource } from '../domain/event-budget.ts';
import { invalidated } from '../domain/invalidated.ts';
import { localMoment } from '../domain/local-time.ts';
import type { Clock, Device, DriverEvent, Feedback, InputEvent, Log, Presentation, Timer } from '../domain/ports.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { CredentialWithUser } from '../store/credentials.ts';
import type { Candidate } from '../store/reach.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/transactions.ts';
import { CodeGate, type CodePlace, type Lock } from './code-gate.ts';
import { judgeAll, reasonCodeOf, type Calendar, type Detail, type Step, type Verdict, type Witness } from './decide.ts';
import { Door } from './door.ts';
import { explain, type Asked, type Explanation } from './explain.ts';
import { firstShut, type GateContext, type Method } from './gates.ts';
import { PresentationBudgets } from './presentation-budget.ts';
import type { Recorder } from './recorder.ts';
import { SecretQuestions, type Questioner } from './secret-questions.ts';

export type AccessOptions = {
  site: Site;
  /** Null when the database was refused: nobody is let in, everybody gets out. */
  store: Store | null;
  recorder: Recorder;
  policy: Policy;
  clock: Clock;
  log: Log;
  device: (name: string) => Device | undefined;
  cardFormatsOf: (controller: string) => readonly string[];
  time: () => TimeWitness;
  acsSystemId: string;
  /** Where the building is, by IANA name. */
  timeZone: string;
  /** How long the broker has been away, ms; null while it is there. */
  offlineForMs: () => number | null;
  onChange: () => void;
  /** What is wrong with a reader, for people, until null. */
  problem: (reader: string, problem: string | null) => void;
  /** Controllers whose tables must be looked at. */
  wake: (controllers: readonly string[]) => void;
};

/** `reader`: at which of the entrance's readers; null: it has none. `isNow`: `time` is this moment. */
export type How = { time: TimeWitness; isNow: boolean; reader: string | null; asker: Questioner };

/** How long the event of a grant waits for its strike to be handed to a busy bus. */
const RECORD_WITHIN_MS = 100;
/** How long a card waits for its code. */
const CODE_WAIT_MS = 10_000;

/** How a card was read, for its event: which format took it and how many bits it has. Never its number. */
type ReadAs = { card_format: string | null; card_width_bits: number };
type Waiting = { credential: CredentialWithUser; readAs: ReadAs | null; timer: Timer };
type Judged = {
  verdict: Verdict;
  method: Method;
  second: CredentialWithUser | null;
  readAs: ReadAs | null;
  /** The code that was looked up, and where; null: none was. */
  code: { digits: string; place: CodePlace } | null;
};

export class Access {
  readonly #options: AccessOptions;
  readonly #doors: ReadonlyMap<string, Door>;
  readonly #byReader: ReadonlyMap<string, Door>;
  readonly #gate: CodeGate | null;
  readonly #questions: SecretQuestions;
  readonly #presentations: PresentationBudgets;
  /** Cards that wait for their code, by reader. */
  readonly #waiting = new Map<string, Waiting>();
  /** Grants whose strike is on its way to the line. */
  readonly #unrecorded = new Set<() => void>();
  /** Why nobody is let in at all; null: decisions are made. */
  #refusal: Detail | null = null;
  #isResting = false;

  constructor(options: AccessOptions) {
    this.#options = options;
    const { site, store, policy, clock, log, recorder, device, acsSystemId, onChange } = options;
    const doors = site.entrances.map(
      (entrance) => new Door(entrance, { clock, log, recorder, device, acsSystemId, onChange }),
    );
    this.#doors = new Map(doors.map((door) => [door.entrance.acsEntranceId, door]));
    this.#byReader = new Map(doors.flatMap((door) => door.entrance.readers.map((reader) => [reader, door] as const)));
    this.#gate = store === null ? null : new CodeGate(store, clock, policy.lockout);
    const record = (event: NewEvent): void => void recorder.record([event]);
    this.#questions = new SecretQuestions({
      clock,
      policy: policy.explainBySecret,
      acsSystemId,
      kept: store?.guesses.all() ?? [],
      keep: (row) => void recorder.record([], () => store?.guesses.put(row)),
      record,
    });
    this.#presentations = new PresentationBudgets(clock, { record, problem: options.problem });
  }

  /** From now on nobody is let in (the database was found damaged); leaving goes on. */
  refuse(detail: Detail): void {
    this.#refusal = detail;
  }

  /**
   * The stop has begun: nothing that is presented is decided any more (it would use up what it cannot open), and no
   * strike is commanded.
   */
  rest(): void {
    this.#isResting = true;
    for (const door of this.#doors.values()) door.rest();
  }

  stop(): void {
    for (const record of [...this.#unrecorded]) record();
    for (const waiting of this.#waiting.values()) waiting.timer.cancel();
    this.#waiting.clear();
    this.#questions.stop();
    this.#gate?.touchAll();
    this.#record([]);
    for (const door of this.#doors.values()) door.stop();
    this.#presentations.stop();
  }

  /** An input changed somewhere: every door looks whether it is its own. */
  input(event: InputEvent): void {
    for (const door of this.#doors.values()) door.input(event);
  }

  /** A relay stands otherwise than before: every door looks whether it is its strike. */
  output(event: DriverEvent & { type: 'output' }): void {
    for (const door of this.#doors.values()) door.output(event);
  }

  presented(event: DriverEvent & { type: 'presented' }): void {
    if (this.#isResting) return;
    const door = this.#byReader.get(event.device);
    if (door === undefined) {
      this.#options.log.warn('something was presented at a reader that belongs to no entrance', {
        reader: event.device,
      });
      return;
    }
    const { kind } = event.presentation;
    if (!this.#presentations.admits(event.device, kind, this.#base(door.entrance))) return;
    const judged = this.#judgeSafely(door.entrance, event.device, event.presentation);
    if (judged === 'waits_for_code') {
      this.#feedback(door.entrance, event, 'prompt_pin');
      return;
    }
    if (judged.verdict.outcome === 'granted') this.#grant(door, event, judged, judged.verdict.credential);
    else this.#deny(door, event, judged, judged.verdict.detail);
  }

  /** The controller's own decision, collected from its events. */
  passedByController(acsEntranceId: string): void {
    this.#doors.get(acsEntranceId)?.passedByController();
  }

  // ---- commands ----

  async unlock(request: {
    entrance: SiteEntrance;
    acsUserId: string | null;
    acsCredentialId: string | null;
    reason: string | null;
    commandId: string;
    /** The way the command came, and who its sender says it is. */
    asker: { source: 'mqtt' | 'local'; sender: string | null };
    actionAttemptId: string;
  }): Promise<{ confirmed: boolean } | { error: ApiError }> {
    const { clock, recorder } = this.#options;
    const door = this.#doors.get(request.entrance.acsEntranceId);
    if (door === undefined)
      return { error: { type: 'acs_entrance_not_found', message: 'the entrance left the facility file' } };
    const outcome = await door.strike(clock.monotonicMs());
    const body = {
      ...this.#base(request.entrance),
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

  explain(entrance: SiteEntrance, asked: Asked, how: How): Explanation {
    const { store, cardFormatsOf } = this.#options;
    const isSecret = !('acsCredentialId' in asked);
    if (isSecret) this.#questions.admit(how.asker);
    const { reader, isNow } = how;
    const lockedWith = (card: CredentialWithUser | null): number | null =>
      isNow && reader !== null ? this.#codeLockedForMs(entrance, reader, card) : null;
    const explanation = explain(asked, {
      entrance,
      reader,
      cardFormats: reader === null ? [] : cardFormatsOf(reader),
      find: (one) => (store === null || this.#refusal !== null ? [] : this.#askedFor(store, entrance, one)),
      judge: (found) => judgeAll(found, how.time, this.#calendar(store), witnessOf(store), true),
      gates: (method) => this.#gates(entrance, method, false, method === 'keycode' ? lockedWith(null) : null),
      lockedWith,
      atController: (credential) => this.#controllerSteps(store, entrance, credential),
    });
    if (isSecret) this.#questions.answered(how.asker, explanation.outcome);
    return explanation;
  }

  state(entrance: SiteEntrance): {
    mode: string;
    isLocked: boolean;
    isOpen: boolean | null;
    isHeld: boolean;
    isForced: boolean;
    isOnline: boolean;
  } {
    const door = this.#doors.get(entrance.acsEntranceId);
    const state = door?.state() ?? { isLocked: true, isOpen: null, isHeld: false, isForced: false, isOnline: false };
    return { mode: 'normal', ...state };
  }

  entranceOfReader(reader: string): SiteEntrance | undefined {
    return this.#byReader.get(reader)?.entrance;
  }

  // ---- judging ----

  /** A database that does not answer lets nobody in; the door and its exit go on. */
  #judgeSafely(entrance: SiteEntrance, reader: string, presentation: Presentation): Judged | 'waits_for_code' {
    try {
      return this.#judge(entrance, reader, presentation);
    } catch (error) {
      if (!isStorageError(error)) throw error;
      return this.#refused(presentation, 'store_unavailable');
    }
  }

  #refused(presentation: Presentation, detail: Detail): Judged {
    return {
      verdict: { outcome: 'denied', detail, credential: null, steps: [] },
      method: methodOf(presentation),
      second: null,
      readAs: null,
      code: null,
    };
  }

  #judge(entrance: SiteEntrance, reader: string, presentation: Presentation): Judged | 'waits_for_code' {
    const { store } = this.#options;
    const method = methodOf(presentation);
    const refuse = (detail: Detail): Judged => this.#refused(presentation, detail);
    const waiting =
      method === 'keycode' && entrance.factors === 'card_and_code' ? this.#waiting.get(reader) : undefined;
    const lockedForMs =
      method === 'keycode' ? this.#codeLockedForMs(entrance, reader, waiting?.credential ?? null) : null;
    const shut = firstShut(this.#gates(entrance, method, waiting !== undefined, lockedForMs));
    if (store === null || shut !== null) return refuse(shut ?? 'store_unavailable');
    if (presentation.kind === 'biometric') return refuse('factor_not_accepted');
    return presentation.kind === 'digits'
      ? this.#judgeCode(store, entrance, reader, presentation.digits, waiting)
      : this.#judgeCard(store, entrance, reader, presentation.reading);
  }

  #judgeCard(store: Store, entrance: SiteEntrance, reader: string, reading: CardReading): Judged | 'waits_for_code' {
    const read = candidates(reading, this.#options.cardFormatsOf(reader)).map((card) => ({
      format: formatOf(card),
      found: this.#askedFor(store, entrance, { cards: [card] }),
    }));
    const verdict = judgeAll(
      read.flatMap(({ found }) => found),
      this.#options.time(),
      this.#calendar(store),
      store.seals,
    );
    const key = verdict.credential?.credential_key;
    const taken =
      read.find(({ found }) => found.some(({ credential }) => credential.credential_key === key)) ?? read[0];
    const readAs: ReadAs = { card_format: taken?.format ?? null, card_width_bits: widthOf(reading) };
    const judged: Judged = { verdict, method: 'card', second: null, readAs, code: null };
    if (verdict.outcome === 'denied' || entrance.factors !== 'card_and_code') return judged;
    if (this.#codeLockedForMs(entrance, reader, verdict.credential) > 0)
      return { ...judged, verdict: { ...verdict, outcome: 'denied', detail: 'locked_out' } };
    this.#waiting.get(reader)?.timer.cancel();
    const timer = this.#options.clock.after(CODE_WAIT_MS, () => this.#codeNeverCame(entrance, reader));
    this.#waiting.set(reader, { credential: verdict.credential, readAs, timer });
    return 'waits_for_code';
  }

  #judgeCode(
    store: Store,
    entrance: SiteEntrance,
    reader: string,
    digits: string,
    waiting: Waiting | undefined,
  ): Judged {
    const { time } = this.#options;
    const code = { digits, place: placeOf(entrance, reader, waiting?.credential ?? null) };
    const found = this.#askedFor(store, entrance, { code: digits });
    const judged = { method: 'keycode', second: null, readAs: null, code } as const;
    if (waiting === undefined)
      return { ...judged, verdict: judgeAll(found, time(), this.#calendar(store), store.seals) };
    waiting.timer.cancel();
    this.#waiting.delete(reader);
    const own = found.filter(({ credential }) => credential.user_key === waiting.credential.user_key);
    const verdict = judgeAll(own, time(), this.#calendar(store), store.seals);
    if (verdict.outcome === 'denied') {
      const detail = own.length === 0 && found.length > 0 ? 'other_user' : verdict.detail;
      return { ...judged, verdict: { ...verdict, detail } };
    }
    // The card is judged again: seconds have passed, and a revocation may have come.
    const card = store.reach.one(waiting.credential.credential_key, entrance.entranceKey);
    const again = judgeAll(
      card === undefined || store.withdrawn.has(card.credential) ? [] : [card],
      time(),
      this.#calendar(store),
      store.seals,
    );
    // The code was right: what became of the card is no guess.
    const right = again.outcome === 'granted' ? code : null;
    return { verdict: again, method: 'card', second: verdict.credential, readAs: waiting.readAs, code: right };
  }

  #codeLockedForMs(entrance: SiteEntrance, reader: string, card: CredentialWithUser | null): number {
    return this.#gate?.lockedForMs(placeOf(entrance, reader, card)) ?? 0;
  }

  #gates(entrance: SiteEntrance, method: Method, isCardWaiting: boolean, codeLockedForMs: number | null): GateContext {
    const { store, policy, offlineForMs } = this.#options;
    const refusal = store === null ? 'store_unavailable' : this.#refusal;
    const offline = { offlineForMs: offlineForMs(), offlineGraceMs: policy.offlineGraceMs };
    return { entrance, method, isCardWaiting, refusal, ...offline, codeLockedForMs };
  }

  #calendar(store: Store | null): Calendar {
    return {
      moment: (epochMs) => localMoment(epochMs, this.#options.timeZone),
      isHoliday: (date) => store?.holidays.isHoliday(date) ?? false,
    };
  }

  #codeNeverCame(entrance: SiteEntrance, reader: string): void {
    const waiting = this.#waiting.get(reader);
    this.#waiting.delete(reader);
    if (waiting === undefined) return;
    const judged = { method: 'card', readAs: waiting.readAs } as const;
    this.#options.recorder.note(this.#source(entrance, reader), [
      this.#denial(entrance, reader, judged, 'code_required', waiting.credential),
    ]);
    this.#options.device(reader)?.readers?.feedback(0, 'denied', entrance.feedback.denied);
  }

  /** Without those that were taken away by a command that is still to be stored. */
  #askedFor(store: Store, entrance: SiteEntrance, asked: Asked): Candidate[] {
    return this.#stored(store, entrance, asked).filter(({ credential }) => !store.withdrawn.has(credential));
  }

  #stored(store: Store, entrance: SiteEntrance, asked: Asked): Candidate[] {
    if ('code' in asked) return store.reach.byCode(store.secrets.codeHash(asked.code), entrance.entranceKey);
    if ('cards' in asked)
      return asked.cards.flatMap((card) => store.reach.byCard(store.secrets.cardHash(card), entrance.entranceKey));
    const row = store.credentials.byId(asked.acsCredentialId);
    const one = row === undefined ? undefined : store.reach.one(row.credential_key, entrance.entranceKey);
    return one === undefined ? [] : [one];
  }

  // ---- acting ----

  #grant(door: Door, event: DriverEvent & { type: 'presented' }, judged: Judged, credential: CredentialWithUser): void {
    const { recorder } = this.#options;
    const usedUp = [credential, judged.second].filter((one): one is CredentialWithUser => one?.is_one_time_use === 1);
    const unlocked = this.#unlocked(door.entrance, event.device, judged, credential);
    if (usedUp.length > 0) {
      if (!this.#useUp(judged, credential, usedUp, unlocked)) {
        this.#deny(door, event, judged, 'store_unavailable');
        return;
      }
      this.#drive(door, event);
      this.#feedback(door.entrance, event, 'granted');
      return;
    }
    this.#rightCode(judged, credential);
    const told = recorder.within(this.#source(door.entrance, event.device), [unlocked]);
    const record = this.#onceSoon(() => void this.#record(told));
    // Relay, then light, then disk: on an idle bus all in this very turn.
    const progress = { isSent: false, isShown: false };
    this.#drive(door, event, () => {
      progress.isSent = true;
      if (progress.isShown) record();
    });
    this.#feedback(door.entrance, event, 'granted');
    progress.isShown = true;
    if (progress.isSent) record();
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

  /** Durable before anything moves; false when the disk failed, and then nothing moves. */
  #useUp(
    judged: Judged,
    credential: CredentialWithUser,
    usedUp: readonly CredentialWithUser[],
    unlocked: NewEvent,
  ): boolean {
    const { store, clock, wake } = this.#options;
    if (store === null) return false;
    const nowMs = clock.nowMs();
    const touched = new Set<string>();
    const { acsSystemId: acs_system_id } = this.#options;
    const ended = usedUp.map(({ acs_credential_id, acs_user_id }) =>
      invalidated({ acs_system_id, acs_credential_id, acs_user_id, reason: 'used' }, nowMs),
    );
    this.#rightCode(judged, credential);
    const isDurable = this.#record([unlocked, ...ended], () => {
      for (const { credential_key: key } of usedUp) {
        store.credentials.markUsed(key, nowMs);
        store.credentials.markInvalidated(key, nowMs);
        store.targets.touch(key);
        for (const target of store.targets.ofCredential(key)) touched.add(target.controller);
      }
    });
    if (isDurable && touched.size > 0) wake([...touched]);
    return isDurable;
  }

  #rightCode({ code, second }: Judged, credential: CredentialWithUser): void {
    if (code !== null) this.#gate?.right(code.place, code.digits, (second ?? credential).acs_credential_id);
  }

  /** What wrong codes have cost is written together with whatever is recorded. */
  #record(events: readonly NewEvent[], change: () => void = () => undefined): boolean {
    const gate = this.#gate;
    if (events.length === 0 && gate?.isUnwritten !== true) return true;
    const isDurable = this.#options.recorder.record(events, () => {
      change();
      gate?.write();
    });
    if (isDurable) gate?.written();
    return isDurable;
  }

  #drive(door: Door, event: DriverEvent & { type: 'presented' }, onSent: () => void = () => undefined): void {
    const { recorder } = this.#options;
    void door.strike(event.atMonotonicMs, onSent).then((outcome) => {
      onSent();
      if (outcome.outcome === 'done') return;
      door.strikeFailed(outcome.error);
      recorder.note(this.#source(door.entrance, event.device), [
        newEvent('acs_entrance.unlock_failed', {
          ...this.#base(door.entrance),
          reader: event.device,
          error: { type: outcome.error, message: outcome.message },
        }),
      ]);
    });
  }

  #deny(door: Door, event: DriverEvent & { type: 'presented' }, judged: Judged, detail: Detail): void {
    const { recorder } = this.#options;
    const { code } = judged;
    const source = this.#source(door.entrance, event.device);
    const denial = this.#denial(door.entrance, event.device, judged, detail, judged.verdict.credential);
    if (code === null || !GUESSES.has(detail)) {
      this.#feedback(door.entrance, event, detail === 'locked_out' ? 'locked_out' : 'denied');
      recorder.note(source, [denial]);
      return;
    }
    const locks = this.#gate?.wrong(code.place, code.digits) ?? [];
    const told = recorder.within(source, [denial]);
    // Counted durably before anybody is told that it was wrong: pulling the plug in between gives no guess for nothing.
    this.#record([...told, ...locks.map((lock) => this.#locked(door.entrance, code.place, lock))]);
    this.#feedback(door.entrance, event, locks.length > 0 ? 'locked_out' : 'denied');
  }

  #feedback(entrance: SiteEntrance, event: DriverEvent & { type: 'presented' }, signal: Feedback): void {
    const { feedback } = entrance;
    const look = signal === 'granted' ? feedback.granted : signal === 'denied' ? feedback.denied : undefined;
    this.#options.device(event.device)?.readers?.feedback(event.reader, signal, look);
  }

  // ---- words ----

  #base(entrance: SiteEntrance): { acs_system_id: string; acs_entrance_id: string } {
    return { acs_system_id: this.#options.acsSystemId, acs_entrance_id: entrance.acsEntranceId };
  }

  #source(entrance: SiteEntrance, reader: string): EventSource {
    const { acsEntranceId } = entrance;
    return { acs_system_id: this.#options.acsSystemId, acs_entrance_id: acsEntranceId, device: reader };
  }

  #locked(entrance: SiteEntrance, place: CodePlace, { kind, forMs, why }: Lock): NewEvent {
    const { clock, policy, acsSystemId } = this.#options;
    const until = new Date(clock.nowMs() + forMs).toISOString();
    if (kind === 'facility') {
      const body = { acs_system_id: acsSystemId, acs_entrance_id: entrance.acsEntranceId, reader: place.reader };
      return newEvent('facility.pin_entry_slowed', {
        ...body,
        per_day: policy.lockout.perDayFacility,
        pause_ms: Math.round(forMs),
      });
    }
    const card = kind === 'card' ? { acs_credential_id: place.acsCredentialId } : {};
    const body = { ...this.#base(entrance), reader: place.reader, ...card, locked: kind, why, until };
    return newEvent('acs_entrance.locked_out', body);
  }

  #unlocked(entrance: SiteEntrance, reader: string, judged: Judged, credential: CredentialWithUser): NewEvent {
    const second = judged.second === null ? {} : { second_acs_credential_id: judged.second.acs_credential_id };
    return newEvent('lock.unlocked', {
      ...this.#base(entrance),
      acs_credential_id: credential.acs_credential_id,
      acs_user_id: credential.acs_user_id,
      ...second,
      access_method: credential.access_method,
      method: judged.method,
      ...judged.readAs,
      decided_by: 'gateway',
      reader,
      // The relay was commanded in this same turn; its answer is not waited for, and a failure follows as
      // acs_entrance.unlock_failed.
      was_confirmed_by_device: null,
    });
  }

  #denial(
    entrance: SiteEntrance,
    reader: string,
    { method, readAs }: Pick<Judged, 'method' | 'readAs'>,
    detail: Detail,
    credential: CredentialWithUser | null,
  ): NewEvent {
    return newEvent('lock.access_denied', {
      ...this.#base(entrance),
      acs_credential_id: credential?.acs_credential_id ?? null,
      acs_user_id: credential?.acs_user_id ?? null,
      access_method: method === 'card' ? 'card' : 'code',
      method,
      ...readAs,
      decided_by: 'gateway',
      reader,
      reason: { reason_code: reasonCodeOf(detail), detail },
    });
  }

  #controllerSteps(store: Store | null, entrance: SiteEntrance, credential: CredentialWithUser): Step[] {
    if (store === null || entrance.decidedBy !== 'controller') return [];
    const target = store.targets
      .ofCredential(credential.credential_key)
      .find((row) => row.controller === entrance.controller);
    const isThere = target?.state === 'set' || target?.state === 'unconfirmed';
    return [
      {
        step: 'on_controller',
        passed: isThere,
        detail: `${entrance.controller ?? ''} decides by its own table; there it is ${target?.state ?? 'not wanted'}`,
      },
    ];
  }
}

const methodOf = ({ kind }: Presentation): Method => (kind === 'digits' ? 'keycode' : 'card');

/**
 * Codes that nobody has who may enter here at all. One that is only too early or too late was known, and is no guess.
 */
const GUESSES: ReadonlySet<Detail> = new Set([
  'unknown_credential',
  'other_user',
  'entrance_not_allowed',
  'unassigned',
  'user_suspended',
]);

const placeOf = ({ acsEntranceId }: SiteEntrance, reader: string, card: CredentialWithUser | null): CodePlace => ({
  reader,
  acsEntranceId,
  acsCredentialId: card?.acs_credential_id ?? null,
});

/** `H10301` of `H10301:123:45678`. */
const formatOf = (canonical: string): string => canonical.slice(0, canonical.indexOf(':'));

const widthOf = (reading: CardReading): number =>
  reading.kind === 'wiegand' ? reading.widthBits : reading.bytes.length * 8;

/** Without a store nothing is as it was written. */
const witnessOf = (store: Store | null): Witness => store?.seals ?? { holds: () => false };
