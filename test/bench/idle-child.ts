// The whole agent with nothing to do, as on a quiet night: a facility file and, where its readers are under keys, those
// keys. Says `{ready}` when every controller is online; then each number that it is sent is a window in ms, answered by
// what the agent used in it and what went over its lines.

import { startAgent } from './agent.ts';
import { openBenchStore } from './building.ts';
import { usageOver, type UsageOver } from './idle-usage.ts';

export type AgentOrder = { file: string; folder: string; key: string; keyed: readonly string[] };
/** Exchanges a second of all controllers, and bytes of one exchange. */
export type AgentIdle = UsageOver & { perSecond: number; sentBytes: number; receivedBytes: number };

const { file, folder, key, keyed } = JSON.parse(process.argv[2] ?? '{}') as AgentOrder;
const given = openBenchStore(folder);
for (const device of keyed) {
  given.readerKeys.savePending(device, Buffer.from(key, 'hex'), 'imported');
  given.readerKeys.activate(device);
}
given.close();

const { agent, facility } = await startAgent(file);
const devices = facility.controllers.flatMap(({ name }) => agent.device(name) ?? []);
while (!devices.every((device) => device.status().online)) await new Promise((resolve) => setTimeout(resolve, 20));

const counts = (): { requests: number; sent: number; received: number } => {
  const counters = devices.map((device) => device.status().counters);
  const sum = (of: 'requests' | 'bytesSent' | 'bytesReceived'): number =>
    counters.reduce((total, counter) => total + counter[of], 0);
  return { requests: sum('requests'), sent: sum('bytesSent'), received: sum('bytesReceived') };
};

async function measure(windowMs: number): Promise<AgentIdle> {
  const before = counts();
  const used = await usageOver(windowMs);
  const after = counts();
  const requests = after.requests - before.requests;
  return {
    ...used,
    perSecond: requests / used.seconds,
    sentBytes: requests === 0 ? 0 : Math.round((after.sent - before.sent) / requests),
    receivedBytes: requests === 0 ? 0 : Math.round((after.received - before.received) / requests),
  };
}

process.on('message', (windowMs: number) => void measure(windowMs).then((used) => process.send?.(used)));
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
