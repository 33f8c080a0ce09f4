// A look at the real device with a profile in hand. Only reads go over the wire: whoever tries the wrong profile on the
// wrong device must not open a door with it.

import type { BusUnit, Outcome, RequestOptions } from '../../drivers/modbus/bus-terms.ts';
import { Bus } from '../../drivers/modbus/bus.ts';
import { clockLength, fromClockRegisters } from '../../drivers/modbus/clock-registers.ts';
import { isReadOnly, PDU_LIMITS, type Request } from '../../drivers/modbus/codec.ts';
import { controllerSchema, unitSettings } from '../../drivers/modbus/config.ts';
import { blocksOf } from '../../drivers/modbus/inputs.ts';
import { RtuLine } from '../../drivers/modbus/line.ts';
import type { Profile } from '../../drivers/modbus/profile-schema.ts';
import { RecordCodec, type DecodedRecord } from '../../drivers/modbus/record.ts';
import { Talk, type Result } from '../../drivers/modbus/talk.ts';
import { TcpLine } from '../../drivers/modbus/tcp.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { assert } from '../domain/errors.ts';
import type { Parity } from '../domain/ports.ts';
import { systemClock } from '../ops/clock.ts';
import { systemRandom } from '../ops/random.ts';
import { lookAtReader } from './profile-reader.ts';
import type { Finding } from './profile-trial.ts';
import { silentLog } from './silent-log.ts';

export type Reach =
  | { kind: 'rtu'; unit: number; path: string; baud: number | null; parity: Parity | null }
  | { kind: 'tcp'; unit: number; host: string; port: number };

export type ProbeOptions = { slots: number; zone: string | null; timeoutMs: number };

/** More than this and windows open and close at the wrong time. */
const CLOCK_DRIFT_MS = 60_000;

export async function probeDevice(profile: Profile, reach: Reach, options: ProbeOptions): Promise<Finding[]> {
  const bus = new Bus(systemClock, systemRandom, lineOf(profile, reach));
  const config = controllerSchema.parse({ unit: reach.unit, profile: profile.id });
  const reached = Promise.withResolvers<string | null>();
  let reason = 'nothing answers';
  const unit = bus.addUnit(unitSettings(config, profile), {
    online: () => reached.resolve(null),
    offline: (why) => (reason = why),
  });
  const timer = systemClock.after(options.timeoutMs, () => reached.resolve(reason));
  bus.start();
  try {
    const failure = await reached.promise;
    if (failure !== null) return [finding('device', 'failed', `not reached: ${failure}`, adviceFor(reach))];
    const probe = new Probe(profile, new ReadOnlyUnit(unit), options);
    return [finding('device', 'good', `answers at unit ${reach.unit}`), ...(await probe.look())];
  } finally {
    timer.cancel();
    await bus.stop();
  }
}

const adviceFor = (reach: Reach): string[] =>
  reach.kind === 'tcp'
    ? ['check the address, the port and the unit; some devices allow one connection only: stop lintel first']
    : ['check the unit, baud rate, parity, and whether A and B are swapped; stop lintel first where it has the port'];

function lineOf(profile: Profile, reach: Reach): RtuLine | TcpLine {
  const context = { clock: systemClock, random: systemRandom, log: silentLog, openPort: portOpener(systemClock) };
  if (reach.kind === 'tcp') return new TcpLine(reach, 1, context);
  const { serial } = profile.transport;
  return new RtuLine(
    {
      path: reach.path,
      baud: reach.baud ?? serial?.baud ?? 9600,
      parity: reach.parity ?? serial?.parity ?? 'none',
      dataBits: 8,
      stopBits: serial?.stop_bits ?? 1,
    },
    context,
  );
}

/** The promise of a probe, kept where every request passes. */
class ReadOnlyUnit implements BusUnit {
  readonly #unit: BusUnit;

  constructor(unit: BusUnit) {
    this.#unit = unit;
  }

  get counters(): BusUnit['counters'] {
    return this.#unit.counters;
  }

  get online(): boolean {
    return this.#unit.online;
  }

  get heardAtMs(): number {
    return this.#unit.heardAtMs;
  }

  get transferAtMs(): number {
    return this.#unit.transferAtMs;
  }

  request(request: Request, options: RequestOptions): Promise<Outcome> {
    assert(isReadOnly(request), 'a probe only reads');
    return this.#unit.request(request, options);
  }

  callBack(): void {
    // Nothing was written that could be.
  }
}

class Probe {
  readonly #profile: Profile;
  readonly #talk: Talk;
  readonly #options: ProbeOptions;

  constructor(profile: Profile, unit: BusUnit, options: ProbeOptions) {
    this.#profile = profile;
    this.#talk = new Talk(unit, systemClock, profile.limits, PDU_LIMITS.readRegisters);
    this.#options = options;
  }

  async look(): Promise<Finding[]> {
    return [
      await this.#identity(),
      ...(await this.#settings()),
      ...(await this.#clock()),
      ...(await this.#inputs()),
      ...(await this.#reader()),
      ...(await this.#slots()),
    ];
  }

  async #identity(): Promise<Finding> {
    const { identity } = this.#profile;
    if (identity === undefined) return finding('identity', 'info', 'the profile names none: any device passes');
    const result = await this.#talk.readRegisters(identity.area, identity.at, identity.expect.length, 'read');
    if (!result.ok) return unread('identity', result);
    const isRight = result.value.every((word, i) => word === identity.expect[i]);
    const found = hex(result.value);
    return isRight
      ? finding('identity', 'good', found)
      : finding('identity', 'failed', `another device: expected ${hex(identity.expect)}, found ${found}`);
  }

  async #settings(): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (const { area, at, count, mask, eq, why } of this.#profile.config_check) {
      const result = await this.#talk.readRegisters(area, at, count, 'read');
      if (!result.ok) findings.push(unread('setting', result));
      else if (result.value.every((value) => (value & mask) === eq))
        findings.push(finding('setting', 'good', 'as it must be'));
      else findings.push(finding('setting', 'failed', why, [`found ${hex(result.value)}`]));
    }
    return findings;
  }

  async #clock(): Promise<Finding[]> {
    const { clock } = this.#profile;
    if (clock === undefined) return [];
    const zone = this.#zone(clock.zone);
    if (zone === null) return [finding('clock', 'warning', 'it keeps local time: say which by --time-zone')];
    const result = await this.#talk.readRegisters('holding', clock.at, clockLength(clock), 'read');
    if (!result.ok) return [unread('clock', result)];
    const atMs = fromClockRegisters(clock, result.value, zone);
    if (atMs === null) return [finding('clock', 'failed', 'it shows no date', [`found ${hex(result.value)}`])];
    const driftMs = atMs - systemClock.nowMs();
    const said = `${new Date(atMs).toISOString()}, ${Math.abs(Math.round(driftMs / 1_000))} s ${driftMs < 0 ? 'behind' : 'ahead of'} this machine`;
    return [finding('clock', Math.abs(driftMs) > CLOCK_DRIFT_MS ? 'warning' : 'good', said)];
  }

  async #inputs(): Promise<Finding[]> {
    const { inputs } = this.#profile;
    if (inputs.length === 0) return [];
    const values = new Map<string, number>();
    for (const { area, at, count } of blocksOf(inputs)) {
      const result = await this.#talk.read(area, at, count, 'read');
      if (!result.ok) return [unread('inputs', result)];
      result.value.forEach((value, i) => values.set(`${area} ${at + i}`, value));
    }
    const active = inputs.map(({ area, at, bit, invert }) => {
      const raw = values.get(`${area} ${at}`) ?? 0;
      return (bit === undefined ? raw !== 0 : (raw & (1 << bit)) !== 0) !== invert;
    });
    const on = [...active.keys()].filter((input) => active[input] === true);
    return [
      finding(
        'inputs',
        'good',
        on.length === 0 ? `0 to ${inputs.length - 1}, none active` : `active: ${on.join(', ')}`,
      ),
    ];
  }

  async #reader(): Promise<Finding[]> {
    const { reader } = this.#profile;
    if (reader === undefined) return [];
    const look = await lookAtReader(reader, this.#talk);
    if ('refused' in look) return [finding('reader', 'failed', `it cannot be read: ${look.refused}`)];
    return [finding('reader', look.isReadable ? 'good' : 'failed', look.said, look.details)];
  }

  async #slots(): Promise<Finding[]> {
    const { credentials, doors } = this.#profile;
    const zone = this.#zone(this.#usesLocalTime ? 'local' : 'utc');
    if (credentials === undefined || this.#options.slots === 0) return [];
    if (credentials.readback.mode === 'none') return [finding('slots', 'info', 'this device cannot be read back')];
    if (zone === null) return [finding('slots', 'warning', 'they keep local time: say which by --time-zone')];
    const { table, readback } = credentials;
    const codec = new RecordCodec(credentials, doors.length, zone);
    const details: string[] = [];
    const count = Math.min(table.count, this.#options.slots);
    for (let i = 0; i < count; i++) {
      const result = await this.#talk.readRegisters('holding', table.base + i * table.stride, codec.registers, 'read');
      if (!result.ok) return [{ ...unread('slots', result), details }];
      const isEmpty = codec.isEmpty(result.value);
      const isMasked = readback.mode === 'masked';
      details.push(
        `slot ${table.first_slot + i}: ${isEmpty ? 'empty' : slotWords(codec.decode(result.value), isMasked)}`,
      );
    }
    return [finding('slots', 'good', `the first ${count} of ${table.count}`, details)];
  }

  get #usesLocalTime(): boolean {
    const { from, until } = this.#profile.credentials?.record ?? {};
    return from?.zone === 'local' || until?.zone === 'local';
  }

  #zone(kind: 'utc' | 'local'): string | null {
    return kind === 'utc' ? 'UTC' : this.#options.zone;
  }
}

/** What opens a door is shown as far as it tells whether the profile reads it rightly; digits of a PIN never are. */
function slotWords(record: DecodedRecord, isMasked: boolean): string {
  const { enabled, card, cardNumber, pin, cardAndPin, doors, startsAtMs, endsAtMs, oneTimeUse } = record;
  const at = (ms: number | null): string => (ms === null ? '…' : new Date(ms).toISOString());
  const what = [
    ...(cardNumber === null ? [] : [`card ${card ?? `number ${cardNumber}`}`]),
    ...(pin === null ? [] : [`PIN ${'*'.repeat(pin.length)}`]),
  ];
  const factors = what.length === 0 ? 'in use, nothing that can be read' : what.join(cardAndPin ? ' and ' : ' or ');
  const window = startsAtMs === null && endsAtMs === null ? '' : `, ${at(startsAtMs)} to ${at(endsAtMs)}`;
  return `${enabled ? '' : 'not in force: '}${factors}, ${doors.length === 1 ? 'door' : 'doors'} ${doors.join(', ')}${window}${oneTimeUse ? ', once' : ''}${isMasked ? ' (some fields cannot be read)' : ''}`;
}

const finding = (what: string, state: Finding['state'], said: string, details: readonly string[] = []): Finding => ({
  what,
  state,
  said,
  details,
});

const unread = (what: string, result: Extract<Result<unknown>, { ok: false }>): Finding =>
  finding(what, 'failed', `it cannot be read: ${result.failure.message}`);

const hex = (registers: readonly number[]): string =>
  registers.map((register) => register.toString(16).toUpperCase().padStart(4, '0')).join(':');
