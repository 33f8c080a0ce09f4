// `lintel run` on a whole building, and the command line pointed at its control socket.

import { join } from 'node:path';
import { raiseBuilding, type Building } from '../support/building.ts';
import { until } from '../support/ports.ts';
import { launch, say, type Ended, type Options, type Running } from './lintel.ts';

export type Served = {
  building: Building;
  socket: string;
  agent: Running;
  /** A command line of this building, within this process: `--socket` is added. */
  ask: (...args: string[]) => Promise<Ended>;
};

export const runArguments = (file: string, socket: string): string[] => ['run', '--config', file, '--socket', socket];

/** Resolves when the doors are served. */
export async function serveBuilding(building: Building, options: Options = {}): Promise<Served> {
  const socket = join(building.folder, 'control.sock');
  const agent = launch(runArguments(building.file, socket), options);
  await agent.says(/doors are served/, 90_000);
  return { building, socket, agent, ask: (...args) => say(...args, '--socket', socket) };
}

export async function serve(): Promise<Served> {
  return await serveBuilding(await raiseBuilding());
}

/** Controllers and broker are there as well. */
export async function allOnline({ building }: Served): Promise<void> {
  const isUp = (name: string): boolean =>
    building.tower.heard.some(
      ({ topic, payload }) => topic.endsWith(`/state/${name}`) && payload.includes('"online":true'),
    );
  await until(
    () => ['agent', 'controllers/store-panel', 'controllers/relay-board', 'controllers/lobby-reader'].every(isUp),
    'everything is online',
    15_000,
  );
}
