// The controller of the measurements, in a process of its own: the agent's work must not slow the wire that it is measured against.

import { join } from 'node:path';
import { startModbusDevices } from '../../drivers/modbus/simulator.ts';
import { systemClock } from '../../src/ops/clock.ts';

const [transport, baud] = process.argv.slice(2);
const simulator = await startModbusDevices({
  listen: { kind: transport === 'tcp' ? 'tcp' : 'rtu-over-tcp', port: 0 },
  units: [{ unit: 1, profile: join(import.meta.dirname, 'controller.yaml') }],
  clock: systemClock,
});
if (baud !== undefined) simulator.lineFaults.pace = { baud: Number(baud), parity: 'even' };
process.send?.({ port: simulator.port });
process.on('disconnect', () => process.exit(0));
