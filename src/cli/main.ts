// The command line: `lintel COMMAND …`. Finds the command and loads it; what a command needs is loaded with it and not
// before, so that `check` never waits for what only `run` uses.

import type { HelpPage } from './help.ts';
import { stayAlive } from './signals.ts';
import { complain, DONE, processTerminal, type Terminal, UsageError } from './terminal.ts';
import { version } from './version.ts';
import type { Command } from './vocabulary.ts';

/** `name` is what people type; `of` is what the contract calls it. */
const resource = (name: string, summary: string, of = name): Command => ({
  name,
  summary,
  of,
  load: async () => (await import('./resource.ts')).resourceProgram(of, name),
});

export const COMMAND_TABLE: readonly Command[] = [
  {
    name: 'run',
    summary: 'Serves a facility: the daemon.',
    load: async () => (await import('./run.ts')).runProgram,
  },
  {
    name: 'check',
    summary: 'Checks a facility file and says every mistake at once.',
    load: async () => (await import('./check.ts')).checkProgram,
  },
  {
    name: 'grade',
    summary: 'Which security grade the settings of a facility file reach, and what is missing.',
    load: async () => (await import('./grade.ts')).gradeProgram,
  },
  {
    name: 'demo',
    summary: 'Plays a building: a broker, controllers, readers, and what happens between them.',
    load: async () => (await import('./demo/demo.ts')).demoProgram,
  },
  resource('users', 'People: create, get, list, update, delete, suspend, unsuspend.'),
  {
    name: 'credentials',
    summary: 'PINs and cards: create, get, list, update, delete, assign, apply, import, export and more.',
    of: 'credentials',
    load: async () => (await import('./people/program.ts')).credentialsProgram,
  },
  resource('groups', 'Access groups: create, update, delete, add-user, remove-user and more.', 'access_groups'),
  resource('grants', 'Access grants: create with codes and cards, update, delete and more.', 'access_grants'),
  resource('methods', 'What was made for access grants: get, list, assign-card, delete.', 'access_methods'),
  resource('spaces', 'Entrances with a name together, for grants: create, update, delete and more.'),
  resource('schedules', 'Weekly schedules that credentials follow: create, get, list, update, delete.'),
  resource('holidays', 'Days on which schedules hold differently: create, get, list, update, delete.'),
  resource('entrances', 'Doors: get, list, unlock, set-mode, explain, grant-access, revoke-access.'),
  resource('encoders', 'Readers to enrol cards and phones at: list, scan, scan to assign, cancel.'),
  resource('areas', 'Areas: list, get, list-occupants, forgive.'),
  {
    name: 'muster',
    summary: 'Who is inside, by area, since when and where seen last; to be printed.',
    load: async () => (await import('./muster.ts')).musterProgram,
  },
  {
    name: 'doors',
    summary: 'Every door in a line: mode, lock, leaf, trouble; --watch renews it.',
    load: async () => (await import('./doors.ts')).doorsProgram,
  },
  {
    name: 'lockdown',
    summary: 'Locks all doors down at once, or those that are named; over with `lintel facility all-clear`.',
    load: async () => (await import('./resource.ts')).verbProgram('facility', 'lockdown'),
  },
  {
    name: 'phones',
    summary: 'The phones of all mobile keys, with their windows and how they stand.',
    load: async () => (await import('./phones.ts')).phonesProgram,
  },
  resource('controllers', 'Devices: get, list, resync.'),
  {
    name: 'events',
    summary: 'What happened, and with --follow what happens.',
    load: async () => (await import('./events.ts')).eventsProgram,
  },
  {
    name: 'audit',
    summary: 'Whether the event log is whole and unchanged; the log as a file.',
    load: async () => (await import('./audit.ts')).auditProgram,
  },
  resource('facility', 'The facility as a whole: digest, lockdown, all-clear, reset-stream.'),
  {
    name: 'swipe',
    summary: 'What a card or code would do at a reader, step by step; --present does it at a simulated one.',
    load: async () => (await import('./swipe.ts')).swipeProgram,
  },
  {
    name: 'osdp',
    summary: 'OSDP readers: first key, rotation, address, scan, files, status.',
    load: async () => (await import('./osdp.ts')).osdpProgram,
  },
  {
    name: 'simulate',
    summary: 'A device on a real port, to commission and to try against.',
    load: async () => (await import('./simulate.ts')).simulateProgram,
  },
  {
    name: 'plan',
    summary: 'What would be written to which controller, and why; --watch follows until it is done.',
    load: async () => (await import('./plan.ts')).planProgram,
  },
  {
    name: 'profile',
    summary: "Tries a controller's profile: test at the desk, probe on site, reading only.",
    load: async () => (await import('./profile.ts')).profileProgram,
  },
  {
    name: 'status',
    summary: 'How the running agent is: broker, clock, storage, controllers.',
    load: async () => (await import('./status.ts')).statusProgram,
  },
  {
    name: 'doctor',
    summary: 'Looks at file, clock, disk, ports, broker, service and agent, and says what to do.',
    load: async () => (await import('./doctor.ts')).doctorProgram,
  },
  {
    name: 'ports',
    summary: 'The serial ports of this machine, by the names that belong into a facility file.',
    load: async () => (await import('./ports.ts')).portsProgram,
  },
  {
    name: 'store',
    summary: 'Says that a database which Lintel refuses is meant: accept an older copy, or begin anew.',
    load: async () => (await import('./store.ts')).storeProgram,
  },
  {
    name: 'backup',
    summary: 'Seals database, master key and facility file to the recovery key of the site; looks into a backup.',
    load: async () => (await import('./backup.ts')).backupProgram,
  },
  {
    name: 'restore',
    summary: 'Puts a sealed backup back, on this gateway or on a new one.',
    load: async () => (await import('./restore.ts')).restoreProgram,
  },
  {
    name: 'clock',
    summary: 'Whether the clock is trusted; `clock accept` says that it is right.',
    load: async () => (await import('./clock.ts')).clockProgram,
  },
  {
    name: 'completion',
    summary: 'A script by which bash, zsh or fish completes what is typed.',
    load: async () => (await import('./completion.ts')).completionProgram(COMMAND_TABLE),
  },
  {
    name: 'manual',
    summary: 'The manual page of all commands.',
    load: async () => (await import('./manual.ts')).manualProgram(COMMAND_TABLE),
  },
];

/** Carries out one command line; resolves with the exit code. */
export async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  try {
    const [first, ...rest] = argv;
    if (first === '--version' || first === '-V') {
      terminal.out(`lintel ${version()}\n`);
      return DONE;
    }
    if (first === undefined || first === '--help' || first === '-h' || first === 'help')
      return await help(first === 'help' ? rest : [], terminal);
    const command = await find(first);
    const asked = rest.slice(0, rest.includes('--') ? rest.indexOf('--') : rest.length);
    if (asked.includes('--help') || asked.includes('-h'))
      return await help([first, ...asked.filter((word) => !word.startsWith('-'))], terminal);
    return await (await command.load()).run(rest, terminal);
  } catch (error) {
    return complain(terminal, error);
  }
}

async function help(words: readonly string[], terminal: Terminal): Promise<number> {
  const { renderHelp } = await import('./help.ts');
  const [name, ...rest] = words.filter((word) => !word.startsWith('-'));
  const page = name === undefined ? overview() : (await (await find(name)).load()).help(rest);
  terminal.out(renderHelp(page, terminal));
  return DONE;
}

async function find(name: string): Promise<Command> {
  const found = COMMAND_TABLE.find((command) => command.name === name || command.of === name.replaceAll('-', '_'));
  if (found !== undefined) return found;
  if (name.startsWith('-')) throw new UsageError(`begin with a command, not with ${name}. All commands: lintel --help`);
  const { nearest } = await import('../domain/words.ts');
  const meant = nearest(
    name,
    COMMAND_TABLE.map((command) => command.name),
  );
  throw new UsageError(
    `there is no command ${name}.${meant === null ? '' : ` Did you mean ${meant}?`} All commands: lintel --help`,
  );
}

const overview = (): HelpPage => ({
  usage: ['lintel COMMAND [OPTIONS]', 'lintel COMMAND --help'],
  about:
    'Door access for one building: takes credentials over MQTT, keeps them, writes them to controllers, decides at its readers.',
  sections: [{ title: 'Commands', rows: COMMAND_TABLE.map(({ name, summary }) => [name, summary] as const) }],
  notes: [
    'users, credentials, groups, grants, entrances, controllers, events, facility, swipe and status speak to the agent that runs on this machine, or, with --url and --facility, to any agent over its broker.',
    'Exit codes: 0 done, 1 failed, 2 wrong use or wrong file.',
  ],
});

if (import.meta.main) {
  stayAlive();
  const terminal = processTerminal();
  const code = await main(process.argv.slice(2), terminal);
  await terminal.taken();
  process.exit(code);
}
