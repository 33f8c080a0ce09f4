// The devices of the measurements, in a process of their own: the agent's work must not slow the wire that it is
// measured against. Given their line as JSON; moves an input when it is told to, and says when that was.

import { join } from 'node:path';
import { startModbusDevices } from '../../drivers/modbus/simulator.ts';
import { systemClock } from '../../src/ops/clock.ts';

export type DevicesOrder = {
  transport: 'tcp' | 'rtu-over-tcp';
  /** Null: as fast as it goes. */
  baud: number | null;
  /** Files of this folder, or names of shipped profiles, for the units 1, 2, … */
  profiles: readonly string[];
  turnaroundMs: number;
};
/** `atNs`: CLOCK_MONOTONIC, the same in every process of the machine. */
export type DevicesAnswer = { port?: number; atNs?: string };
export type MoveInput = { unit: number; input: number; active: boolean };

const order = JSON.parse(process.argv[2] ?? '{}') as DevicesOrder;
const simulator = await startModbusDevices({
  listen: { kind: order.transport, port: 0 },
  units: order.profiles.map((profile, i) => ({
    unit: i + 1,
    profile: profile.endsWith('.yaml') ? join(import.meta.dirname, profile) : profile,
  })),
  clock: systemClock,
});
if (order.baud !== null) simulator.lineFaults.pace = { baud: order.baud, parity: 'even' };
order.profiles.forEach((_, i) => (simulator.unit(i + 1).faults.latencyMs = order.turnaroundMs));
const answer = (message: DevicesAnswer): void => void process.send?.(message);
process.on('message', ({ unit, input, active }: MoveInput) => {
  simulator.unit(unit).setInput(input, active);
  answer({ atNs: String(process.hrtime.bigint()) });
});
process.on('disconnect', () => process.exit(0));
answer({ port: simulator.port });
