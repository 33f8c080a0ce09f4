// Looking for a reader: the first words to one that may not be there, at the place or places where it may be, with CRC
// before checksums. In the clear a reader that has a key hears only what anybody may know.

import { command } from './commands.ts';
import type { KeyRing } from './key-ring.ts';
import type { Station } from './station.ts';

export type Place = { address: number; baud: number };

export type SearchPorts = {
  /** It did not answer. */
  missing: () => void;
  /** What it answered to a first word. */
  firstWord: (code: number, data: Buffer) => void;
  tune: (baud: number) => Promise<void>;
};

/** What became of a first word. `nothing`: it was taken back. */
type Heard = 'secured' | 'answered' | 'silence' | 'nothing';

const POLL = command('POLL', {});
const CAP = command('CAP', {});
/** A reader that answers checksums is asked by CRC so often before it is believed to know nothing else. */
const CRC_TRIES = 2;
/** So many tries at one place, then at the other one. */
const TRIES_AT_PLACE = 3;

export class Search {
  readonly #station: Station;
  readonly #settings: { secure: boolean; checkCharacters: 'auto' | 'crc' | 'checksum' };
  readonly #keyRing: KeyRing;
  readonly #ports: SearchPorts;
  #tries = 0;
  #places: readonly Place[] = [];

  constructor(
    station: Station,
    settings: { secure: boolean; checkCharacters: 'auto' | 'crc' | 'checksum' },
    keyRing: KeyRing,
    ports: SearchPorts,
  ) {
    this.#station = station;
    this.#settings = settings;
    this.#keyRing = keyRing;
    this.#ports = ports;
  }

  /** It was told to go elsewhere, and has not been heard since. */
  get isMoving(): boolean {
    return this.#places.length > 0;
  }

  /** Where it may be from now on, the likeliest place first. */
  at(places: readonly Place[]): void {
    this.#places = places.length > 1 ? places : [];
    this.#tries = 0;
    const [first] = places;
    if (first !== undefined) this.#station.link.address = first.address;
  }

  /**
   * `secured`: it is in Secure Channel already; `answered`: it has said something, mostly what it is; null when nobody
   * waits for it any more.
   */
  async find(isOver: () => boolean): Promise<'secured' | 'answered' | null> {
    const { link } = this.#station;
    const { checkCharacters } = this.#settings;
    while (!isOver()) {
      const turn = this.#tries++;
      await this.#goToPlace(turn);
      if (checkCharacters === 'auto') link.crc = turn % 8 < 6;
      const mayKnock = turn % 3 === 0 && (link.crc || checkCharacters === 'checksum');
      const heard = (mayKnock ? await this.#knock() : null) ?? (await this.#callOut(turn % 3 !== 2));
      if (heard === 'silence') this.#ports.missing();
      if (heard !== 'secured' && heard !== 'answered') continue;
      if (!link.crc && checkCharacters === 'auto') await this.#preferCrc();
      this.#tries = 0;
      this.#places = [];
      return heard;
    }
    return null;
  }

  async #goToPlace(turn: number): Promise<void> {
    const place = this.#places[Math.floor(turn / TRIES_AT_PLACE) % this.#places.length];
    if (place === undefined) return;
    this.#station.link.address = place.address;
    await this.#ports.tune(place.baud);
  }

  /**
   * With a key in use nothing needs to be asked first. Null: there is none, or it has answered and is not who has this
   * key: let it say who it is.
   */
  async #knock(): Promise<Heard | null> {
    const knocked = this.#settings.secure ? await this.#keyRing.knock() : null;
    if (knocked === null) return null;
    if (!knocked.ok) return knocked.why === 'silent' ? 'silence' : null;
    return 'secured';
  }

  /** It answers checksums. One that knows CRC as well, and was only booting while it was asked so, is spoken to by CRC. */
  async #preferCrc(): Promise<void> {
    for (let tries = 0; tries < CRC_TRIES; tries++) {
      this.#station.link.crc = true;
      if ((await this.#callOut(true)) === 'answered') return;
    }
    this.#station.link.crc = false;
  }

  /** Some readers say nothing to ID until they have been asked something else. */
  async #callOut(asksWho: boolean): Promise<Heard> {
    const other = this.#settings.secure ? CAP : POLL;
    const result = await this.#station.submit('probe', asksWho ? command('ID', { extended: false }) : other);
    if (result.kind === 'reply') this.#ports.firstWord(result.code, result.data);
    if (result.kind === 'reply' || result.kind === 'nak') return 'answered';
    return result.kind === 'silence' ? 'silence' : 'nothing';
  }
}
