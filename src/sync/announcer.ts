// What the synchronisation says in events, always inside the transaction that changes the row: per controller Seam's
// access_code.*, and over all controllers of a credential acs_credential.issued and reissued.

import { newEvent, type DeviceBody } from '../domain/events.ts';
import type { EventBudgets } from '../domain/event-budget.ts';
import type { Site } from '../domain/site.ts';
import type { ToldOf } from '../store/credentials.ts';
import type { Store } from '../store/store.ts';
import type { TargetRow } from '../store/target-row.ts';

export type TargetEvent =
  | 'access_code.scheduled_on_device'
  | 'access_code.set_on_device'
  | 'access_code.removed_from_device'
  | 'access_code.failed_to_set_on_device'
  | 'access_code.failed_to_remove_from_device'
  | 'access_code.failed_to_expire'
  | 'access_code.modified_externally';

/** What a controller causes by itself, again and again if it will; what commands cause is always told. */
const CAUSED_BY_CONTROLLER: readonly TargetEvent[] = [
  'access_code.failed_to_set_on_device',
  'access_code.failed_to_remove_from_device',
  'access_code.modified_externally',
];

export class Announcer {
  readonly #store: Store;
  readonly #site: Site;
  readonly #acsSystemId: string;
  readonly #budgets: EventBudgets;

  constructor(store: Store, site: Site, acsSystemId: string, budgets: EventBudgets) {
    this.#store = store;
    this.#site = site;
    this.#acsSystemId = acsSystemId;
    this.#budgets = budgets;
  }

  add(eventType: TargetEvent, target: TargetRow, nowMs: number): void {
    this.#add(eventType, target, this.#store.credentials.toldOf(target.credential_key), nowMs);
  }

  /** The controller holds it: tells that (null: it was told), and with it what `noteSynced` tells. */
  addHeld(eventType: TargetEvent | null, target: TargetRow, nowMs: number): void {
    const told = this.#store.credentials.toldOf(target.credential_key);
    if (eventType !== null) this.#add(eventType, target, told, nowMs);
    this.#noteSynced(target.credential_key, target.acs_credential_id, told, nowMs);
  }

  #add(eventType: TargetEvent, target: TargetRow, told: ToldOf | undefined, nowMs: number): void {
    const body = {
      acs_system_id: this.#acsSystemId,
      acs_credential_id: target.acs_credential_id,
      ...(told?.acs_user_id == null ? {} : { acs_user_id: told.acs_user_id }),
      controller: target.controller,
      slot: target.slot,
    };
    const error = { type: target.error_type ?? 'internal', message: target.error_message };
    const event =
      eventType === 'access_code.failed_to_set_on_device' || eventType === 'access_code.failed_to_remove_from_device'
        ? newEvent(eventType, { ...body, error })
        : newEvent(eventType, body);
    const source = { acs_system_id: this.#acsSystemId, acs_entrance_id: null, device: target.controller };
    if (CAUSED_BY_CONTROLLER.includes(eventType) && !this.#budgets.admits(source, event)) return;
    this.#store.events.add(event, nowMs);
  }

  /** All that it held is gone at once: no hand did that. */
  memoryLost(controller: string, nowMs: number): void {
    const event = newEvent('device.memory_lost', { acs_system_id: this.#acsSystemId, device: controller });
    const source = { acs_system_id: this.#acsSystemId, acs_entrance_id: null, device: controller };
    if (this.#budgets.admits(source, event)) this.#store.events.add(event, nowMs);
  }

  /** A slot of somebody else was emptied, as was asked. */
  slotEmptied(controller: string, slot: number, nowMs: number): void {
    this.#store.events.add(
      newEvent('device.slot_emptied', { acs_system_id: this.#acsSystemId, device: controller, slot }),
      nowMs,
    );
  }

  /** Not everybody who was accepted will find a slot. */
  slotsShort(body: DeviceBody<'device.slots_short'> & { device: string }, nowMs: number): void {
    const event = newEvent('device.slots_short', { acs_system_id: this.#acsSystemId, ...body });
    const source = { acs_system_id: this.#acsSystemId, acs_entrance_id: null, device: body.device };
    if (this.#budgets.admits(source, event)) this.#store.events.add(event, nowMs);
  }

  /** Records issued or reissued once every controller concerned holds the credential as it is now. */
  noteSynced({ credential_key: key, acs_credential_id: id }: TargetRow, nowMs: number): void {
    this.#noteSynced(key, id, this.#store.credentials.toldOf(key), nowMs);
  }

  #noteSynced(key: number, acs_credential_id: string, told: ToldOf | undefined, nowMs: number): void {
    if (told?.is_unsynced !== 1) return;
    const isHeld = this.#store.targets
      .unheldOf(key)
      .every((controller) => this.#site.slotController(controller) === undefined);
    if (!isHeld) return;
    this.#store.credentials.setSynced(key, nowMs);
    const body = { acs_system_id: this.#acsSystemId, acs_credential_id, acs_user_id: told.acs_user_id };
    const type = told.issued_at === null ? 'acs_credential.issued' : 'acs_credential.reissued';
    this.#store.events.add(newEvent(type, body), nowMs);
  }
}
