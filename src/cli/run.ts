// `lintel run --config FILE`: the daemon. Everything is said once: mistakes of the file before anything is opened, how
// we are to systemd and to the log, and at the end every output is brought to rest within a bound.

import { basename } from 'node:path';
import { REST_MS } from '../agent/agent.ts';
import { DRIVERS } from '../drivers.ts';
import type { Facility } from '../domain/facility.ts';
import type { Log } from '../domain/ports.ts';
import { formatProblems } from '../facility/format.ts';
import { loadFacility } from '../facility/load.ts';
import { systemClock } from '../ops/clock.ts';
import { openLog } from '../ops/log.ts';
import { openNotifier, type Notifier } from '../ops/systemd.ts';
import { watchExits, type Exits } from './exits.ts';
import { optionRows, type Program } from './help.ts';
import { noMoreWords, readOptions, type Given, type Option } from './options.ts';
import { serve, type Serving } from './serve.ts';
import { isFields } from '../domain/fields.ts';
import { complain, DONE, FAILED, UsageError, WRONG_USE, type Terminal } from './terminal.ts';
import { version } from './version.ts';

const USAGE = 'lintel run --config FILE [--socket PATH] [--log-level LEVEL]';
const LEVELS = ['debug', 'info', 'warn', 'error'];
const OPTIONS: readonly Option[] = [
  { name: 'config', value: 'FILE', description: 'The facility file', required: true },
  {
    name: 'socket',
    value: 'PATH',
    description: 'The control socket; default under /run/lintel/FACILITY, or beside the database',
  },
  { name: 'log-level', value: LEVELS.join('|'), description: 'How much to log; default $LINTEL_LOG, else info' },
  { name: 'json', value: null, description: 'The log as JSON, also at a terminal' },
];
const STATUS_EVERY_MS = 5_000;
const LAST_WORDS_MS = 1_000;
/** A database that is brought forward first may take long on a slow card. */
const START_MS = 300_000;

export const runProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Serves one facility until it is told to stop (Ctrl-C, systemctl stop). Doors are served whether or not the broker is there. As a service: systemctl start lintel@FACILITY.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel run --help');
    noMoreWords(given.words, 0, USAGE);
    const file = given.text('config');
    if (file === null) throw new UsageError(`which facility? Usage: ${USAGE}`);
    const { facility, problems } = loadFacility(file, DRIVERS);
    if (facility === null) {
      terminal.err(formatProblems(problems));
      return WRONG_USE;
    }
    checkInstance(facility, terminal.env);
    const logging = openLog(systemClock, logEnvironment(given, terminal), { json: given.has('json') });
    // A log that nobody reads any more is no reason to leave the doors.
    terminal.whenUnread(() => undefined);
    const exits = watchExits({ clock: systemClock, log: logging.log, restMs: REST_MS, lastWords: logging.flush });
    for (const { line, column, key, message, remedy } of problems)
      logging.log.warn(`${file}:${line}:${column}: ${message}`, { setting: key, remedy });
    try {
      return await live(facility, given, terminal, logging.log, exits);
    } catch (error) {
      return complain(terminal, error);
    } finally {
      logging.flush();
    }
  },
};

async function live(
  facility: Facility,
  given: Given,
  { env }: Terminal,
  log: Log,
  { asked, restBy }: Exits,
): Promise<number> {
  const notifier = openNotifier(systemClock, log, env, process.pid);
  log.info('starting', { facility: facility.name, version: version(), notify: notifier.via() });
  notifier.extendTimeout(START_MS);
  const socket = given.text('socket');
  const serving = await serve({ facility, version: version(), log, env, socket, onBuilt: restBy });
  notifier.ready(statusLine(serving));
  notifier.startWatchdog(() => serving.agent.health.healthy());
  log.info('doors are served', { facility: facility.name, socket: serving.socket });
  const stopTelling = tell(serving, notifier);
  const signal = await asked;
  log.info('stopping', { signal });
  stopTelling();
  notifier.stopping('bringing every output to rest');
  try {
    await serving.stop();
    log.info('stopped');
    return DONE;
  } catch (error) {
    log.error('the stop was not clean', { error: error instanceof Error ? error.message : String(error) });
    return FAILED;
  } finally {
    await notifier.close(LAST_WORDS_MS);
  }
}

/** Keeps `systemctl status` true. Returns how to end that. */
function tell(serving: Serving, notifier: Notifier): () => void {
  let told = statusLine(serving);
  let timer = systemClock.after(STATUS_EVERY_MS, look);
  function look(): void {
    const now = statusLine(serving);
    if (now !== told) notifier.status(now);
    told = now;
    timer = systemClock.after(STATUS_EVERY_MS, look);
  }
  return () => timer.cancel();
}

function statusLine({ agent }: Serving): string {
  if (agent.refusal !== null) return `NOBODY IS LET IN, leaving works: ${agent.refusal}`;
  const { broker, clock, storage, controllers } = agent.status();
  const devices = Array.isArray(controllers) ? controllers.filter(isFields) : [];
  const online = devices.filter((device) => device['online'] === true).length;
  return [
    `${online} of ${devices.length} controllers online`,
    isFields(broker) && broker['connected'] === true ? 'broker connected' : 'no broker',
    `clock ${String(clock)}`,
    ...(storage === 'ok' ? [] : [String(storage)]),
  ].join(', ');
}

/**
 * A unit that serves another facility than it is called after would be stopped, watched and permitted under a wrong
 * name.
 */
function checkInstance(facility: Facility, env: NodeJS.ProcessEnv): void {
  const [runtime = ''] = (env['RUNTIME_DIRECTORY'] ?? '').split(':');
  const isUnit = (env['INVOCATION_ID'] ?? '') !== '' && runtime !== '';
  const instance = env['LINTEL_INSTANCE'] ?? (isUnit ? basename(runtime) : null);
  if (instance === null || instance === facility.name) return;
  throw new UsageError(
    `the unit is lintel@${instance}, and its file says facility: ${facility.name}. Remedy: make both the same`,
  );
}

function logEnvironment(given: Given, { env }: Terminal): NodeJS.ProcessEnv {
  const level = given.text('log-level');
  if (level === null) return env;
  if (!LEVELS.includes(level)) throw new UsageError(`--log-level: one of ${LEVELS.join(', ')}`);
  return { ...env, LINTEL_LOG: level };
}
