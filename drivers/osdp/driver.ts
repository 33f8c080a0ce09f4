// The OSDP driver: one bus, its readers, and what an operator may do to them. The composition is all there is here; the
// bus is bus.ts, a reader's life reader.ts, and the operator's work operator.ts.

import type {
  BusHealth,
  ConfigProblem,
  Device,
  DriverContext,
  DriverEvent,
  DriverModule,
  PreparedController,
  PrepareResult,
  Keeps,
} from '../driver.ts';
import { withDeadline } from '../../src/domain/deadline.ts';
import { lineProblems, wireTimeMs } from '../../src/domain/line.ts';
import { OsdpBus } from './bus.ts';
import { CardField } from './card-field.ts';
import type { WireCommand } from './commands.ts';
import { busLine, busSchema, busTimings, capabilitiesOf, controllerSchema, readerSettings } from './config.ts';
import type { BusConfig, ControllerConfig } from './config.ts';
import { OsdpOperations, type OsdpDriver } from './operations.ts';
import { Operator } from './operator.ts';
import { PhoneReader } from './phone-reader.ts';
import { ProofKeys } from './pkoc/proof.ts';
import { OsdpReader } from './reader.ts';
import type { ReplyFields } from './replies.ts';

export const osdpDriver: DriverModule = {
  name: 'osdp',
  busSchema: busSchema.describe('An RS-485 bus of OSDP readers.'),
  controllerSchema: controllerSchema.describe('An OSDP reader.'),
  prepare,
  checkBus,
  create: (busName, busConfig, controllers, context) =>
    new OsdpBusDriver(busName, busSchema.parse(busConfig), controllers, context),
  operations: (ports) => new OsdpOperations(ports),
};

function prepare(name: string, busConfig: unknown, controllerConfig: unknown): PrepareResult {
  const config = controllerSchema.parse(controllerConfig);
  const problems: ConfigProblem[] = [];
  if (config.secure_channel === 'none') {
    problems.push({
      severity: 'warning',
      path: ['secure_channel'],
      message: `cards, PINs and the strike of ${name} go over the line in the clear: whoever reaches the cable can read and open`,
      remedy: 'set it to required and install a key with `lintel osdp install`, if the reader knows Secure Channel',
    });
  }
  problems.push(...phoneProblems(name, busSchema.parse(busConfig), config));
  if (config.biometrics !== null && config.secure_channel === 'none')
    problems.push({
      severity: 'error',
      path: ['biometrics'],
      message: `templates of people’s fingers would go to ${name} in the clear, and whoever reaches the cable could make up a match`,
      remedy: 'set secure_channel: required and install a key of its own, or leave out biometrics',
    });
  for (const [index, input] of config.invert_inputs.entries()) {
    if (input < config.inputs) continue;
    problems.push({
      severity: 'error',
      path: ['invert_inputs', index],
      message: `input ${input} is inverted and not used: inputs is ${config.inputs}`,
      remedy: `name inputs from 0 to ${config.inputs - 1}, or raise \`inputs\``,
    });
  }
  const failed = problems.some((problem) => problem.severity === 'error');
  return {
    problems,
    controller: failed ? null : { name, config, capabilities: capabilitiesOf(config), prepared: null },
  };
}

/** Below it, one card's exchanges alone take a third of a second of the line. */
const TRANSPARENT_BAUD = 38_400;

function phoneProblems(name: string, { baud }: BusConfig, config: ControllerConfig): ConfigProblem[] {
  const key = config.transparent ? 'transparent' : 'pkoc_messages';
  if (!config.transparent && config.pkoc_messages === null) return [];
  if (config.transparent && config.pkoc_messages !== null)
    return [
      {
        severity: 'error',
        path: ['pkoc_messages'],
        message: `${name} hands its cards to Lintel, so that it cannot speak to them itself`,
        remedy: 'leave out transparent or pkoc_messages, by what the reader can do',
      },
    ];
  if (config.secure_channel === 'none')
    return [
      {
        severity: 'error',
        path: [key],
        message: `what a phone proves at ${name} could be made up by whoever reaches the cable`,
        remedy: `set secure_channel: required, or leave out ${key}`,
      },
    ];
  if (!config.transparent || baud >= TRANSPARENT_BAUD) return [];
  return [
    {
      severity: 'warning',
      path: ['transparent'],
      message: `at ${baud} baud a phone takes longer to prove its key than people hold it there`,
      remedy: 'raise the baud of the readers and the bus to 38400 or more',
    },
  ];
}

function checkBus(busName: string, busConfig: unknown, controllers: readonly PreparedController[]): ConfigProblem[] {
  const bus = busSchema.parse(busConfig);
  const readers = controllers.map(({ name, config }) => ({ name, config: controllerSchema.parse(config) }));
  return [...lineProblems(busName, bus), ...sharedAddresses(readers), ...slowRound(busName, bus, readers)];
}

type NamedReader = { name: string; config: ControllerConfig };

function sharedAddresses(readers: readonly NamedReader[]): ConfigProblem[] {
  return readers.flatMap(({ name, config }, index) => {
    const other = readers.slice(0, index).find((one) => one.config.address === config.address);
    if (other === undefined) return [];
    return [
      {
        severity: 'error' as const,
        path: ['controllers', name, 'address'],
        message: `${other.name} has address ${config.address} on the same bus: both would answer at once`,
        remedy: 'give each reader an address of its own (`lintel osdp address`, with only that reader on the line)',
      },
    ];
  });
}

/** A card waits for its poll, so it waits for the whole round. */
const SLOW_ROUND_MS = 400;
/** Characters of a poll and its answer with marks and idle times, and the time a common reader thinks. */
const POLL_CHARACTERS = { secure: 34, clear: 22 };
const TURNAROUND_MS = 3;

function slowRound(busName: string, bus: BusConfig, readers: readonly NamedReader[]): ConfigProblem[] {
  const roundMs = readers.reduce((sum, { config }) => {
    const characters = config.secure_channel === 'required' ? POLL_CHARACTERS.secure : POLL_CHARACTERS.clear;
    return sum + wireTimeMs(busLine(bus), characters) + TURNAROUND_MS;
  }, 0);
  if (roundMs <= SLOW_ROUND_MS) return [];
  return [
    {
      severity: 'warning',
      path: ['buses', busName, 'baud'],
      message: `${readers.length} readers at ${bus.baud} baud are asked once in ${Math.round(roundMs)} ms: cards will feel slow`,
      remedy: 'raise the baud of the readers and the bus (38400 or more), or spread them over two buses',
    },
  ];
}

/** How long readers have to take their fields back at the end. */
const RETURN_MS = 1_000;

class OsdpBusDriver implements OsdpDriver {
  readonly bus: string;
  readonly devices: ReadonlyMap<string, Device>;
  readonly osdp: Operator;
  readonly #line: OsdpBus;
  readonly #readers: readonly OsdpReader[];
  readonly #context: DriverContext;
  readonly #proofs = new ProofKeys();
  readonly #fields: ReadonlyMap<string, CardField>;
  /** Of the readers at which phones prove their keys. */
  readonly #phones = new Map<string, PhoneReader>();
  #resting: Promise<void> | null = null;

  constructor(bus: string, config: BusConfig, controllers: readonly PreparedController[], context: DriverContext) {
    this.bus = bus;
    this.#context = context;
    const log = context.log.child({ bus });
    const disturbed = (problem: string | null): void => {
      if (problem !== null) log.warn('the line is disturbed', { problem });
      context.emit({ type: 'bus_disturbed', bus, problem });
    };
    this.#line = new OsdpBus(busLine(config), busTimings(config), { ...context, log, disturbed });
    this.#readers = controllers.map(
      (controller) =>
        new OsdpReader(
          controller.name,
          readerSettings(controllerSchema.parse(controller.config)),
          controller.capabilities,
          {
            ...context,
            log,
            keys: context.readerKeys ?? null,
            tune: (baud) => this.#tune(baud),
            emit: (event) => this.#emit(event),
          },
        ),
    );
    this.#fields = new Map(this.#readers.map((reader) => [reader.name, fieldOf(reader, context)]));
    for (const { name, config: given } of controllers) {
      const field = this.#fields.get(name);
      const reader = this.#readers.find((one) => one.name === name);
      const { transparent, pkoc_messages: messages } = controllerSchema.parse(given);
      if (reader !== undefined && field !== undefined && (transparent || messages !== null))
        this.#phones.set(name, new PhoneReader(reader, messages, { field, keys: this.#proofs, context, log }));
    }
    for (const reader of this.#readers) this.#line.add(reader.station);
    this.devices = new Map(this.#readers.map((reader) => [reader.name, reader]));
    this.osdp = new Operator(this.#line, this.#readers, this.#fields, busTimings(config), context);
  }

  /** A line has one baud for all its readers: it follows a reader only where that is alone. */
  async #tune(baud: number): Promise<void> {
    if (this.#readers.length === 1) await this.#line.tune(baud);
  }

  /** What readers tell, as far as it is not of phones. */
  #emit(event: DriverEvent): void {
    const phones = 'device' in event ? this.#phones.get(event.device) : undefined;
    if (phones?.passesOver(event) !== true) this.#context.emit(event);
  }

  start(): void {
    this.#line.start();
    for (const reader of this.#readers) reader.start();
  }

  health(): BusHealth {
    return this.#line.health();
  }

  rest(timeoutMs: number, keeps: Keeps = () => false): Promise<void> {
    const notAfterMs = this.#context.clock.monotonicMs() + timeoutMs;
    this.#resting ??= this.#rest(notAfterMs, keeps);
    return this.#resting;
  }

  async #rest(notAfterMs: number, keeps: Keeps): Promise<void> {
    const resting = this.#readers.flatMap(({ name, outputs }) =>
      outputs === null ? [] : [outputs.rest(notAfterMs, (output) => keeps(name, output))],
    );
    await Promise.all(resting);
  }

  async stop(timeoutMs: number): Promise<void> {
    await this.rest(timeoutMs);
    for (const phones of this.#phones.values()) phones.end();
    const ends = Promise.all([...this.#fields.values()].map((field) => field.end()));
    await withDeadline(this.#context.clock, RETURN_MS, 'readers to read by themselves', ends).catch(() => undefined);
    for (const reader of this.#readers) reader.stop();
    await this.#line.stop('stopped');
  }
}

function fieldOf(reader: OsdpReader, { clock }: DriverContext): CardField {
  const line = {
    ask: (wire: WireCommand) => reader.ask(wire),
    isOnline: () => reader.online,
    connection: () => reader.station.link.connection,
    await: <T>(timeoutMs: number, pick: (fields: ReplyFields['XRD']) => T | null, over: AbortSignal) =>
      reader.awaitReport('XRD', timeoutMs, pick, over),
  };
  return new CardField(line, clock);
}
