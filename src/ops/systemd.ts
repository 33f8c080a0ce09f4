// What the daemon tells systemd (sd_notify): that it is ready, what it is doing, that it stops, and, as long as it is
// well, that it lives. Node has no unix datagram sockets. The unit's `with-notify-socket` hands us one that is
// connected already, and a notification is then one write that never waits. Where the daemon was started without it,
// each notification is a run of systemd-notify, one at a time, which needs NotifyAccess=all.

import { execFile } from 'node:child_process';
import { constants, fstatSync, readFileSync, writeSync } from 'node:fs';
import type { Clock, Log, Timer } from '../domain/ports.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type Notifier = {
  /** How notifications travel; `none` when systemd did not start us or asks for none. */
  via: () => 'socket' | 'command' | 'none';
  /** The start is done. Once, when the doors are served. */
  ready: (status: string) => void;
  /** One line for `systemctl status`. */
  status: (text: string) => void;
  /** Asks for `moreMs` from now for the start or stop under way, before systemd gives up on it. */
  extendTimeout: (moreMs: number) => void;
  /**
   * Kicks the watchdog, three times as often as systemd asks for, as long as `healthy` says so and the event loop runs.
   * A `healthy` that throws is not. Does nothing when the unit has no WatchdogSec=.
   */
  startWatchdog: (healthy: () => boolean) => void;
  /** The stop has begun. The watchdog is kicked on, for a stop may take its time but must not hang. */
  stopping: (status: string) => void;
  /** Ends the watchdog and waits until what was said has left, at most `timeoutMs`. */
  close: (timeoutMs: number) => Promise<void>;
};

const MAX_WAITING = 32;
const RETRY_MS = 200;
const COMMAND_TIMEOUT_MS = 10_000;

export function openNotifier(clock: Clock, log: Log, env: Environment, pid: number): Notifier {
  const sender = new Sender(clock, log, env);
  const intervalMs = watchdogIntervalMs(env, pid);
  let watchdog: Timer | null = null;
  const kick = (healthy: () => boolean, wasHealthy: boolean): void => {
    const well = answers(healthy, log);
    if (well) sender.send('WATCHDOG=1');
    else if (wasHealthy) log.error('not healthy: the watchdog is not kicked, and a restart follows if this lasts');
    if (well && !wasHealthy) log.warn('healthy again');
    watchdog = clock.after(intervalMs ?? 0, () => kick(healthy, well));
  };
  return {
    via: () => sender.via(),
    ready: (status) => sender.send(`READY=1\n${statusLine(status)}`),
    status: (text) => sender.send(statusLine(text)),
    extendTimeout: (moreMs) => sender.send(`EXTEND_TIMEOUT_USEC=${Math.ceil(moreMs * 1000)}`),
    startWatchdog: (healthy) => {
      if (intervalMs !== null && watchdog === null && sender.via() !== 'none') kick(healthy, true);
    },
    stopping: (status) => sender.send(`STOPPING=1\n${statusLine(status)}`),
    close: async (timeoutMs) => {
      watchdog?.cancel();
      await sender.flushed(timeoutMs);
    },
  };
}

/**
 * A third of what systemd asks for, so that two kicks may be late; null when it asks for none, or asks another process.
 */
export function watchdogIntervalMs(env: Environment, pid: number): number | null {
  const askedPid = env['WATCHDOG_PID'];
  const askedUs = Number(env['WATCHDOG_USEC'] ?? Number.NaN);
  if (!(askedUs > 0) || (askedPid !== undefined && askedPid !== String(pid))) return null;
  return Math.max(1, Math.floor(askedUs / 3000));
}

function answers(healthy: () => boolean, log: Log): boolean {
  try {
    return healthy();
  } catch (error) {
    log.error('the health check failed', { error });
    return false;
  }
}

/** A status is one line; a line break in it would be read as another variable. */
function statusLine(text: string): string {
  return `STATUS=${text.replaceAll(/\p{Cc}+/gu, ' ').slice(0, 500)}`;
}

/** Carries messages in order: over the inherited socket, else by systemd-notify, at most one of them at a time. */
class Sender {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #notifySocket: string | null;
  #fd: number | null;
  readonly #waiting: string[] = [];
  #busy = false;
  #commandFailed = false;

  constructor(clock: Clock, log: Log, env: Environment) {
    this.#clock = clock;
    this.#log = log;
    const path = env['NOTIFY_SOCKET'] ?? '';
    this.#notifySocket = path === '' ? null : path;
    this.#fd = this.#notifySocket === null ? null : inheritedSocket(env['LINTEL_NOTIFY_FD']);
  }

  via(): 'socket' | 'command' | 'none' {
    if (this.#notifySocket === null) return 'none';
    return this.#fd === null ? 'command' : 'socket';
  }

  send(message: string): void {
    if (this.#notifySocket === null) return;
    // A kick that waits behind another one says nothing new.
    if (message === 'WATCHDOG=1' && this.#waiting.includes(message)) return;
    if (this.#waiting.length >= MAX_WAITING) this.#makeRoom();
    this.#waiting.push(message);
    this.#pump();
  }

  async flushed(timeoutMs: number): Promise<void> {
    const endsAtMs = this.#clock.monotonicMs() + timeoutMs;
    while (this.#waiting.length > 0 && this.#clock.monotonicMs() < endsAtMs) {
      await new Promise<void>((resolve) => this.#clock.after(10, resolve));
    }
  }

  /** Gives up the oldest message that says least: a bare status before what changes the unit's state. */
  #makeRoom(): void {
    const bare = this.#waiting.findIndex(
      (waiting, index) => waiting.startsWith('STATUS=') && !(this.#busy && index === 0),
    );
    this.#waiting.splice(bare === -1 ? 1 : bare, 1);
  }

  #pump(): void {
    while (!this.#busy) {
      const message = this.#waiting[0];
      if (message === undefined) return;
      if (this.#fd === null) this.#runCommand(message);
      else if (!this.#write(this.#fd, message)) return;
    }
  }

  /** Writes one datagram. False: it was not taken and is tried again later. */
  #write(fd: number, message: string): boolean {
    try {
      writeSync(fd, message);
      this.#waiting.shift();
      return true;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : null;
      if (code === 'EAGAIN' || code === 'ENOBUFS') {
        this.#retryLater();
        return false;
      }
      this.#log.warn('the notification socket is lost, systemd-notify takes its place', { error });
      this.#fd = null;
      return true;
    }
  }

  /** systemd's queue is full: it is busy, and will ask again for what it did not get. */
  #retryLater(): void {
    this.#busy = true;
    this.#clock.after(RETRY_MS, () => {
      this.#busy = false;
      this.#pump();
    });
  }

  #runCommand(message: string): void {
    this.#busy = true;
    const options = { env: { NOTIFY_SOCKET: this.#notifySocket ?? '' }, timeout: COMMAND_TIMEOUT_MS };
    execFile('/usr/bin/systemd-notify', message.split('\n'), options, (error) => {
      if (error !== null && !this.#commandFailed) {
        this.#log.error('systemd-notify failed, and systemd cannot tell how we are', { error });
      }
      this.#commandFailed = error !== null;
      this.#waiting.shift();
      this.#busy = false;
      this.#pump();
    });
  }
}

/**
 * The descriptor, when it is an open socket that never blocks (O_NONBLOCK in /proc/self/fdinfo): a write that waited
 * for systemd would hold up the doors.
 */
function inheritedSocket(text: string | undefined): number | null {
  if (text === undefined || !/^[0-9]{1,4}$/.test(text) || Number(text) < 3) return null;
  const fd = Number(text);
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '0';
    return fstatSync(fd).isSocket() && (parseInt(flags, 8) & constants.O_NONBLOCK) !== 0 ? fd : null;
  } catch {
    return null;
  }
}
