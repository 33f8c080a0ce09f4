// `lintel profile test|probe`: tries a controller's profile, at the desk against a device made from it, and on site by
// reading the real one.

import { DURATION_FORM, parseDuration } from '../domain/duration.ts';
import { OperatingError } from '../domain/errors.ts';
import { didYouMean } from '../domain/words.ts';
import { optionRows, type Program } from './help.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { problemText } from './problem-text.ts';
import type { Reach } from './profile-probe.ts';
import type { Finding } from './profile-trial.ts';
import { DONE, FAILED, painter, UsageError, type Terminal } from './terminal.ts';

const JSON_OPTION: Option = { name: 'json', value: null, description: 'One JSON object: {ok, profile, findings}' };
const PROBE_OPTIONS: readonly Option[] = [
  { name: 'port', value: 'PORT', description: 'Modbus RTU: a serial device, or tcp://HOST:PORT of a converter' },
  { name: 'host', value: 'HOST[:PORT]', description: 'Modbus TCP: the device or its gateway, port 502 by default' },
  { name: 'unit', value: 'N', description: 'Its unit on the bus, default 1' },
  { name: 'baud', value: 'N', description: 'On a serial device, default as the profile says' },
  { name: 'parity', value: 'none|even|odd', description: 'On a serial device, default as the profile says' },
  { name: 'time-zone', value: 'ZONE', description: 'For a device that keeps local time, e.g. Europe/Oslo' },
  { name: 'slots', value: 'N', description: 'How many slots to show, default 8' },
  { name: 'timeout', value: 'DURATION', description: 'How long to wait for its first answer, default 5s' },
  JSON_OPTION,
];

const VERBS = {
  test: { usage: 'lintel profile test FILE|NAME [--json]', options: [JSON_OPTION], run: runTest },
  probe: {
    usage: 'lintel profile probe FILE|NAME (--port PORT | --host HOST) [--unit N] [--json]',
    options: PROBE_OPTIONS,
    run: runProbe,
  },
} as const;

const isVerb = (word: string): word is keyof typeof VERBS => Object.hasOwn(VERBS, word);

export const profileProgram: Program = {
  help: ([verb]) => ({
    usage: verb !== undefined && isVerb(verb) ? [VERBS[verb].usage] : usages(),
    about:
      'test: checks a profile of a Modbus controller (form, sense, the frames of its manual, random credentials there and back) and writes, reads and erases slots of a device made from it, moves its outputs and inputs and shows cards at its reader. probe: looks at the real device and writes nothing: who it is, its settings, clock, inputs, the card at its reader and its first slots, PINs masked.',
    sections: [{ title: 'Options', rows: optionRows(verb === 'test' ? VERBS.test.options : PROBE_OPTIONS) }],
    examples: [
      'lintel profile test ./profiles/acme-dc2.yaml',
      'lintel profile probe plc-door-2 --port /dev/ttyUSB0 --unit 3',
      'lintel profile probe adam-6060 --host 10.0.0.5',
    ],
    notes: [
      'Exit codes: 0 good, 1 something is wrong with the profile or the device is not what it says, 2 wrong use or no such profile.',
    ],
  }),
  async run(argv, terminal) {
    const [verb, ...rest] = argv;
    if (verb === undefined) throw new UsageError(`test or probe? Usage: ${usages().join('\n        ')}`);
    if (isVerb(verb)) {
      const { usage, options, run } = VERBS[verb];
      const given = readOptions(rest, options, 'lintel profile --help');
      noMoreWords(given.words, 1, usage);
      const [name] = given.words;
      if (name === undefined) throw new UsageError(`which profile? Usage: ${usage}`);
      return await run(name, given, terminal);
    }
    throw new UsageError(
      `lintel profile has no verb ${verb}: ${didYouMean(verb, Object.keys(VERBS), 'test or probe')}`,
    );
  },
};

const usages = (): string[] => Object.values(VERBS).map(({ usage }) => usage);

async function runTest(name: string, given: Given, terminal: Terminal): Promise<number> {
  const { tryProfile } = await import('./profile-trial.ts');
  const { profile, findings } = await tryProfile(name, process.cwd());
  return tell(profile?.title ?? name, profile?.id ?? null, findings, given, terminal);
}

async function runProbe(name: string, given: Given, terminal: Terminal): Promise<number> {
  const { loadProfile } = await import('../../drivers/modbus/profile.ts');
  const { probeDevice } = await import('./profile-probe.ts');
  const { profile, problems, isRead } = loadProfile(name, process.cwd());
  if (!isRead) throw new UsageError(problemText(problems));
  if (profile === null) throw new OperatingError('invalid_input', problemText(problems));
  const findings = await probeDevice(profile, reachOf(given), {
    slots: given.whole('slots', 0, 1_000) ?? 8,
    zone: given.text('time-zone'),
    timeoutMs: timeoutOf(given),
  });
  return tell(profile.title, profile.id, findings, given, terminal);
}

function reachOf(given: Given): Reach {
  const [port, host] = [given.text('port'), given.text('host')];
  if ((port === null) === (host === null)) throw new UsageError('give either --port or --host');
  const unit = given.whole('unit', 1, 247) ?? 1;
  const baud = given.whole('baud', 50, 4_000_000);
  const parity = parityOf(given.text('parity'));
  if (port !== null) return { kind: 'rtu', unit, path: port, baud, parity };
  if (baud !== null || parity !== null) throw new UsageError('--baud and --parity belong to --port');
  const [, address, tcpPort = '502'] = /^(\[[^\]]+\]|[^:]+)(?::([0-9]{1,5}))?$/.exec(host ?? '') ?? [];
  if (address === undefined || Number(tcpPort) < 1 || Number(tcpPort) > 65_535)
    throw new UsageError('--host: a name or an address, with a port where it is not 502, e.g. 10.0.0.5:1502');
  return { kind: 'tcp', unit, host: address.replaceAll(/[[\]]/g, ''), port: Number(tcpPort) };
}

function parityOf(text: string | null): 'none' | 'even' | 'odd' | null {
  if (text === null || text === 'none' || text === 'even' || text === 'odd') return text;
  throw new UsageError('--parity: one of none, even, odd');
}

function timeoutOf(given: Given): number {
  const text = given.text('timeout') ?? '5s';
  const waitMs = DURATION_FORM.test(text) ? parseDuration(text) : 0;
  if (waitMs > 0 && waitMs <= 60_000) return waitMs;
  throw new UsageError('--timeout: a duration up to 1m, with its unit, e.g. 5s');
}

/** Prints what was found; the exit code says whether all of it is good. */
function tell(
  title: string,
  id: string | null,
  findings: readonly Finding[],
  given: Given,
  terminal: Terminal,
): number {
  const ok = findings.every((finding) => finding.state !== 'failed');
  if (given.has('json')) {
    terminal.out(`${JSON.stringify({ ok, profile: id, findings })}\n`);
    return ok ? DONE : FAILED;
  }
  const paint = painter(terminal);
  const width = Math.max(...findings.map(({ what }) => what.length));
  const marks = { good: paint('green', '✓'), failed: paint('red', '✗'), warning: paint('yellow', '!'), info: ' ' };
  terminal.out(`${paint('bold', title)}\n`);
  for (const { what, state, said, details } of findings) {
    terminal.out(`  ${marks[state]} ${what.padEnd(width)}  ${said}\n`);
    for (const detail of details) terminal.out(`      ${detail}\n`);
  }
  terminal.out(`${ok ? paint('green', 'good') : paint('red', 'not good: see ✗ above')}\n`);
  return ok ? DONE : FAILED;
}
