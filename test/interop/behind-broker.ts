// What holds behind any broker: commands are carried out and answered, events come in order and whole, also those of
// the time while the broker was dead, and the retained states are there for whoever comes late.

import { connectAsync } from 'mqtt';
import { expect, onTestFinished } from 'vitest';
import { startModbusDevices } from '../../drivers/modbus/simulator.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { until } from '../support/ports.ts';
import { LOBBY, USER } from '../support/room.ts';
import type { InteropBroker } from './servers/brokers.ts';
import { enrolCode, raiseSite, type InteropSite } from './site.ts';

const CARD = '00666666-0000-4000-8000-000000000001';
/** A 125 kHz tag that prints as 123,45678, and others that nobody has: a card that is held there is taken once. */
const TAGS = ['00007BB26E', '00007BB26F', '00007BB270', '00007BB271'] as const;
/** Between two tries there may be half a minute, and a broker that has just started may turn the first of them away. */
const SOON_MS = 90_000;

async function raise(broker: InteropBroker): Promise<InteropSite> {
  const line = await startModbusDevices({
    listen: { kind: 'tcp', port: 0 },
    units: [{ unit: 1, profile: 'plc-door-2' }],
    clock: systemClock,
  });
  onTestFinished(() => line.close());
  const site = await raiseSite(broker, `transport: tcp, host: 127.0.0.1, port: ${line.port}`);
  await enrolCode(site);
  const card = await site.command('credentials/create', {
    acs_credential_id: CARD,
    acs_user_id: USER,
    access_method: 'card',
    card_number: '45678',
    allowed_acs_entrance_ids: [LOBBY],
  });
  expect(card.ok).toBe(true);
  return site;
}

/** The newest retained message of a topic, for somebody who has just come. */
async function retainedAt(broker: InteropBroker, topic: string): Promise<Record<string, unknown>> {
  const client = await connectAsync(broker.url, { ...broker.sessionOf(`late-${topic.length}`), clean: true });
  onTestFinished(() => void client.end(true));
  const found: Record<string, unknown>[] = [];
  client.on('message', (_, payload) => found.push(JSON.parse(payload.toString()) as Record<string, unknown>));
  await client.subscribeAsync(`lintel/v1/riverside/${topic}`, { qos: 1 });
  await until(() => found.length > 0, `the retained ${topic}`, SOON_MS);
  return found[0] ?? {};
}

export async function holdsBehind(broker: InteropBroker): Promise<void> {
  const site = await raise(broker);
  await isServed(site, broker);
  await outlives(site, broker);
}

/** Commanded, answered, and told of to whoever comes late. */
async function isServed(site: InteropSite, broker: InteropBroker): Promise<void> {
  await until(() => site.events('access_code.set_on_device').length === 1, 'the code at the controller', SOON_MS);
  await until(() => site.events('acs_credential.issued').length === 2, 'both to be issued', SOON_MS);
  await site.reader.present(TAGS[0]);
  await until(() => site.events('lock.unlocked').length === 1, 'the card at the lobby', SOON_MS);
  const unlocked = await site.command('entrances/unlock', { acs_entrance_id: LOBBY });
  expect(unlocked.result?.['action_attempt']).toMatchObject({ status: 'success' });
  expect(await retainedAt(broker, 'state/agent')).toMatchObject({ online: true, broker_problem: null });
  expect(await retainedAt(broker, 'state/controllers/store-panel')).toMatchObject({ online: true });
  expect(sequences(site)).toEqual(sequences(site).map((_, i) => i + 1));
}

/** Goes on while the broker is dead, and tells everything afterwards, in order and without a gap. */
async function outlives(site: InteropSite, broker: InteropBroker): Promise<void> {
  await broker.kill();
  const [told, stored] = [decided(site.events()).length, decided(storedEvents(site)).length];
  const strangers = TAGS.slice(1);
  for (const [i, tag] of strangers.entries()) {
    await site.reader.present(tag);
    await until(() => decided(storedEvents(site)).length > stored + i, `decision ${i + 1}`, SOON_MS);
  }
  expect(decided(site.events()).length).toBe(told);
  await broker.start();
  await until(
    () => decided(site.events()).length >= told + strangers.length,
    'the decisions, once it is back',
    SOON_MS,
  );
  expect([...new Set(sequences(site))]).toEqual([...new Set(sequences(site))].map((_, i) => i + 1));
  expect((await site.command('users/get', { acs_user_id: USER })).ok).toBe(true);
}

const sequences = (site: InteropSite): number[] => site.events().map(({ sequence }) => sequence);

/** What was decided at the lobby's reader. */
const decided = <T extends { event_type: string }>(events: readonly T[]): T[] =>
  events.filter(({ event_type: type }) => type === 'lock.unlocked' || type === 'lock.access_denied');

const storedEvents = ({ agent }: InteropSite): readonly { event_type: string }[] =>
  agent.store?.events.after(0, 1_000) ?? [];
