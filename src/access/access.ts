// The readers and doors that Lintel serves itself: what is presented is decided from the database, the strike is
// commanded first, and the event of it is durable in the same turn. What changes the next decision (a one-time use, a
// lockout) is durable before anything moves.

import { candidates } from '../domain/card-formats.ts';
import type { ApiError } from '../domain/errors.ts';
import type { NewEvent } from '../domain/events.ts';
import type { ModeInput, Policy } from '../domain/facility.ts';
import type { Factors } from '../domain/factors.ts';
import { localMoment } from '../domain/local-time.ts';
import type { Mode } from '../domain/modes.ts';
import type { Clock, Device, DriverEvent, InputEvent, Keeps, Log, Presentation } from '../domain/ports.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import type { TimeWitness } from '../domain/window.ts';
import type { Store } from '../store/store.ts';
import { Acting, type Opened, type Presence, type Presented, type UnlockRequest } from './acting.ts';
import { Areas } from './areas.ts';
import { CodeGate } from './code-gate.ts';
import type { Detail } from './details.ts';
import { Door, type DoorState } from './door.ts';
import { asReadThere, explained, type Explanation } from './explain.ts';
import { FactorsNow } from './factors-now.ts';
import { Fingers, type MatchedFinger } from './fingers.ts';
import { nearestOf, ofOnePerson, openOf, type Open, type Verdict } from './floors.ts';
import { Interlocks } from './interlocks.ts';
import { Lifts } from './lifts.ts';
import { Judging, type Asked, type Judgement } from './judging.ts';
import { PresentationBudgets } from './presentation-budget.ts';
import { Modes, type Standing } from './modes.ts';
import type { Recorder } from './recorder.ts';
import { Scans } from './scans.ts';
import type { Calendar } from './schedule-check.ts';
import { SecretQuestions, type Questioner } from './secret-questions.ts';
import { WaitingCards, type WaitingCard } from './waiting-cards.ts';
import { unheardSays } from './unheard.ts';
import { readAs, Words, type ReadAs } from './words.ts';

export type AccessOptions = {
  site: Site;
  /** Null when the database was refused: nobody is let in, everybody gets out. */
  store: Store | null;
  recorder: Recorder;
  policy: Policy;
  modeInputs: readonly ModeInput[];
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
  /** What an issuer has signed for a key that was proved; why it opens nothing, or null: it is taken. */
  takeToken?: (token: Buffer, key: Buffer) => Detail | null;
};

/** `reader`: at which of the entrance's readers; null: it has none. `isNow`: `time` is this moment. */
export type How = { time: TimeWitness; isNow: boolean; reader: string | null; asker: Questioner };

export class Access {
  readonly #options: AccessOptions;
  readonly #doors: ReadonlyMap<string, Door>;
  /** Several at the reader of a lift: its floors. */
  readonly #byReader: ReadonlyMap<string, readonly Door[]>;
  readonly #lifts: Lifts;
  readonly #judging: Judging;
  readonly #acting: Acting;
  readonly #words: Words;
  readonly #questions: SecretQuestions;
  readonly #presentations: PresentationBudgets;
  readonly #waiting: WaitingCards;
  readonly #factors: FactorsNow;
  readonly #fingers: Fingers;
  /** What is shown at a reader while somebody enrols there, which nobody decides about. */
  readonly scans: Scans;
  /** Which mode each entrance has. */
  readonly modes: Modes;
  readonly areas: Areas;
  readonly #interlocks: Interlocks;
  #isResting = false;

  constructor(options: AccessOptions) {
    this.#options = options;
    const { site, store, policy, clock, log, recorder, device, acsSystemId, onChange } = options;
    const doors = site.entrances.map(
      (entrance) =>
        new Door(entrance, {
          ...{ clock, log, recorder, device, acsSystemId },
          onChange: () => {
            this.#interlocks.doorChanged(entrance);
            onChange();
          },
          crossed: (how) => this.areas.crossed(entrance, how),
        }),
    );
    this.#doors = new Map(doors.map((door) => [door.entrance.acsEntranceId, door]));
    this.#byReader = byReader(doors);
    this.#lifts = new Lifts(doors, { ...options, letIn: (entrance) => this.modes.letIn(entrance) });
    const codeGate = store === null ? null : new CodeGate(store, clock, policy.lockout);
    this.#words = new Words(options);
    const calendar: Calendar = {
      moment: (epochMs) => localMoment(epochMs, options.timeZone),
      isHoliday: (date) => store?.holidays.isHoliday(date) ?? false,
    };
    this.#interlocks = new Interlocks({
      ...{ site, recorder, acsSystemId },
      leafOf: ({ acsEntranceId }) => this.#doors.get(acsEntranceId)?.leaf ?? 'shut',
      modeOf: (entrance) => this.modes.of(entrance).mode,
    });
    this.areas = new Areas({ ...options, calendar, heldBy: (entrance) => this.#interlocks.heldBy(entrance) });
    this.modes = new Modes({
      ...options,
      inputs: options.modeInputs,
      calendar,
      apply: (entrance, mode, isNew) => this.#follow(entrance, mode, isNew),
    });
    this.#fingers = new Fingers(options);
    this.#judging = new Judging({
      ...{ ...options, codeGate, calendar, fingers: this.#fingers },
      modeOf: (...at) => this.modes.of(...at).mode,
      groundAt: (...at) => this.areas.groundAt(...at),
    });
    this.#acting = new Acting({ ...options, codeGate, words: this.#words, areas: this.areas });
    this.#waiting = new WaitingCards(clock);
    this.scans = new Scans(options);
    this.#factors = new FactorsNow({ ...options, calendar });
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

  /** Before anything is served. */
  start(): void {
    this.areas.start();
    for (const door of this.#doors.values()) door.start();
    this.modes.start();
    this.#factors.start();
  }

  /** A device is there again: what it is to hold may be forgotten. */
  deviceOnline(name: string): void {
    for (const door of this.#doors.values()) door.deviceOnline(name);
  }

  deviceOffline(name: string): void {
    this.areas.mayHaveLeft([name]);
  }

  /** From now on nobody is let in (the database was found damaged); leaving goes on. */
  refuse(detail: Detail): void {
    this.#judging.refuse(detail);
  }

  /**
   * The stop has begun: nothing that is presented is decided any more (it would use up what it cannot open), and no
   * strike is commanded.
   */
  rest(): void {
    this.#isResting = true;
    this.scans.rest();
    this.#fingers.stop();
    this.modes.stop();
    this.#factors.stop();
    for (const door of this.#doors.values()) door.rest();
  }

  /** Of the outputs of doors that are free now, those that a stop leaves as they are (`at_stop: keep`). */
  keptAtStop(): Keeps {
    const kept = [...this.#doors.values()].flatMap((door) => door.keptOutputs);
    return (device, output) => kept.some((setup) => setup.controller === device && setup.output === output);
  }

  stop(): void {
    this.#waiting.stop();
    this.#questions.stop();
    this.#acting.stop();
    for (const door of this.#doors.values()) door.stop();
    this.#presentations.stop();
    this.areas.stop();
  }

  /** An input changed somewhere: every door looks whether it is its own. */
  input(event: InputEvent): void {
    // Who stands at a door has time; whoever must get out has none.
    this.modes.input(event);
    for (const door of this.#doors.values()) door.input(event);
    this.#lifts.input(event);
  }

  /** A relay stands otherwise than before: every door looks whether it is its strike. */
  output(event: DriverEvent & { type: 'output' }): void {
    for (const door of this.#doors.values()) door.output(event);
  }

  presented(event: DriverEvent & { type: 'presented' }): void {
    if (this.#isResting || this.scans.takes(event)) return;
    const doors = this.#byReader.get(event.device) ?? [];
    const [first] = doors;
    if (first === undefined) {
      this.#options.log.warn('something was presented at a reader that belongs to no entrance', {
        reader: event.device,
      });
      return;
    }
    const { kind } = event.presentation;
    if (!this.#presentations.admits(event.device, kind, this.#words.base(first.entrance))) return;
    this.#decide(event, doors, null);
  }

  /** `finger`: that was put there behind the card, by now. */
  #decide(event: Presented, doors: readonly Door[], finger: MatchedFinger | null): void {
    const waiting = this.#waiting.at(event.device);
    const { kind } = event.presentation;
    const verdicts = ofOnePerson(
      doors.map((door) => ({ door, judged: this.#judge(door.entrance, event, waiting, finger) })),
    );
    const nearest = nearestOf(verdicts);
    if (nearest === undefined) return;
    const { door, judged } = nearest;
    const presenceAt = (at: Verdict): Presence => ({ door: at.door, event, readAs: readAsOf(event.presentation, at.judged, waiting) }); // prettier-ignore
    const presence = presenceAt(nearest);
    if (judged.isLookedUp && (kind === 'digits' || judged.detail === null)) this.#waiting.release(event.device);
    // It opened without: nobody is waited for any more.
    if (judged.detail === null && finger === null) this.#fingers.cancel(event.device);
    const also = (): NewEvent[] => this.#lifts.told(verdicts, nearest, event.device);
    if (judged.detail === null) this.#letIn(openOf(verdicts), presenceAt, also());
    else if (judged.detail === 'code_required') this.#awaitCode(presence, judged);
    else if (judged.detail === 'biometric_required') this.#awaitFinger(presence, judged, doors, also);
    else if (judged.detail === 'second_person_required') this.#awaitSecond(presence, judged);
    else this.#acting.deny({ ...presence, door }, { ...judged, detail: judged.detail }, also());
  }

  /** The controller's own decision, collected from its events. */
  passedByController(acsEntranceId: string): void {
    this.#doors.get(acsEntranceId)?.passedByController();
  }

  // ---- commands ----

  async unlock(request: UnlockRequest): Promise<{ confirmed: boolean } | { error: ApiError }> {
    const door = this.#doors.get(request.entrance.acsEntranceId);
    if (door === undefined)
      return { error: { type: 'acs_entrance_not_found', message: 'the entrance left the facility file' } };
    return await this.#acting.unlock(door, request);
  }

  explain(entrance: SiteEntrance, asked: Asked, { time, isNow, reader, asker }: How): Explanation {
    const { store, cardFormatsOf } = this.#options;
    const isSecret = 'cards' in asked || 'code' in asked;
    if (isSecret) this.#questions.admit(asker);
    const cardFormats = reader === null ? null : cardFormatsOf(reader);
    const judged = this.#judging.judge({
      entrance,
      reader,
      asked: asReadThere(asked, cardFormats),
      unproved: null,
      cardFormats,
      time,
      isNow,
      waiting: isNow && reader !== null ? (this.#waiting.at(reader)?.credential ?? null) : null,
      finger: null,
      isExplained: true,
    });
    const explanation = explained(judged, store, entrance);
    if (isSecret) this.#questions.answered(asker, explanation.outcome);
    return explanation;
  }

  areasChanged(): void {
    this.#options.onChange();
  }

  state(entrance: SiteEntrance): DoorState & {
    mode: Standing;
    factors: Factors;
    lockProblem: string | null;
    offlineProblem: string | null;
    interlockedBy: string | null;
  } {
    const door = this.#doors.get(entrance.acsEntranceId);
    const state = door?.state() ?? { isLocked: true, isOpen: null, isHeld: false, isForced: false, isOnline: false };
    return {
      mode: this.modes.of(entrance),
      factors: this.#factors.at(entrance, this.#options.time()).factors,
      lockProblem: door?.lockProblem ?? null,
      offlineProblem: this.#offlineProblem(entrance),
      interlockedBy: this.#interlocks.heldBy(entrance)?.by ?? null,
      ...state,
    };
  }

  entranceOfReader(reader: string): SiteEntrance | undefined {
    return this.#byReader.get(reader)?.[0]?.entrance;
  }

  /** Before it bites, and once it does. */
  #offlineProblem(entrance: SiteEntrance): string | null {
    const { policy, offlineForMs, clock } = this.#options;
    return entrance.decidedBy === 'gateway'
      ? unheardSays(entrance.offline, policy, offlineForMs(), clock.nowMs())
      : null;
  }

  /** The door follows its mode. */
  #follow(entrance: SiteEntrance, mode: Mode, isNew: boolean): void {
    const door = this.#doors.get(entrance.acsEntranceId);
    if (isNew && (mode === 'unlocked' || mode === 'evacuate')) this.areas.mayHaveLeft(entrance.readers);
    const isCertain = entrance.atStop === 'rest' || !this.modes.isInDoubt(entrance);
    door?.keep(mode === 'unlocked' ? 'free' : mode === 'evacuate' ? 'open' : 'locked', isCertain);
    if (isNew && (mode === 'locked' || mode === 'lockdown')) door?.callBack();
  }

  // ---- at a reader ----

  #letIn(open: readonly Open[], presenceAt: (at: Open) => Presence, also: readonly NewEvent[]): void {
    const [first, ...others] = open.map((one): Opened => ({ presence: presenceAt(one), judged: one.judged }));
    if (first === undefined) return;
    this.#acting.grant([first, ...others], also);
    const { door, event } = first.presence;
    if (first.judged.effects.some(({ kind }) => kind === 'passage')) this.areas.secondCame(door.entrance);
    if (door.entrance.lift !== null) this.#lifts.released(open);
    else if (!door.entrance.exitReaders.includes(event.device)) this.modes.letIn(door.entrance);
  }

  #judge(
    entrance: SiteEntrance,
    { device: reader, presentation }: Presented,
    waiting: WaitingCard | null,
    finger: MatchedFinger | null,
  ): Judgement {
    const cardFormats = this.#options.cardFormatsOf(reader);
    return this.#judging.judge({
      entrance,
      reader,
      asked: askedBy(presentation, cardFormats),
      unproved: this.#unproved(presentation),
      cardFormats,
      time: this.#options.time(),
      isNow: true,
      waiting: waiting?.credential ?? null,
      finger,
      isExplained: false,
    });
  }

  #unproved(presentation: Presentation): Detail | null {
    if (presentation.kind === 'unproved') return presentation.failure;
    if (presentation.kind !== 'mobile_key' || presentation.token === undefined) return null;
    return this.#options.takeToken?.(presentation.token, presentation.key) ?? null;
  }

  /** A card that is let in, where a code of the same person is asked for next. */
  #awaitCode(presence: Presence, judged: Judgement): void {
    const { credential } = judged;
    const { entrance } = presence.door;
    const { device: reader } = presence.event;
    if (credential !== null)
      this.#waiting.hold(reader, { credential, readAs: presence.readAs }, (card) =>
        this.#acting.nothingCame({ entrance, reader }, { ...judged, phone: null }, card.readAs, 'code_required'),
      );
    this.#acting.show(presence, 'prompt_pin');
  }

  /** A card that is let in, where a finger of the same person is asked for next; and then all is judged anew. */
  #awaitFinger(presence: Presence, judged: Judgement, doors: readonly Door[], also: () => readonly NewEvent[]): void {
    const { credential } = judged;
    const { door, event, readAs } = presence;
    const { device: reader } = event;
    if (credential === null || judged.finger !== null) {
      // It was taken back while it lay there, or the card is another person's by now.
      this.#acting.deny(presence, { ...judged, detail: 'biometric_mismatch' }, also());
      return;
    }
    // A reader that reads a card again and again while it lies there asks for one finger.
    if (this.#fingers.isAskedFor(reader, credential)) return;
    this.#acting.show(presence, 'prompt_biometric');
    this.#fingers.ask({ reader, head: event.reader }, credential, (outcome) => {
      const later = { ...event, atMonotonicMs: this.#options.clock.monotonicMs() };
      if (typeof outcome !== 'string') this.#decide(later, doors, outcome.matched);
      else if (outcome === 'nothing')
        this.#acting.nothingCame({ entrance: door.entrance, reader }, judged, readAs, 'biometric_required');
      else {
        const detail = outcome === 'mismatch' ? 'biometric_mismatch' : 'biometric_unavailable';
        this.#acting.deny({ ...presence, event: later }, { ...judged, detail }, also());
      }
    });
  }

  /** Somebody who is let in where two must be. */
  #awaitSecond(presence: Presence, judged: Judgement): void {
    const { entrance } = presence.door;
    const { device: reader } = presence.event;
    const { credential } = judged;
    const acsUserId = credential?.acs_user_id ?? null;
    if (credential !== null && acsUserId !== null)
      this.areas.awaitSecond(entrance, { credential, acsUserId, reader }, () =>
        this.#acting.nothingCame({ entrance, reader }, judged, presence.readAs, 'second_person_required'),
      );
    this.#acting.showWaiting(presence);
  }
}

function byReader(doors: readonly Door[]): Map<string, Door[]> {
  const found = new Map<string, Door[]>();
  for (const door of doors)
    for (const reader of door.entrance.readers) found.set(reader, [...(found.get(reader) ?? []), door]);
  return found;
}

function askedBy(presentation: Presentation, cardFormats: readonly string[]): Asked | null {
  if (presentation.kind === 'digits') return { code: presentation.digits };
  if (presentation.kind === 'mobile_key') return { phone: presentation.key };
  return presentation.kind === 'card' ? { cards: candidates(presentation.reading, cardFormats) } : null;
}

/** Where card and code are asked for, the card was read before. */
function readAsOf(presentation: Presentation, judged: Judgement, waiting: WaitingCard | null): ReadAs | null {
  if (!judged.isLookedUp || judged.method !== 'card') return null;
  return presentation.kind === 'card' ? readAs(presentation.reading, judged.card) : (waiting?.readAs ?? null);
}
