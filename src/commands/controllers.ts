// Controllers: get, list, resync.

import { OperatingError } from '../domain/errors.ts';
import type { ParamsOf } from './contract.ts';
import type { ControllerView, Outcome, Room } from './room.ts';
import { iso } from './users.ts';

export function getController(room: Room, params: ParamsOf<'controllers/get'>): Outcome {
  return { result: { controller: controllerObject(findController(room, params.controller)) } };
}

export function listControllers(room: Room): Outcome {
  return { result: { controllers: room.controllers.list().map(controllerObject) } };
}

export function prepareResync(
  room: Room,
  params: ParamsOf<'controllers/resync'>,
): () => Promise<{ result: Record<string, unknown> }> {
  const controller = findController(room, params.controller);
  if (controller.slots === null)
    throw new OperatingError('not_supported', `controller ${controller.name} holds no credentials`, [
      'params',
      'controller',
    ]);
  return async () => ({ result: await room.sync.resync(controller.name) });
}

function findController(room: Room, name: string): ControllerView {
  const all = room.controllers.list();
  const found = all.find((controller) => controller.name === name);
  if (found !== undefined) return found;
  const known = all.map((controller) => controller.name).join(', ');
  throw new OperatingError('controller_not_found', `no controller ${name} in the facility file; it has ${known}`, [
    'params',
    'controller',
  ]);
}

/** Also the retained state of the controller. */
export function controllerObject(view: ControllerView): Record<string, unknown> {
  const { status } = view;
  const { counters } = status;
  return {
    controller: view.name,
    driver: view.driver,
    bus: view.bus,
    online: status.online,
    since: iso(status.sinceMs),
    identity: status.identity,
    problem: status.problem,
    problems: view.problems,
    slots: view.slots === null ? null : { used: view.slots.used, total: view.slots.total, foreign: view.slots.foreign },
    pending_writes: view.slots?.pending ?? 0,
    counters: {
      requests: counters.requests,
      replies: counters.replies,
      timeouts: counters.timeouts,
      retries: counters.retries,
      crc_errors: counters.crcErrors,
      exceptions: counters.exceptions,
      bytes_sent: counters.bytesSent,
      bytes_received: counters.bytesReceived,
    },
  };
}
