// The one place that opens a line of bytes: a serial device, or a serial converter on the network. serialport opens,
// locks and sets up the device; the bytes themselves go by non-blocking reads and writes in the loop's own turn, so
// that neither a strike nor its answer ever waits for the thread pool behind a slow name look-up or backup.

import { readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { SerialPort } from 'serialport';
import { Budget } from '../src/domain/budget.ts';
import { withDeadline } from '../src/domain/deadline.ts';
import { assert, OperatingError } from '../src/domain/errors.ts';
import { codeOf, explainConnecting, explainOpening, messageOf } from '../src/domain/line-errors.ts';
import { intakeTerms, parseConverter, wireTimeMs, type ConverterAddress } from '../src/domain/line.ts';
import type { Clock, LineSettings, OpenPort, Port, PortHandlers, Timer } from './driver.ts';

export { SteadyLine, type LineEvents } from '../src/domain/steady-line.ts';
export { lineKeys, lineProblems, lineSettings, wireTimeMs, type LineConfig } from '../src/domain/line.ts';

/** More than this waiting to be sent means that nobody takes it: no frame of ours is a tenth of it. */
const MAX_UNSENT_BYTES = 64 * 1024;
/** Bytes wait and none leaves for this long: the far end does not read. */
const STALL_MS = 5_000;
/**
 * A silent device is looked up this often: an unplugged adapter may leave an open port that says nothing ever again.
 */
const WATCH_MS = 2_000;
const CLOSE_MS = 2_000;
const KEEP_ALIVE_MS = 10_000;
/**
 * So much is delivered in one turn of the loop, whatever has arrived: a line that never falls silent leaves every other
 * turn to others.
 */
const READ_BYTES = 1024;
/**
 * A line that brings more than its wire could carry is emptied without being heard, so many reads each few
 * milliseconds: what comes after the flood must not wait behind it.
 */
const READS_THROWN = 64;
const THROW_EVERY_MS = 5;

/**
 * Opens serial devices and `tcp://host:port` converters. Nothing is delivered before the promise has resolved. A lost
 * line lets go of the device by itself; a lost or closed one takes no more bytes. `close` throws away what has not left
 * (so `drain` first), never rejects, and is done within 2 s.
 */
export function portOpener(clock: Clock): OpenPort {
  return async (settings, handlers, timeoutMs) => {
    const address = parseConverter(settings.path);
    const line =
      address === null
        ? await openSerial(clock, settings, handlers, timeoutMs)
        : await openConverter(clock, settings, address, handlers, timeoutMs);
    clock.immediate(() => line.begin());
    return line;
  };
}

// ---- what both kinds of line keep -----------------------------------------------------------------------------------

/**
 * Loss is told once and not after close; what waits to be sent is bounded in bytes and time, and whoever waits for it
 * is answered; and no line brings more than its wire could carry.
 */
class LineLife {
  readonly #clock: Clock;
  readonly #handlers: PortHandlers;
  readonly #release: () => Promise<void>;
  readonly #intake: Budget;
  #overrunUntilMs = -Infinity;
  #state: 'open' | 'lost' | 'closed' = 'open';
  #reason = 'the line is closed';
  #released: Promise<void> | null = null;
  #unsentBytes = 0;
  /** When some of them left last, or began to wait. */
  #movedAtMs = 0;
  #stall: Timer | null = null;
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(clock: Clock, settings: LineSettings, handlers: PortHandlers, release: () => Promise<void>) {
    this.#clock = clock;
    this.#handlers = handlers;
    this.#release = release;
    this.#intake = new Budget(intakeTerms(settings));
  }

  get open(): boolean {
    return this.#state === 'open';
  }

  deliver(bytes: Buffer): void {
    if (this.open) this.#handlers.data(bytes);
    const nowMs = this.#clock.monotonicMs();
    this.#overrunUntilMs = nowMs + this.#intake.spend(nowMs, bytes.length);
  }

  /** The line has brought more than it could: what comes now is thrown away. */
  get isOverrun(): boolean {
    return this.#clock.monotonicMs() < this.#overrunUntilMs;
  }

  /** How many bytes wait now that the operating system has taken what it could. */
  setUnsent(bytes: number): void {
    if (!this.open) return;
    if (bytes < this.#unsentBytes || this.#unsentBytes === 0) this.#movedAtMs = this.#clock.monotonicMs();
    this.#unsentBytes = bytes;
    if (bytes > MAX_UNSENT_BYTES) {
      this.lose(`the far end takes no bytes: ${bytes} wait to be sent`);
      return;
    }
    if (bytes > 0) this.#stall ??= this.#startStall(STALL_MS);
    else for (const waiter of this.#waiting.splice(0)) waiter.resolve();
  }

  async whenSent(): Promise<void> {
    if (!this.open) throw this.error();
    if (this.#unsentBytes === 0) return;
    await new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  lose(reason: string): void {
    if (!this.open) return;
    this.#state = 'lost';
    this.#end(reason);
    // Told in a turn of its own: who is just writing must not find itself in its own handler.
    this.#clock.immediate(() => {
      if (this.#state === 'lost') this.#handlers.lost(reason);
    });
  }

  async close(): Promise<void> {
    const first = this.open;
    this.#state = 'closed';
    if (first) this.#end('the line is closed');
    await this.#released;
  }

  error(): OperatingError {
    return new OperatingError('controller_offline', this.#reason);
  }

  #end(reason: string): void {
    this.#reason = reason;
    this.#stopStall();
    // The kernel may hold on to a dying device for long; nobody here waits for that.
    this.#released = withDeadline(this.#clock, CLOSE_MS, 'closing the line', this.#release()).catch(() => undefined);
    for (const waiter of this.#waiting.splice(0)) waiter.reject(this.error());
  }

  /** Goes on over bytes that leave, for most leave at once, and looks when its time has come whether they still do. */
  #startStall(delayMs: number): Timer {
    // A busy loop fires this late: let what has become writable meanwhile be written first.
    return this.#clock.after(delayMs, () => this.#clock.immediate(() => this.#judgeStall()));
  }

  #judgeStall(): void {
    this.#stall = null;
    if (!this.open || this.#unsentBytes === 0) return;
    const leftMs = this.#movedAtMs + STALL_MS - this.#clock.monotonicMs();
    if (leftMs > 0) this.#stall = this.#startStall(leftMs);
    else this.lose(`the far end takes no bytes: none has left for ${STALL_MS} ms`);
  }

  #stopStall(): void {
    this.#stall?.cancel();
    this.#stall = null;
  }
}

// ---- serial devices -------------------------------------------------------------------------------------------------

type SerialDevice = Awaited<ReturnType<typeof openDevice>>;

const READABLE = 1;
const WRITABLE = 2;
/** What a terminal holds at most, in reads. */
const READS_TO_EMPTY = 8;
const LOCK_WAIT_MS = 500;
const LOCK_LOOK_MS = 25;

async function openSerial(
  clock: Clock,
  settings: LineSettings,
  handlers: PortHandlers,
  timeoutMs: number,
): Promise<SerialLine> {
  const identity = deviceIdentity(settings.path);
  // A port that was closed a moment ago lets go of its lock a moment later.
  for (let waitedMs = 0; isLocked(settings.path); waitedMs += LOCK_LOOK_MS) {
    if (waitedMs >= LOCK_WAIT_MS) throw explainOpening(settings.path, 'Cannot lock port');
    await new Promise<void>((resolve) => void clock.after(LOCK_LOOK_MS, resolve));
  }
  const opening = openDevice(settings);
  try {
    const device = await withDeadline(clock, timeoutMs, `opening ${settings.path}`, opening);
    return new SerialLine(clock, settings, handlers, device, identity);
  } catch (error) {
    opening.then((late) => late.close()).catch(() => undefined);
    throw error instanceof OperatingError ? error : explainOpening(settings.path, messageOf(error));
  }
}

async function openDevice(settings: LineSettings) {
  const device = await SerialPort.binding.open({
    path: settings.path,
    baudRate: settings.baud,
    parity: settings.parity,
    dataBits: settings.dataBits,
    stopBits: settings.stopBits,
    lock: true,
  });
  assert('poller' in device && device.fd !== null, 'an open serial device has a poller and a file descriptor');
  // A USB adapter collects bytes for up to 16 ms unless told not to. Devices that know no such thing (a pseudo
  // terminal, an old driver) work without it.
  await device
    .set({ brk: false, cts: false, dsr: false, dtr: true, rts: true, lowLatency: true })
    .catch(() => undefined);
  return device;
}

/**
 * Which device a path names just now. Symbolic links are followed, so a by-id link that leads elsewhere is another
 * device.
 */
function deviceIdentity(path: string): string {
  try {
    const found = statSync(path);
    return `${found.dev}:${found.ino}:${found.rdev}`;
  } catch (error) {
    return `none (${codeOf(error)})`;
  }
}

/**
 * Whether somebody holds the lock already. It is only taken after parity and stop bits have been set, so whoever came
 * second would spoil the line of who holds it, at every new attempt. Where the kernel shows no locks (a container), the
 * lock itself is still the judge.
 */
function isLocked(path: string): boolean {
  try {
    const { dev, ino } = statSync(path);
    const major = (dev >> 8) & 0xfff;
    const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
    const file = ` ${twoDigits(major)}:${twoDigits(minor)}:${ino} `;
    const locks = readFileSync('/proc/locks', 'latin1').split('\n');
    return locks.some((lock) => lock.includes('FLOCK') && lock.includes(file));
  } catch {
    return false;
  }
}

const twoDigits = (value: number): string => value.toString(16).padStart(2, '0');

class SerialLine implements Port {
  readonly #clock: Clock;
  readonly #settings: LineSettings;
  readonly #device: SerialDevice;
  readonly #fd: number;
  readonly #identity: string;
  readonly #life: LineLife;
  readonly #input = Buffer.allocUnsafe(READ_BYTES);
  #unsent = Buffer.alloc(0);
  #bytesSinceDrain = 0;
  #draining: Promise<void> = Promise.resolve();
  #heard = false;
  #watch: Timer | null = null;
  /** Left unread until then. */
  #rest: Timer | null = null;

  constructor(clock: Clock, settings: LineSettings, handlers: PortHandlers, device: SerialDevice, identity: string) {
    assert(device.fd !== null, 'the device is open');
    this.#clock = clock;
    this.#settings = settings;
    this.#device = device;
    this.#fd = device.fd;
    this.#identity = identity;
    this.#life = new LineLife(clock, settings, handlers, () => this.#release());
  }

  /** From here on the device is always being read: without a reader no unplugging would ever be noticed. */
  begin(): void {
    if (!this.#life.open) return;
    this.#device.poller.on('readable', (error: Error | null) => this.#turn(error, () => this.#receive()));
    this.#device.poller.on('writable', (error: Error | null) => this.#turn(error, () => this.#sendRest()));
    this.#arm();
    this.#watchPath();
  }

  write(bytes: Uint8Array): void {
    if (!this.#life.open) return;
    this.#bytesSinceDrain += bytes.length;
    const rest = this.#unsent.length > 0 ? bytes : bytes.subarray(this.#send(bytes));
    if (rest.length === 0) return;
    this.#unsent = Buffer.concat([this.#unsent, rest]);
    this.#life.setUnsent(this.#unsent.length);
    this.#arm();
  }

  async drain(): Promise<void> {
    await this.#life.whenSent();
    const timeoutMs = STALL_MS + wireTimeMs(this.#settings, Math.min(this.#bytesSinceDrain, MAX_UNSENT_BYTES));
    const draining = this.#device.drain();
    this.#draining = draining.catch(() => undefined);
    try {
      await withDeadline(this.#clock, timeoutMs, 'sending', draining);
    } catch (error) {
      this.#life.lose(`what was written does not leave: ${messageOf(error)}`);
      throw this.#life.error();
    }
    if (!this.#life.open) throw this.#life.error();
    this.#bytesSinceDrain = 0;
  }

  discardInput(): Promise<void> {
    this.#empty();
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await this.#life.close();
  }

  /** Closing a serial device throws everything away as it is. */
  async abort(): Promise<void> {
    await this.#life.close();
  }

  /**
   * What the poller calls. It cannot carry an exception, so one of a handler's is thrown where it ends the process with
   * its own stack.
   */
  #turn(error: Error | null, work: () => void): void {
    if (!this.#life.open) return;
    try {
      work();
      if (error !== null) this.#life.lose(`the device is gone (${error.message})`);
      else this.#arm();
    } catch (thrown) {
      this.#clock.immediate(() => {
        throw thrown;
      });
    }
  }

  #arm(): void {
    const wanted = (this.#rest === null ? READABLE : 0) | (this.#unsent.length > 0 ? WRITABLE : 0);
    if (this.#life.open && wanted !== 0) this.#device.poller.poll(wanted);
  }

  #receive(): void {
    // The poller may still tell what it was asked for before.
    if (this.#rest !== null) return;
    if (this.#life.isOverrun) {
      this.#throwAway();
      return;
    }
    const count = this.#read();
    if (count === null) return;
    this.#heard = true;
    this.#life.deliver(Buffer.from(this.#input.subarray(0, count)));
  }

  #throwAway(): void {
    this.#empty();
    this.#rest = this.#clock.after(THROW_EVERY_MS, () => {
      this.#rest = null;
      this.#arm();
    });
  }

  #empty(): void {
    for (let reads = 0; reads < READS_TO_EMPTY && this.#life.open; reads++) if (this.#read() === null) return;
  }

  /** How many bytes are in `#input` now; null: none there, or the device is gone. */
  #read(): number | null {
    try {
      const count = readSync(this.#fd, this.#input, 0, READ_BYTES, null);
      if (count > 0) return count;
      this.#life.lose('the device hung up: unplugged, or its far end is gone');
    } catch (error) {
      if (!isBusy(error)) this.#life.lose(`the device is gone: unplugged, or its far end is (${messageOf(error)})`);
    }
    return null;
  }

  /** How many bytes the kernel took. */
  #send(bytes: Uint8Array): number {
    try {
      return writeSync(this.#fd, bytes);
    } catch (error) {
      if (!isBusy(error)) this.#life.lose(`the device is gone: it takes no bytes (${messageOf(error)})`);
      return 0;
    }
  }

  #sendRest(): void {
    this.#unsent = this.#unsent.subarray(this.#send(this.#unsent));
    this.#life.setUnsent(this.#unsent.length);
  }

  #watchPath(): void {
    this.#heard = false;
    this.#watch = this.#clock.after(WATCH_MS, () => {
      if (!this.#heard && deviceIdentity(this.#settings.path) !== this.#identity) {
        this.#life.lose(
          `${this.#settings.path} no longer names the device that was opened: unplugged or plugged in anew`,
        );
      } else this.#watchPath();
    });
  }

  /**
   * Unsent bytes are thrown away before the close: the kernel would wait up to 30 s for a device that takes none, with
   * the lock held.
   */
  async #release(): Promise<void> {
    this.#watch?.cancel();
    this.#rest?.cancel();
    this.#device.poller.stop();
    await this.#device.flush().catch(() => undefined);
    await withDeadline(this.#clock, CLOSE_MS / 2, 'sending', this.#draining).catch(() => undefined);
    await this.#device.close();
  }
}

// ---- serial converters on the network -------------------------------------------------------------------------------

async function openConverter(
  clock: Clock,
  settings: LineSettings,
  address: ConverterAddress,
  handlers: PortHandlers,
  timeoutMs: number,
): Promise<ConverterLine> {
  const { path } = settings;
  const reader: { line: ConverterLine | null } = { line: null };
  const socket = connect({
    ...address,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    // By small reads of our own: the socket would hand over megabytes in one turn, whatever is made of them.
    onread: {
      buffer: Buffer.allocUnsafe(READ_BYTES),
      callback: (count, bytes) => reader.line?.receive(bytes.subarray(0, count)) ?? false,
    },
  });
  // Nothing is read before somebody listens.
  socket.pause();
  const connecting = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.on('error', reject);
  });
  try {
    await withDeadline(clock, timeoutMs, `connecting to ${path}`, connecting);
  } catch (error) {
    socket.destroy();
    throw explainConnecting(path, error);
  }
  reader.line = new ConverterLine(clock, settings, socket, handlers);
  return reader.line;
}

class ConverterLine implements Port {
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #life: LineLife;
  #discarding = 0;
  #thrown = 0;
  #aborted = false;

  constructor(clock: Clock, settings: LineSettings, socket: Socket, handlers: PortHandlers) {
    this.#clock = clock;
    this.#socket = socket;
    this.#life = new LineLife(clock, settings, handlers, () => this.#release());
    socket.on('error', (error) => this.#life.lose(`the connection to the converter broke (${codeOf(error)})`));
    socket.on('end', () => this.#life.lose('the converter closed the connection'));
    socket.on('close', () => this.#life.lose('the connection to the converter is gone'));
  }

  begin(): void {
    this.#socket.resume();
  }

  /** The socket's own read; false: it stops reading. */
  receive(bytes: Uint8Array): boolean {
    if (this.#discarding > 0) return true;
    if (this.#life.isOverrun) {
      this.#thrown += 1;
      if (this.#thrown % READS_THROWN !== 0) return true;
      this.#clock.after(THROW_EVERY_MS, () => this.#goOn());
    } else {
      this.#life.deliver(Buffer.from(bytes));
      // A read that does not fill its buffer has emptied the socket, and is the last of this turn.
      if (bytes.length < READ_BYTES) return true;
      this.#clock.immediate(() => this.#goOn());
    }
    return false;
  }

  #goOn(): void {
    if (this.#life.open) this.#socket.resume();
  }

  write(bytes: Uint8Array): void {
    if (!this.#life.open) return;
    // Copied: the socket may hold on to it after this turn, and the caller may use its buffer again.
    this.#socket.write(Buffer.from(bytes), () => this.#life.setUnsent(this.#socket.writableLength));
    this.#life.setUnsent(this.#socket.writableLength);
  }

  async drain(): Promise<void> {
    await this.#life.whenSent();
  }

  /** What has arrived comes with the next full turn of the loop; two turns make sure that it was a full one. */
  async discardInput(): Promise<void> {
    this.#discarding++;
    await new Promise<void>((resolve) => this.#clock.immediate(() => this.#clock.immediate(resolve)));
    this.#discarding--;
  }

  async close(): Promise<void> {
    await this.#life.close();
  }

  async abort(): Promise<void> {
    this.#aborted = true;
    await this.#life.close();
  }

  /**
   * After a plain close the kernel goes on delivering what it has taken, for minutes; only a reset makes it forget
   * that.
   */
  async #release(): Promise<void> {
    if (this.#socket.closed) return;
    await new Promise<void>((resolve) => {
      this.#socket.once('close', () => resolve());
      if (this.#aborted) this.#socket.resetAndDestroy();
      else this.#socket.destroy();
    });
  }
}

const isBusy = (error: unknown): boolean => ['EAGAIN', 'EWOULDBLOCK', 'EINTR'].includes(codeOf(error));
