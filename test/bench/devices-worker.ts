// The devices of a measurement, in a thread of their own: on a site they are boxes of their own too, and answer while the gateway is busy.

import { parentPort } from 'node:worker_threads';
import { startModbusDevices } from '../../drivers/modbus/simulator.ts';
import { startUartReader } from '../../drivers/uart/simulator.ts';
import { systemClock } from '../../src/ops/clock.ts';

const relays = await startModbusDevices({
  listen: { kind: 'rtu-over-tcp', port: 0 },
  units: [{ unit: 1, profile: 'waveshare-relay-8ch' }],
  clock: systemClock,
});
const reader = await startUartReader({ port: 'tcp://127.0.0.1:0', frame: 'rdm6300', clock: systemClock });

parentPort?.on('message', (tag: string) => void reader.present(tag));
parentPort?.postMessage({ relays: `tcp://127.0.0.1:${relays.port}`, reader: reader.address });
