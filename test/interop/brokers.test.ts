// The whole agent behind brokers of others.

import { connectAsync } from 'mqtt';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../support/ports.ts';
import { holdsBehind } from './behind-broker.ts';
import { startMosquitto5, startNats } from './servers/brokers.ts';

it.each([
  ['Mosquitto', startMosquitto5],
  ['NATS', startNats],
] as const)('the agent serves behind %s, and outlives it', { timeout: 120_000 }, async (_, start) => {
  await expect(holdsBehind(await start())).resolves.toBeUndefined();
});

it('NATS ends the connection at a dot in a topic', async () => {
  const broker = await startNats();
  const client = await connectAsync(broker.url, { ...broker.sessionOf('dotted'), reconnectPeriod: 0 });
  onTestFinished(() => void client.end(true));
  client.on('error', () => undefined);
  client.publish('event/lock.unlocked', 'x', { qos: 1 });
  await until(() => !client.connected, 'the end of the connection');
});
