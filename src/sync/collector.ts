// What a controller decided by itself, brought up: its events are read, mapped from slot to credential, stored, and
// only then freed at the device. A crash between the two makes the device tell them again; the cursor of the last
// stored one says which are known.

import { newEvent, type BodyOf, type EventType, type NewEvent } from '../domain/events.ts';
import type { Clock, ControllerEvent, Device, EventDevice, Log, Timer } from '../domain/ports.ts';
import type { EventBudgets } from '../domain/event-budget.ts';
import { withDeadline } from '../domain/deadline.ts';
import { OperatingError } from '../domain/errors.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import type { CredentialRow } from '../store/credentials.ts';
import type { Store } from '../store/store.ts';
import { isStorageError } from '../store/disk-errors.ts';
import { Stopped } from './post.ts';
import { invalidated } from '../domain/invalidated.ts';
import { memberOf } from '../domain/named.ts';
import { usesLeft } from '../domain/uses.ts';
import { isLately, isWatched, ToldByInputs } from './told-by-inputs.ts';

const POLL_MS = 1000;
const CALL_MS = 10_000;
const PER_READ = 32;
/**
 * One drain reads no more than this, and no longer: a device that never runs dry, or a slow line, must not hold up what
 * waits behind it.
 */
const MOST_READS = 64;
const MOST_MS = 2000;
/** An input that is watched has been read by then. */
const INPUTS_SHOW_MS = 300;

export type CollectorOptions = {
  store: Store;
  site: Site;
  device: Device;
  events: EventDevice;
  clock: Clock;
  log: Log;
  acsSystemId: string;
  /** How much of what controllers record is told one by one. */
  eventBudgets: EventBudgets;
  /** Rows of these controllers changed: a one-time credential was used. */
  wake: (controllers: readonly string[]) => void;
};

/**
 * An event of the device, what it is in our words, and whether that is told; null and false: it is passed over or only
 * counted.
 */
type Collected = { event: ControllerEvent; stored: Stored | null; isTold: boolean };
type Stored = { event: NewEvent; credential: CredentialRow | undefined };

export class Collector {
  readonly #options: CollectorOptions;
  #timer: Timer | null = null;
  #draining: Promise<void> | null = null;
  #isStopping = false;
  readonly #toldByInputs: ToldByInputs;
  /** Monotonic ms. */
  #inputsShownUntilMs = 0;

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#toldByInputs = new ToldByInputs(options.store);
  }

  start(): void {
    this.#next();
  }

  stop(): void {
    this.#isStopping = true;
    this.#timer?.cancel();
  }

  /** Reads and stores everything that waits at the device; a device that does not answer is asked again later. */
  async drain(): Promise<void> {
    if (this.#isStopping || !this.#options.device.status().online) return;
    this.#draining ??= this.#drain().finally(() => (this.#draining = null));
    await this.#draining;
  }

  /** After a restart the device counts anew: its cursors say nothing about the old ones. */
  forgetCursor(): void {
    const { store, device } = this.#options;
    store.group(() => store.controllers.change(device.name, { event_cursor: null, is_cursor_acknowledged: 1 }));
  }

  #next(): void {
    if (this.#isStopping) return;
    this.#timer = this.#options.clock.after(POLL_MS, () => void this.drain().finally(() => this.#next()));
  }

  async #drain(): Promise<void> {
    const { log, device, clock } = this.#options;
    const untilMs = clock.monotonicMs() + MOST_MS;
    try {
      for (let reads = 0; reads < MOST_READS && clock.monotonicMs() < untilMs && !this.#isStopping; reads++) {
        if (!(await this.#readOnce())) return;
      }
    } catch (error) {
      if (error instanceof Stopped) return;
      if (!(error instanceof OperatingError) && !isStorageError(error)) throw error;
      log.warn('the events of the controller cannot be collected now', {
        controller: device.name,
        problem: String(error),
      });
    }
  }

  /** Between two awaits the store may have been closed. */
  #stopIfAsked(): void {
    if (this.#isStopping) throw new Stopped();
  }

  /** True when there may be more. */
  async #readOnce(): Promise<boolean> {
    const { store, device, events, clock, log } = this.#options;
    const read = await withDeadline(clock, CALL_MS, `${device.name}: reading events`, events.read(PER_READ));
    this.#stopIfAsked();
    if (read.events.length === 0) return false;
    if (read.lost)
      log.warn('the controller had more events than it could keep: some are lost', { controller: device.name });
    const last = read.events[read.events.length - 1];
    if (last === undefined) return false;
    const unknown = this.#fresh(read.events);
    await this.#letInputsShow(unknown);
    const fresh = unknown.map((event) => this.#collect(event));
    const lost = read.lost ? this.#lostEvent(last.cursor) : null;
    const write = (): string[] => this.#storeNew(fresh, lost, last.cursor);
    // What is only counted costs no flush of the disk: there may be no end of it.
    const touched = lost !== null || fresh.some(isWorthFlush) ? store.now(write) : store.group(write);
    if (touched.length > 0) this.#options.wake(touched);
    await withDeadline(clock, CALL_MS, `${device.name}: freeing events`, events.acknowledge(last.cursor));
    this.#stopIfAsked();
    // Need not be durable by itself: should it be lost, the cursor still tells known events from new ones.
    store.group(() => store.controllers.change(device.name, { is_cursor_acknowledged: 1 }));
    // However few it gives at a time: some give one, whatever is asked for.
    return true;
  }

  #fresh(events: readonly ControllerEvent[]): readonly ControllerEvent[] {
    const known = this.#options.store.controllers.get(this.#options.device.name);
    if (known.is_cursor_acknowledged === 1) return events;
    return events.slice(events.findIndex((event) => event.cursor === known.event_cursor) + 1);
  }

  #collect(event: ControllerEvent): Collected {
    const stored = this.#toEvent(event);
    return { event, stored, isTold: stored !== null && this.#admits(stored.event) };
  }

  #admits(event: NewEvent): boolean {
    const { device, acsSystemId, eventBudgets } = this.#options;
    const entrance = event.body['acs_entrance_id'];
    const acs_entrance_id = typeof entrance === 'string' ? entrance : null;
    return eventBudgets.admits({ acs_system_id: acsSystemId, device: device.name, acs_entrance_id }, event);
  }

  #lostEvent(cursor: string): NewEvent | null {
    const { store, device, acsSystemId } = this.#options;
    if (store.controllers.get(device.name).event_cursor === cursor) return null;
    const why = 'the controller had more events than it could keep';
    const body = { acs_system_id: acsSystemId, controller: device.name, why };
    const event = newEvent('agent.events_dropped', body);
    return this.#admits(event) ? event : null;
  }

  #storeNew(collected: readonly Collected[], lost: NewEvent | null, cursor: string): string[] {
    const { store, device, clock } = this.#options;
    const nowMs = clock.nowMs();
    if (lost !== null) store.events.add(lost, nowMs);
    const touched = new Set<string>();
    for (const { event, stored, isTold } of collected) {
      if (isTold && stored !== null) store.events.add(stored.event, nowMs);
      const duress = isTold ? this.#duress(event, stored) : null;
      if (duress !== null) store.events.add(duress, nowMs);
      for (const controller of this.#useUp(event, stored?.credential, nowMs)) touched.add(controller);
    }
    store.controllers.change(device.name, { event_cursor: cursor, is_cursor_acknowledged: 0 });
    return [...touched];
  }

  /** The device let somebody in by a code that is typed under threat: it may have been given its door later. */
  #duress(event: ControllerEvent, stored: Stored | null): NewEvent | null {
    const { acsSystemId, device } = this.#options;
    const entrance = this.#entranceAt(event.door);
    const credential = stored?.credential;
    if (event.kind !== 'granted' || credential?.is_duress !== 1 || entrance === undefined) return null;
    const { acs_credential_id: id } = credential;
    const body = {
      acs_system_id: acsSystemId,
      acs_entrance_id: entrance.acsEntranceId,
      acs_credential_id: id,
      acs_user_id: this.#whoIs(credential, id).acs_user_id,
      controller: device.name,
      opened: true,
    };
    return newEvent('acs_entrance.duress', body, event.atMs);
  }

  /** The device let in a credential that is good for so many entries. */
  #useUp(event: ControllerEvent, credential: CredentialRow | undefined, nowMs: number): string[] {
    const { store } = this.#options;
    if (event.kind !== 'granted' || credential === undefined || (usesLeft(credential) ?? 0) === 0) return [];
    const key = credential.credential_key;
    if (store.credentials.countUse(key)) return [];
    if (!store.credentials.markUsed(key, event.atMs ?? nowMs)) return [];
    if (credential.invalidated_at === null) {
      store.credentials.markInvalidated(key, nowMs);
      const { acs_credential_id } = credential;
      const body = { acs_system_id: this.#options.acsSystemId, ...this.#whoIs(credential, acs_credential_id) };
      const ended = invalidated({ ...body, acs_credential_id, reason: 'used' }, event.atMs ?? nowMs);
      store.events.add(ended, nowMs);
    }
    store.targets.touch(key);
    return store.targets.ofCredential(key).map((target) => target.controller);
  }

  // ---- from the device's words to ours ----

  #toEvent(event: ControllerEvent): Stored | null {
    const { device, acsSystemId } = this.#options;
    const eventType = EVENT_TYPES[event.kind];
    const entrance = this.#entranceAt(event.door);
    if (entrance !== undefined && this.#wasTold(entrance, event)) return null;
    const id = event.slot === null ? null : this.#credentialAt(event.slot);
    const credential = id === null ? undefined : this.#options.store.credentials.byId(id);
    const body = {
      acs_system_id: acsSystemId,
      acs_entrance_id: entrance?.acsEntranceId ?? null,
      controller: device.name,
      ...(event.slot === null ? {} : { slot: event.slot }),
      controller_event: { code: event.code, detail: event.detail },
    };
    if (eventType === 'device.reported')
      return { credential, event: newEvent(eventType, { ...body, device: device.name }, event.atMs) };
    if (eventType !== 'lock.unlocked' && eventType !== 'lock.access_denied')
      return { credential, event: newEvent(eventType, body, event.atMs) };
    const decision = {
      ...body,
      ...this.#whoIs(credential, id),
      decided_by: 'controller' as const,
      ...shown(credential),
    };
    if (eventType === 'lock.unlocked')
      return { credential, event: newEvent(eventType, { ...decision, was_confirmed_by_device: true }, event.atMs) };
    return { credential, event: newEvent(eventType, { ...decision, reason: reasonOf(event.detail) }, event.atMs) };
  }

  #whoIs(
    credential: CredentialRow | undefined,
    acsCredentialId: string | null,
  ): { acs_credential_id: string | null; acs_user_id: string | null } {
    const userKey = credential?.user_key ?? null;
    const user = userKey === null ? undefined : this.#options.store.users.byKey(userKey);
    return { acs_credential_id: acsCredentialId, acs_user_id: user?.acs_user_id ?? null };
  }

  /** Told by an input of the door, which stands for this record from then on. */
  #wasTold(entrance: SiteEntrance, event: ControllerEvent): boolean {
    if (!isWatched(entrance, event.kind)) return false;
    const sequence = this.#toldByInputs.find(entrance, event, this.#options.clock.nowMs());
    if (sequence !== null) this.#toldByInputs.take(sequence);
    return sequence !== null;
  }

  /**
   * An input is polled, and the record may have been read before it: it is given a moment to show the same. Once for
   * all that waits at the device by then.
   */
  async #letInputsShow(events: readonly ControllerEvent[]): Promise<void> {
    const { clock, device } = this.#options;
    if (clock.monotonicMs() < this.#inputsShownUntilMs || !device.status().online) return;
    const nowMs = clock.nowMs();
    const isOpen = events.some((event) => {
      const entrance = this.#entranceAt(event.door);
      if (entrance === undefined || !isWatched(entrance, event.kind) || !isLately(event, nowMs)) return false;
      return this.#toldByInputs.find(entrance, event, nowMs) === null;
    });
    if (!isOpen) return;
    await new Promise<void>((resolve) => void clock.after(INPUTS_SHOW_MS, resolve));
    this.#stopIfAsked();
    this.#inputsShownUntilMs = clock.monotonicMs() + MOST_MS;
  }

  /** Whose the slot is, or was last: events are read before a slot goes to somebody else. */
  #credentialAt(slot: number): string | null {
    const { store, device } = this.#options;
    return (
      store.targets.bySlot(device.name, slot)?.acs_credential_id ??
      store.targets.lastOwner(device.name, slot)?.acs_credential_id ??
      null
    );
  }

  #entranceAt(door: number | null): SiteEntrance | undefined {
    const { site, device } = this.#options;
    const own = site.entrances.filter(
      ({ decidedBy, controller }) => decidedBy === 'controller' && controller === device.name,
    );
    return door === null && own.length === 1 ? own[0] : own.find((entrance) => entrance.door === door);
  }
}

const isWorthFlush = ({ event, stored, isTold }: Collected): boolean =>
  isTold || (event.kind === 'granted' && (stored?.credential?.uses_left ?? 0) > 0);

/** What was shown, as far as the slot tells. */
function shown(
  credential: CredentialRow | undefined,
): Partial<Pick<BodyOf<'lock.unlocked'>, 'access_method' | 'method'>> {
  if (credential === undefined) return {};
  const { access_method } = credential;
  return { access_method, method: access_method === 'card' ? 'card' : 'keycode' };
}

const EVENT_TYPES = {
  granted: 'lock.unlocked',
  denied: 'lock.access_denied',
  rex: 'acs_entrance.rex',
  opened: 'acs_entrance.opened',
  closed: 'acs_entrance.closed',
  forced: 'acs_entrance.forced',
  held: 'acs_entrance.held',
  tamper: 'device.tampered',
  other: 'device.reported',
} as const satisfies Readonly<Record<ControllerEvent['kind'], EventType>>;

/** Seam's reason code for what a controller says. */
const reasonOf = (detail: string | null): { reason_code: string; detail: string | null } =>
  memberOf(REASONS, detail ?? '') ?? { reason_code: 'credential_error', detail };

const REASONS: Readonly<Record<string, { reason_code: string; detail: string }>> = {
  unknown: { reason_code: 'unknown_code', detail: 'unknown_credential' },
  time: { reason_code: 'credential_error', detail: 'outside_schedule' },
  expired: { reason_code: 'expired_code', detail: 'expired' },
  locked_out: { reason_code: 'too_many_attempts', detail: 'locked_out' },
  door: { reason_code: 'credential_error', detail: 'entrance_not_allowed' },
};
