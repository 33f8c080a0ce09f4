// The whole agent, as a site has it: a facility file, a broker, a card reader of ours at the lobby, and a controller
// that somebody else made. Commands come over MQTT.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { portOpener } from '../../drivers/serial-port.ts';
import { startUartReader, type UartReader } from '../../drivers/uart/simulator.ts';
import type { Agent } from '../../src/agent/agent.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { serveFacility } from '../support/building.ts';
import { until } from '../support/ports.ts';
import { LOBBY, STORE_ROOM, SYSTEM, USER, type ParsedReply } from '../support/room.ts';
import { sender, type Sender } from '../support/sender.ts';
import { temporaryFolder } from '../support/store.ts';
import type { InteropBroker } from './servers/brokers.ts';

export type EventBody = Record<string, unknown> & { sequence: number; event_type: string };

export type InteropSite = {
  tower: Sender;
  reader: UartReader;
  agent: Agent;
  /** Sends a command and waits for its reply. */
  command: (name: string, params: Record<string, unknown>) => Promise<ParsedReply>;
  /** Events of this type, or all, as they came. */
  events: (type?: string) => EventBody[];
  isOnline: (controller: string) => boolean;
};

export const CODE = '00666666-0000-4000-8000-000000000002';
const SOON_MS = 20_000;

/** What a controller is not like the others in. */
export type Particular = { profile: string; pulse: string };
const USUAL: Particular = { profile: 'plc-door-2', pulse: '500ms' };

/**
 * `bus` is how the controller is reached, the rest of a line of `buses`. Its door 1 is decided by its own table, its
 * second strike is the lobby's.
 */
export async function raiseSite(
  broker: InteropBroker,
  bus: string,
  { profile, pulse }: Particular = USUAL,
): Promise<InteropSite> {
  const folder = temporaryFolder();
  const reader = await startUartReader({
    port: 'tcp://127.0.0.1:0',
    frame: 'rdm6300',
    clock: systemClock,
    openPort: portOpener(systemClock),
  });
  onTestFinished(() => reader.stop());
  if (broker.password !== null) writeFileSync(join(folder, 'password'), broker.password, { mode: 0o600 });
  const account = broker.password === null ? '' : `, username: ${broker.username}, password: {file: ./password}`;
  const file = join(folder, 'riverside.yaml');
  writeFileSync(
    file,
    `
facility: riverside
acs_system_id: ${SYSTEM}
time_zone: Europe/Oslo
clock: {trust: always}
mqtt: {url: "${broker.url}"${account}, event_topics: ${broker.eventTopics}}
store: {path: ${join(folder, 'lintel.db')}, events: {keep: 90d}}
buses:
  plant: {driver: modbus, ${bus}}
  desk: {driver: uart, port: "${reader.address ?? ''}", baud: 9600, frame: rdm6300}
controllers:
  store-panel: {bus: plant, unit: 1, profile: ${profile}}
  lobby-reader: {bus: desk, card_formats: [H10301, uid]}
entrances:
  store-room:
    acs_entrance_id: ${STORE_ROOM}
    controller: store-panel
    door: 1
  lobby:
    acs_entrance_id: ${LOBBY}
    readers: [lobby-reader]
    factors: card
    strike: {controller: store-panel, output: 1, pulse: ${pulse}}
    contact: {controller: store-panel, input: 2}
    rex: {controller: store-panel, input: 3}
policy:
  default_card_format: {format: H10301, facility_code: 123}
`,
  );
  const tower = await sender(broker.url, broker.sessionOf('tower'));
  const agent = await serveFacility(file);
  const isOnline = (name: string): boolean => agent.controllers().some((one) => one.name === name && one.status.online);
  await until(() => isOnline('store-panel') && isOnline('lobby-reader'), 'the controller and the reader', SOON_MS);
  // A broker has no place for a command before its agent has been there once, which with MQTT 3.1.1 is at the second
  // try.
  const isUp = (): boolean =>
    tower.heard.some(({ topic, payload }) => topic.endsWith('/state/agent') && payload.includes('"online":true'));
  await until(isUp, 'the agent at the broker', SOON_MS);
  let count = 0;
  return {
    tower,
    reader,
    agent,
    isOnline,
    async command(name, params) {
      const command_id = `i-${process.pid}-${++count}`;
      const moves = name.endsWith('/unlock');
      const expires_at = new Date(Date.now() + 20_000).toISOString();
      await tower.publish(name, { command_id, params, ...(moves ? { expires_at } : {}) });
      const answer = (): ParsedReply | undefined => tower.replies().find((one) => one.command_id === command_id);
      await until(() => answer() !== undefined, `a reply to ${name}`, SOON_MS);
      const reply = answer();
      if (reply === undefined) throw new Error('it was there a moment ago');
      return reply;
    },
    events: (type) =>
      tower.heard
        .filter(({ topic }) => topic.includes('/event/'))
        .map(({ payload }) => JSON.parse(payload) as EventBody)
        .filter(({ event_type }) => type === undefined || event_type === type),
  };
}

/** A person with a PIN at the controller's door. */
export async function enrolCode(site: InteropSite): Promise<void> {
  const user = await site.command('users/create', { acs_user_id: USER, full_name: 'Jane Doe' });
  const code = await site.command('credentials/create', {
    acs_credential_id: CODE,
    acs_user_id: USER,
    access_method: 'code',
    code: '082475',
    allowed_acs_entrance_ids: [STORE_ROOM],
  });
  if (!user.ok || !code.ok) throw new Error(`not enrolled: ${JSON.stringify([user, code])}`);
}
