// The whole agent behind RabbitMQ, which is too large for the ordinary tests: `npm run test:interop`.

import { connectAsync } from 'mqtt';
import { expect, it, onTestFinished } from 'vitest';
import { until } from '../support/ports.ts';
import { holdsBehind } from './behind-broker.ts';
import { startRabbitmq } from './servers/brokers.ts';

it('the agent serves behind RabbitMQ, and outlives it', { timeout: 300_000 }, async () => {
  const broker = await startRabbitmq();
  await expect(holdsBehind(broker)).resolves.toBeUndefined();

  // What the documentation says of it: a dot counts as a slash, and what is retained goes to whoever names the very
  // topic.
  const client = await connectAsync(broker.url, { ...broker.sessionOf('onlooker'), clean: true });
  onTestFinished(() => void client.end(true));
  const heard: string[] = [];
  client.on('message', (topic) => heard.push(topic));
  await client.subscribeAsync(['dots/#', 'lintel/v1/riverside/state/#'], { qos: 1 });
  await client.publishAsync('dots/a.b', 'x', { qos: 1 });
  await until(() => heard.includes('dots/a/b'), 'the dot as a slash', 30_000);
  await client.subscribeAsync('lintel/v1/riverside/state/sync', { qos: 1 });
  await until(() => heard.includes('lintel/v1/riverside/state/sync'), 'what is retained at the very topic', 30_000);
  expect(heard).not.toContain('lintel/v1/riverside/state/agent');
});
