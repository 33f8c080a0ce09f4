// What hangs on the walls of the world of a seed: readers, a board of relays and inputs, and a panel with a table of its
// own. They stay when the agent goes; a driver of this world only lends them to it.

import { z } from 'zod';
import { newCounters } from '../../../drivers/kit/counters.ts';
import type { DriverModule } from '../../../src/domain/driver-module.ts';
import type { Capabilities, Clock, Device, Driver, DriverEvent, Feedback, OutputOutcome, Presentation, SlotDevice } from '../../../src/domain/ports.ts'; // prettier-ignore
import { foreignRecord, MemoryDevice } from '../../support/memory-device.ts';
import type { VirtualTime } from '../../support/virtual-time.ts';
import type { Chance } from './chance.ts';

export const READERS = ['front', 'front-out', 'lab', 'lab-out', 'vault'] as const;
export type ReaderName = (typeof READERS)[number];
export const BOARD = 'board';
export const PANEL = 'panel';
const OUTPUTS = 3;
const PANEL_SLOTS = 40;

export type Pulse = { output: number; atMs: number; durationMs: number };

const NONE: Capabilities = {
  slots: null,
  readers: [],
  outputs: [],
  inputs: [],
  doors: [],
  clock: false,
  events: false,
};
const FEEDBACK: readonly Feedback[] = ['ready', 'prompt_pin', 'granted', 'denied', 'locked_out'];

export class Hardware {
  readonly #time: VirtualTime;
  readonly #chance: Chance;
  readonly pulses: Pulse[] = [];
  readonly shown: { reader: string; signal: Feedback }[] = [];
  readonly panel: MemoryDevice;
  /** Who is somebody else's, by slot, as it must stay. */
  readonly foreign = new Map<number, Buffer>();
  readonly #away = new Set<string>();
  readonly #inputs = new Map<number, boolean>();
  /** A request that the board carries out is not always answered. */
  lostAnswers = 0;
  #emit: ((event: DriverEvent) => void) | null = null;

  constructor(time: VirtualTime, chance: Chance) {
    this.#time = time;
    this.#chance = chance;
    this.panel = new MemoryDevice({
      name: PANEL,
      slots: { count: PANEL_SLOTS, slotsPerWrite: chance.of([1, 4]), windows: chance.of(['none', 'from-until']), readBack: chance.of(['full', 'masked']) },
    }); // prettier-ignore
    this.panel.beforeEach = () => new Promise((resolve) => void time.at(time.nowMs + chance.whole(2, 30), resolve));
    for (const slot of [3, 7, 11]) {
      const record = foreignRecord(`guest ${slot}`);
      this.foreign.set(slot, record);
      this.panel.table.set(slot, Buffer.from(record));
    }
  }

  isAway(name: string): boolean {
    return this.#away.has(name);
  }

  /** A device goes away, or is there again. */
  setAway(name: string, isAway: boolean): void {
    if (this.#away.has(name) === isAway) return;
    if (isAway) this.#away.add(name);
    else this.#away.delete(name);
    if (name === PANEL) {
      this.panel.isOnline = !isAway;
      if (isAway) this.panel.hangUp();
    }
    if (isAway) this.#emit?.({ type: 'offline', device: name, reason: 'its cable is cut' });
    else this.#online(name);
  }

  #online(name: string): void {
    this.#emit?.({ type: 'online', device: name });
    if (name === BOARD) for (const input of [0, 1, 2]) this.#tell(input, null);
  }

  /** The panel loses its table, and says so where it is heard. */
  forget(isForeignKept: boolean): void {
    this.panel.table.clear();
    if (isForeignKept) for (const [slot, record] of this.foreign) this.panel.table.set(slot, Buffer.from(record));
    else this.foreign.clear();
    if (!this.#away.has(PANEL)) this.#emit?.({ type: 'restarted', device: PANEL });
  }

  present(reader: ReaderName, presentation: Presentation): boolean {
    if (this.#emit === null || this.#away.has(reader)) return false;
    this.#emit({ type: 'presented', device: reader, reader: 0, presentation, atMonotonicMs: this.#time.nowMs });
    return true;
  }

  /** The contact of a door; it is told where somebody listens. */
  contact(input: number, isOpen: boolean): boolean {
    this.#inputs.set(input, isOpen);
    if (this.#away.has(BOARD) || this.#emit === null) return false;
    this.#tell(input, this.#time.nowMs);
    return true;
  }

  #tell(input: number, changedAfterMonotonicMs: number | null): void {
    const atMonotonicMs = this.#time.nowMs;
    this.#emit?.({ type: 'input', device: BOARD, input, active: this.#inputs.get(input) === true, atMonotonicMs, changedAfterMonotonicMs }); // prettier-ignore
  }

  /** For one process of the agent; `isAlive`: it is not dead. */
  module(isAlive: () => boolean): DriverModule {
    const capabilitiesOf = (name: string): Capabilities => {
      if (name === PANEL) return this.panel.capabilities;
      if (name !== BOARD)
        return { ...NONE, readers: [{ keypad: true, card: true, feedback: FEEDBACK, showsLook: false }] };
      return {
        ...NONE,
        outputs: Array.from({ length: OUTPUTS }, () => ({ devicePulse: true, pulseMinMs: 100, pulseMaxMs: 60_000, readBack: true })),
        inputs: Array.from({ length: OUTPUTS }, () => ({ latched: false })),
      }; // prettier-ignore
    };
    return {
      name: 'seeded',
      busSchema: z.strictObject({}),
      controllerSchema: z.strictObject({}),
      prepare: (name, _bus, config) => ({
        problems: [],
        controller: { name, config, capabilities: capabilitiesOf(name), prepared: null },
      }),
      checkBus: () => [],
      create: (bus, _config, controllers, context): Driver => {
        const { clock } = context;
        const devices = new Map(controllers.map(({ name }) => [name, this.#device(name, capabilitiesOf(name), clock, isAlive)])); // prettier-ignore
        const heard = (event: DriverEvent): void => {
          if (isAlive()) context.emit(event);
        };
        return {
          bus,
          devices,
          start: () => {
            this.#emit = heard;
            clock.immediate(() => {
              for (const name of devices.keys()) if (!this.#away.has(name)) this.#online(name);
            });
          },
          rest: () => Promise.resolve(),
          stop: () => {
            if (this.#emit === heard) this.#emit = null;
            return Promise.resolve();
          },
        };
      },
    };
  }

  /** The process is dead: nobody listens any more, and what it had asked for goes on at the devices. */
  deaf(): void {
    this.#emit = null;
    this.panel.hangUp();
  }

  #device(name: string, capabilities: Capabilities, clock: Clock, isAlive: () => boolean): Device {
    const sinceMs = clock.nowMs();
    const base = {
      name,
      capabilities,
      status: () => ({ online: !this.#away.has(name), sinceMs, identity: `${name} 1`, problem: null, counters: newCounters() }),
      slots: null, outputs: null, readers: null, clock: null, events: null,
    }; // prettier-ignore
    if (name === PANEL) return { ...base, slots: whileAlive(this.panel.slots, isAlive) };
    if (name !== BOARD)
      return {
        ...base,
        readers: {
          feedback: (_reader, signal) => {
            if (isAlive()) this.shown.push({ reader: name, signal });
          },
        },
      };
    return {
      ...base,
      outputs: {
        pulse: (output, durationMs, _notAfter, onSent) => this.#pulse({ output, atMs: this.#time.nowMs, durationMs }, isAlive, onSent), // prettier-ignore
        set: () => Promise.resolve({ outcome: 'done', confirmed: true }),
      },
    };
  }

  #pulse(pulse: Pulse, isAlive: () => boolean, onSent?: () => void): Promise<OutputOutcome> {
    if (!isAlive()) return new Promise(() => undefined);
    if (this.#away.has(BOARD))
      return Promise.resolve({ outcome: 'failed', error: 'controller_offline', message: `${BOARD} does not answer` });
    this.pulses.push(pulse);
    onSent?.();
    const isLost = this.#chance.is(this.lostAnswers);
    return new Promise((resolve) => {
      this.#time.at(this.#time.nowMs + this.#chance.whole(2, 30), () =>
        resolve(isLost ? { outcome: 'failed', error: 'timed_out', message: 'no answer' } : { outcome: 'done', confirmed: true }),
      );
    }); // prettier-ignore
  }
}

/** Whoever asked and died gets no answer, and asks for nothing more. */
function whileAlive(device: SlotDevice, isAlive: () => boolean): SlotDevice {
  const never = <T>(): Promise<T> => new Promise(() => undefined);
  const heard = async <T>(ask: () => Promise<T>): Promise<T> => {
    if (!isAlive()) return await never();
    try {
      const answer = await ask();
      return isAlive() ? answer : await never();
    } catch (error) {
      if (isAlive()) throw error;
      return await never();
    }
  };
  return {
    image: (slot, content) => device.image(slot, content),
    read: async (slots) => await heard(() => device.read(slots)),
    write: async (writes) => await heard(() => device.write(writes)),
    erase: async (slots) => await heard(() => device.erase(slots)),
  };
}
