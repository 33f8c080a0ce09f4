// What an installer says about a Modbus bus and its controllers, and what follows from it without touching the wire:
// profiles, capabilities and doubts.

import { z } from 'zod';
import type { UnitSettings } from './bus-terms.ts';
import { capabilitiesOf } from './capabilities.ts';
import { PDU_LIMITS, type Request } from './codec.ts';
import { blocksOf, type Block } from './inputs.ts';
import { blocksOfOutputs } from './outputs.ts';
import { recordRegisters } from './layout.ts';
import type { Profile } from './profile-schema.ts';
import { loadProfile } from './profile.ts';
import { lineTimes, transactionMs, USUAL_TURNAROUND_MS, type LineTimes } from './rtu.ts';
import { READ_FUNCTION, TRANSPORTS } from './schema-parts.ts';
import { DURATION_FORM, formatDuration, parseDuration } from '../../src/domain/duration.ts';
import { lineKeys, lineProblems, lineSettings, parseConverter } from '../../src/domain/line.ts';
import type { ConfigProblem, LineSettings, PreparedController, PrepareResult } from '../driver.ts';

/**
 * A duration with its unit, left as it was written: what comes out of these schemas goes through them again unchanged.
 */
const duration = (minMs: number, maxMs: number) => {
  const words = `a duration from ${formatDuration(minMs)} to ${formatDuration(maxMs)}, with its unit (ms, s, m, h or d)`;
  return z
    .string()
    .regex(DURATION_FORM)
    .refine((text) => DURATION_FORM.test(text) && parseDuration(text) >= minMs && parseDuration(text) <= maxMs, {
      error: `expected ${words}`,
    })
    .meta({ patternErrorMessage: words });
};

const { port: linePort, ...serialKeys } = lineKeys({ baud: 9600 });
const MODBUS_TCP_PORT = 502;

type TransportKeys = {
  transport: (typeof TRANSPORTS)[number];
  port?: string | number | undefined;
  host?: string | undefined;
};

/** What is wrong with the place of a bus, by its transport: key, message, remedy. */
function transportMistakes({ transport, port, host }: TransportKeys): [string, string, string][] {
  if (transport === 'rtu') {
    const mistakes: [string, string, string][] = [];
    if (typeof port !== 'string')
      mistakes.push([
        'port',
        'a serial bus needs its device',
        'give its path, best from /dev/serial/by-id, or tcp://host:port of a converter',
      ]);
    if (host !== undefined) mistakes.push(['host', 'a serial bus has no host', 'remove it, or set transport: tcp']);
    return mistakes;
  }
  if (transport === 'rtu-over-tcp' && typeof port === 'string')
    return parseConverter(port) === null || host !== undefined
      ? [
          [
            'port',
            'a converter is reached over the network',
            'write port: tcp://host:port without host, or host and a port number',
          ],
        ]
      : [];
  if (host === undefined)
    return [['host', 'the bus is reached over the network and has no host', 'add its IP address as host']];
  if (typeof port === 'string')
    return [['port', 'a TCP port is a number', `write the number alone, ${MODBUS_TCP_PORT} in most cases`]];
  return transport === 'rtu-over-tcp' && port === undefined
    ? [['port', 'a converter has no usual port', 'add the number of its TCP port']]
    : [];
}

export const busSchema = z
  .strictObject({
    transport: z
      .enum(TRANSPORTS)
      .default('rtu')
      .describe(
        'rtu: a serial line, or tcp:// of a converter; tcp: Modbus TCP; rtu-over-tcp: RTU frames through a converter',
      ),
    port: z
      .union([linePort, z.int().min(1).max(65_535)])
      .optional()
      .describe('rtu: path of the serial device or tcp://host:port of a converter; tcp: port number (default 502)'),
    host: z.string().min(1).max(253).optional().describe('tcp: IP address or name of the device or gateway'),
    ...serialKeys,
    max_in_flight: z
      .int()
      .min(1)
      .max(16)
      .optional()
      .describe('tcp: requests at once, where the device or gateway takes more than its profile says'),
  })
  .superRefine((config, context) => {
    for (const [key, message, remedy] of transportMistakes(config))
      context.addIssue({ code: 'custom', path: [key], message, params: { remedy } });
  })
  .describe('A Modbus bus: RS-485 with RTU frames, Modbus TCP, or RTU frames through a serial converter');

export const controllerSchema = z
  .strictObject({
    unit: z
      .int()
      .min(0)
      .max(255)
      .describe(
        'Unit (slave) address of the device, as set at the device: 1 to 247; with transport tcp also 0 or 255, by which some devices mean themselves',
      ),
    profile: z
      .string()
      .min(1)
      .describe(
        'Name of a shipped profile, or path of one of your own relative to this file, e.g. ./profiles/acme-dc2.yaml',
      ),
    input_period: duration(20, 60_000).default('100ms').describe('How often its inputs are read'),
    time_zone: z
      .string()
      .optional()
      .describe('The wall clock that the device shows, as IANA name; only for profiles with local times'),
    turnaround_max: duration(1, 10_000)
      .optional()
      .describe('The longest the device takes before its answer begins, where it is slower than its profile says'),
    accept_guess: z.boolean().default(false).describe('Use a profile that was guessed and never tried on a device'),
  })
  .describe('A Modbus door controller, card reader or IO module, described by a profile');

/** Modbus over serial line V1.02, 2.2: 0 is everybody, 248 to 255 are reserved. */
const LAST_RTU_UNIT = 247;

export type BusConfig = z.output<typeof busSchema>;
export type ControllerConfig = z.output<typeof controllerSchema>;

export type BusSettings =
  { kind: 'rtu'; line: LineSettings } | { kind: 'tcp'; host: string; port: number; maxInFlight: number | null };

/** Reads a bus's configuration once more: it comes as `unknown`, with keys that are not ours. */
export const busConfigOf = (config: unknown): BusConfig => z.object(busSchema.shape).parse(config);
export const controllerConfigOf = (config: unknown): ControllerConfig => z.object(controllerSchema.shape).parse(config);

export function busSettings(config: unknown): BusSettings {
  const bus = busConfigOf(config);
  if (bus.transport === 'tcp') {
    const port = typeof bus.port === 'number' ? bus.port : MODBUS_TCP_PORT;
    return { kind: 'tcp', host: bus.host ?? '', port, maxInFlight: bus.max_in_flight ?? null };
  }
  const host = bus.host?.includes(':') ? `[${bus.host}]` : (bus.host ?? '');
  const port = typeof bus.port === 'string' ? bus.port : `tcp://${host}:${bus.port ?? 0}`;
  return { kind: 'rtu', line: lineSettings({ ...bus, port }) };
}

/** What `prepare` makes of a controller and `create` builds it from. */
export type Prepared = { profile: Profile };
export const preparedOf = (controller: PreparedController): Prepared => controller.prepared as Prepared;

const isTimeZone = (zone: string): boolean => {
  try {
    return !/^[+-]/.test(zone) && new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
};

export function prepare(
  name: string,
  busConfig: unknown,
  controllerConfig: unknown,
  baseFolder: string,
): PrepareResult {
  const config = controllerConfigOf(controllerConfig);
  const { problems, profile } = loadProfile(config.profile, baseFolder);
  if (profile === null) return { problems, controller: null };
  const found = [...problems, ...profileProblems(busConfigOf(busConfig), config, profile)];
  const bad = found.some(({ severity }) => severity === 'error');
  const prepared: Prepared = { profile };
  const capabilities = capabilitiesOf(profile, { lookMs: parseDuration(config.input_period) });
  return { problems: found, controller: bad ? null : { name, config: controllerConfig, capabilities, prepared } };
}

function profileProblems(bus: BusConfig, config: ControllerConfig, profile: Profile): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const add = (severity: 'error' | 'warning', key: string, message: string, remedy: string): void => {
    problems.push({ severity, path: [key], message, remedy });
  };
  const overSerial = bus.transport !== 'tcp';
  if (overSerial && (config.unit === 0 || config.unit > LAST_RTU_UNIT))
    add(
      'error',
      'unit',
      config.unit === 0
        ? 'unit 0 is everybody on a serial line, and nobody answers it'
        : `unit ${config.unit} is none on a serial line`,
      'write 1 to 247, as set at the device',
    );
  const kinds = profile.transport.kinds;
  if (!kinds.some((kind) => (kind === 'tcp') !== overSerial))
    add(
      'error',
      'profile',
      `${profile.id} is not reached by ${bus.transport}, but by ${kinds.join(', ')}`,
      'put the controller on another bus, or use another profile',
    );
  if (profile.provenance.status === 'guess' && !config.accept_guess)
    add(
      'error',
      'profile',
      `${profile.id} was guessed and never tried on a device`,
      'try it without a door first, then set accept_guess: true',
    );
  const local = usesLocalTime(profile);
  if (local && config.time_zone === undefined)
    add(
      'error',
      'time_zone',
      `${profile.id} keeps local time`,
      'add time_zone: the wall clock that the device shows, e.g. Europe/Oslo',
    );
  if (config.time_zone !== undefined && !isTimeZone(config.time_zone))
    add('error', 'time_zone', `${config.time_zone} is no time zone`, 'give it by its IANA name, e.g. Europe/Oslo');
  if (!local && config.time_zone !== undefined)
    add('warning', 'time_zone', `${profile.id} keeps UTC, so the zone is not used`, 'remove it');
  const factory = profile.transport.serial;
  if (bus.transport === 'rtu' && factory !== undefined && (factory.baud !== bus.baud || factory.parity !== bus.parity))
    add(
      'warning',
      'profile',
      `${profile.id} leaves the factory with ${factory.baud} baud and parity ${factory.parity}, the bus has ${bus.baud} and ${bus.parity}`,
      'set the device to the bus’s values, or the bus to the device’s',
    );
  return problems;
}

function usesLocalTime({ clock, credentials, events }: Profile): boolean {
  const times = [clock, credentials?.record.from, credentials?.record.until, events?.record.time];
  return times.some((time) => time?.zone === 'local');
}

// ---- the bus as a whole ---------------------------------------------------------------------------------------------

/** More of the bus than this for polls leaves too little for everything else. */
const POLL_SHARE_LIMIT = 0.6;

/** Two devices at one unit, a bus that its inputs fill, and records longer than a transfer may be. */
export function checkBus(
  busName: string,
  busConfig: unknown,
  controllers: readonly PreparedController[],
): ConfigProblem[] {
  const bus = busSettings(busConfig);
  const parts = controllers.map((controller) => ({
    name: controller.name,
    config: controllerConfigOf(controller.config),
    profile: preparedOf(controller).profile,
  }));
  const problems: ConfigProblem[] =
    bus.kind === 'rtu' ? lineProblems(busName, { ...busConfigOf(busConfig), port: bus.line.path }) : [];
  parts.forEach(({ name, config }, index) => {
    const other = parts.slice(0, index).find((earlier) => earlier.config.unit === config.unit);
    if (other === undefined) return;
    problems.push({
      severity: 'error',
      path: ['controllers', name, 'unit'],
      message: `${other.name} is unit ${config.unit} on bus ${busName} already`,
      remedy: 'give each device of a bus a unit of its own, at the device and here',
    });
  });
  if (bus.kind !== 'rtu') return problems;
  const share = pollShare(bus.line, parts);
  const hasReaders = parts.some(({ profile }) => profile.reader !== undefined);
  if (share > POLL_SHARE_LIMIT)
    problems.push({
      severity: 'warning',
      path: ['buses', busName],
      message: `reading the inputs${hasReaders ? ' and readers' : ''} takes ${Math.round(share * 100)} % of the bus, so strikes wait and credentials are written slowly`,
      remedy: `raise input_period${hasReaders ? ' (of a reader: poll in its profile)' : ''}, raise the baud rate at every device and here, or put devices on a bus of their own`,
    });
  for (const { name, profile } of parts) {
    const registers = profile.credentials === undefined ? 0 : recordRegisters(profile.credentials.record);
    const most = transferRegisters(bus, parts);
    if (registers > most)
      problems.push({
        severity: 'warning',
        path: ['controllers', name],
        message: `a credential of ${registers} registers takes longer to write than the inputs of bus ${busName} may wait, so it goes in several pieces`,
        remedy: 'raise the baud rate or input_period, or put the inputs on another bus',
      });
  }
  return problems;
}

/** Wire time of one look at all inputs of a device. */
export const pollMs = (line: LineSettings, profile: Profile): number =>
  blocksMs(lineTimes(line), blocksOf(profile.inputs));

const blocksMs = (times: LineTimes, blocks: readonly Block[]): number =>
  blocks.reduce((sum, { area, at, count }) => {
    const request: Request = { fc: READ_FUNCTION[area], address: at, count };
    return sum + transactionMs(times, request, USUAL_TURNAROUND_MS);
  }, 0);

/** Of what looks at inputs and readers leave of the bus. */
const LOOK_SHARE = 0.5;
const LOOK_LEFT_LEAST = 0.1;

/** How often outputs are looked at, ms: with the inputs, or as often as the bus bears it. */
export function lookPeriodMs(
  bus: BusSettings,
  parts: readonly { config: ControllerConfig; profile: Profile }[],
): number {
  if (bus.kind === 'tcp') return 0;
  const times = lineTimes(bus.line);
  const looksMs = parts.reduce(
    (sum, { profile }) => sum + blocksMs(times, blocksOfOutputs(profile.outputs, profile.limits.functions)),
    0,
  );
  const left = Math.max(LOOK_LEFT_LEAST, 1 - pollShare(bus.line, parts));
  return looksMs / (LOOK_SHARE * left);
}

function pollShare(line: LineSettings, parts: readonly { config: ControllerConfig; profile: Profile }[]): number {
  return parts.reduce((sum, { config, profile }) => {
    const readerShare = profile.reader === undefined ? 0 : readerPollMs(line, profile.reader) / profile.reader.poll;
    return sum + pollMs(line, profile) / parseDuration(config.input_period) + readerShare;
  }, 0);
}

/** Wire time of one look at a reader, with no card there. */
function readerPollMs(line: LineSettings, reader: NonNullable<Profile['reader']>): number {
  return transactionMs(lineTimes(line), lookRequest(reader), USUAL_TURNAROUND_MS);
}

function lookRequest(reader: NonNullable<Profile['reader']>): Request {
  const { area, at } = reader.mode === 'flag-clear' ? reader.flag : reader.sequence;
  return { fc: READ_FUNCTION[area], address: at, count: 1 };
}

/**
 * Of the period; the rest is for what the next look takes on the wire and in this process before its answer is told.
 */
const TRANSFER_SHARE = 0.95;

/** Most registers in one transfer, so that no input or reader on the bus waits longer than its period. */
export function transferRegisters(
  bus: BusSettings,
  parts: readonly { config: ControllerConfig; profile: Profile }[],
): number {
  const periods = parts.flatMap(({ config, profile }) => [
    ...(profile.inputs.length === 0 ? [] : [parseDuration(config.input_period)]),
    ...(profile.reader === undefined ? [] : [profile.reader.poll]),
  ]);
  if (bus.kind === 'tcp' || periods.length === 0) return PDU_LIMITS.readRegisters;
  const times = lineTimes(bus.line);
  const budgetMs = TRANSFER_SHARE * Math.min(...periods);
  const empty: Request = { fc: 16, address: 0, registers: [0] };
  const roomMs = budgetMs - transactionMs(times, empty, USUAL_TURNAROUND_MS);
  const more = Math.floor(roomMs / (2 * times.characterMs));
  return Math.max(1, Math.min(PDU_LIMITS.readRegisters, 1 + more));
}

/** How the bus treats this device. */
export function unitSettings(config: ControllerConfig, profile: Profile): UnitSettings {
  const { transport } = profile;
  const turnaroundMs =
    config.turnaround_max === undefined ? transport.turnaround_max : parseDuration(config.turnaround_max);
  return {
    unit: config.unit,
    turnaroundMs,
    lateReplyMs: Math.max(turnaroundMs, transport.late_reply_max ?? 0),
    minGapMs: transport.min_gap,
    readRetries: transport.retries.read,
    maxInFlight: transport.max_in_flight,
    probes: probesOf(profile),
    settlers: [...probesOf(profile), ...settlersOf(profile)],
  };
}

/** Reads that every device of this profile answers. */
export function probesOf(profile: Profile): Request[] {
  const probes: Request[] = [];
  const { identity, boot_counter: boot, config_check: checks, inputs, outputs, credentials } = profile;
  const add = (request: Request): void => {
    if (profile.limits.functions.includes(request.fc)) probes.push(request);
  };
  if (boot !== undefined) add({ fc: READ_FUNCTION[boot.area], address: boot.at, count: 1 });
  if (identity !== undefined)
    add({ fc: READ_FUNCTION[identity.area], address: identity.at, count: identity.expect.length });
  for (const { area, at, count } of blocksOf(inputs).slice(0, 1)) add({ fc: READ_FUNCTION[area], address: at, count });
  if (profile.reader !== undefined) add(lookRequest(profile.reader));
  const coil = outputs.find((output) => output.kind === 'coil');
  if (coil !== undefined) add({ fc: 1, address: coil.at, count: 1 });
  const register = outputs.find((output) => output.kind !== 'coil');
  if (register !== undefined) add({ fc: 3, address: register.at, count: 1 });
  for (const check of checks.slice(0, 1)) add({ fc: READ_FUNCTION[check.area], address: check.at, count: check.count });
  if (credentials !== undefined) add({ fc: 3, address: credentials.table.base, count: 1 });
  // An exception is an answer too: a device that lives says something to this.
  return probes.length > 0 ? probes : [{ fc: 3, address: 0, count: 1 }];
}

/** Reads that most devices answer with an exception: that tells them from everything else as well. */
const settlersOf = ({ limits }: Profile): Request[] =>
  ([3, 4, 1, 2] as const).filter((fc) => limits.functions.includes(fc)).map((fc) => ({ fc, address: 0, count: 1 }));
