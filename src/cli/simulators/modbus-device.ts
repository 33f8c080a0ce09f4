// `lintel simulate modbus-controller | relay-board | modbus --profile …`: Modbus devices made from their profile.

import type { Profile } from '../../../drivers/modbus/profile-schema.ts';
import { loadProfile } from '../../../drivers/modbus/profile.ts';
import { startModbusDevices, type Listen } from '../../../drivers/modbus/simulator.ts';
import type { SimulatedUnit } from '../../../drivers/modbus/simulator-unit.ts';
import { OperatingError } from '../../domain/errors.ts';
import type { Clock } from '../../domain/ports.ts';
import { problemText } from '../problem-text.ts';
import { UsageError } from '../terminal.ts';
import {
  checkUnits,
  isOn,
  listenPort,
  place,
  sayingOf,
  watch,
  withTroubles,
  wrong,
  type Action,
  type Actions,
  type Played,
  type PlayOptions,
  type Stage,
} from './played.ts';

const WATCH_MS = 20;

export async function playModbusDevice(options: PlayOptions, stage: Stage): Promise<Played> {
  const { clock, say } = stage;
  const { units } = options;
  if (options.profile === null) throw new UsageError('--profile: the name of a shipped profile, or the path of one');
  const { profile, problems } = loadProfile(options.profile, process.cwd());
  for (const { severity, message } of problems) if (severity === 'warning') say(`warning: ${message}`);
  if (profile === null) throw new UsageError(problemText(problems));
  const listen = whereToListen(options, profile, stage);
  if (listen.kind === 'tcp') checkUnits(units, 0, 255, 'Modbus TCP');
  else checkUnits(units, 1, 247, 'a serial line');
  const simulator = await startModbusDevices({ listen, units: units.map((unit) => ({ unit, profile })), clock });
  const looks = units.map((unit) => lookAt(simulator.unit(unit), sayingOf(stage, unit, units)));
  const stopWatching = watch(clock, WATCH_MS, () => {
    for (const look of looks) look();
  });
  return {
    address:
      listen.kind === 'serial'
        ? null
        : listen.kind === 'tcp'
          ? `host: 127.0.0.1, port: ${simulator.port} (Modbus TCP), ${place('unit', units)}`
          : `tcp://127.0.0.1:${simulator.port} (Modbus RTU over TCP), ${place('unit', units)}`,
    devices: units.map((unit) => ({ unit, actions: unitActions(simulator.unit(unit), clock) })),
    async stop() {
      stopWatching();
      await simulator.close();
    },
  };
}

function whereToListen(options: PlayOptions, { transport }: Profile, { openPort }: Stage): Listen {
  const port = listenPort(options.port);
  if (port !== null) return { kind: transport.kinds.includes('tcp') && !options.rtu ? 'tcp' : 'rtu-over-tcp', port };
  return {
    kind: 'serial',
    path: options.port,
    openPort,
    baud: options.baud ?? transport.serial?.baud ?? 9600,
    parity: options.parity ?? transport.serial?.parity ?? 'none',
  };
}

/** Tells each change of a relay since the last look, and what its reader shows. */
function lookAt(unit: SimulatedUnit, say: (text: string) => void): () => void {
  let toldUntil = -Infinity;
  let shown = 0;
  return () => {
    const { outputChanges } = unit;
    const known = outputChanges.findLastIndex(({ atMonotonicMs }) => atMonotonicMs <= toldUntil);
    for (const { output, energised, atMonotonicMs } of outputChanges.slice(known + 1)) {
      toldUntil = atMonotonicMs;
      say(`relay ${output} ${energised ? 'on' : 'off'}`);
    }
    const signals = unit.reader?.shown ?? [];
    for (const signal of signals.slice(shown)) if (signal !== 'ready') say(`reader shows ${signal}`);
    shown = signals.length;
  };
}

const unitActions = (unit: SimulatedUnit, clock: Clock): Actions =>
  withTroubles(
    clock,
    {
      ...doorActions(unit),
      ...readerActions(unit),
      ...(unit.profile.inputs.length > 0 ? { input: inputAction(unit) } : {}),
      ...(unit.profile.outputs.length > 0 ? { stick: stickAction(unit) } : {}),
    },
    {
      silence: (isSilent) => void (unit.faults.deaf = isSilent),
      power: (isPowered) => {
        if (isPowered) unit.powerOn({ keepMemory: true });
        else unit.powerOff();
      },
    },
  );

function doorActions(unit: SimulatedUnit): Actions {
  if (unit.profile.credentials === undefined) return {};
  const doors = unit.profile.doors.length;
  const present = (what: { card: string } | { pin: string }, door: string): string => {
    if (!/^[0-9]{1,2}$/.test(door) || Number(door) < 1 || Number(door) > doors)
      throw new OperatingError('invalid_input', `it has doors 1 to ${doors}`);
    const { granted, reason, slot } = unit.doors.present(Number(door), what);
    return `${granted ? 'granted' : reason.replaceAll('-', ' ')}${slot === null ? '' : ` (slot ${slot})`}`;
  };
  return {
    card: {
      usage: 'card H10301:123:45678 [door]',
      about: 'shows a card at one of its doors; it decides by its own table',
      needsPower: true,
      run([card, door = '1']) {
        if (card === undefined) throw wrong('card H10301:123:45678 [door]');
        return present({ card }, door);
      },
    },
    code: {
      usage: 'code 824759 [door]',
      about: 'types a PIN at one of its doors',
      needsPower: true,
      run([pin, door = '1']) {
        if (pin === undefined || !/^[0-9]{1,12}$/.test(pin)) throw wrong('code 824759 [door]');
        return present({ pin }, door);
      },
    },
    slots: { usage: 'slots', about: 'which slots of its table are in force', run: () => slotsInForce(unit) },
  };
}

const SHOWN = {
  read: 'shown',
  busy: 'not read: the card before it has not been taken yet',
  unfit: 'not read: it is not a kind of card that this reader reads',
} as const;

/** A reader for which Lintel decides. In a device that has doors of its own as well it has a word of its own. */
function readerActions({ reader, profile }: SimulatedUnit): Actions {
  if (reader === null) return {};
  const word = profile.credentials === undefined ? 'card' : 'present';
  const usage = `${word} ${profile.reader?.card.kind === 'uid' ? 'uid:0A00B1C2D3' : 'H10301:123:45678'}`;
  return {
    [word]: {
      usage,
      about: 'shows a card at its reader; whoever listens decides',
      needsPower: true,
      run([card]) {
        if (card === undefined) throw wrong(usage);
        return SHOWN[reader.present(card)];
      },
    },
  };
}

/** Numbers and windows only: what opens a door is nobody's to read on a screen. */
function slotsInForce(unit: SimulatedUnit): string {
  const table = unit.profile.credentials?.table;
  if (table === undefined) return 'none';
  const slots = Array.from({ length: table.count }, (_, i) => table.first_slot + i);
  const lines = slots.flatMap((slot) => {
    const { enabled, cardNumber, pin, startsAtMs, endsAtMs } = unit.doors.slot(slot);
    if (!enabled) return [];
    const what = [...(cardNumber === null ? [] : ['card']), ...(pin === null ? [] : ['code'])].join(' and ');
    const at = (ms: number | null): string => (ms === null ? '…' : new Date(ms).toISOString());
    return [`slot ${slot}: ${what}, ${at(startsAtMs)} to ${at(endsAtMs)}`];
  });
  return lines.length === 0 ? 'none' : lines.join('\n');
}

const stickAction = (unit: SimulatedUnit): Action => ({
  usage: 'stick 0 on|off',
  about: `has the relay of an output (0 to ${unit.profile.outputs.length - 1}) stick once it is on, or frees it`,
  run([index = '', word]) {
    const isOneOfIts = /^[0-9]{1,3}$/.test(index) && Number(index) < unit.profile.outputs.length;
    if (!isOneOfIts) throw wrong('stick 0 on|off');
    if (isOn(word, 'stick 0 on|off')) unit.welded.add(Number(index));
    else unit.welded.delete(Number(index));
    return `output ${index} ${word === 'on' ? 'sticks' : 'is free'}`;
  },
});

const inputAction = (unit: SimulatedUnit): Action => ({
  usage: 'input 0 on|off',
  about: `changes an input (0 to ${unit.profile.inputs.length - 1}): a contact opens, a button is pressed`,
  run([index = '', word]) {
    const isOneOfIts = /^[0-9]{1,3}$/.test(index) && Number(index) < unit.profile.inputs.length;
    if (!isOneOfIts) throw wrong('input 0 on|off');
    unit.setInput(Number(index), isOn(word, 'input 0 on|off'));
    return `input ${index} ${word ?? ''}`;
  },
});
