// `lintel simulate modbus-controller | relay-board | modbus --profile …`: a Modbus device made from its profile.

import { loadProfile } from '../../../drivers/modbus/profile.ts';
import { startModbusDevices, type Listen } from '../../../drivers/modbus/simulator.ts';
import type { SimulatedUnit } from '../../../drivers/modbus/simulator-unit.ts';
import { OperatingError } from '../../domain/errors.ts';
import { problemText } from '../problem-text.ts';
import { UsageError } from '../terminal.ts';
import { isOn, listenPort, troubles, wrong, type Action, type Played, type PlayOptions, type Stage } from './played.ts';

const WATCH_MS = 20;

export async function playModbusDevice(options: PlayOptions, stage: Stage): Promise<Played> {
  const { clock, say } = stage;
  if (options.profile === null) throw new UsageError('--profile: the name of a shipped profile, or the path of one');
  const { profile, problems } = loadProfile(options.profile, process.cwd());
  for (const { severity, message } of problems) if (severity === 'warning') say(`warning: ${message}`);
  if (profile === null) throw new UsageError(problemText(problems));
  const port = listenPort(options.port);
  const { baud, parity } = options;
  const listen: Listen =
    port === null
      ? {
          kind: 'serial',
          path: options.port,
          openPort: stage.openPort,
          baud: baud ?? profile.transport.serial?.baud ?? 9600,
          parity: parity ?? profile.transport.serial?.parity ?? 'none',
        }
      : { kind: profile.transport.kinds.includes('tcp') && !options.rtu ? 'tcp' : 'rtu-over-tcp', port };
  const simulator = await startModbusDevices({ listen, units: [{ unit: options.unit, profile }], clock });
  const unit = simulator.unit(options.unit);
  const stopWatching = watchDevice(unit, stage);
  return {
    address:
      listen.kind === 'serial'
        ? null
        : listen.kind === 'tcp'
          ? `host: 127.0.0.1, port: ${simulator.port} (Modbus TCP), unit ${options.unit}`
          : `tcp://127.0.0.1:${simulator.port} (Modbus RTU over TCP), unit ${options.unit}`,
    actions: {
      ...doorActions(unit),
      ...readerActions(unit),
      ...(profile.inputs.length > 0 ? { input: inputAction(unit) } : {}),
      ...troubles(clock, {
        silence: (isSilent) => void (unit.faults.deaf = isSilent),
        power: (isPowered) => {
          if (isPowered) unit.powerOn({ keepMemory: true });
          else unit.powerOff();
        },
      }),
    },
    async stop() {
      stopWatching();
      await simulator.close();
    },
  };
}

/** Tells each change of a relay, and what its reader shows. Returns how to end that. */
function watchDevice(unit: SimulatedUnit, { clock, say }: Stage): () => void {
  let toldUntil = -Infinity;
  let shown = 0;
  let stopped = false;
  const look = (): void => {
    if (stopped) return;
    for (const { output, energised, atMonotonicMs } of unit.outputChanges.filter(
      (one) => one.atMonotonicMs > toldUntil,
    )) {
      toldUntil = Math.max(toldUntil, atMonotonicMs);
      say(`relay ${output} ${energised ? 'on' : 'off'}`);
    }
    const signals = unit.reader?.shown ?? [];
    for (const signal of signals.slice(shown)) if (signal !== 'ready') say(`reader shows ${signal}`);
    shown = signals.length;
    clock.after(WATCH_MS, look);
  };
  look();
  return () => (stopped = true);
}

function doorActions(unit: SimulatedUnit): Readonly<Record<string, Action>> {
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
      run([card, door = '1']) {
        if (card === undefined) throw wrong('card H10301:123:45678 [door]');
        return present({ card }, door);
      },
    },
    code: {
      usage: 'code 824759 [door]',
      about: 'types a PIN at one of its doors',
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
function readerActions({ reader, profile }: SimulatedUnit): Readonly<Record<string, Action>> {
  if (reader === null) return {};
  const word = profile.credentials === undefined ? 'card' : 'present';
  const usage = `${word} ${profile.reader?.card.kind === 'uid' ? 'uid:0A00B1C2D3' : 'H10301:123:45678'}`;
  return {
    [word]: {
      usage,
      about: 'shows a card at its reader; whoever listens decides',
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
