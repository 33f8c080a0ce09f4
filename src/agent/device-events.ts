// What drivers tell, and whom it is handed to: cards and inputs to the doors, the rest becomes events and faults, and
// wakes the synchronisation. Drivers are heard here and nowhere else.

import type { Access } from '../access/access.ts';
import type { Recorder } from '../access/recorder.ts';
import { newEventAt, type DeviceBody, type DeviceEventType } from '../domain/events.ts';
import type { DriverEvent, Log } from '../domain/ports.ts';
import type { Sync } from '../sync/sync.ts';
import { busNews } from './bus-watch.ts';

export type DeviceEventPorts = {
  acsSystemId: string;
  log: Log;
  recorder: Pick<Recorder, 'note'>;
  access: Pick<Access, 'presented' | 'input' | 'output' | 'deviceOnline' | 'deviceOffline'>;
  /** Null while there is none: the database was refused, or the agent is starting. */
  sync: () => Pick<Sync, 'deviceOnline' | 'deviceRestarted'> | null;
  onChange: () => void;
};

type Fault = Omit<DriverEvent & { type: 'fault' }, 'type'>;

export class DeviceEvents {
  readonly #ports: DeviceEventPorts;
  readonly #faults: Faults;

  constructor(ports: DeviceEventPorts, faults: Faults) {
    this.#ports = ports;
    this.#faults = faults;
  }

  take(event: DriverEvent): void {
    const { access, recorder, acsSystemId, onChange } = this.#ports;
    if (event.type === 'presented') access.presented(event);
    else if (event.type === 'input') access.input(event);
    else if (event.type === 'output') access.output(event);
    else {
      if (event.type === 'bus_disturbed') recorder.note(...busNews(event, acsSystemId));
      else this.#ofDevice(event);
      onChange();
    }
  }

  /** Records what happened to a device, or was done to it. */
  record<T extends DeviceEventType>(type: T, device: string, more: DeviceBody<T>): void {
    const { acsSystemId: acs_system_id, recorder } = this.#ports;
    const source = { acs_system_id, acs_entrance_id: null, device };
    recorder.note(source, [newEventAt(type, { acs_system_id, device }, more)]);
  }

  #ofDevice(event: Exclude<DriverEvent, { type: 'presented' | 'input' | 'output' | 'bus_disturbed' }>): void {
    const { access, log, sync } = this.#ports;
    const record = <T extends DeviceEventType>(type: T, more: DeviceBody<T>): void =>
      this.record(type, event.device, more);
    switch (event.type) {
      case 'online':
        record('device.connected', {});
        access.deviceOnline(event.device);
        sync()?.deviceOnline(event.device);
        break;
      case 'offline':
        record('device.disconnected', { error_code: 'device_disconnected', message: event.reason });
        access.deviceOffline(event.device);
        break;
      case 'restarted':
        record('device.power', { restarted: true });
        sync()?.deviceRestarted(event.device);
        break;
      case 'tamper':
        record('device.tampered', { active: event.active });
        break;
      case 'power':
        record('device.power', { failed: event.failed });
        break;
      case 'identity_changed':
        record('device.identity_changed', { expected: event.expected, found: event.found });
        break;
      case 'secure_channel_lost':
        record('device.secure_channel_lost', { message: event.reason });
        break;
      case 'clear_text_card':
        record('device.clear_text_card', {});
        break;
      case 'fault':
        this.#faults.note(event);
        record('device.fault', { code: event.code, message: event.message, cleared: event.cleared });
        if (!event.cleared) log.warn(event.message, { device: event.device, fault: event.code });
        break;
    }
  }
}

/** What is wrong with devices beyond being away, by a code for each fault. */
export class Faults {
  readonly #byDevice = new Map<string, Map<string, string>>();

  note({ device, code, message, cleared }: Fault): void {
    const faults = this.#byDevice.get(device) ?? new Map<string, string>();
    if (cleared) faults.delete(code);
    else faults.set(code, message);
    this.#byDevice.set(device, faults);
  }

  of(device: string): string[] {
    return [...(this.#byDevice.get(device)?.values() ?? [])];
  }
}
