// Stands for the daemon under the real unit: it is started, notifies, and probes from the inside what the unit lets it
// do and what it does not. `probe` answers what it found over the control socket, `sick` and `crash` are what they say.

import { spawnSync } from 'node:child_process';
import { accessSync, closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces, uptime } from 'node:os';
import { basename, join } from 'node:path';
import Database from 'better-sqlite3';
import { OperatingError } from '../../src/domain/errors.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { askKernel, bootRecordFile, thisMachine } from '../../src/ops/clock-vouchers.ts';
import { controlPath } from '../../src/ops/control-protocol.ts';
import { openControlServer } from '../../src/ops/control-socket.ts';
import { openLog } from '../../src/ops/log.ts';
import { openNotifier } from '../../src/ops/systemd.ts';

const facility = basename(process.argv.at(-1) ?? '', '.yaml');
const { log } = openLog(systemClock, process.env, { json: false });
const notifier = openNotifier(systemClock, log, process.env, process.pid);
let sick = false;

/** `ok`, or the code of the error. */
function attempt(what: () => unknown): string {
  try {
    what();
    return 'ok';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

const open = (path: string, flags: number): string =>
  attempt(() => closeSync(openSync(path, flags | constants.O_NONBLOCK | constants.O_NOCTTY)));
const shell = (command: string): string => {
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  return status === 0 ? 'ok' : stderr.trim();
};

async function probe(): Promise<Record<string, unknown>> {
  const state = process.env['STATE_DIRECTORY'] ?? '';
  const database = new Database(join(state, 'probe.db'));
  database.pragma('journal_mode = WAL');
  database.exec('CREATE TABLE IF NOT EXISTS t (x); INSERT INTO t VALUES (1)');
  database.close();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.close();
  const record = bootRecordFile(`/run/lintel/${facility}/clock.json`);
  record.save(1);
  return {
    via: notifier.via(),
    uid: process.getuid?.(),
    directories: ['STATE_DIRECTORY', 'RUNTIME_DIRECTORY', 'CONFIGURATION_DIRECTORY'].map((name) => process.env[name]),
    cwd: process.cwd(),
    bootRecord: record.load(),
    uptime: uptime() > 0,
    interfaces: Object.keys(networkInterfaces()),
    fileLimit: Number(/Max open files +(\d+)/.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]),
    kernelClock: (await askKernel(thisMachine)).detail,
    capabilities: /CapEff:\s*(\S+)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1],
    groups: /Groups:\s*(.*\S)/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1],
    config: attempt(() => readFileSync(process.argv.at(-1) ?? '')),
    writeConfig: attempt(() => writeFileSync('/etc/lintel/x', '')),
    writeProgram: attempt(() => writeFileSync('/usr/lib/lintel/x', '')),
    otherState: attempt(() => accessSync('/var/lib/lintel/annex')),
    otherSocket: attempt(() => accessSync('/run/lintel/annex')),
    credential: attempt(() => {
      const text = readFileSync(join(process.env['CREDENTIALS_DIRECTORY'] ?? '/none', 'mqtt-password'), 'utf8');
      if (text !== 'opensesame') throw new Error(text);
    }),
    home: attempt(() => accessSync('/root/x')),
    serial: open('/run/test/ttyS9', constants.O_RDWR),
    memory: open('/run/test/mem', constants.O_RDONLY),
    setClock: shell('date -s @1700000000 >/dev/null'),
    namespace: shell('unshare --user true'),
    mount: shell('mount -t tmpfs tmpfs /tmp'),
    others: shell('test -d /proc/1'),
  };
}

const server = await openControlServer({
  clock: systemClock,
  log,
  path: controlPath(facility),
  facility,
  handle: async ({ kind }) => {
    if (kind === 'probe') return await probe();
    if (kind === 'sick') return (sick = true);
    if (kind === 'crash') process.kill(process.pid, 'SIGKILL');
    throw new OperatingError('invalid_input', `unknown kind ${kind}`);
  },
});
process.once('SIGTERM', () => {
  notifier.stopping('driving outputs to rest');
  void server
    .close()
    .then(() => notifier.close(1000))
    .then(() => process.exit(0));
});
notifier.ready(`serving ${facility}`);
notifier.startWatchdog(() => !sick);
setInterval(() => undefined, 1000); // the doors
