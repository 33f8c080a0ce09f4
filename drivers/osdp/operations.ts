// What an operator on the gateway may do to OSDP readers: keys, addresses, files, and what a reader's own features
// offer. Each action names its fields in a schema, so that a wrong request is told what is wrong; keys come in and
// never go out.

import { z } from 'zod';
import { complaintText } from '../../src/domain/complaints.ts';
import { OperatingError } from '../../src/domain/errors.ts';
import { memberOf } from '../../src/domain/named.ts';
import type { OperationContext, OperationPorts, OperationRequest, Operations } from '../../src/domain/operations.ts';
import { quoted } from '../../src/domain/outside-text.ts';
import { complaintsOf, UNWORDED } from '../../src/domain/wording.ts';
import { didYouMean } from '../../src/domain/words.ts';
import type { Driver } from '../driver.ts';
import { busSchema } from './config.ts';
import { Operator } from './operator.ts';
import { Uploads } from './uploads.ts';

type Context = OperationContext & { operator: Operator };
type Answer = Promise<unknown>;

/** An OSDP bus with the operator's side of it: keys, addresses, files, and what a reader's own features offer. */
export type OsdpDriver = Driver & { readonly osdp: Operator };

export const isOsdpDriver = (driver: Driver): driver is OsdpDriver =>
  'osdp' in driver && driver.osdp instanceof Operator;

const INSTALL_LOOK_MS = 500;
const PERSON_MS = 30_000;
const MFG_WAIT_MS = 3_000;

/** Of a card of NIST SP 800-73: its application, and the PIN of that. */
const PIV_APPLICATION = Buffer.from('A000000308000010000100', 'hex');
const PIV_PIN = 0x80;

const reader = z.string().min(1);
const byte = z.int().min(0).max(255);
const hex = z
  .string()
  .regex(/^([0-9A-Fa-f]{2})*$/, { error: 'expected hexadecimal digits, two a byte' })
  .transform((text) => Buffer.from(text, 'hex'));
const address = z.int().min(0).max(126);
const baud = z.int().min(1);

const FIELDS = {
  status: z.object({ reader: reader.optional() }),
  install: z.object({ reader, minutes: z.number().min(0.1).max(30).default(5) }),
  'import-key': z.object({ reader, key: z.string() }),
  rotate: z.object({ reader }),
  forget: z.object({ reader }),
  address: z.object({ reader, to: address, baud: baud.optional() }),
  scan: z.object({
    bus: z.string().min(1),
    alone: z.boolean().default(false),
    to: address.optional(),
    baud: baud.optional(),
  }),
  upload: z.object({ upload: z.string().optional(), offset: z.int().min(0), data: z.base64() }),
  transfer: z.object({ reader, upload: z.string(), type: byte }),
  template: z.object({
    reader,
    head: byte.default(0),
    type: byte.default(0),
    format: byte.default(0),
    quality: byte.default(0),
  }),
  match: z.object({
    reader,
    head: byte.default(0),
    type: byte.default(0),
    format: byte.default(0),
    threshold: byte.default(128),
    template: z.base64(),
  }),
  manufacturer: z.object({ reader, oui: hex, data: hex }),
  'keep-active': z.object({ reader, ms: z.int().min(0).max(0xffff) }),
  'piv-data': z.object({
    reader,
    object: hex,
    element: byte.default(0),
    offset: z.int().min(0).max(0xffff).default(0),
  }),
  authenticate: z.object({
    reader,
    how: z.enum(['general', 'challenge']).default('challenge'),
    algorithm: byte,
    key: byte.optional(),
    extended_key: hex.optional(),
    data: hex,
  }),
  'card-pin': z.object({
    reader,
    application: hex
      .refine(({ length }) => length >= 5 && length <= 16, { error: 'expected 5 to 16 bytes' })
      .default(PIV_APPLICATION),
    pin: byte.default(PIV_PIN),
    min_digits: z.int().min(1).max(8).default(6),
    max_digits: z.int().min(1).max(8).default(8),
    seconds: z.int().min(5).max(120).default(30),
  }),
  abort: z.object({ reader }),
};
type Action = keyof typeof FIELDS;
type Given<Name extends Action> = z.output<(typeof FIELDS)[Name]>;

export class OsdpOperations implements Operations {
  readonly #ports: OperationPorts;
  readonly #uploads: Uploads;

  constructor(ports: OperationPorts) {
    this.#ports = ports;
    this.#uploads = new Uploads(ports.clock);
  }

  /** `{action, …}`: see FIELDS. Throws an OperatingError for what cannot be done. */
  async handle(request: OperationRequest, context: OperationContext): Answer {
    const { action } = request;
    const run = typeof action === 'string' ? memberOf(this.#actions, action) : undefined;
    if (run !== undefined) return await run(request, context);
    throw new OperatingError('unknown_command', `\`action\` is one of ${Object.keys(FIELDS).join(', ')}`);
  }

  readonly #actions: Readonly<Record<string, (request: OperationRequest, context: OperationContext) => Answer>> = {
    status: (request) => Promise.resolve(this.#status(given('status', request))),
    install: this.#toReader('install', (fields, context) => this.#install(fields, context)),
    'import-key': this.#toReader('import-key', async ({ reader: device, key }, { operator }) => {
      await operator.importKey(device, key);
      return { reader: device, outcome: 'imported' };
    }),
    rotate: this.#toReader('rotate', async ({ reader: device }, { operator }) => {
      await operator.rotateKey(device);
      return { reader: device, outcome: 'rotated' };
    }),
    forget: this.#toReader('forget', ({ reader: device }, { operator }) => {
      operator.forgetKey(device);
      return Promise.resolve({ reader: device, outcome: 'forgotten' });
    }),
    address: this.#toReader('address', (fields, context) => this.#address(fields, context)),
    scan: (request, context) => this.#scan(given('scan', request), context),
    upload: (request) => {
      const { upload = null, offset, data } = given('upload', request);
      return Promise.resolve({ upload: this.#uploads.add(upload, offset, Buffer.from(data, 'base64')) });
    },
    transfer: this.#toReader('transfer', (fields, context) => this.#transfer(fields, context)),
    template: this.#toReader('template', async ({ reader: device, head, ...wanted }, { operator }) => {
      const { template, ...rest } = await operator.readBiometric(device, { reader: head, ...wanted }, PERSON_MS);
      return { reader: device, ...rest, template: template.toString('base64') };
    }),
    match: this.#toReader('match', async ({ reader: device, head, template, ...wanted }, { operator }) => {
      const request = { reader: head, ...wanted, template: Buffer.from(template, 'base64') };
      const { status, score } = await operator.matchBiometric(device, request, PERSON_MS);
      return { reader: device, status, score, is_match: status === 0 && score >= wanted.threshold };
    }),
    manufacturer: this.#toReader('manufacturer', async ({ reader: device, oui, data }, { operator }) => {
      const answer = await operator.manufacturer(device, oui, data, MFG_WAIT_MS);
      return answer.answer === 'ack'
        ? { reader: device, answer: 'ack' }
        : answer.answer === 'status'
          ? { reader: device, answer: 'status', data: answer.data.toString('hex') }
          : { reader: device, answer: 'reply', oui: answer.oui.toString('hex'), data: answer.data.toString('hex') };
    }),
    'keep-active': this.#toReader('keep-active', async ({ reader: device, ms }, { operator }) => {
      await operator.keepActive(device, ms);
      return { reader: device, kept_ms: ms };
    }),
    'piv-data': this.#toReader('piv-data', async ({ reader: device, object, ...rest }, { operator }) => {
      const data = await operator.readPivData(device, { objectId: object, ...rest }, PERSON_MS);
      return { reader: device, data: data.toString('hex') };
    }),
    authenticate: this.#toReader('authenticate', async (fields, { operator }) => {
      const { reader: device, how, algorithm, data: challenge } = fields;
      const request = { kind: how, algorithm, key: keyOf(fields), data: challenge };
      const data = await operator.authenticate(device, request, PERSON_MS);
      return { reader: device, data: data.toString('hex') };
    }),
    'card-pin': this.#toReader('card-pin', async (fields, { operator, signal }) => {
      const { reader: device, min_digits: minDigits, max_digits: maxDigits, ...rest } = fields;
      if (minDigits > maxDigits) throw new OperatingError('invalid_input', '`min_digits`: at most `max_digits`');
      const outcome = await operator.enterCardPin(device, { ...rest, minDigits, maxDigits }, signal);
      return {
        reader: device,
        is_verified: outcome.verified,
        tries_left: outcome.triesLeft,
        reader_says: outcome.reader,
      };
    }),
    abort: this.#toReader('abort', async ({ reader: device }, { operator }) => {
      await operator.abort(device);
      return { reader: device, outcome: 'aborted' };
    }),
  };

  /** An action on one reader: its fields checked, and the operator of its bus found. */
  #toReader<Name extends Exclude<Action, 'status' | 'scan' | 'upload'>>(
    name: Name,
    run: (fields: Given<Name>, context: Context) => Answer,
  ): (request: OperationRequest, context: OperationContext) => Answer {
    return async (request, context) => {
      const fields = given(name, request);
      return await run(fields, { ...context, operator: this.#driverOf(fields.reader).osdp });
    };
  }

  // ---- status -------------------------------------------------------------------------------------------------------

  #status({ reader: one }: Given<'status'>): unknown {
    const drivers = one === undefined ? this.#drivers() : [this.#driverOf(one)];
    const readers = drivers.flatMap((driver) =>
      [...driver.devices.keys()]
        .filter((name) => one === undefined || name === one)
        .map((name) => {
          const { device, ...status } = driver.osdp.status(name);
          return { reader: device, bus: driver.bus, ...status };
        }),
    );
    return { readers };
  }

  // ---- keys ---------------------------------------------------------------------------------------------------------

  /**
   * The window is open for as long as its request is: an operator who goes away closes it. Streams `{window: 'open'}`
   * once it is, and `{problem}` whenever something new is seen at the reader.
   */
  async #install({ reader: device, minutes }: Given<'install'>, { operator, stream, signal }: Context): Answer {
    const windowMs = minutes * 60_000;
    const untilMs = this.#ports.clock.nowMs() + windowMs;
    const installing = operator.install(device, windowMs);
    const close = (): void => operator.cancelInstall(device);
    signal.addEventListener('abort', close, { once: true });
    const tell = latestOnly(stream);
    const stopWatching = this.#watchInstall(operator, device, tell);
    const soon = new Promise<null>((resolve) => this.#ports.clock.immediate(() => resolve(null)));
    try {
      // What could not be opened is thrown here; what is over at once never was a window.
      if ((await Promise.race([installing, soon])) === null) {
        this.#ports.recordDevice('device.install_window_opened', device, { until: new Date(untilMs).toISOString() });
        tell({ window: 'open' });
      }
      if (signal.aborted) close();
      return { reader: device, ...(await installing) };
    } finally {
      stopWatching();
      signal.removeEventListener('abort', close);
    }
  }

  #watchInstall(operator: Operator, device: string, tell: (item: unknown) => void): () => void {
    let told: string | null = null;
    let timer = this.#ports.clock.after(INSTALL_LOOK_MS, look);
    const clock = this.#ports.clock;
    function look(): void {
      const { problem } = operator.status(device);
      if (problem !== null && problem !== told) tell({ problem });
      told = problem;
      timer = clock.after(INSTALL_LOOK_MS, look);
    }
    return () => timer.cancel();
  }

  // ---- addresses ----------------------------------------------------------------------------------------------------

  async #address({ reader: device, to, baud: wanted }: Given<'address'>, { operator }: Context): Answer {
    const before = operator.status(device).address;
    const taken = await operator.setAddress(device, to, wanted ?? this.#baudOf(this.#driverOf(device).bus));
    this.#ports.recordDevice('device.address_changed', device, { from: before, to: taken.address, baud: taken.baud });
    return { reader: device, ...taken };
  }

  /**
   * Streams `{baud, address, tried, of}`; answers `{found}`, null for nobody, and with `to` the address that the reader
   * was given.
   */
  async #scan({ bus, alone, to, baud: wanted }: Given<'scan'>, { stream, signal }: OperationContext): Answer {
    const driver = this.#driverOfBus(bus);
    const online = [...driver.devices.values()].filter((device) => device.status().online).map(({ name }) => name);
    if (online.length > 0 && !alone)
      throw new OperatingError(
        'not_permitted',
        `${online.join(', ')} ${online.length === 1 ? 'is' : 'are'} in service on ${bus}, and nothing is served there during a scan. Take every reader but the one to be found off the line, and say so with --alone`,
      );
    const progress = latestOnly(stream);
    if (to === undefined) return { bus, found: await driver.osdp.scan({ alone: true, progress, signal }) };
    const found = await driver.osdp.addressUnknown({
      alone: true,
      address: to,
      baud: wanted ?? this.#baudOf(bus),
      progress,
    });
    return { bus, found };
  }

  // ---- files --------------------------------------------------------------------------------------------------------

  async #transfer({ reader: device, upload, type }: Given<'transfer'>, { operator, stream, signal }: Context): Answer {
    const content = this.#uploads.take(upload);
    await operator.transferFile(device, { type, content }, latestOnly(stream), signal);
    this.#ports.recordDevice('device.file_sent', device, { file_type: type, bytes: content.length });
    return { reader: device, bytes: content.length };
  }

  // ---- who ----------------------------------------------------------------------------------------------------------

  #drivers(): OsdpDriver[] {
    return this.#ports.drivers.filter(isOsdpDriver);
  }

  #driverOf(device: string): OsdpDriver {
    const found = this.#ports.drivers.find((driver) => driver.devices.has(device));
    if (found !== undefined && isOsdpDriver(found)) return found;
    if (found !== undefined) throw new OperatingError('not_supported', `${device} is no OSDP reader`);
    throw unknown(
      'reader',
      device,
      this.#drivers().flatMap((driver) => [...driver.devices.keys()]),
    );
  }

  #driverOfBus(bus: string): OsdpDriver {
    const found = this.#drivers().find((driver) => driver.bus === bus);
    if (found !== undefined) return found;
    throw unknown(
      'bus',
      bus,
      this.#drivers().map((driver) => driver.bus),
    );
  }

  #baudOf(bus: string): number {
    return busSchema.parse(this.#ports.busConfig(bus)).baud;
  }
}

function keyOf({ key, extended_key: extended }: Given<'authenticate'>): number | Buffer {
  if (key !== undefined && extended === undefined) return key;
  if (key === undefined && extended !== undefined) return extended;
  throw new OperatingError('invalid_input', '`key`: give it, or `extended_key`, one of the two');
}

/** The fields of an action. A wrong one is named and never repeated: it may be a key. */
function given<Name extends Action>(name: Name, request: OperationRequest): Given<Name> {
  const parsed = FIELDS[name].safeParse(request, UNWORDED);
  if (parsed.success) return parsed.data as Given<Name>;
  const [complaint] = complaintsOf(FIELDS[name], request, parsed.error.issues);
  const problem = complaint === undefined ? 'is not understood' : complaintText(complaint);
  throw new OperatingError('invalid_input', `\`${complaint?.path.join('.') ?? ''}\`: ${problem}`);
}

/** Streams progress no faster than its reader takes it: what comes meanwhile is replaced by what is newer. */
function latestOnly(stream: (item: unknown) => Promise<void>): (item: unknown) => void {
  let waiting: { item: unknown } | null = null;
  let isBusy = false;
  const send = async (): Promise<void> => {
    isBusy = true;
    while (waiting !== null) {
      const { item } = waiting;
      waiting = null;
      // A client that has gone is told of elsewhere.
      await stream(item).catch(() => undefined);
    }
    isBusy = false;
  };
  return (item) => {
    waiting = { item };
    if (!isBusy) void send();
  };
}

function unknown(kind: 'reader' | 'bus', name: string, known: readonly string[]): OperatingError {
  const message = `there is no OSDP ${kind} ${quoted(name)}: ${didYouMean(name, known)}`;
  return new OperatingError('controller_not_found', message);
}
