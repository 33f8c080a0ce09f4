// Every way in which the daemon's process can end while it still has a say: first the outputs go to rest, then it ends.
// Signals that mean nothing to a daemon are said in the log and end nothing, for a door must not stand open, or stay
// shut, because somebody's terminal was closed. What no program can see (kill -9, power, a loop that never turns again)
// is left to systemd, to the next start, which begins with the outputs, and to boards that end their pulses themselves.

import { withDeadline } from '../domain/deadline.ts';
import type { Clock, Log } from '../domain/ports.ts';

/** Each asks for an orderly stop; a shell reads the way a process went from its exit code. */
const ENDING: Readonly<Partial<Record<NodeJS.Signals, number>>> = {
  SIGINT: 130,
  SIGQUIT: 131,
  SIGTERM: 143,
  /** The processor time that this process was given is nearly used up. */
  SIGXCPU: 152,
  /** Power is failing. */
  SIGPWR: 158,
};

/**
 * Each would end the process by itself, and none of them is a reason to. Faults of the machine or of V8 (SIGSEGV,
 * SIGABRT and the like) are not here: nothing can go on after them.
 */
const REFUSED: Readonly<Partial<Record<NodeJS.Signals, string>>> = {
  SIGHUP: 'the facility file is read at the start only. Remedy: restart the service to take a changed file',
  SIGPIPE: 'whoever read from Lintel has gone',
  SIGUSR1: 'it means nothing to Lintel, and opens no debugger',
  SIGUSR2: 'it means nothing to Lintel',
  SIGALRM: 'it means nothing to Lintel',
  SIGVTALRM: 'it means nothing to Lintel',
  SIGPROF: 'it means nothing to Lintel',
  SIGIO: 'it means nothing to Lintel',
  SIGSTKFLT: 'it means nothing to Lintel',
  SIGXFSZ: 'a file has reached the size that this process may write',
};

/** A terminal and npm both pass on the same Ctrl-C: what comes this soon is not a second one. */
const SAME_SIGNAL_MS = 500;
/** Over the time that the outputs themselves are given. */
const GRACE_MS = 500;
const CRASHED = 1;
/** A loop that throws at every turn must not fill the log while the outputs go to rest. */
const MOST_TOLD = 5;

export type ExitOptions = {
  clock: Clock;
  log: Log;
  /** How long outputs may take to go to rest. */
  restMs: number;
  /** What is written at the very last, whichever way the process ends. */
  lastWords: () => void;
};

export type Exits = {
  /** Resolves at the first signal that asks for a stop, with its name. The outputs are on their way to rest by then. */
  asked: Promise<NodeJS.Signals>;
  /** How to bring the outputs to rest, once there are any. Called more than once; never rejects. */
  restBy: (rest: () => Promise<void>) => void;
};

/** From now on the process ends by none of these ways before its outputs are at rest or have had their time. */
export function watchExits({ clock, log, restMs, lastWords }: ExitOptions): Exits {
  let rest = (): Promise<void> => Promise.resolve();
  let isEnding = false;
  const end = async (code: number): Promise<void> => {
    if (isEnding) return;
    isEnding = true;
    await withDeadline(clock, restMs + GRACE_MS, 'bringing outputs to rest', rest()).catch((error: unknown) => {
      log.error('outputs may not be at rest', { error: String(error) });
    });
    try {
      lastWords();
    } finally {
      process.exit(code);
    }
  };

  const asked = Promise.withResolvers<NodeJS.Signals>();
  let firstAtMs: number | null = null;
  const take = (signal: NodeJS.Signals): void => {
    const nowMs = clock.monotonicMs();
    if (firstAtMs === null) {
      firstAtMs = nowMs;
      void rest();
      asked.resolve(signal);
    } else if (nowMs - firstAtMs > SAME_SIGNAL_MS) {
      log.warn('told a second time: lintel ends as soon as its outputs are at rest', { signal });
      void end(ENDING[signal] ?? CRASHED);
    }
  };
  for (const signal of signals(ENDING)) process.on(signal, take);
  for (const signal of signals(REFUSED))
    process.on(signal, () => log.warn(`${signal} is refused: ${REFUSED[signal] ?? ''}`));

  let told = 0;
  process.on('uncaughtException', (error, origin) => {
    if (told++ < MOST_TOLD)
      log.error('a mistake of Lintel itself: its outputs go to rest, and it ends', { error, origin });
    void end(CRASHED);
  });
  return { asked: asked.promise, restBy: (how) => (rest = how) };
}

function signals(table: Readonly<Partial<Record<NodeJS.Signals, unknown>>>): NodeJS.Signals[] {
  return Object.keys(table) as NodeJS.Signals[];
}
