// A serial device. serialport opens, locks and sets it up; the bytes themselves go by non-blocking reads and writes in
// the loop's own turn, so that neither a strike nor its answer ever waits for the thread pool behind a slow name look-up
// or backup.

import { readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { SerialPort } from 'serialport';
import { withDeadline } from '../../src/domain/deadline.ts';
import { assert, OperatingError } from '../../src/domain/errors.ts';
import { lockHolders } from '../../src/domain/kernel-locks.ts';
import { codeOf, explainOpening, messageOf } from '../../src/domain/line-errors.ts';
import { wireTimeMs } from '../../src/domain/line.ts';
import type { Clock, LineSettings, Port, PortHandlers, Timer } from '../driver.ts';
import { CLOSE_MS, LineLife, MAX_UNSENT_BYTES, READ_BYTES, STALL_MS, THROW_EVERY_MS } from './life.ts';

/**
 * A silent device is looked up this often: an unplugged adapter may leave an open port that says nothing ever again.
 */
const WATCH_MS = 2_000;

type SerialDevice = Awaited<ReturnType<typeof openDevice>>;

const READABLE = 1;
const WRITABLE = 2;
/** What a terminal holds at most, in reads. */
const READS_TO_EMPTY = 8;
const LOCK_WAIT_MS = 500;
const LOCK_LOOK_MS = 25;

export async function openSerial(
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
    return lockHolders(readFileSync('/proc/locks', 'latin1'), statSync(path)).length > 0;
  } catch {
    return false;
  }
}

export class SerialLine implements Port {
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

const isBusy = (error: unknown): boolean => ['EAGAIN', 'EWOULDBLOCK', 'EINTR'].includes(codeOf(error));
