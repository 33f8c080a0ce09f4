// One reader's link, as a controller keeps it: sequence number, Secure Channel session, and the one frame that waits
// for its answer. It judges what comes back (fact sheet section 2, "Sequence numbers", and section 5, "Session ends")
// and knows neither time nor line.

import { assert } from '../../src/domain/errors.ts';
import { COMMANDS } from './commands.ts';
import type { WireCommand } from './commands.ts';
import { SCS, encodeFrame } from './frame.ts';
import type { Frame, SecurityBlock } from './frame.ts';
import { NAK, REPLIES } from './replies.ts';
import type { SecureSession } from './secure-channel.ts';

/** Why a link must begin anew at sequence number 0. */
export type RestartReason =
  /** NAK 04: the two ends count differently. */
  | 'sequence'
  /** NAK 05 or 06: the reader has no session any more; a glitch on the line is enough for that. */
  | 'session_refused'
  /** A reply numbered 0: the reader has restarted. */
  | 'reader_restarted'
  /** A reply in the clear inside a session. */
  | 'clear_text'
  | 'bad_mac'
  | 'bad_padding'
  /** A secured reply where there is no session. */
  | 'unexpected_security'
  /** We gave up a frame whose fate is not known. */
  | 'abandoned';

export type LinkVerdict =
  | { verdict: 'ignored' }
  | { verdict: 'busy' }
  /** The reader received it damaged: send the same bytes again. */
  | { verdict: 'again' }
  | { verdict: 'restart'; reason: RestartReason; clear: { code: number; data: Buffer } | null }
  | { verdict: 'reply'; code: number; data: Buffer; secured: boolean; block: SecurityBlock | null };

type Flight = { sequence: number; code: number; cmac: Buffer | null };

const IGNORED: LinkVerdict = { verdict: 'ignored' };

export class PdLink {
  address: number;
  /** False: 8-bit checksums. A reply is read by its own control byte either way. */
  crc = true;
  #sequence = 0;
  #session: SecureSession | null = null;
  #flight: Flight | null = null;
  #connection = new AbortController();

  constructor(address: number) {
    this.address = address;
  }

  /** Aborted when the link begins anew, however quietly; until then that of the link that is or comes. */
  get connection(): AbortSignal {
    return this.#connection.signal;
  }

  get secured(): boolean {
    return this.#session !== null;
  }

  /**
   * The bytes of the next command, mark included. They are sent as they are until it is answered or the link restarts.
   */
  seal(command: WireCommand, block: SecurityBlock | null): Buffer {
    assert(this.#flight === null, 'one command at a time');
    const fields = {
      address: this.address,
      sequence: this.#sequence,
      crc: this.crc,
      code: command.code,
      data: command.data,
    };
    const sealed =
      this.#session === null || block !== null
        ? { bytes: encodeFrame({ ...fields, reply: false, block }, undefined, 1), cmac: null }
        : this.#session.sealCommand(fields, 1);
    this.#flight = { sequence: this.#sequence, code: command.code, cmac: sealed.cmac };
    return sealed.bytes;
  }

  /**
   * What a frame from this reader's address means for the command in flight. Only a `reply` ends the flight; after a
   * `restart` call `restart`.
   */
  judge(frame: Frame): LinkVerdict {
    const flight = this.#flight;
    if (flight === null) return IGNORED;
    const clear = !isSecured(frame);
    // BUSY and NAK 04 are known by their code: readers number them as they like.
    if (clear && frame.code === REPLIES.BUSY.code) return { verdict: 'busy' };
    if (clear && nakOf(frame) === NAK.badSequence) return restart('sequence');
    if (frame.sequence !== flight.sequence) return this.#judgeOtherNumber(frame, clear, flight);
    if (clear && nakOf(frame) === NAK.badCheck) return { verdict: 'again' };
    return flight.cmac === null
      ? this.#judgeClear(frame, clear)
      : this.#judgeSecured(frame, clear, flight, flight.cmac);
  }

  /** The reader has said that it did not do it (it is busy, or calls the frame damaged): that is its answer. */
  giveIn(): void {
    this.#advance();
  }

  /** A handshake has succeeded: from the next command on everything is secured. */
  secure(session: SecureSession): void {
    assert(this.#flight === null, 'a session begins between two commands');
    this.#session = session;
  }

  /** Begins anew at sequence number 0, in the clear. */
  restart(): void {
    this.#sequence = 0;
    this.#session = null;
    this.#flight = null;
    const ended = this.#connection;
    this.#connection = new AbortController();
    ended.abort();
  }

  /** A reply numbered 0 says that the reader begins anew: in the clear at once, in a session when its MAC is right. */
  #judgeOtherNumber(frame: Frame, clear: boolean, flight: Flight): LinkVerdict {
    if (frame.sequence !== 0) return IGNORED;
    const isReaders = clear || (flight.cmac !== null && this.#session?.openReply(frame, flight.cmac).ok === true);
    return isReaders ? restart('reader_restarted') : IGNORED;
  }

  #judgeClear(frame: Frame, clear: boolean): LinkVerdict {
    if (!clear) return restart('unexpected_security');
    this.#advance();
    return { verdict: 'reply', code: frame.code, data: frame.data, secured: false, block: frame.block };
  }

  #judgeSecured(frame: Frame, clear: boolean, flight: Flight, cmac: Buffer): LinkVerdict {
    if (clear) return this.#judgeClearInSession(frame, flight);
    assert(this.#session !== null, 'a secured command has a session');
    const opened = this.#session.openReply(frame, cmac);
    if (!opened.ok) return restart(opened.reason === 'bad_padding' ? 'bad_padding' : 'bad_mac');
    if (frame.code === REPLIES.NAK.code && isSessionNak(opened.data[0])) return restart('session_refused');
    this.#advance();
    return { verdict: 'reply', code: frame.code, data: opened.data, secured: true, block: frame.block };
  }

  #judgeClearInSession(frame: Frame, flight: Flight): LinkVerdict {
    if (isSessionNak(nakOf(frame))) return restart('session_refused');
    // Some readers drop the session as soon as they have the new key, and acknowledge in the clear.
    if (flight.code === COMMANDS.KEYSET.code && frame.code === REPLIES.ACK.code) {
      this.#advance();
      return { verdict: 'reply', code: frame.code, data: frame.data, secured: false, block: null };
    }
    return { verdict: 'restart', reason: 'clear_text', clear: { code: frame.code, data: frame.data } };
  }

  #advance(): void {
    this.#sequence = (this.#sequence % 3) + 1;
    this.#flight = null;
  }
}

const restart = (reason: RestartReason): LinkVerdict => ({ verdict: 'restart', reason, clear: null });

const isSecured = (frame: Frame): boolean =>
  frame.block !== null && frame.block.type >= SCS._15 && frame.block.type <= SCS._18;

const nakOf = (frame: Frame): number | null => (frame.code === REPLIES.NAK.code ? (frame.data[0] ?? null) : null);

const isSessionNak = (error: number | null | undefined): boolean =>
  error === NAK.badSequence || error === NAK.securityBlock || error === NAK.encryptionRequired;
