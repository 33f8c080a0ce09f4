// The devices of a measurement, in a thread of their own: on a site they are boxes of their own too, and answer while
// the gateway is busy.

import { createServer, type AddressInfo } from 'node:net';
import { parentPort } from 'node:worker_threads';
import { startModbusDevices } from '../../drivers/modbus/simulator.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { startUartReader } from '../../drivers/uart/simulator.ts';
import { systemClock } from '../../src/ops/clock.ts';

const relays = await startModbusDevices({
  listen: { kind: 'rtu-over-tcp', port: 0 },
  units: [{ unit: 1, profile: 'waveshare-relay-8ch' }],
  clock: systemClock,
});
const reader = await startUartReader({
  port: 'tcp://127.0.0.1:0',
  frame: 'rdm6300',
  clock: systemClock,
  openPort: portOpener(systemClock),
});
// The same for the bare door beside: a reader, and somebody who takes its requests and does nothing.
const bareReader = await startUartReader({
  port: 'tcp://127.0.0.1:0',
  frame: 'rdm6300',
  clock: systemClock,
  openPort: portOpener(systemClock),
});
const sink = createServer((socket) => void socket.resume());
await new Promise<void>((resolve) => void sink.listen(0, '127.0.0.1', resolve));

export type DevicePorts = { relays: string; reader: string; bare: { reader: number; relays: number } };
export type Show = { tag: string; at: 'served' | 'bare' };

parentPort?.on('message', ({ tag, at }: Show) => void (at === 'bare' ? bareReader : reader).present(tag));
const ports: DevicePorts = {
  relays: `tcp://127.0.0.1:${relays.port}`,
  reader: reader.address ?? '',
  bare: {
    reader: Number(new URL(bareReader.address ?? '').port),
    relays: (sink.address() as AddressInfo).port,
  },
};
parentPort?.postMessage(ports);
