// How one output is switched and read over the wire, by its form: a coil, a command in a register, or a bit of a word
// that several outputs share.

import type { Priority, RequestOptions } from './bus-terms.ts';
import type { Request } from './codec.ts';
import type { Profile } from './profile-schema.ts';
import type { Area } from './schema-parts.ts';
import type { Result, Talk } from './talk.ts';

export type OutputSpec = Profile['outputs'][number];
type BitOutput = Extract<OutputSpec, { kind: 'bit' }>;

/** The last value of a word that several bit outputs share; null until it has been read. */
export type SharedWord = { value: number | null };

/** Where the state of an output stands; null: it cannot be read. */
export type StatePlace = { area: Area; at: number; count: number };

export function statePlace(spec: OutputSpec, functions: readonly number[]): StatePlace | null {
  const knows = (place: StatePlace, fc: number): StatePlace | null => (functions.includes(fc) ? place : null);
  if (spec.kind === 'coil') return spec.state ? knows({ area: 'coil', at: spec.at, count: 1 }, 1) : null;
  if (spec.kind === 'bit') return knows({ area: 'holding', at: spec.at, count: spec.registers }, 3);
  const { state } = spec;
  return state === undefined
    ? null
    : knows({ area: state.area, at: state.at, count: 1 }, state.area === 'input' ? 4 : 3);
}

/** What these values of its place say. */
export function isEnergised(spec: OutputSpec, values: readonly number[]): boolean {
  const [value = 0] = values;
  if (spec.kind === 'coil') return value !== 0;
  if (spec.kind === 'bit') return Math.floor(toWord(values, spec.words) / 2 ** spec.bit) % 2 === 1;
  return spec.state !== undefined && (value & spec.state.mask) === spec.state.on;
}

export class OutputWire {
  readonly #spec: OutputSpec;
  readonly #talk: Talk;
  readonly #words: Map<number, SharedWord>;

  constructor(spec: OutputSpec, talk: Talk, words: Map<number, SharedWord>) {
    this.#spec = spec;
    this.#talk = talk;
    this.#words = words;
  }

  async switch(energised: boolean, options: RequestOptions): Promise<Result<null>> {
    const spec = this.#spec;
    if (spec.kind === 'coil') return await this.#talk.writeCoil(spec.at, energised, options);
    if (spec.kind === 'register')
      return await this.#talk.writeRegisters(spec.at, [energised ? spec.on : spec.off], options);
    return await this.#switchBit(spec, energised, options);
  }

  /** Whether it is energised; null when the device does not tell, or not now. */
  async read(): Promise<boolean | null> {
    const place = statePlace(this.#spec, this.#talk.functions);
    if (place === null) return null;
    const priority: Priority = 'input';
    const result = await this.#talk.read(place.area, place.at, place.count, priority);
    return result.ok ? isEnergised(this.#spec, result.value) : null;
  }

  /** Somebody else may have written the word since. */
  forgetWord(): void {
    if (this.#spec.kind === 'bit') this.#word().value = null;
  }

  async #switchBit(spec: BitOutput, energised: boolean, options: RequestOptions): Promise<Result<null>> {
    const talk = this.#talk;
    const mask = 2 ** spec.bit;
    if (spec.registers === 1 && talk.knows(22)) {
      const request: Request = { fc: 22, address: spec.at, andMask: 0xffff & ~mask, orMask: energised ? mask : 0 };
      return await talk.write(request, options);
    }
    const shared = this.#word();
    if (shared.value === null) {
      const read = await talk.readRegisters('holding', spec.at, spec.registers, options.priority);
      if (!read.ok) return read;
      shared.value = toWord(read.value, spec.words);
    }
    const before = shared.value;
    const bitIsSet = Math.floor(before / mask) % 2 === 1;
    shared.value = before + (energised === bitIsSet ? 0 : energised ? mask : -mask);
    return await talk.writeRegisters(spec.at, fromWord(shared.value, spec), options);
  }

  #word(): SharedWord {
    const found = this.#words.get(this.#spec.at);
    if (found !== undefined) return found;
    const fresh: SharedWord = { value: null };
    this.#words.set(this.#spec.at, fresh);
    return fresh;
  }
}

const toWord = (registers: readonly number[], words: 'hi-lo' | 'lo-hi' | undefined): number => {
  const [high = 0, low] = words === 'lo-hi' ? [...registers].reverse() : registers;
  return low === undefined ? high : high * 0x10000 + low;
};

function fromWord(value: number, spec: BitOutput): number[] {
  if (spec.registers === 1) return [value];
  const registers = [Math.floor(value / 0x10000), value % 0x10000];
  return spec.words === 'lo-hi' ? registers.reverse() : registers;
}

export function pulseRequest(pulse: NonNullable<OutputSpec['pulse']>, durationMs: number): Request {
  const value = pulse.base + Math.ceil(durationMs / pulse.unit);
  return pulse.area === 'coil' ? { fc: 5, address: pulse.at, value } : { fc: 6, address: pulse.at, value };
}
