// One facility served in this process: the agent, and the control socket before it, so that a second one of the same
// building is refused before it touches a door. `run` and the demo are made of this.

import { accessSync, constants, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { portOpener } from '../../drivers/serial-port.ts';
import { Agent } from '../agent/agent.ts';
import { Console } from '../console/console.ts';
import type { Presenter } from '../console/swipe.ts';
import { withDeadline } from '../domain/deadline.ts';
import { OperatingError } from '../domain/errors.ts';
import type { Facility } from '../domain/facility.ts';
import type { Log } from '../domain/ports.ts';
import { DRIVERS } from '../drivers.ts';
import type { Monitor } from '../monitor/server.ts';
import { bootRecordFile, vouchersFor } from '../ops/clock-vouchers.ts';
import { systemClock } from '../ops/clock.ts';
import { systemCron } from '../ops/cron.ts';
import { controlPath } from '../ops/control-protocol.ts';
import { openControlServer, type ControlServer } from '../ops/control-socket.ts';
import { systemRandom } from '../ops/random.ts';
import { holdDatabase } from '../store/lock.ts';

export type ServeOptions = {
  facility: Facility;
  version: string;
  log: Log;
  env: NodeJS.ProcessEnv;
  /** Where the control socket is wanted; null: where it belongs. */
  socket: string | null;
  presenter?: Presenter;
  /** Called before anything is opened: how to bring every output to rest from then on. */
  onBuilt?: (rest: () => Promise<void>) => void;
};

export type Serving = {
  agent: Agent;
  /** Null when it could not be opened: doors do not wait for a convenience. */
  socket: string | null;
  stop(): Promise<void>;
};

const STOP_MS = 15_000;

/**
 * Resolves when doors are served. Rejects with an OperatingError when another process serves this facility, or when it
 * cannot be started.
 */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { facility, version, log, env, presenter } = options;
  const hold = holdDatabase(facility.store.path);
  const path = options.socket ?? socketPath(facility, env);
  const agent = new Agent({
    facility,
    drivers: DRIVERS,
    version,
    clock: systemClock,
    random: systemRandom,
    cron: systemCron,
    log,
    openPort: portOpener(systemClock),
    env,
    vouchers: vouchersFor(facility.clockTrust, systemClock),
    bootRecord: bootRecordFile(join(dirname(path), 'clock.json')),
    brokerFolder: dirname(path),
  });
  options.onBuilt?.(() => agent.rest());
  const started = Promise.withResolvers<undefined>();
  const answers = new Console({
    agent,
    clock: systemClock,
    ready: started.promise,
    ...(presenter === undefined ? {} : { presenter }),
  });
  let server: ControlServer | null = null;
  try {
    server = await openConsole(path, facility.name, answers, log);
    await agent.start();
    started.resolve(undefined);
  } catch (error) {
    await server?.close();
    await withDeadline(systemClock, STOP_MS, 'stopping', agent.stop()).catch(() => undefined);
    hold?.release();
    throw error;
  }
  const opened = server;
  const asked = await startMonitor(agent, facility, log);
  return {
    agent,
    socket: opened?.path ?? null,
    async stop() {
      const resting = agent.rest();
      await opened?.close();
      await asked?.stop();
      await resting;
      await withDeadline(systemClock, STOP_MS, 'stopping the agent', agent.stop());
      hold?.release();
    },
  };
}

/** Events counted for one answer: a backlog of a million is told over several. */
const MOST_COUNTED = 50_000;

async function startMonitor(agent: Agent, { name, monitoringPort: port }: Facility, log: Log): Promise<Monitor | null> {
  if (port === null) return null;
  // Whoever is not asked loads nothing of it.
  const { Monitor } = await import('../monitor/server.ts');
  const measured = {
    read: () => ({ status: agent.status(), ...agent.measures() }),
    eventsSince: (sequence: number) =>
      agent.store?.events.countsBehind(sequence, MOST_COUNTED) ?? { upTo: sequence, counts: new Map<string, number>() },
    lastSequence: () => agent.store?.events.lastSequence() ?? 0,
  };
  const monitor = new Monitor({ port, facility: name, measured, clock: systemClock, log });
  await monitor.start();
  return monitor;
}

async function openConsole(path: string, facility: string, answers: Console, log: Log): Promise<ControlServer | null> {
  try {
    return await openControlServer({
      clock: systemClock,
      log,
      path,
      facility,
      handle: answers.handle,
      timeoutMs: (request) => Console.timeoutMs(request),
    });
  } catch (error) {
    if (error instanceof OperatingError && error.type === 'not_permitted') throw error;
    const problem = error instanceof Error ? error.message : String(error);
    log.error('there is no control socket: the command line on this machine cannot reach the agent', { path, problem });
    return null;
  }
}

/**
 * Under systemd in the unit's runtime directory; else under /run where that may be written; else beside the database.
 */
function socketPath(facility: Facility, env: NodeJS.ProcessEnv): string {
  const [runtime = ''] = (env['RUNTIME_DIRECTORY'] ?? '').split(':');
  if (runtime !== '') return join(runtime, 'control.sock');
  const standard = controlPath(facility.name);
  try {
    mkdirSync(dirname(standard), { recursive: true, mode: 0o750 });
    accessSync(dirname(standard), constants.W_OK);
    return standard;
  } catch {
    return join(dirname(facility.store.path), 'control.sock');
  }
}
