// The garage of the demonstration: an OSDP reader that has no key yet, and the phone of somebody.

import { SimulatedCard } from '../../../drivers/osdp/pkoc/simulated-card.ts';
import { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { SimulatedLine } from '../../../drivers/osdp/simulator.ts';
import type { Clock, OpenPort, Random } from '../../domain/ports.ts';
import { OperatingError } from '../../domain/errors.ts';
import { systemClock } from '../../ops/clock.ts';
import { connectControl } from '../../ops/control-client.ts';
import { silentLog } from '../silent-log.ts';

export const GARAGE_READER = 'garage-reader';

export type Garage = {
  /** What the facility file says of its line. */
  port: string;
  reader: SimulatedReader;
  phone: SimulatedCard;
  stop: () => Promise<void>;
};

const BAUD = 115_200;
const INSTALL_MINUTES = 1;
const INSTALL_MS = 30_000;
const CONNECT_MS = 3_000;

export async function startGarage(ports: { clock: Clock; random: Random; openPort: OpenPort }): Promise<Garage> {
  const { clock, random } = ports;
  const reader = new SimulatedReader(clock, random, { address: 0, installMode: true, inputs: 0, outputs: 1 });
  reader.field.isKnown = true;
  const at = { at: { listen: 0 }, baud: BAUD, paced: false, turnaroundMs: 1 };
  const line = new SimulatedLine([reader], at, { ...ports, log: silentLog });
  await line.start();
  return { port: line.path, reader, phone: new SimulatedCard(), stop: () => line.stop() };
}

/** As `lintel osdp install` does it. */
export async function installKey(socket: string): Promise<void> {
  const connection = await connectControl(systemClock, socket, CONNECT_MS);
  if (!connection.connected) throw new OperatingError('controller_offline', connection.message);
  const asked = { action: 'install', reader: GARAGE_READER, minutes: INSTALL_MINUTES };
  try {
    await connection.client.request('osdp', asked, { timeoutMs: INSTALL_MS });
  } finally {
    connection.client.close();
  }
}
