// Simulated readers on a real line: a pseudo terminal or serial device, or a TCP port as a serial converter has it. The
// line can be paced like a wire and can misbehave like one: lost, damaged, late and broken-up answers, noise, echo, a
// pulled cable. Tests, the demo and `lintel simulate osdp-reader` share it.

import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Clock, LineSettings, Log, OpenPort, Random } from '../driver.ts';
import { assert } from '../../src/domain/errors.ts';
import { SteadyLine } from '../kit/steady-line.ts';
import { wireTimeMs } from '../../src/domain/line.ts';
import { MARK, SOM } from './frame.ts';
import type { Frame } from './frame.ts';
import { FrameParser } from './parser.ts';
import type { Answer, SimulatedReader } from './simulated-reader.ts';

export type SimulatedLineOptions = {
  /** A device path to open, or a TCP port on 127.0.0.1 to listen on (0: any free one). */
  at: { path: string } | { listen: number };
  baud: number;
  /** True: bytes take the time that they take on a wire of this baud. */
  paced: boolean;
  /** The time a reader thinks before it answers. */
  turnaroundMs: number;
};

/** What goes wrong on the line, each until it is used up or set back. */
export type LineFaults = {
  /** This many answers are lost, or damaged, or come `lateMs` late. */
  lose: number;
  damage: number;
  /** This many commands arrive damaged. */
  damageCommands: number;
  late: number;
  lateMs: number;
  /** Put in front of every answer. */
  noise: Buffer;
  /** Answers come in pieces of this many bytes, so far apart; 0: whole. */
  pieceBytes: number;
  pieceGapMs: number;
  /** The controller hears its own bytes, as from a half-duplex adapter. */
  echo: boolean;
  /** The cable is pulled: nothing goes through, in either direction. */
  pulled: boolean;
  /**
   * The network before a converter stands still: commands are kept, and all of them reach the readers together with the
   * first one after it.
   */
  stalled: boolean;
};

export type SimulatorContext = { clock: Clock; random: Random; log: Log; openPort: OpenPort };

const IDLE_CHARACTERS = 2;
const MARK_CHARACTERS = 1;
/** A silence of this length inside a command ends it. */
const GAP_MS = 100;
/**
 * Waits shorter than this are finished by looking at the clock: timers have a grain of a millisecond, wires have not.
 */
const TIMER_GRAIN_MS = 2;

export class SimulatedLine {
  readonly readers: readonly SimulatedReader[];
  readonly faults: LineFaults = {
    lose: 0,
    damage: 0,
    damageCommands: 0,
    late: 0,
    lateMs: 0,
    noise: Buffer.alloc(0),
    pieceBytes: 0,
    pieceGapMs: 0,
    echo: false,
    pulled: false,
    stalled: false,
  };
  /** What is kept while the line is stalled. */
  kept: Buffer = Buffer.alloc(0);
  /** Commands heard, answers sent, and times the line was not quiet for two characters before a command. */
  readonly counts = { commands: 0, answers: 0, hasty: 0 };
  baud: number;
  /** Every frame on the wire, mark not counted, as an analyser on it would show. */
  tap: (frame: Buffer, from: 'controller' | 'reader') => void = () => undefined;
  readonly #options: SimulatedLineOptions;
  readonly #context: SimulatorContext;
  readonly #clock: Clock;
  readonly #parser = new FrameParser();
  #write: (bytes: Buffer) => void = () => undefined;
  #line: SteadyLine | null = null;
  #server: Server | null = null;
  #socket: Socket | null = null;
  #lastByteMs = 0;
  #quietSinceMs = -Infinity;
  /** Commands that come all at once are answered one after the other. */
  #answeredMs = -Infinity;
  #path: string;
  /** Kept over `stop` and `start`, as a converter keeps its address. */
  #tcpPort: number | null = null;

  constructor(readers: readonly SimulatedReader[], options: SimulatedLineOptions, context: SimulatorContext) {
    this.readers = readers;
    this.baud = options.baud;
    this.#options = options;
    this.#context = context;
    this.#clock = context.clock;
    this.#path = 'path' in options.at ? options.at.path : '';
  }

  /**
   * Where a controller finds it: a device path of the far end is the caller's to know, a TCP line is
   * `tcp://127.0.0.1:port`.
   */
  get path(): string {
    return this.#path;
  }

  async start(): Promise<void> {
    if ('listen' in this.#options.at) await this.#listen(this.#tcpPort ?? this.#options.at.listen);
    else this.#open(this.#options.at.path);
  }

  async stop(): Promise<void> {
    await this.#line?.stop();
    this.#socket?.destroy();
    const server = this.#server;
    if (server !== null) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Puts bytes on the line as somebody else on it would. */
  say(bytes: Buffer): void {
    if (!this.faults.pulled) this.#write(bytes);
  }

  // ---- the two kinds of line ----------------------------------------------------------------------------------------

  #open(path: string): void {
    this.#line = new SteadyLine(this.#settings(path), this.#context, {
      up: (port) => {
        this.#write = (bytes) => port.write(bytes);
      },
      data: (bytes) => this.#data(bytes),
      down: () => {
        this.#write = () => undefined;
      },
    });
    this.#line.start();
  }

  async #listen(port: number): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => {
      // A converter serves one client: the newest.
      this.#socket?.destroy();
      this.#socket = socket;
      this.#write = (bytes) => socket.write(bytes);
      socket.on('data', (bytes) => this.#data(bytes));
      socket.on('error', () => {
        // A connection that is reset takes along what the network still has of it.
        this.kept = Buffer.alloc(0);
        socket.destroy();
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    const address = server.address();
    assert(address !== null && typeof address !== 'string', 'a TCP server has a port');
    this.#server = server;
    this.#tcpPort = address.port;
    this.#path = `tcp://127.0.0.1:${address.port}`;
  }

  #settings(path: string): LineSettings {
    return { path, baud: this.baud, parity: 'none', dataBits: 8, stopBits: 1 };
  }

  #charactersMs(count: number): number {
    return wireTimeMs(this.#settings(this.#path), count);
  }

  // ---- commands and answers -----------------------------------------------------------------------------------------

  #data(arrived: Buffer): void {
    if (this.faults.pulled) return;
    const bytes = this.#damagedOnTheWay(Buffer.concat([this.kept, arrived]));
    this.kept = this.faults.stalled ? bytes : Buffer.alloc(0);
    if (this.faults.stalled) return;
    if (this.faults.echo) this.#write(Buffer.from(bytes));
    const nowMs = this.#clock.monotonicMs();
    if (this.#parser.pending && nowMs - this.#lastByteMs > GAP_MS) this.#noise(this.#parser.stalled());
    if (nowMs < this.#quietSinceMs + this.#charactersMs(IDLE_CHARACTERS)) this.counts.hasty++;
    this.#lastByteMs = nowMs;
    const badBefore = this.#parser.badFrames;
    const frames = this.#parser.push(bytes);
    if (this.#parser.badFrames > badBefore) {
      this.#noise([]);
      this.#damagedCommand(bytes, nowMs);
    }
    for (const frame of frames) this.#command(frame, nowMs);
  }

  #noise(frames: Frame[]): void {
    for (const reader of this.readers) reader.noise();
    for (const frame of frames) this.#command(frame, this.#clock.monotonicMs());
  }

  #damagedOnTheWay(bytes: Buffer): Buffer {
    if (this.faults.damageCommands === 0 || this.faults.stalled) return bytes;
    this.faults.damageCommands--;
    bytes.writeUInt8((bytes.at(-1) ?? 0) ^ 0x55, bytes.length - 1);
    return bytes;
  }

  #damagedCommand(bytes: Buffer, nowMs: number): void {
    const at = bytes.indexOf(SOM);
    const control = bytes[at + 4];
    if (at < 0 || control === undefined) return;
    for (const reader of this.readers) {
      const answer = reader.receiveDamaged((bytes[at + 1] ?? 0) & 0x7f, control & 3, (control & 4) !== 0);
      if (answer !== null) this.#answer(answer, nowMs);
    }
  }

  /** Readers act on a command once its last byte has come. */
  #command(frame: Frame, beganMs: number): void {
    this.counts.commands++;
    this.tap(frame.bytes, 'controller');
    const wireMs = this.#options.paced ? this.#charactersMs(MARK_CHARACTERS + frame.bytes.length) : 0;
    this.#at(beganMs + wireMs, () => this.#heard(frame, beganMs + wireMs));
  }

  #heard(frame: Frame, atMs: number): void {
    for (const reader of this.readers) {
      if (reader.baud !== null && reader.baud !== this.baud) continue;
      const answer = reader.receive(frame);
      if (answer !== null) this.#answer(answer, atMs);
    }
  }

  #answer(answer: Answer, atMs: number): void {
    const { faults } = this;
    const bytes = this.#damaged(answer.bytes);
    if (bytes === null) {
      // It has said it all the same.
      answer.afterwards?.();
      return;
    }
    const lateMs = faults.late > 0 ? faults.lateMs : 0;
    if (faults.late > 0) faults.late--;
    const wireMs = this.#options.paced ? this.#charactersMs(IDLE_CHARACTERS + bytes.length) : 0;
    const dueMs = Math.max(atMs, this.#answeredMs) + wireMs + this.#options.turnaroundMs;
    this.#answeredMs = dueMs;
    this.#at(dueMs + lateMs, () => {
      this.#send(bytes);
      answer.afterwards?.();
    });
  }

  /** What is left of an answer; null: nothing. */
  #damaged(answer: Buffer): Buffer | null {
    const { faults } = this;
    if (faults.pulled) return null;
    if (faults.lose > 0) {
      faults.lose--;
      return null;
    }
    if (faults.damage === 0) return faults.noise.length === 0 ? answer : Buffer.concat([faults.noise, answer]);
    faults.damage--;
    const damaged = Buffer.from(answer);
    damaged[damaged.length - 1] = (damaged[damaged.length - 1] ?? 0) ^ 0x55;
    return damaged;
  }

  #send(bytes: Buffer): void {
    if (this.faults.pulled) return;
    this.counts.answers++;
    const { pieceBytes, pieceGapMs } = this.faults;
    if (pieceBytes > 0) {
      this.#sendPieces(bytes, pieceBytes, pieceGapMs);
      return;
    }
    this.#write(bytes);
    this.tap(bytes.subarray(bytes.findIndex((byte) => byte !== MARK)), 'reader');
    this.#quietSinceMs = this.#clock.monotonicMs();
  }

  #sendPieces(bytes: Buffer, pieceBytes: number, pieceGapMs: number): void {
    this.#write(bytes.subarray(0, pieceBytes));
    const rest = bytes.subarray(pieceBytes);
    if (rest.length === 0) return;
    this.#at(this.#clock.monotonicMs() + pieceGapMs, () => this.#sendPieces(rest, pieceBytes, pieceGapMs));
  }

  /** Runs `act` at this instant, more exactly than a timer can. */
  #at(dueMs: number, act: () => void): void {
    const leftMs = dueMs - this.#clock.monotonicMs();
    if (leftMs <= 0) act();
    else if (leftMs > TIMER_GRAIN_MS) this.#clock.after(leftMs - TIMER_GRAIN_MS, () => this.#at(dueMs, act));
    else this.#clock.immediate(() => this.#at(dueMs, act));
  }
}
