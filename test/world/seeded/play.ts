// One seed: a building is drawn, then commands, presentations and faults as they come, and after each step what the
// doors, the panel, the broker and the log show is compared with the plain model. In the end the faults end, and
// everything must come to what was commanded.

import { VirtualTime } from '../../support/virtual-time.ts';
import { SeededBroker, type Published } from './broker.ts';
import { cardOf, GROUPS, presentationOf } from './cast.ts';
import { Chance } from './chance.ts';
import { FACILITY, OUTPUT_OF, type EntranceName } from './facility.ts';
import { Gateway } from './gateway.ts';
import { BOARD, Hardware, PANEL, READERS } from './hardware.ts';
import { judge, type Judged } from './judge.ts';
import { Model, type Answer, type Holding } from './model.ts';
import { NOTHING, Wrong, type Played } from './played.ts';
import { Tower } from './tower.ts';

const BEGINNING_MS = Date.parse('2026-03-02T09:00:00Z');
const STEPS = 80;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** A device that came back, or a process that started, is looked at before it counts. */
const SETTLED_MS = 3_000;
/** So long after the last fault everything is as it was commanded. */
const HEALED_MS = 15 * MINUTE_MS;
const KEYPAD_FORGETS_MS = 30 * MINUTE_MS;

export type PlayOptions = {
  tell?: (line: string) => void;
  /** Spoils something before all is judged, to see that it is noticed. */
  meddle?: (parts: Judged) => void;
};

export async function play(seed: number, { tell = () => undefined, meddle }: PlayOptions = {}): Promise<Played> {
  const world = new World(seed, tell, meddle);
  try {
    return await world.play();
  } finally {
    await world.end();
  }
}

type Fault = { weight: number; name: string; run: () => Promise<void> | void };

class World {
  readonly #chance: Chance;
  readonly #time = new VirtualTime();
  readonly #hardware: Hardware;
  readonly #broker: SeededBroker;
  readonly #gateway: Gateway;
  readonly #model = new Model(GROUPS);
  readonly #tell: (line: string) => void;
  readonly #played: Played = structuredClone(NOTHING);
  readonly #meddle: PlayOptions['meddle'];
  readonly #events = new Map<number, string>();
  readonly #errors: string[] = [];
  readonly #faults: readonly Fault[];
  readonly #tower: Tower;
  #settledAt = 0;
  #keypadQuietFrom = 0;
  #isFull = false;
  #isClockDoubtful = false;
  /** How many pulses of the vault were of presentations. */
  #vaultGrants = 0;

  constructor(seed: number, tell: (line: string) => void, meddle: PlayOptions['meddle']) {
    this.#meddle = meddle;
    this.#chance = new Chance(seed);
    this.#tell = tell;
    this.#hardware = new Hardware(this.#time, this.#chance.fork());
    this.#broker = new SeededBroker(this.#time, this.#chance.fork());
    this.#broker.onReply = (commandId, json) => this.#tower.replied(commandId, json);
    this.#broker.onEvent = (event) => this.#heard(event);
    this.#gateway = new Gateway(
      {
        time: this.#time,
        chance: this.#chance.fork(),
        hardware: this.#hardware,
        broker: this.#broker,
        facilityText: FACILITY,
        said: (level, message, fields) => this.#said(level, message, fields),
      },
      BEGINNING_MS,
    );
    this.#faults = this.#drawFaults();
    this.#tower = new Tower({
      model: this.#model,
      chance: this.#chance,
      broker: this.#broker,
      nowMs: () => this.#gateway.nowMs(),
      tell: (line) => this.#tell(`${this.#stamp()} ${line}`),
      pass: (ms) => this.#pass(ms),
      isStored: (id) => this.#gateway.agent?.store?.journal.get(id) !== undefined,
    });
  }

  async end(): Promise<void> {
    await this.#gateway.end();
  }

  async play(): Promise<Played> {
    await this.#start();
    await this.#tower.settleIn();
    for (let step = 0; step < STEPS; step++) {
      this.#played.steps += 1;
      await this.#step();
      this.#look();
    }
    await this.#heal();
    const parts = {
      gateway: this.#gateway,
      hardware: this.#hardware,
      events: this.#events,
      model: this.#model,
      isClockDoubtful: this.#isClockDoubtful,
    };
    this.#meddle?.(parts);
    this.#look();
    judge(parts);
    return { ...this.#played, commands: this.#tower.commands, events: this.#events.size, virtualMs: this.#time.nowMs };
  }

  // ---- time and processes -------------------------------------------------------------------------------------------

  get #nowMs(): number {
    return this.#gateway.nowMs();
  }

  async #pass(ms: number): Promise<void> {
    await this.#time.passUntil(this.#time.nowMs + ms);
    if (!this.#gateway.isAlive) this.#gateway.clear();
  }

  async #start(): Promise<void> {
    if (this.#gateway.isAlive) return;
    this.#gateway.clear();
    await this.#gateway.start();
    if (this.#gateway.agent?.refusal != null)
      throw new Wrong(`the database is refused: ${this.#gateway.agent.refusal}`);
    this.#isFull = false;
    // What a full disk had no room for was in force, and ended with the process; the reply said so.
    if (!this.#model.isModeKept) this.#model.isModeCertain = false;
    this.#settle();
  }

  #settle(): void {
    this.#settledAt = this.#time.nowMs + SETTLED_MS;
  }

  // ---- people at the doors ------------------------------------------------------------------------------------------

  async #present(): Promise<void> {
    const { holdings } = this.#model;
    const reader = this.#chance.of(READERS);
    const entrance = reader.replace(/-out$/, '') as EntranceName;
    const isExit = reader !== entrance;
    const among = [...holdings.values()].filter(({ kind }) => kind === 'card' || entrance === 'front');
    if (among.length === 0) return;
    const opening = among.filter((one) => this.#model.opens(one, entrance, isExit, this.#nowMs) === 'yes');
    const holding = this.#chance.of(opening.length > 0 && this.#chance.is(0.6) ? opening : among);
    if (entrance === 'vault') {
      await this.#presentBoth(holding);
      return;
    }
    // Whoever is let in as one of several, or by a card that was given out again, is asked about by what it is.
    const expected = this.#expected(holding, entrance, isExit);
    const output = OUTPUT_OF[entrance] ?? 0;
    const before = this.#pulsesOf(output);
    const wasTold = this.#hardware.present(reader, presentationOf(holding));
    if (!wasTold) return;
    await this.#pass(100);
    const granted = this.#pulsesOf(output) > before;
    this.#compare(holding, reader, expected, granted);
    if (this.#pulsesOf(output) > before + 1) throw new Wrong(`${reader} is released twice for one presentation`);
    if (granted) await this.#goThrough(holding, entrance, isExit);
    else this.#noteUse(holding, expected);
  }

  async #presentBoth(holding: Holding): Promise<void> {
    const codes = [...this.#model.holdings.values()].filter(
      ({ kind, person }) => kind === 'code' && person === holding.person,
    );
    if (holding.kind !== 'card' || codes.length === 0) return;
    const code = this.#chance.of(codes);
    const [first, second] = [this.#expected(holding, 'vault', false), this.#expected(code, 'vault', false)];
    const expected: Answer =
      first === 'no' || second === 'no' ? 'no' : first === 'yes' && second === 'yes' ? 'yes' : 'unsure';
    const before = this.#pulsesOf(2);
    const unlocking = this.#isUnlockUnderWay();
    if (!this.#hardware.present('vault', presentationOf(holding))) return;
    await this.#pass(1_000);
    if (this.#gateway.isAlive) this.#hardware.present('vault', presentationOf(code));
    await this.#pass(100);
    if (unlocking || this.#isUnlockUnderWay()) {
      for (const one of [holding, code]) if (one.isOneTime) one.isUsed = 'unsure';
      this.#vaultGrants += 1;
      return;
    }
    const granted = this.#pulsesOf(2) > before;
    this.#compare(holding, 'vault', expected, granted);
    if (granted) this.#vaultGrants += 1;
    for (const one of [holding, code]) {
      if (!granted) this.#noteUse(one, expected);
      else if (one.isOneTime) one.isUsed = true;
    }
  }

  /** No strike moved. What opens once is used up before one is told to, which then may be away, or never hear of it. */
  #noteUse(holding: Holding, expected: Answer): void {
    const isKnown = expected === 'no' || (expected === 'yes' && this.#gateway.isAlive);
    if (holding.isOneTime && !isKnown) holding.isUsed = 'unsure';
  }

  #isUnlockUnderWay(): boolean {
    return [...this.#model.pending.values()].some(({ name }) => name === 'entrances/unlock');
  }

  #expected(holding: Holding, entrance: EntranceName, isExit: boolean): Answer {
    const answer = this.#model.opens(holding, entrance, isExit, this.#nowMs);
    // What is revoked opens nothing, however bad the day is.
    if (answer === 'no') return this.#isClockDoubtful && this.#isOnlyTime(holding, entrance) ? 'unsure' : 'no';
    if (!this.#gateway.isAlive || this.#hardware.isAway(BOARD) || this.#time.nowMs < this.#settledAt) return 'unsure';
    if (this.#isFull || (this.#isClockDoubtful && (holding.startsAtMs ?? holding.endsAtMs) !== null)) return 'unsure';
    return holding.kind === 'code' && this.#time.nowMs < this.#keypadQuietFrom ? 'unsure' : answer;
  }

  /** It is denied for its window alone, of which a clock in doubt may say otherwise. */
  #isOnlyTime(holding: Holding, entrance: EntranceName): boolean {
    return this.#model.isValid({ ...holding, startsAtMs: null, endsAtMs: null }, entrance, this.#nowMs) !== 'no';
  }

  #compare(holding: Holding, reader: string, expected: Answer, granted: boolean): void {
    const isDead = !this.#gateway.isAlive;
    this.#tell(`${this.#stamp()} ${holding.person}'s ${holding.kind} ${holding.id} at ${reader}: ${granted ? 'granted' : 'denied'}, expected ${expected}${isDead ? ', the gateway is dead' : ''}`); // prettier-ignore
    this.#played.presented[expected === 'unsure' ? 'unsure' : granted ? 'granted' : 'denied'] += 1;
    if (!granted && holding.kind === 'code') this.#keypadQuietFrom = this.#time.nowMs + KEYPAD_FORGETS_MS;
    if (granted && expected === 'no') throw new Wrong(`${reader} opens for the ${holding.kind} ${holding.id} of ${holding.person}, which must be denied`); // prettier-ignore
    if (!granted && expected === 'yes' && !isDead) throw new Wrong(`${reader} denies the ${holding.kind} ${holding.id} of ${holding.person}, which must be granted`); // prettier-ignore
  }

  async #goThrough(holding: Holding, entrance: EntranceName, isExit: boolean): Promise<void> {
    if (holding.isOneTime) holding.isUsed = true;
    if (entrance !== 'lab') return;
    const { inLab } = this.#model;
    inLab.set(holding.person, 'unsure');
    if (!this.#chance.is(0.8)) return;
    await this.#pass(this.#chance.whole(300, 1_500));
    const wasSeen = this.#gateway.isAlive && this.#hardware.contact(1, true) && !this.#isFull;
    await this.#pass(this.#chance.whole(500, 2_000));
    this.#hardware.contact(1, false);
    await this.#pass(1_000);
    if (!wasSeen || this.#isUnseen()) return;
    if (isExit) inLab.delete(holding.person);
    else inLab.set(holding.person, 'in');
  }

  /** Nobody looks at the contacts. */
  #isUnseen(): boolean {
    return !this.#gateway.isAlive || this.#hardware.isAway(BOARD);
  }

  #pulsesOf(output: number): number {
    return this.#hardware.pulses.filter((one) => one.output === output).length;
  }

  // ---- bad days -----------------------------------------------------------------------------------------------------

  async #step(): Promise<void> {
    await this.#chance.weighed<() => Promise<void> | void>([
      [45, () => this.#present()],
      [25, () => this.#tower.change()],
      [10, () => this.#pass(this.#chance.whole(1, 120) * 1000)],
      [30, () => this.#fault()],
    ])(); // prettier-ignore
    // So that nobody stands at a reader faster than people do.
    await this.#pass(this.#chance.whole(2_000, 12_000));
    if (!this.#gateway.isAlive && this.#chance.is(0.8)) await this.#start();
  }

  /** Not every bad day has everything: what is left out lets what is left go further. */
  #drawFaults(): Fault[] {
    const all: (Fault & { isIn: number })[] = [
      { weight: 4, isIn: 0.7, name: 'broker', run: () => void (this.#broker.isUp = !this.#broker.isUp) },
      { weight: 4, isIn: 0.7, name: 'device', run: () => this.#device() },
      { weight: 3, isIn: 0.7, name: 'kill', run: () => this.#kill() },
      { weight: 3, isIn: 0.7, name: 'cut', run: () => void (this.#gateway.isCutArmed = this.#gateway.isAlive) },
      { weight: 1, isIn: 0.5, name: 'stop', run: () => this.#stopInOrder() },
      { weight: 2, isIn: 0.4, name: 'full', run: () => this.#fill() },
      { weight: 3, isIn: 0.7, name: 'panel', run: () => this.#panel() },
      { weight: 2, isIn: 0.2, name: 'leap', run: () => this.#leap() },
      { weight: 2, isIn: 0.4, name: 'lost answers', run: () => void (this.#hardware.lostAnswers = this.#hardware.lostAnswers > 0 ? 0 : 0.3) },
      { weight: 2, isIn: 0.4, name: 'flood', run: () => this.#flood() },
      { weight: 2, isIn: 0.6, name: 'doubles', run: () => void Object.assign(this.#broker, { doubles: this.#chance.of([0, 0.05, 0.5]), overtakes: this.#chance.of([0, 0.05, 0.3]) }) },
    ]; // prettier-ignore
    const drawn = all.filter(({ isIn }) => this.#chance.is(isIn));
    return drawn.length === 0 ? all.slice(0, 1) : drawn;
  }

  async #fault(): Promise<void> {
    const { name, run } = this.#chance.weighed(this.#faults.map((fault) => [fault.weight, fault] as const));
    this.#played.faults = { ...this.#played.faults, [name]: (this.#played.faults[name] ?? 0) + 1 };
    this.#tell(`${this.#stamp()} fault: ${name}`);
    await run();
  }

  #device(): void {
    const name = this.#chance.of([BOARD, PANEL, ...READERS]);
    const isAway = !this.#hardware.isAway(name);
    this.#tell(`${this.#stamp()} ${name} ${isAway ? 'goes away' : 'is there again'}`);
    this.#hardware.setAway(name, isAway);
    this.#settle();
    if (name === BOARD || name.startsWith('lab')) this.#model.loseSight();
  }

  #kill(): void {
    if (!this.#gateway.isAlive) return;
    this.#gateway.kill();
  }

  async #stopInOrder(): Promise<void> {
    if (!this.#gateway.isAlive) return;
    await this.#gateway.stop();
    this.#gateway.clear();
  }

  #fill(): void {
    if (!this.#gateway.isAlive) return;
    this.#isFull = !this.#isFull;
    this.#gateway.fill(this.#isFull);
    if (!this.#isFull) this.#settle();
  }

  #panel(): void {
    const { panel } = this.#hardware;
    this.#chance.weighed<() => void>([
      [3, () => this.#hardware.forget(true)],
      [2, () => void (panel.faults.isSilent = !panel.faults.isSilent)],
      [2, () => void (panel.faults.isAnswerLost = !panel.faults.isAnswerLost)],
      [2, () => void (panel.faults.cutAfter = this.#chance.whole(0, 3))],
      [1, () => void (panel.faults.isForgetful = !panel.faults.isForgetful)],
    ])(); // prettier-ignore
  }

  /** Somebody sets the clock. */
  #leap(): void {
    this.#gateway.wallMs += this.#chance.of([-10 * MINUTE_MS, -1_000, 1_000, 2 * HOUR_MS]);
    this.#isClockDoubtful = true;
  }

  /** Cards that nobody has, faster than people. */
  async #flood(): Promise<void> {
    const reader = this.#chance.of(READERS);
    for (let i = 0; i < 40; i++) {
      this.#hardware.present(reader, cardOf(String(40_000 + i)));
      await this.#pass(20);
    }
    await this.#pass(10_000);
    this.#settle();
  }

  // ---- what must be true --------------------------------------------------------------------------------------------

  #said(level: 'warn' | 'error', message: string, fields: unknown): void {
    this.#tell(`${this.#stamp()} ${level}: ${message} ${JSON.stringify(fields ?? {})}`);
    if (/mistake of ours/.test(message)) this.#errors.push(message);
  }

  #heard({ sequence, eventType, json }: Published): void {
    const before = this.#events.get(sequence);
    if (before !== undefined && before !== json)
      throw new Wrong(`event ${sequence} was delivered twice, and not the same`);
    this.#events.set(sequence, json);
    this.#tell(`${this.#stamp()} event ${sequence} ${eventType} ${json.slice(0, 400)}`);
  }

  #look(): void {
    const [error] = this.#errors;
    if (error !== undefined) throw new Wrong(error);
    for (const [slot, record] of this.#hardware.foreign) {
      const now = this.#hardware.panel.table.get(slot);
      if (now?.equals(record) !== true)
        throw new Wrong(`the foreign record in slot ${slot} was touched: ${now?.toString() ?? 'empty'}`);
    }
    const most = this.#vaultGrants + this.#tower.unlocks;
    if (this.#pulsesOf(2) > most)
      throw new Wrong(`the vault was released ${this.#pulsesOf(2)} times, for ${most} reasons`);
  }

  async #heal(): Promise<void> {
    this.#tell(`${this.#stamp()} faults end`);
    this.#gateway.isCutArmed = false;
    this.#hardware.lostAnswers = 0;
    this.#hardware.panel.heal();
    for (const name of [BOARD, PANEL, ...READERS]) this.#hardware.setAway(name, false);
    this.#hardware.panel.isOnline = true;
    this.#broker.isUp = true;
    if (this.#isFull) this.#fill();
    await this.#start();
    for (let i = 0; i < HEALED_MS / MINUTE_MS; i++) {
      await this.#pass(MINUTE_MS);
      if (i === 1) this.#tower.sendAgain();
    }
    this.#look();
  }

  #stamp(): string {
    return `${(this.#time.nowMs / 1000).toFixed(2).padStart(9)} s`;
  }
}
