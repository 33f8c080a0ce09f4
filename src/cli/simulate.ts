// `lintel simulate NAME`: a device on a real port, or several of a kind, for commissioning and for trying things out.
// They are told what happens to them by lines on standard input, or over a small socket by `lintel swipe --present
// --simulator PATH`, and tell what they do.

import { existsSync, readdirSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { portOpener } from '../../drivers/serial-port.ts';
import { OperatingError } from '../domain/errors.ts';
import { meantWord } from '../domain/words.ts';
import { systemClock } from '../ops/clock.ts';
import { openControlServer, type ControlServer } from '../ops/control-socket.ts';
import { systemRandom } from '../ops/random.ts';
import { readSecretInput } from './channel.ts';
import { optionRows, type Program } from './help.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { untilSignal } from './signals.ts';
import { silentLog } from './silent-log.ts';
import { perform, present, summary } from './simulators/console.ts';
import type { Played, PlayOptions, Stage } from './simulators/played.ts';
import { parseUnits } from './simulators/units.ts';
import { DONE, UsageError, type Terminal } from './terminal.ts';
import { memberOf } from '../domain/named.ts';

type Device = {
  about: string;
  /** The profile of a Modbus device that has one of its own. */
  profile?: string;
  options: readonly string[];
  play: (options: PlayOptions, stage: Stage) => Promise<Played>;
};

const modbus = async (options: PlayOptions, stage: Stage): Promise<Played> =>
  await (await import('./simulators/modbus-device.ts')).playModbusDevice(options, stage);

const DEVICES: Readonly<Record<string, Device>> = {
  'uart-reader': {
    about: 'A 125 kHz reader that pushes tag numbers (RDM6300, ID-12LA)',
    options: ['port', 'frame', 'baud'],
    play: async (options, stage) => await (await import('./simulators/uart-reader.ts')).playUartReader(options, stage),
  },
  'modbus-controller': {
    about: 'A controller with a credential table of its own (profile plc-door-2)',
    profile: 'plc-door-2',
    options: ['port', 'unit', 'rtu', 'baud', 'parity'],
    play: modbus,
  },
  'relay-board': {
    about: 'Eight relays and eight inputs (profile waveshare-relay-d-8ch)',
    profile: 'waveshare-relay-d-8ch',
    options: ['port', 'unit', 'baud', 'parity'],
    play: modbus,
  },
  modbus: {
    about: 'Any Modbus device that there is a profile of',
    options: ['port', 'profile', 'unit', 'rtu', 'baud', 'parity'],
    play: modbus,
  },
  'osdp-reader': {
    about: 'An OSDP reader with keypad, two inputs and two outputs',
    options: ['port', 'unit', 'baud', 'install-mode', 'key-file', 'strict', 'pkoc-messages'],
    play: async (options, stage) => await (await import('./simulators/osdp-reader.ts')).playOsdpReader(options, stage),
  },
  soyal: {
    about: 'A SOYAL controller of the H series',
    options: ['port', 'unit'],
    play: async (options, stage) => await (await import('./simulators/soyal.ts')).playSoyal(options, stage),
  },
};

const USAGE = 'lintel simulate NAME [--port PORT] [OPTIONS]';
const OPTIONS: readonly Option[] = [
  {
    name: 'port',
    value: 'PORT',
    description:
      'A device path (one end of a pty pair), or tcp://127.0.0.1:PORT to listen there, as a serial converter; default: a free TCP port',
  },
  {
    name: 'unit',
    value: 'LIST',
    description: 'Its unit or address on the bus, default 1; several devices on the one port: 1,2 or 1-20',
  },
  { name: 'frame', value: 'rdm6300|id-12la', description: 'How it writes tags, default rdm6300' },
  { name: 'profile', value: 'NAME', description: 'A shipped profile by its name, or the path of one' },
  { name: 'rtu', value: null, description: 'RTU over TCP, where the profile knows Modbus TCP as well' },
  { name: 'baud', value: 'N', description: 'On a serial device: bits per second' },
  { name: 'parity', value: 'none|even|odd', description: 'On a serial device: parity' },
  { name: 'install-mode', value: null, description: 'Takes a Secure Channel key from the next controller' },
  {
    name: 'strict',
    value: null,
    description: 'Behaves as the public test programme for OSDP asks of a reader, where common readers are laxer',
  },
  {
    name: 'pkoc-messages',
    value: '1.50|1.63',
    description:
      'Speaks to phones itself, and hands over what they signed by this text; left out, it has transparent mode',
  },
  { name: 'key-file', value: 'FILE', description: 'The Secure Channel key that it has: 32 hexadecimal digits' },
  { name: 'socket', value: 'PATH', description: 'Where `lintel swipe --present --simulator PATH` finds it' },
];

export const simulateProgram: Program = {
  help: ([name]) => {
    const device = name === undefined ? undefined : memberOf(DEVICES, name);
    const known = device === undefined ? OPTIONS : OPTIONS.filter((option) => isFor(device, option.name));
    return {
      usage: [device === undefined ? USAGE : `lintel simulate ${name ?? ''} [OPTIONS]`],
      about: `${device?.about ?? 'A device on a real port, or several of a kind'}. It takes lines on standard input (help lists them) and says what it does; Ctrl-C ends it.${
        device !== undefined && !isFor(device, 'unit')
          ? ''
          : ' With several units each line has the unit in front, or several: `2 silence 5s`, `1-20 power off`.'
      }`,
      sections: [
        ...(device === undefined
          ? [{ title: 'Names', rows: Object.entries(DEVICES).map(([key, { about }]) => [key, about] as const) }]
          : []),
        { title: 'Options', rows: optionRows(known) },
      ],
      examples: [
        'lintel simulate uart-reader --port tcp://127.0.0.1:4001',
        'lintel simulate relay-board --port /dev/pts/3',
        'lintel simulate osdp-reader --unit 1,2',
        'lintel simulate soyal --unit 1-20',
      ],
    };
  },
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel simulate --help');
    const [name] = given.words;
    if (name === undefined) throw new UsageError(`which device? ${Object.keys(DEVICES).join(', ')}`);
    noMoreWords(given.words, 1, USAGE);
    return await simulate(name, deviceNamed(name), given, terminal);
  },
};

const isFor = (device: Device, option: string): boolean => option === 'socket' || device.options.includes(option);

function deviceNamed(name: string): Device {
  const device = memberOf(DEVICES, name);
  if (device !== undefined) return device;
  const meant = meantWord(name, Object.keys(DEVICES));
  throw new UsageError(
    `there is no simulated ${name}.${meant === '' ? '' : ` ${meant}`} There are ${Object.keys(DEVICES).join(', ')}`,
  );
}

async function simulate(name: string, device: Device, given: Given, terminal: Terminal): Promise<number> {
  for (const { name: option } of OPTIONS)
    if (given.has(option) && !isFor(device, option)) throw new UsageError(`--${option} is not for ${name}`);
  const say = (text: string): void => terminal.out(`${text}\n`);
  const stage = { clock: systemClock, random: systemRandom, openPort: portOpener(systemClock), say };
  // Heard from here on: what is opened below is put away again, however soon it ends.
  const ended = untilSignal();
  const played = await device.play(playOptions(given, device), stage).catch((error: unknown) => {
    throw portTrouble(error, given);
  });
  removeLeftSockets();
  const server = await openSocket(name, played, given);
  if (played.address !== null) say(`${name} at ${played.address}`);
  else say(`${name} on ${given.text('port') ?? ''}`);
  say(summary(played.devices));
  if (server !== null)
    say(
      `or: lintel swipe --card … --present --simulator ${server.path}${played.devices.length === 1 ? '' : ' --unit …'}`,
    );
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => void perform(played.devices, line).then(say, (error: unknown) => say(complaint(error))));
  await ended;
  lines.close();
  // A file or /dev/null, as a service has it, can be closed as a terminal can.
  process.stdin.destroy();
  await server?.close();
  await played.stop();
  return DONE;
}

function playOptions(given: Given, device: Device): PlayOptions {
  const choice = <T extends string>(name: string, choices: readonly T[]): T | null => {
    const text = given.text(name);
    const found = choices.find((one) => one === text);
    if (text !== null && found === undefined) throw new UsageError(`--${name}: one of ${choices.join(', ')}`);
    return found ?? null;
  };
  const keyFile = given.text('key-file');
  const units = parseUnits(given.text('unit') ?? '1');
  if (units === null) throw new UsageError('--unit: a number, several (1,2) or a range (1-20), none above 255');
  return {
    port: given.text('port') ?? 'tcp://127.0.0.1:0',
    baud: given.whole('baud', 50, 4_000_000),
    parity: choice('parity', ['none', 'even', 'odd']),
    units,
    frame: choice('frame', ['rdm6300', 'id-12la']) ?? 'rdm6300',
    profile: given.text('profile') ?? device.profile ?? null,
    rtu: given.has('rtu'),
    installMode: given.has('install-mode'),
    isStrict: given.has('strict'),
    pkocMessages: choice('pkoc-messages', ['1.50', '1.63']),
    key: keyFile === null ? null : readSecretInput(keyFile, '--key-file').toString('latin1').trim(),
  };
}

/** A port that somebody has already, or that is not for us: no mistake of the program's. */
function portTrouble(error: unknown, given: Given): unknown {
  const { code } = error as { code?: unknown };
  const port = given.text('port') ?? '';
  if (code === 'EADDRINUSE')
    return new OperatingError(
      'internal',
      `${port} is taken already. Remedy: another --port, or none: then a free one is taken`,
    );
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL')
    return new OperatingError('internal', `${port} is not for us to listen on (${code}). Remedy: another --port`);
  return error;
}

const SOCKET_FORM = /^lintel-[a-z-]+-([0-9]+)\.sock$/;

/** What a simulator that was killed left behind: its process is gone. */
function removeLeftSockets(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = SOCKET_FORM.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    try {
      unlinkSync(join(tmpdir(), name));
    } catch {
      // Somebody else's: theirs to remove.
    }
  }
}

function complaint(error: unknown): string {
  if (error instanceof OperatingError) return error.message;
  throw error;
}

async function openSocket(name: string, played: Played, given: Given): Promise<ControlServer | null> {
  if (played.devices.every(({ actions }) => actions['card'] === undefined) && !given.has('socket')) return null;
  return await openControlServer({
    clock: systemClock,
    log: silentLog,
    facility: name,
    path: given.text('socket') ?? join(tmpdir(), `lintel-${name}-${process.pid}.sock`),
    async handle(request) {
      if (request.kind !== 'present')
        throw new OperatingError('unknown_command', 'a simulator knows the request `present`');
      return { said: await present(played.devices, request) };
    },
  });
}
