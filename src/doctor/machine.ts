// What the doctor looks at: the machine, through a port that a test can stand in for.

import type { Clock } from '../domain/ports.ts';
import type { Machine as ClockMachine } from '../ops/clock-vouchers.ts';
import type { MachineRoots } from './serial-ports.ts';

export type DiskSpace = {
  /** For whoever is not root, bytes. */
  free: number;
  total: number;
  /** Null: this file system does not count them. */
  freeFiles: number | null;
  /** The magic number of its kind (statfs(2)). */
  type: number;
};

/** How a connection went. `certificate`: what the other side showed, over TLS. */
export type Reached =
  | { isReached: true; certificate: { validUntilMs: number } | null }
  | { isReached: false; code: string; message: string };

export type ConnectTo = {
  host: string;
  port: number;
  /** Null: without TLS. */
  tls: { ca: Buffer | null; cert: Buffer | null; key: Buffer | null } | null;
};

export type DoctorsMachine = {
  roots: MachineRoots;
  clock: Clock;
  clockSources: ClockMachine;
  env: NodeJS.ProcessEnv;
  /** Null: there is no such folder, or it may not be looked at. */
  spaceOf: (folder: string) => DiskSpace | null;
  connect: (to: ConnectTo, timeoutMs: number) => Promise<Reached>;
  /** The status of the agent that serves this facility; a text: why there is none. */
  status: (facility: string) => Promise<Readonly<Record<string, unknown>> | string>;
};
