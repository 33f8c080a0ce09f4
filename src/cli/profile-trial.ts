// The trial of a profile at the desk: form and sense, the frames of the manual, random credentials there and back, and
// then the driver itself against a device made from the profile, over TCP. What passes here is consistent; whether it
// is true of the real device only the manual and `lintel profile probe` say.

import { modbusDriver } from '../../drivers/modbus/driver.ts';
import { checkExamples } from '../../drivers/modbus/examples.ts';
import type { Profile } from '../../drivers/modbus/profile-schema.ts';
import { loadProfile } from '../../drivers/modbus/profile.ts';
import { READ_FUNCTION } from '../../drivers/modbus/schema-parts.ts';
import { startModbusDevices, type ModbusSimulator } from '../../drivers/modbus/simulator.ts';
import type { SimulatedUnit } from '../../drivers/modbus/simulator-unit.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { withDeadline } from '../domain/deadline.ts';
import { OperatingError } from '../domain/errors.ts';
import type {
  Device,
  Driver,
  DriverEvent,
  ReaderDevice,
  SlotContent,
  SlotDevice,
  SlotOutcome,
} from '../domain/ports.ts';
import { systemClock } from '../ops/clock.ts';
import { systemRandom } from '../ops/random.ts';
import { problemText } from './problem-text.ts';
import { CredentialMint, roundTrip } from './profile-credentials.ts';
import { cardsThereAndBack, tryReader } from './profile-reader.ts';
import { silentLog } from './silent-log.ts';
import { UsageError } from './terminal.ts';

export type Finding = {
  what: string;
  /** `warning` and `info` are no reason to refuse. */
  state: 'good' | 'failed' | 'warning' | 'info';
  said: string;
  details: readonly string[];
};

const ROUND_TRIPS = 1_000;
/** Slots written at both ends of the table; fewer where the device must be asked to take each one over. */
const SLOTS_AT_EACH_END = 100;
const SLOTS_WITH_HANDSHAKE = 10;
const DEVICE_MS = 60_000;
const SHORTLY_MS = 5_000;
const LOOK_AGAIN_MS = 10;

export async function tryProfile(
  name: string,
  baseFolder: string,
): Promise<{ profile: Profile | null; findings: Finding[] }> {
  const { profile, problems, isRead } = loadProfile(name, baseFolder);
  if (!isRead) throw new UsageError(problemText(problems));
  const errors = problems.filter(({ severity }) => severity === 'error');
  const details = problems.map(({ severity, message, remedy }) => `${severity}: ${message}. Remedy: ${remedy}`);
  if (profile === null)
    return { profile, findings: [{ what: 'form and sense', state: 'failed', said: mistakes(errors.length), details }] };
  const findings: Finding[] = [
    {
      what: 'form and sense',
      state: details.length === 0 ? 'good' : 'warning',
      said: details.length === 0 ? 'nothing to complain of' : 'usable, with doubts',
      details,
    },
    provenance(profile),
    await frames(profile),
  ];
  if (profile.credentials !== undefined) findings.push(credentialsThereAndBack(profile));
  if (profile.reader !== undefined)
    findings.push(judged('cards there and back', 'random cards', cardsThereAndBack(profile.reader)));
  if (findings.every(({ state }) => state !== 'failed'))
    findings.push(...(await againstDevice(profile, name, baseFolder)));
  return { profile, findings };
}

const mistakes = (count: number): string => `${count} ${count === 1 ? 'mistake' : 'mistakes'}`;

const provenance = ({ provenance: { status, source, tested_firmware: firmware } }: Profile): Finding => ({
  what: 'provenance',
  state: status === 'guess' ? 'warning' : 'info',
  said: `${status}: ${source}${firmware.length === 0 ? '' : `; firmware ${firmware.join(', ')}`}`,
  details: status === 'guess' ? ['a controller with this profile is refused until it says accept_guess: true'] : [],
});

async function frames(profile: Profile): Promise<Finding> {
  const what = 'frames of the manual';
  if (profile.examples.length === 0)
    return { what, state: 'warning', said: 'there are none: copy some from the manual into examples', details: [] };
  const wrong = await checkExamples(profile, systemClock);
  return wrong.length === 0
    ? { what, state: 'good', said: `${profile.examples.length} hold`, details: [] }
    : {
        what,
        state: 'failed',
        said: mistakes(wrong.length),
        details: wrong.map(({ path, message, remedy }) => `${path.join('.')}: ${message}. Remedy: ${remedy}`),
      };
}

function credentialsThereAndBack(profile: Profile): Finding {
  const { tried, refused, problems } = roundTrip(profile, new CredentialMint(profile, systemRandom), ROUND_TRIPS);
  const what = 'there and back';
  if (problems.length > 0) return { what, state: 'failed', said: `${tried} tried`, details: problems };
  const said = `${tried - refused} random credentials${refused === 0 ? '' : `, ${refused} refused as they must be`}`;
  return { what, state: 'good', said, details: [] };
}

// ---- against a device made from the profile -------------------------------------------------------------------------

type Bench = { profile: Profile; device: Device; unit: SimulatedUnit; events: readonly DriverEvent[] };

async function againstDevice(profile: Profile, name: string, baseFolder: string): Promise<Finding[]> {
  const transport = profile.transport.kinds.includes('tcp') ? 'tcp' : 'rtu-over-tcp';
  const simulator = await startModbusDevices({
    listen: { kind: transport, port: 0 },
    units: [{ unit: 1, profile }],
    clock: systemClock,
  });
  const events: DriverEvent[] = [];
  const driver = driverFor(simulator, transport, name, baseFolder, events);
  driver.start();
  try {
    const trial = tryDevice(driver, simulator, profile, events);
    return await withDeadline(systemClock, DEVICE_MS, 'the trial on a device', trial);
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
    return [{ what: 'on a device', state: 'failed', said: error.message, details: [] }];
  } finally {
    await driver.stop(1_000);
    await simulator.close();
  }
}

function driverFor(
  simulator: ModbusSimulator,
  transport: string,
  profile: string,
  baseFolder: string,
  events: DriverEvent[],
): Driver {
  const bus = modbusDriver.busSchema.parse({ transport, host: '127.0.0.1', port: simulator.port, baud: 115_200 });
  const config = { unit: 1, profile, accept_guess: true, input_period: '20ms', time_zone: ZONE };
  const checked = modbusDriver.controllerSchema.parse(config);
  const { controller, problems } = modbusDriver.prepare('device', bus, checked, baseFolder);
  if (controller === null) throw new OperatingError('invalid_input', problems.map(({ message }) => message).join('; '));
  return modbusDriver.create('bench', bus, [controller], {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    openPort: portOpener(systemClock),
    emit: (event) => events.push(event),
  });
}

const ZONE = 'UTC';

async function tryDevice(
  driver: Driver,
  simulator: ModbusSimulator,
  profile: Profile,
  events: readonly DriverEvent[],
): Promise<Finding[]> {
  const device = driver.devices.get('device');
  if (device === undefined) throw new Error('assertion failed: the bench has one device');
  if (!(await shortly(() => device.status().online)))
    return [
      { what: 'on a device', state: 'failed', said: device.status().problem ?? 'it is not reached', details: [] },
    ];
  const bench: Bench = { profile, device, unit: simulator.unit(1), events };
  const findings: Finding[] = [];
  if (device.outputs !== null) findings.push(await outputs(bench));
  if (profile.inputs.length > 0) findings.push(await inputs(bench));
  if (device.readers !== null) findings.push(await reader(bench, device.readers));
  if (device.clock !== null) findings.push(await clock(bench));
  if (device.slots !== null) findings.push(await slots(bench, device.slots));
  return findings;
}

async function outputs({ profile, device, unit }: Bench): Promise<Finding> {
  const details: string[] = [];
  const last = (output: number): boolean =>
    unit.outputChanges.findLast((change) => change.output === output)?.energised ?? false;
  for (const output of profile.outputs.keys()) {
    for (const wanted of [true, false]) {
      const result = await device.outputs?.set(output, wanted);
      if (result?.outcome === 'failed') details.push(`output ${output}: ${result.message}`);
      else if (last(output) !== wanted) details.push(`output ${output} did not ${wanted ? 'energise' : 'release'}`);
    }
  }
  return judged('outputs', `${profile.outputs.length} switch on and off`, details);
}

async function inputs({ profile, unit, events }: Bench): Promise<Finding> {
  const details: string[] = [];
  const seen = (input: number, active: boolean): boolean =>
    events.findLast((event) => event.type === 'input' && event.input === input && event.active === active) !==
    undefined;
  for (const input of profile.inputs.keys()) {
    unit.setInput(input, true);
    if (!(await shortly(() => seen(input, true)))) details.push(`input ${input} is not seen`);
    unit.setInput(input, false);
  }
  return judged('inputs', `${profile.inputs.length} are seen`, details);
}

async function reader({ profile, unit, events }: Bench, device: ReaderDevice): Promise<Finding> {
  if (profile.reader === undefined || unit.reader === null)
    throw new Error('assertion failed: the device has a reader');
  const spec = profile.reader;
  const { area, at } = spec.mode === 'flag-clear' ? spec.flag : spec.sequence;
  const looks = (): number =>
    unit.requests.filter((pdu) => pdu[0] === READ_FUNCTION[area] && pdu.readUInt16BE(1) === at).length;
  const details = await tryReader({ spec, reader: device, simulated: unit.reader, events, looks, shortly });
  const shows = spec.feedback.granted.length + spec.feedback.denied.length > 0;
  return judged('reader', `cards are read${shows ? ', outcomes shown' : ''}`, details);
}

async function clock({ device, unit }: Bench): Promise<Finding> {
  const wantedMs = systemClock.nowMs() + 3_600_000;
  await device.clock?.set(wantedMs);
  const readMs = (await device.clock?.read()) ?? 0;
  const isRight = [readMs, unit.timeMs()].every((atMs) => Math.abs(atMs - wantedMs) < 2_000 + SHORTLY_MS);
  return judged('clock', 'set and read back', isRight ? [] : ['it shows another time than it was set to']);
}

async function slots({ profile, unit }: Bench, table: SlotDevice): Promise<Finding> {
  const chosen = bothEnds(profile);
  const mint = new CredentialMint(profile, systemRandom);
  const held = new Map<number, SlotContent>();
  for (const slot of chosen) {
    const content = mint.acceptable((one) => accepts(table, slot, one));
    if (content !== null) held.set(slot, content);
  }
  const details: string[] = held.size < chosen.length ? ['most random credentials are refused by the record'] : [];
  const note = (verb: string, outcomes: readonly SlotOutcome[]): void => {
    for (const one of outcomes) if (one.outcome !== 'written') details.push(`slot ${one.slot} ${verb}: ${one.message}`);
  };
  note('written', await table.write([...held].map(([slot, content]) => ({ slot, content }))));
  for (const [slot, content] of held) {
    const { enabled, cardNumber, pin } = unit.doors.slot(slot);
    const isHeld = enabled && (cardNumber !== null) === (content.card !== null) && (pin ?? null) === content.pin;
    if (!isHeld) details.push(`slot ${slot}: the device understands something else than was written`);
  }
  const isReadable = profile.credentials?.readback.mode !== 'none';
  if (isReadable)
    for (const { slot, image } of await table.read([...held.keys()])) {
      const content = held.get(slot);
      if (content !== undefined && !image.equals(table.image(slot, content)))
        details.push(`slot ${slot} reads back as something else`);
    }
  note('erased', await table.erase([...held.keys()]));
  for (const slot of held.keys()) if (unit.doors.slot(slot).enabled) details.push(`slot ${slot} is still in force`);
  return judged('slots', `${held.size} written, ${isReadable ? 'read back, ' : ''}erased`, details);
}

/** The first and the last slots of the table. */
function bothEnds({ credentials }: Profile): number[] {
  if (credentials === undefined) return [];
  const { first_slot: first, count } = credentials.table;
  const asks = credentials.commit !== undefined || credentials.delete.mode === 'command';
  const most = asks ? SLOTS_WITH_HANDSHAKE : SLOTS_AT_EACH_END;
  return Array.from({ length: count }, (_, i) => first + i).filter((_, i) => i < most || i >= count - most);
}

function accepts(table: SlotDevice, slot: number, content: SlotContent): boolean {
  try {
    table.image(slot, content);
    return true;
  } catch (error) {
    if (error instanceof OperatingError) return false;
    throw error;
  }
}

const MOST_DETAILS = 20;

const judged = (what: string, said: string, details: readonly string[]): Finding =>
  details.length === 0
    ? { what, state: 'good', said, details: [] }
    : { what, state: 'failed', said: mistakes(details.length), details: details.slice(0, MOST_DETAILS) };

async function shortly(holds: () => boolean): Promise<boolean> {
  const untilMs = systemClock.monotonicMs() + SHORTLY_MS;
  while (!holds() && systemClock.monotonicMs() < untilMs)
    await new Promise<void>((resolve) => systemClock.after(LOOK_AGAIN_MS, resolve));
  return holds();
}
