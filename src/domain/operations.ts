// What an operator on the gateway may do with the devices of one kind beyond what every driver does: first keys,
// addresses, files. A driver offers it here, under its own name; the console hands over what it is asked and knows no
// driver.

import type { DeviceBody, DeviceEventType } from './events.ts';
import type { Clock, Driver } from './ports.ts';

/** One request: `action` and its fields, from whoever may open the control socket. Every field is foreign. */
export type OperationRequest = Readonly<Record<string, unknown>>;

export type OperationContext = {
  /** Hands an item to whoever asked, before the answer; resolves when it is taken. */
  stream: (item: unknown) => Promise<void>;
  /** Whoever asked has gone. */
  signal: AbortSignal;
};

export type Operations = {
  /** Resolves with the answer, as JSON has it. Throws an `OperatingError` that says what to do next. */
  handle(request: OperationRequest, context: OperationContext): Promise<unknown>;
};

export type OperationPorts = {
  clock: Clock;
  /** Of every kind: a device of another kind is told from one that is not there. */
  drivers: readonly Driver[];
  /** The bus's own keys of the facility file. */
  busConfig(bus: string): unknown;
  /** Records what was done to a device as an event of it. */
  recordDevice<T extends DeviceEventType>(type: T, device: string, more: DeviceBody<T>): void;
};
