// `lintel doctor`: everything on which doors depend, looked at once, each fault with what to do about it.

import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { connectOnce } from '../doctor/connect.ts';
import { examine, worstOf } from '../doctor/doctor.ts';
import type { Finding, FindingState } from '../doctor/finding.ts';
import type { DiskSpace, DoctorsMachine } from '../doctor/machine.ts';
import { THIS_MACHINE } from '../doctor/serial-ports.ts';
import { OperatingError } from '../domain/errors.ts';
import { DRIVERS } from '../drivers.ts';
import { diskSpace } from '../store/disk-space.ts';
import { thisMachine } from '../ops/clock-vouchers.ts';
import { systemClock } from '../ops/clock.ts';
import { optionRows, type Program } from './help.ts';
import { openLocalChannel } from './local-channel.ts';
import { noMoreWords, readOptions, type Option } from './options.ts';
import { DONE, FAILED, painter, UsageError, WRONG_USE, type Paint, type Terminal } from './terminal.ts';

const USAGE = 'lintel doctor [FILE] [--socket PATH] [--json]';
const OPTIONS: readonly Option[] = [
  {
    name: 'socket',
    value: 'PATH',
    description: 'The control socket of the running agent, where it is not the usual one',
  },
  {
    name: 'json',
    value: null,
    description: 'One JSON object: {worst, findings: [{about, which, state, says, remedy}]}.',
  },
];
const FOLDER = '/etc/lintel';
const STATUS_MS = 5_000;

export const doctorProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Looks at the facility file, the clock, the disk, the ports, the broker with its certificates, the service and the running agent, and says what is wrong and what to do. Changes nothing, opens no device, and speaks no MQTT. As root it sees most.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: ['lintel doctor', 'lintel doctor /etc/lintel/riverside.yaml --json'],
    notes: [
      `FILE may be left out where ${FOLDER} holds one.`,
      'Exit codes: 0 no fault (there may be warnings, and things to look at), 1 a fault, 2 wrong use or a facility file that is refused.',
    ],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel doctor --help');
    noMoreWords(given.words, 1, USAGE);
    const file = resolve(given.words[0] ?? onlyFile());
    const findings = await examine(machineOf(terminal.env, given.text('socket')), file, DRIVERS);
    const worst = worstOf(findings);
    if (given.has('json')) terminal.out(`${JSON.stringify({ worst, findings })}\n`);
    else tell(terminal, findings);
    if (findings.some(({ about, state }) => about === 'file' && state === 'fault')) return WRONG_USE;
    return worst === 'fault' ? FAILED : DONE;
  },
};

function onlyFile(): string {
  const files = filesIn(FOLDER);
  const [only] = files;
  if (only !== undefined && files.length === 1) return only;
  throw new UsageError(
    files.length === 0 ? `which file? There is none in ${FOLDER}. Usage: ${USAGE}` : `which file? ${files.join(', ')}`,
  );
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.yaml'))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

const machineOf = (env: NodeJS.ProcessEnv, socket: string | null): DoctorsMachine => ({
  roots: THIS_MACHINE,
  clock: systemClock,
  clockSources: thisMachine,
  env,
  spaceOf,
  connect: async (to, timeoutMs) => await connectOnce(systemClock, to, timeoutMs),
  status: async (facility) => {
    try {
      const channel = await openLocalChannel(socket, facility);
      try {
        return await channel.status(STATUS_MS);
      } finally {
        await channel.close();
      }
    } catch (error) {
      if (error instanceof OperatingError) return error.message;
      throw error;
    }
  },
});

function spaceOf(folder: string): DiskSpace | null {
  try {
    return diskSpace(folder);
  } catch {
    return null;
  }
}

const MARKS: Readonly<Record<FindingState, [mark: string, style: Parameters<Paint>[0]]>> = {
  good: ['ok', 'green'],
  look: ['look', 'cyan'],
  warning: ['warning', 'yellow'],
  fault: ['FAULT', 'red'],
};

function tell(terminal: Terminal, findings: readonly Finding[]): void {
  const paint = painter(terminal);
  let about = '';
  for (const one of findings) {
    if (one.about !== about) terminal.out(`${paint('bold', one.about)}\n`);
    about = one.about;
    const [mark, style] = MARKS[one.state];
    terminal.out(`  ${paint(style, mark.padEnd(8))}${one.which === null ? '' : `${one.which}: `}${one.says}\n`);
    if (one.remedy !== null) terminal.out(`          do: ${one.remedy}\n`);
  }
  const count = (state: FindingState): number => findings.filter((one) => one.state === state).length;
  terminal.out(
    `${count('fault')} ${count('fault') === 1 ? 'fault' : 'faults'}, ${count('warning')} ${count('warning') === 1 ? 'warning' : 'warnings'}, ${count('look')} to look at\n`,
  );
}
