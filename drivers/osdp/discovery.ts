// Finding a reader of which nothing is known, alone on its line: at each baud one question to everybody (address 0x7F),
// then every address in turn. The line is opened here, for the bus proper is out of service meanwhile.

import type { Clock, DriverContext, LineSettings, Port } from '../driver.ts';
import { wireTimeMs } from '../../src/domain/line.ts';
import type { BusTimings } from './bus.ts';
import { command } from './commands.ts';
import type { WireCommand } from './commands.ts';
import { BROADCAST_ADDRESS, encodeFrame } from './frame.ts';
import type { Frame } from './frame.ts';
import { FrameParser } from './parser.ts';
import { describePdId, REPLIES } from './replies.ts';

export type FoundReader = { address: number; baud: number; identity: string | null };
export type ScanProgress = { baud: number; address: number; tried: number; of: number };

export type ScanOptions = {
  bauds: readonly number[];
  signal: AbortSignal | null;
  progress: (progress: ScanProgress) => void;
  /** Given to the reader once it is found. */
  comset?: { address: number; baud: number };
};

const OPEN_MS = 10_000;
const REOPEN_MS = 100;
const TRANSIT_MS = 20;
const ADDRESSES = Array.from({ length: BROADCAST_ADDRESS }, (_, address) => address);

/**
 * The only reader on the line, or null. With `comset` its new address and baud, as it confirmed them. Rejects when the
 * line cannot be opened.
 */
export async function scanLine(
  settings: LineSettings,
  timings: BusTimings,
  context: DriverContext,
  options: ScanOptions,
): Promise<FoundReader | null> {
  let tried = 0;
  const of = options.bauds.length * (ADDRESSES.length + 1);
  const step = (baud: number, address: number): boolean => {
    options.progress({ baud, address, tried: tried++, of });
    return options.signal?.aborted === true;
  };
  for (const baud of options.bauds) {
    const line = new Questions({ ...settings, baud }, timings, context);
    await line.open();
    try {
      // A reader that hears its baud mostly answers this; then only its address is still to be found.
      if (step(baud, BROADCAST_ADDRESS)) return null;
      const anybody = await line.ask(BROADCAST_ADDRESS, ID);
      for (const address of ADDRESSES) {
        if (step(baud, address)) return null;
        const answer = await line.ask(address, ID);
        if (answer === null && (await line.askAgain(anybody, address)) === null) continue;
        const found = { address, baud, identity: identityOf(answer) ?? identityOf(anybody) };
        return options.comset === undefined ? found : await readdress(line, found, options.comset);
      }
    } finally {
      await line.close();
    }
  }
  return null;
}

const ID = command('ID', { extended: false });
const CAP = command('CAP', {});

function identityOf(frame: Frame | null): string | null {
  const id = frame?.code === REPLIES.PDID.code ? REPLIES.PDID.decode(frame.data) : null;
  return id === null ? null : describePdId(id);
}

async function readdress(
  line: Questions,
  found: FoundReader,
  wanted: { address: number; baud: number },
): Promise<FoundReader | null> {
  // It has just answered number 0.
  const answer = await line.ask(found.address, command('COMSET', wanted), 1);
  const taken = answer?.code === REPLIES.COM.code ? REPLIES.COM.decode(answer.data) : null;
  return taken === null ? null : { ...found, ...taken };
}

/** One question and its answer at a time, in the clear; each begins a link of its own but where it says otherwise. */
class Questions {
  readonly #settings: LineSettings;
  readonly #timings: BusTimings;
  readonly #context: DriverContext;
  readonly #clock: Clock;
  readonly #parser = new FrameParser();
  #port: Port | null = null;
  #asked: { address: number; answer: (frame: Frame | null) => void } | null = null;

  constructor(settings: LineSettings, timings: BusTimings, context: DriverContext) {
    this.#settings = settings;
    this.#timings = timings;
    this.#context = context;
    this.#clock = context.clock;
  }

  /** The bus may just be letting go of the line: a line that cannot be opened is tried again for a while. */
  async open(): Promise<void> {
    const handlers = { data: (bytes: Buffer) => this.#data(bytes), lost: () => this.#asked?.answer(null) };
    const untilMs = this.#clock.monotonicMs() + OPEN_MS;
    while (this.#port === null) {
      try {
        this.#port = await this.#context.openPort(this.#settings, handlers, OPEN_MS);
      } catch (error) {
        if (this.#clock.monotonicMs() >= untilMs) throw error;
        await new Promise<void>((resolve) => void this.#clock.after(REOPEN_MS, resolve));
      }
    }
  }

  async close(): Promise<void> {
    await this.#port?.close();
  }

  /** The answer from this address, or null. */
  ask(address: number, wire: WireCommand, sequence = 0): Promise<Frame | null> {
    const fields = { address, reply: false, sequence, crc: true, block: null, code: wire.code, data: wire.data };
    const bytes = encodeFrame(fields, undefined, 1);
    const timeoutMs = wireTimeMs(this.#settings, bytes.length + 64) + this.#timings.replyTimeoutMs + TRANSIT_MS;
    this.#parser.clear();
    return new Promise((resolve) => {
      const answer = (frame: Frame | null): void => {
        timer.cancel();
        this.#asked = null;
        resolve(frame);
      };
      const timer = this.#clock.after(timeoutMs, () => this.#clock.immediate(() => answer(null)));
      this.#asked = { address, answer };
      this.#port?.write(bytes);
    });
  }

  /** Some readers say nothing to ID until they were asked something else; worth the time only where somebody is known to be there. */
  async askAgain(anybody: Frame | null, address: number): Promise<Frame | null> {
    return anybody === null ? null : await this.ask(address, CAP);
  }

  #data(bytes: Buffer): void {
    for (const frame of this.#parser.push(bytes)) {
      if (frame.reply && frame.address === this.#asked?.address) this.#asked.answer(frame);
    }
  }
}
