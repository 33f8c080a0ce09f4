// Controllers: get, list, resync, adopt_slot.

import { OperatingError, refused } from '../domain/errors.ts';
import type { ParamsOf } from './contract.ts';
import type { Call, ControllerView, Outcome, Room, Work } from './room.ts';
import type { Controller } from './contract/results.ts';
import { AT_ONCE, type TargetRow } from '../store/target-row.ts';
import { findCredential } from './found.ts';
import { recordChange } from './trace.ts';
import { iso } from '../domain/iso.ts';

export function getController(room: Room, params: ParamsOf<'controllers/get'>): Outcome<'controllers/get'> {
  const view = findController(room, params.controller);
  const foreign = view.slots === null ? [] : room.store.foreignSlots.of(view.name, MOST_FOREIGN_SHOWN);
  const foreignSlots = foreign.map(({ slot, first_seen_at: at }) => ({ slot, first_seen_at: iso(at) }));
  return {
    result: {
      controller: { ...controllerObject(view), ...(view.slots === null ? {} : { foreign_slots: foreignSlots }) },
    },
  };
}

export function listControllers(room: Room): Outcome<'controllers/list'> {
  return { result: { controllers: room.controllers.list().map(controllerObject) } };
}

export function prepareResync(room: Room, params: ParamsOf<'controllers/resync'>): Work<'controllers/resync'> {
  const controller = findController(room, params.controller);
  if (controller.slots === null)
    throw new OperatingError('not_supported', `controller ${controller.name} holds no credentials`, [
      'params',
      'controller',
    ]);
  return async () => ({ result: await room.sync.resync(controller.name) });
}

/** The slot is ours from here on, durably; the controller is brought to it like to anything else it should hold. */
export function adoptSlot(
  room: Room,
  params: ParamsOf<'controllers/adopt_slot'>,
  call: Call,
): Outcome<'controllers/adopt_slot'> {
  const { store } = room;
  const { controller, slot, acs_credential_id: credentialId = null } = params;
  if (findController(room, controller).slots === null)
    throw new OperatingError('not_supported', `controller ${controller} holds no credentials`, [
      'params',
      'controller',
    ]);
  if (!store.foreignSlots.has(controller, slot)) {
    const known = store.foreignSlots.of(controller, MOST_FOREIGN_NAMED);
    throw refused(
      'invalid_input',
      'slot',
      `slot ${slot} of ${controller} is not foreign; ${known.length === 0 ? 'none is' : `foreign are ${known.map((one) => one.slot).join(', ')}`}`,
    );
  }
  if (credentialId === null) store.foreignSlots.unwant(controller, slot);
  else {
    const target = targetFor(room, credentialId, controller);
    store.foreignSlots.forget(controller, slot);
    // What the slot holds is read first: what is right already is not written again.
    store.targets.update({ ...target, slot, written_hash: null, read_hash: null, attempts: 0, due_at: AT_ONCE });
  }
  const adopted = { controller, slot, acs_credential_id: credentialId };
  recordChange(room, call, { eventType: 'device.slot_adopted', ids: { device: controller, ...adopted } });
  return { result: adopted, wake: [controller] };
}

/** The row by which the credential waits for a slot of this controller. */
function targetFor(room: Room, credentialId: string, controller: string): TargetRow {
  const { store } = room;
  const credential = findCredential(room, credentialId);
  const refuse = (message: string): OperatingError => refused('invalid_input', 'acs_credential_id', message);
  const target = store.targets.ofCredential(credential.credential_key).find((row) => row.controller === controller);
  if (target === undefined) throw refuse(`it opens no door of ${controller}; give it one first`);
  if (target.slot !== null) throw refuse(`it lies in slot ${target.slot} of ${controller} already`);
  if (store.targets.ofPartner(credential.credential_key).some((row) => row.controller === controller))
    throw refuse('its code lies in the slot of its card');
  return target;
}

const MOST_FOREIGN_SHOWN = 500;
const MOST_FOREIGN_NAMED = 20;

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
export function controllerObject(view: ControllerView): Controller {
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
