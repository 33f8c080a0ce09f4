// The driver of readers that push: one 125 kHz reader on a UART says the number of each tag it sees and understands
// nothing. It cannot be asked, so online means that the line is open, not that somebody lives at its end; and it can be
// shown nothing, so its entrance needs its own light or buzzer.

import { z } from 'zod';
import { DURATION_FORM, formatDuration, parseDuration } from '../../src/domain/duration.ts';
import { assert } from '../../src/domain/errors.ts';
import { withDeadline } from '../../src/domain/deadline.ts';
import type {
  BusHealth,
  Capabilities,
  ConfigProblem,
  Device,
  DeviceStatus,
  Driver,
  DriverContext,
  DriverModule,
  PreparedController,
  Timer,
} from '../driver.ts';
import { newCounters } from '../kit/counters.ts';
import { DeviceLife } from '../kit/device-life.ts';
import { LineHealth } from '../kit/line-health.ts';
import { Presence } from '../kit/presence.ts';
import { SteadyLine } from '../kit/steady-line.ts';
import { lineKeys, lineProblems, lineSettings } from '../../src/domain/line.ts';
import { FRAMES, frameLength, REPEATS, TagParser, type FrameName } from './codec.ts';

const LONGEST_DEBOUNCE_MS = 60_000;
const SHORTEST_DEBOUNCE_MS = 100;
const DEBOUNCE_WORDS = `a duration from ${formatDuration(SHORTEST_DEBOUNCE_MS)} to ${formatDuration(LONGEST_DEBOUNCE_MS)}, with its unit (ms, s, m)`;

const busKeys = {
  ...lineKeys({ baud: 9600 }),
  frame: z.enum(FRAMES).meta({
    title: 'Frame',
    description:
      'How the reader writes a tag: `rdm6300` (14 bytes, repeated while the tag is held) or `id-12la` (16 bytes with CR LF, sent once).',
  }),
};

const debounceInRange = (text: string): boolean => {
  if (!DURATION_FORM.test(text)) return false;
  const durationMs = parseDuration(text);
  return durationMs >= SHORTEST_DEBOUNCE_MS && durationMs <= LONGEST_DEBOUNCE_MS;
};

const controllerKeys = {
  debounce: z
    .string()
    .refine(debounceInRange, {
      error: `expected ${DEBOUNCE_WORDS}`,
      params: { remedy: 'Write for example `debounce: 2s`.' },
    })
    .default('2s')
    .meta({
      title: 'Debounce',
      description: 'How long a tag must have been away before it counts as shown again. Another tag counts at once.',
      examples: ['2s'],
      patternErrorMessage: DEBOUNCE_WORDS,
    }),
};

/** What is left of a configuration once the common keys are not ours to read. */
const readBus = (config: unknown) => z.object(busKeys).parse(config);
const readController = (config: unknown) => z.object(controllerKeys).parse(config);

const CAPABILITIES: Capabilities = {
  slots: null,
  readers: [{ keypad: false, card: true, feedback: [], showsLook: false }],
  outputs: [],
  inputs: [],
  doors: [],
  clock: false,
  events: false,
};

export const uartDriver: DriverModule = {
  name: 'uart',
  busSchema: z.strictObject(busKeys).describe('A 125 kHz reader that pushes tag numbers over a serial line.'),
  controllerSchema: z.strictObject(controllerKeys).describe('The reader on the line.'),
  prepare: (name, _busConfig, config) => ({
    problems: [],
    controller: { name, config, capabilities: CAPABILITIES, prepared: null },
  }),
  checkBus: (busName, busConfig, controllers) => [
    ...lineProblems(busName, readBus(busConfig)),
    ...countProblems(busName, controllers),
  ],
  create(busName, busConfig, controllers, context) {
    const [controller] = controllers;
    assert(controller !== undefined && controllers.length === 1, 'a uart bus has one reader, as checkBus says');
    return new UartBus(busName, readBus(busConfig), controller, context);
  },
};

function countProblems(busName: string, controllers: readonly PreparedController[]): ConfigProblem[] {
  if (controllers.length === 0) {
    return [
      {
        severity: 'error',
        path: ['buses', busName],
        message: 'no controller is on this bus, so nobody would hear its reader',
        remedy: `Add a controller with \`bus: ${busName}\`, or take the bus away.`,
      },
    ];
  }
  return controllers.slice(1).map(({ name }) => ({
    severity: 'error',
    path: ['controllers', name, 'bus'],
    message: `a uart bus carries one reader, and ${busName} has ${controllers[0]?.name ?? ''} already`,
    remedy: 'Give this reader a serial line and a bus of its own.',
  }));
}

/**
 * As many bytes without one whole frame mean that the wire, the baud rate or the frame is wrong: a dirty read or two
 * does not.
 */
const UNREADABLE_FRAMES = 3;
const UNREADABLE = 'unreadable_frames';
/** Nothing comes over a quiet line that would have it judged. */
const LOOK_MS = 5_000;

type BusConfig = ReturnType<typeof readBus>;

class UartBus implements Driver {
  readonly bus: string;
  readonly devices: ReadonlyMap<string, Device>;
  readonly #name: string;
  readonly #context: DriverContext;
  readonly #frame: FrameName;
  readonly #line: SteadyLine;
  readonly #parser: TagParser;
  readonly #presence: Presence;
  readonly #counters = newCounters();
  readonly #life: DeviceLife;
  readonly #health: LineHealth;
  #look: Timer | null = null;
  #down: string | null = 'the line is not open yet';
  #unreadableBytes = 0;
  /** Bytes that were no frame and have not been counted as one yet. */
  #waste = 0;

  constructor(bus: string, config: BusConfig, controller: PreparedController, context: DriverContext) {
    this.bus = bus;
    this.#name = controller.name;
    this.#context = context;
    this.#life = new DeviceLife(controller.name, context.clock, (event) => context.emit(event));
    this.#health = new LineHealth({ devices: 'reader', patience: '', frames: 'frames' }, (problem) => {
      if (problem !== null) context.log.warn('the line is disturbed', { bus, problem });
      context.emit({ type: 'bus_disturbed', bus, problem });
    });
    this.#frame = config.frame;
    this.#parser = new TagParser(config.frame);
    this.#presence = new Presence(parseDuration(readController(controller.config).debounce), REPEATS[config.frame]);
    this.#line = new SteadyLine(lineSettings(config), context, {
      up: () => this.#up(),
      data: (bytes) => this.#data(bytes),
      down: (reason) => this.#lost(reason),
    });
    this.devices = new Map([[controller.name, this.#device(controller)]]);
  }

  start(): void {
    this.#line.start();
  }

  /** A push reader has no outputs to bring to rest. */
  async rest(): Promise<void> {
    await Promise.resolve();
  }

  health(): BusHealth {
    return this.#health.report(this.#down);
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#look?.cancel();
    this.#life.stop();
    await withDeadline(this.#context.clock, timeoutMs, `closing bus ${this.bus}`, this.#line.stop());
  }

  #device(controller: PreparedController): Device {
    return {
      name: controller.name,
      capabilities: controller.capabilities,
      status: () => this.#status(),
      slots: null,
      outputs: null,
      readers: null,
      clock: null,
      events: null,
    };
  }

  #status(): DeviceStatus {
    return {
      ...this.#life.status(),
      identity: null,
      problem: this.#life.problem ?? this.#life.faultOf(UNREADABLE),
      counters: { ...this.#counters },
    };
  }

  #up(): void {
    this.#parser.reset();
    this.#unreadableBytes = 0;
    this.#down = null;
    this.#context.log.info('line open', { bus: this.bus });
    this.#life.found();
  }

  #lost(reason: string): void {
    this.#down = reason;
    this.#context.log.warn('line down', { bus: this.bus, reason });
    this.#life.lost(reason);
  }

  #data(bytes: Buffer): void {
    const atMonotonicMs = this.#context.clock.monotonicMs();
    const { uids, wrongChecksums, noiseBytes } = this.#parser.push(bytes, atMonotonicMs);
    this.#counters.bytesReceived += bytes.length;
    this.#counters.replies += uids.length;
    this.#counters.crcErrors += wrongChecksums;
    for (const uid of uids) {
      if (!this.#presence.isNew(uid, atMonotonicMs)) continue;
      const presentation = { kind: 'card', reading: { kind: 'uid', bytes: uid } } as const;
      this.#context.emit({ type: 'presented', device: this.#name, reader: 0, presentation, atMonotonicMs });
    }
    this.#judgeWire(uids.length > 0, wrongChecksums * frameLength(this.#frame) + noiseBytes);
    this.#judgeLine(uids.length, wrongChecksums, noiseBytes);
  }

  /** As much noise as a frame has bytes is a frame that was lost. */
  #judgeLine(whole: number, damaged: number, noiseBytes: number): void {
    this.#waste += noiseBytes;
    const length = frameLength(this.#frame);
    for (let i = 0; i < whole; i++) this.#health.exchanged(true);
    for (let i = 0; i < damaged; i++) this.#health.exchanged(false);
    for (; this.#waste >= length; this.#waste -= length) this.#health.exchanged(false);
    this.#health.judge(this.#context.clock.monotonicMs());
    this.#look ??= this.#context.clock.after(LOOK_MS, () => this.#lookAgain());
  }

  #lookAgain(): void {
    this.#look = null;
    this.#health.judge(this.#context.clock.monotonicMs());
    if (this.#health.isDisturbed) this.#look = this.#context.clock.after(LOOK_MS, () => this.#lookAgain());
  }

  /**
   * An installer who chose the wrong frame or baud rate sees bytes coming and no tag: that must not look like silence.
   */
  #judgeWire(readable: boolean, unreadableBytes: number): void {
    this.#unreadableBytes = readable ? 0 : this.#unreadableBytes + unreadableBytes;
    const bad = this.#unreadableBytes >= UNREADABLE_FRAMES * frameLength(this.#frame);
    const message = `bytes arrive that are no ${this.#frame} frames: check frame, baud and the level of the reader's TX wire (TTL or RS-232)`;
    if (bad || readable) this.#life.fault(UNREADABLE, bad ? message : null);
  }
}
