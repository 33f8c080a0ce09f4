// Who stands at the doors of the building whose agent is killed: at each reader one card after the other, and after each
// it is looked whether the door did what the model says. A presentation during which the process is killed may come to
// nothing; it must never open for who may not.

import type { Chance } from '../../world/seeded/chance.ts';
import type { Gateway } from './gateway.ts';
import { thing, Wrong, type Model } from './model.ts';
import { cardNumber, DOOR_NAMES, DOORS, GATE_OUTPUT, type DoorName, type Place } from './place.ts';
import type { Heard, Tower } from './tower.ts';

/** So long nothing of it is heard: then nobody knows, or the door is dead. */
const OUTCOME_MS = 15_000;
/** Where no event can come, and the door must stay shut. */
const QUIET_MS = 250;
/** A line that was cut is there again after this. */
const MENDED_MS = 10_000;
/** Numbers of cards that nobody ever has. */
const STRANGERS = 5;

type Shown = {
  door: DoorName;
  card: number;
  life: number;
  /** Whether it may open, at any instant since it was shown. */
  mayOpen: boolean;
  /** Whether that it may was certain all the time. */
  mustOpen: boolean;
  atMs: number;
  pulses: number;
  event: 'unlocked' | 'denied' | 'failed' | null;
};

export class People {
  readonly #place: Place;
  readonly #gateway: Gateway;
  readonly #tower: Tower;
  readonly #model: Model;
  readonly #chance: Chance;
  readonly #shown = new Map<DoorName, Shown>();
  #life = 0;
  #faultMs = -Infinity;
  /** Pulses of the gate, which only commands open. */
  gatePulses = 0;
  readonly counts = { granted: 0, denied: 0, unknown: 0 };

  constructor(place: Place, gateway: Gateway, tower: Tower, chance: Chance) {
    this.#place = place;
    this.#gateway = gateway;
    this.#tower = tower;
    this.#model = tower.model;
    this.#chance = chance;
    tower.onEvent((event) => this.#heard(event));
    tower.model.onTouch(() => this.#ask());
  }

  /** The process is about to be killed: what is under way may come to nothing. */
  killed(): void {
    this.#life += 1;
  }

  /** A line is cut, or back: for a while a door may fail. */
  disturbed(): void {
    this.#faultMs = performance.now();
  }

  /** To be called every few milliseconds: sees every relay that goes on. */
  look(): void {
    for (const output of this.#place.takePulses()) {
      if (output === GATE_OUTPUT) this.#gate();
      const door = DOOR_NAMES.find((name) => DOORS[name] === output);
      if (door !== undefined) this.#pulsed(door);
    }
  }

  /** Whatever changes while somebody is at a door may change the answer. */
  #ask(): void {
    for (const shown of this.#shown.values()) {
      const expected = this.#model.opens(shown.card, shown.door);
      shown.mayOpen ||= expected !== 'no';
      shown.mustOpen &&= expected === 'yes';
    }
  }

  #gate(): void {
    this.gatePulses += 1;
    if (this.gatePulses > this.#tower.unlocks) throw new Wrong(`the gate opened ${this.gatePulses} times, and was told to ${this.#tower.unlocks} times`); // prettier-ignore
  }

  #pulsed(door: DoorName): void {
    const shown = this.#shown.get(door);
    if (shown === undefined) throw new Wrong(`the ${door} opened, and nobody had been there`);
    shown.pulses += 1;
    if (shown.pulses > 1) throw new Wrong(`the ${door} opened twice for card ${shown.card}`);
    const holding = this.#model.holdings.get(thing({ number: shown.card }));
    if (!shown.mayOpen) throw new Wrong(`the ${door} opened for card ${shown.card}, which may not: ${JSON.stringify(holding ?? 'nobody has it')}`); // prettier-ignore
    if (holding?.kind === 'card' && holding.isOneTime) holding.isUsed = true;
  }

  #heard(event: Heard): void {
    const door = DOOR_NAMES.find((name) => event['reader'] === `${name}-reader`);
    const shown = door === undefined ? undefined : this.#shown.get(door);
    if (shown === undefined || event['acs_entrance_id'] === undefined) return;
    const what = { 'lock.unlocked': 'unlocked', 'lock.access_denied': 'denied', 'acs_entrance.unlock_failed': 'failed' } as const; // prettier-ignore
    const kind = Object.entries(what).find(([type]) => type === event.event_type)?.[1];
    // One that comes late, after a restart, is of an earlier one.
    if (kind !== undefined && Date.parse(String(event['occurred_at'])) >= shown.atMs) shown.event = kind;
  }

  /** One after the other at this door until `isOver`. */
  async queue(door: DoorName, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.#pause(this.#chance.whole(5, 60));
      if (this.#gateway.isServing && !this.#place.isOn(DOORS[door])) await this.#show(door);
    }
  }

  async #show(door: DoorName): Promise<void> {
    const cards = [...this.#model.holdings.values()].flatMap((one) => (one.kind === 'card' ? [one.number] : []));
    const card = this.#chance.is(0.75) && cards.length > 0 ? this.#chance.of(cards) : 1000 + this.#chance.whole(0, 59 + STRANGERS); // prettier-ignore
    if (card === this.#shown.get(door)?.card) return;
    const expected = this.#model.opens(card, door);
    const shown: Shown = {
      ...{ door, card, life: this.#life, atMs: Date.now(), pulses: 0, event: null },
      ...{ mayOpen: expected !== 'no', mustOpen: expected === 'yes' },
    };
    this.#shown.set(door, shown);
    const isHeard = await this.#place.present(door, card);
    if (!isHeard) return;
    const begunMs = performance.now();
    const lasted = (): number => performance.now() - begunMs;
    const isDone = (): boolean =>
      shown.pulses > 0 ||
      (shown.event !== null && shown.event !== 'unlocked') ||
      this.#life !== shown.life ||
      lasted() > OUTCOME_MS ||
      (!shown.mayOpen && lasted() > QUIET_MS && !this.#tower.isConnected);
    while (!isDone()) await this.#pause(5);
    this.#judge(shown);
    // The line brings what is under way before anybody else is there.
    if (this.#life !== shown.life) await this.#pause(50);
  }

  #judge({ door, card, life, pulses, event, mayOpen, mustOpen }: Shown): void {
    const isQuiet = this.#life === life && performance.now() - this.#faultMs > MENDED_MS && this.#gateway.ageMs > MENDED_MS; // prettier-ignore
    const holding = this.#model.holdings.get(thing({ number: card }));
    if (pulses > 0) this.counts.granted += 1;
    else if (event === 'denied') {
      if (mustOpen) throw new Wrong(`the ${door} stays shut for ${cardNumber(card)}, which may open it: ${JSON.stringify(holding)}`); // prettier-ignore
      this.counts.denied += 1;
    } else {
      if (mustOpen && isQuiet) throw new Wrong(`the ${door} does nothing for ${cardNumber(card)}, which may open it`);
      if (mayOpen && holding?.kind === 'card' && holding.isOneTime && holding.isUsed === false)
        holding.isUsed = 'unsure';
      this.counts.unknown += 1;
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms));
  }
}
