// Getting into Secure Channel with one reader: its pending key, then its active one, and, only while an operator's
// install window is open, the default key and a new key in its place (fact sheet section 5, "Install mode"). A key is
// stored before it is sent, so that a lost answer costs a second look and not the reader. But a key that was sent under
// the default key is known to whoever listened: it counts when the reader proves it in that same window, and dies with
// the window else.

import type { Clock, KeyOrigin, Log, Random, ReaderKeys, Timer } from '../driver.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import { command, KEY_TYPE_SCBK } from './commands.ts';
import { shakeHands } from './handshake.ts';
import type { HandshakeOptions, HandshakeResult } from './handshake.ts';
import { keyWeakness, makeKey } from './keys.ts';
import { describeNak, REPLIES } from './replies.ts';
import { SCBK_DEFAULT } from './secure-channel.ts';
import type { Station } from './station.ts';

export type InstallOutcome =
  /** The reader has a new key, made here and nowhere else. */
  | { outcome: 'installed' }
  /** It already had the key that Lintel holds: nothing was changed. */
  | { outcome: 'already_installed' }
  /** The window has closed; `message` tells what was last seen. */
  | { outcome: 'failed'; message: string };

/**
 * Somebody answered in the place of a reader whose key is in use: without that key, or as one that knows no Secure
 * Channel.
 */
export type Stranger = 'other_key' | 'no_channel';

/**
 * What became of an attempt: which key opened, or what to tell people. `disproved`: whoever answered holds none of the
 * keys that were tried.
 */
export type Unlocked =
  | { key: 'pending' | 'active'; problem: null; silent: false; stranger: null; disproved: false }
  | { key: null; problem: string; silent: boolean; stranger: Stranger | null; disproved: boolean };

type Window = {
  timer: Timer;
  message: string;
  /** The last key that went over the line under the default key in this window. */
  sent: Buffer | null;
  settle: (outcome: InstallOutcome) => void;
};
type Ring = {
  active: Buffer | null;
  pending: Buffer | null;
  pendingHow: KeyOrigin | null;
  identity: string | null;
};

export class KeyRing {
  readonly #device: string;
  readonly #station: Station;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #log: Log;
  readonly #keys: ReaderKeys | null;
  readonly #takesStatus0: boolean;
  #identity: { kept: string | null; told: string | null } | null = null;
  #window: Window | null = null;
  #waiting: ((unlocked: Unlocked) => void)[] = [];

  constructor(
    device: string,
    station: Station,
    context: { clock: Clock; random: Random; log: Log; keys: ReaderKeys | null },
    quirks: { takesStatus0: boolean },
  ) {
    this.#device = device;
    this.#station = station;
    this.#clock = context.clock;
    this.#random = context.random;
    this.#log = context.log.child({ device });
    this.#keys = context.keys;
    this.#takesStatus0 = quirks.takesStatus0;
  }

  /** Is an install window open? */
  get installing(): boolean {
    return this.#window !== null;
  }

  /**
   * The reader says that it is `found`. Gives what was expected when that is something else and was not told yet. What
   * anybody can say in the clear (`trusted` false) is told and not written down.
   */
  meet(found: string, trusted: boolean): string | null {
    this.#identity ??= { kept: this.#load()?.identity ?? null, told: null };
    const { kept, told } = this.#identity;
    const news = kept !== null && kept !== found && told !== found ? kept : null;
    this.#identity = trusted ? { kept: found, told: null } : { kept, told: found };
    if (trusted && kept !== found) this.#store((keys) => keys.saveIdentity(this.#device, found));
    return news;
  }

  /**
   * Opens the window, in place of one that is open. Resolves when the reader has its key, or when the window closes.
   * Throws `OperatingError` where no key could be kept, for then the default key must not be spoken either.
   */
  install(windowMs: number): Promise<InstallOutcome> {
    this.#require();
    this.#closeWindow({ outcome: 'failed', message: 'another install window was opened' });
    return new Promise((settle) => {
      const timer = this.#clock.after(windowMs, () => {
        this.#closeWindow({ outcome: 'failed', message: this.#window?.message ?? '' });
      });
      const message = 'the reader was not heard while the window was open';
      this.#window = { timer, message, sent: null, settle };
    });
  }

  cancelInstall(): void {
    this.#closeWindow({ outcome: 'failed', message: 'the install window was closed' });
  }

  /** Nobody goes on with this reader: a window that is open ends. */
  stop(): void {
    this.cancelInstall();
  }

  /** Resolves with the outcome of the next attempt to get in. */
  nextUnlock(): Promise<Unlocked> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Stores a new random key as pending and gives it. Throws `OperatingError` when it cannot be stored. */
  prepareNewKey(how: 'installed' | 'rotated'): Buffer {
    const key = makeKey(this.#random);
    this.#require().savePending(this.#device, key, how);
    return key;
  }

  /** Stores a key that the reader is said to have already; the next attempt proves it. Throws `OperatingError`. */
  importKey(key: Buffer): void {
    const weakness = keyWeakness(key);
    if (weakness !== null) throw new OperatingError('invalid_input', `this key is refused: ${weakness}`);
    this.#require().savePending(this.#device, key, 'imported');
  }

  /** The keys of this reader are thrown away, for good. Throws `OperatingError`. */
  forget(): void {
    this.#closeWindow({ outcome: 'failed', message: 'its key was forgotten' });
    this.#require().forget(this.#device);
    this.#identity = null;
  }

  discardPending(): void {
    this.#store((keys) => keys.discardPending(this.#device));
  }

  /**
   * The shortest way in, for a reader that may not be there: the challenge under its one key is the first word to it.
   * Null: there is more than that to try, or nothing. On success the station's link is secured.
   */
  async knock(): Promise<HandshakeResult | null> {
    const ring = this.#window === null ? this.#load() : null;
    if (ring === null || ring.active === null || ring.pending !== null) return null;
    const result = await this.#shake(ring.active, { lane: 'probe' });
    if (result.ok) for (const resolve of this.#waiting.splice(0)) resolve(ACTIVE);
    return result;
  }

  /** Tries to establish Secure Channel. On success the station's link is secured. */
  async unlock(): Promise<Unlocked> {
    const unlocked = await this.#unlock();
    for (const resolve of this.#waiting.splice(0)) resolve(unlocked);
    return unlocked;
  }

  async #unlock(): Promise<Unlocked> {
    const ring = this.#load();
    if (ring === null) return locked('its key cannot be read from the store');
    if (this.#keys === null) return locked(NO_STORE);
    const known = await this.#tryKnown(ring);
    if (known !== null && (known.key !== null || known.silent || this.#window === null)) {
      if (known.key !== null)
        this.#closeWindow({ outcome: known.key === 'pending' ? 'installed' : 'already_installed' });
      return known;
    }
    if (this.#window !== null) return await this.#installUnderDefault(ring);
    return locked(
      `Lintel has no key for it: open an install window with \`lintel osdp install ${this.#device}\`, or bring the key it has with \`lintel osdp import-key ${this.#device}\``,
    );
  }

  #shake(key: Buffer, options: HandshakeOptions = {}): Promise<HandshakeResult> {
    return shakeHands(this.#station, this.#random, key, { ...options, takesStatus0: this.#takesStatus0 });
  }

  /** Null when there is no key to try. */
  async #tryKnown(ring: Ring): Promise<Unlocked | null> {
    let failed: Unlocked | null = null;
    const window = this.#window;
    for (const which of ['pending', 'active'] as const) {
      const key = ring[which];
      if (key === null) continue;
      const result = await this.#shake(key);
      const isOfWindow = which === 'pending' && ring.pendingHow === 'installed';
      if (result.ok && isOfWindow && this.#window !== window) return this.#tooLate();
      if (result.ok) {
        if (which === 'pending') {
          const isKept = this.#store((keys) => keys.activate(this.#device));
          if (!isKept && isOfWindow) return this.#notKept();
        }
        // The reader holds the active key, so the new one never reached it.
        else if (ring.pending !== null) this.discardPending();
        return { key: which, problem: null, silent: false, stranger: null, disproved: false };
      }
      const disproved = result.why === 'other_key';
      failed = { ...explain(result, this.#device, which), disproved };
      // One silence is no verdict on a key.
      if (result.why === 'silent') return failed;
    }
    return failed;
  }

  async #installUnderDefault(ring: Ring): Promise<Unlocked> {
    const window = this.#window;
    const result = await this.#shake(SCBK_DEFAULT, { useDefaultKey: true });
    if (!result.ok) return this.#installFailed(`is it in install mode? ${result.message}`, result.why === 'silent');
    if (window === null || this.#window !== window) return this.#tooLate();
    // Always a new one: the one before may be in another reader, or in the notes of whoever listened.
    const key = this.#tryPrepare();
    if (key === null) return this.#notKept();
    window.sent = key;
    const set = await this.#station.submit('connect', command('KEYSET', { keyType: KEY_TYPE_SCBK, key }));
    if (set.kind === 'nak') {
      this.discardPending();
      this.#station.link.restart();
      return this.#installFailed(`the reader refused the new key (${describeNak(set.error)})`, false);
    }
    if (set.kind !== 'reply' || set.code !== REPLIES.ACK.code)
      this.#log.info('the reader did not acknowledge its new key; whether it has it will show');
    if (this.#window !== window) return this.#tooLate();
    // Only the new key itself proves that the reader has it.
    const proven = await this.#tryKnown({ ...ring, active: null, pending: key, pendingHow: 'installed' });
    if (proven === null || proven.key === null) {
      const silent = proven?.silent ?? true;
      const message = silent ? 'it said nothing under its new key' : 'it was given a new key and did not take it';
      return this.#installFailed(message, silent);
    }
    this.#log.info('a new key was installed');
    this.#closeWindow({ outcome: 'installed' });
    return proven;
  }

  /** Whatever was proven under a key of a window that is closed proves nothing. */
  #tooLate(): Unlocked {
    this.#station.link.restart();
    return locked('the install window closed');
  }

  #notKept(): Unlocked {
    this.#station.link.restart();
    return this.#installFailed('the new key could not be stored', false);
  }

  #tryPrepare(): Buffer | null {
    try {
      return this.prepareNewKey('installed');
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      this.#log.error('the new key cannot be stored', { error: error.message });
      return null;
    }
  }

  #installFailed(message: string, silent: boolean): Unlocked {
    if (this.#window !== null) this.#window.message = message;
    return { key: null, problem: `install window open: ${message}`, silent, stranger: null, disproved: false };
  }

  #closeWindow(outcome: InstallOutcome): void {
    const window = this.#window;
    if (window === null) return;
    this.#window = null;
    window.timer.cancel();
    const isLost = window.sent !== null && outcome.outcome === 'failed';
    if (window.sent !== null) this.#load();
    window.settle(isLost ? { ...outcome, message: `${outcome.message}. ${KEY_DIES}` } : outcome);
  }

  #require(): ReaderKeys {
    if (this.#keys === null) throw new OperatingError('internal', NO_STORE);
    return this.#keys;
  }

  #load(): Ring | null {
    if (this.#keys === null) return { active: null, pending: null, pendingHow: null, identity: null };
    try {
      return this.#withoutDead(this.#keys.load(this.#device));
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      this.#log.error('the reader’s key cannot be read', { error: error.message });
      return null;
    }
  }

  /** A key of a window that is closed, by a restart too, is thrown away and not looked at. */
  #withoutDead(ring: Ring): Ring {
    const { pending, pendingHow } = ring;
    const wentInSecret = pendingHow === 'rotated' || pendingHow === 'imported';
    if (pending === null || wentInSecret || this.#window?.sent?.equals(pending) === true) return ring;
    this.discardPending();
    return { ...ring, pending: null, pendingHow: null };
  }

  /** False when it could not be stored. */
  #store(change: (keys: ReaderKeys) => void): boolean {
    if (this.#keys === null) return false;
    try {
      change(this.#keys);
      return true;
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      this.#log.error('what was learnt of the reader cannot be kept', { error: error.message });
      return false;
    }
  }
}

/** In, under the key that is in use. */
export const ACTIVE: Unlocked = { key: 'active', problem: null, silent: false, stranger: null, disproved: false };

/** A reader that has a key is not to be given another because the place of its key is out of reach. */
const NO_STORE =
  'the keys of readers are in the database, which was refused: `lintel status` says why and what to do. Do not install the reader anew';

const KEY_DIES =
  'The key that was sent to it is thrown away; should the reader have taken it after all, reset it and open another window';

const locked = (problem: string): Unlocked => ({
  key: null,
  problem,
  silent: false,
  stranger: null,
  disproved: false,
});

function explain(
  result: HandshakeResult & { ok: false },
  device: string,
  which: 'pending' | 'active',
): { key: null; problem: string; silent: boolean; stranger: Stranger | null } {
  const { why, message } = result;
  const isStranger = which === 'active' && (why === 'other_key' || why === 'no_channel');
  return {
    key: null,
    problem: problemOf(why, message, device),
    silent: why === 'silent',
    stranger: isStranger ? why : null,
  };
}

function problemOf(why: (HandshakeResult & { ok: false })['why'], message: string, device: string): string {
  const remedy = `Was it replaced or reset? Then open an install window with \`lintel osdp install ${device}\``;
  switch (why) {
    case 'other_key':
      return `it does not hold the key that Lintel has for it: ${message}. ${remedy}`;
    case 'no_channel':
      return `whoever answers at its address knows no Secure Channel, and Lintel has a key for the reader there: ${message}. ${remedy}`;
    case 'refused':
    case 'silent':
      return message;
  }
}
