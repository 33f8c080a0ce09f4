// What this machine is told when it asks how Lintel is, over a real socket.

import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { isFields } from '../../src/domain/fields.ts';
import type { Measured, Measures } from '../../src/monitor/measures.ts';
import { Monitor } from '../../src/monitor/server.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { silentLog } from '../support/room.ts';

const MEASURES: Measures = {
  status: {
    online: true,
    version: '1.2.3',
    refusal: null,
    clock: 'trusted',
    storage: 'ok',
    outbox_depth: 7,
    outbox_blocked: null,
    sequence: 4711,
    broker: { connected: false },
    health: {
      healthy: true,
      failing: [],
      loopLagMs: { last: 1, worst: 250 },
      heldUp: 2,
      memoryBytes: 1000,
      upMs: 5000,
    },
    buses: [{ bus: 'north', state: 'disturbed', counters: { exchanges: 10, lost: 1, unsent: 0, strange_frames: 3 } }],
    controllers: [
      {
        controller: 'a "quoted"\nname',
        bus: 'north',
        driver: 'osdp',
        online: true,
        pending_writes: 0,
        slots: { used: 5, total: 500, foreign: 1 },
        counters: { requests: 10, timeouts: 1, retries: 0, crc_errors: 2, exceptions: 0 },
      },
    ],
  },
  entrances: [
    { name: 'lobby', is_locked: true, is_open: null, held: false, forced: true, online: true, mode: 'normal' },
  ],
  areas: [{ area: 'workshop', occupancy: 3 }],
  sync: { pending: 1, unconfirmed: 0, failed: 2, oldest_pending_erasure_at: '2026-03-02T09:00:00.000Z' },
};

type Answer = { status: number; text: string; type: string };

async function ask(port: number, path: string, more: { host?: string; method?: string } = {}): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const headers = more.host === undefined ? {} : { Host: more.host };
    const asked = request({ host: '127.0.0.1', port, path, method: more.method ?? 'GET', headers }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text, type: response.headers['content-type'] ?? '' }),
      );
    });
    asked.on('error', reject);
    asked.end();
  });
}

async function opened(more: Partial<Measured> = {}): Promise<(path: string, how?: { host?: string; method?: string }) => Promise<Answer>> {
  const measured: Measured = {
    read: () => MEASURES,
    lastSequence: () => 4700,
    eventsSince: (sequence) => ({ upTo: sequence, counts: new Map() }),
    ...more,
  };
  const monitor = new Monitor({ port: 0, facility: 'riverside', measured, clock: systemClock, log: silentLog });
  await monitor.start();
  onTestFinished(() => monitor.stop());
  const { port } = monitor;
  if (port === null) throw new Error('it listens');
  return (path, how) => ask(port, path, how);
} // prettier-ignore

it('answers in the format of Prometheus, each figure with its kind, and none of what is not known', async () => {
  const metrics = await (await opened())('/metrics');
  expect(metrics).toMatchObject({ status: 200, type: expect.stringContaining('text/plain; version=0.0.4') });
  const lines = metrics.text.split('\n').filter((line) => line !== '');
  const kinds = new Map(
    lines.flatMap((line) => {
      const [, name = '', kind = ''] = /^# TYPE (\S+) (gauge|counter)$/.exec(line) ?? [];
      return name === '' ? [] : [[name, kind] as const];
    }),
  );
  for (const line of lines.filter((one) => !one.startsWith('#'))) {
    const [, name = ''] = /^([a-z_]+)\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\} -?[\d.e+]+$/.exec(line) ?? [];
    expect(kinds.has(name), line).toBe(true);
    if (name.endsWith('_total')) expect(kinds.get(name)).toBe('counter');
  }
  for (const expected of [
    'lintel_info{version="1.2.3",facility="riverside"} 1',
    'lintel_serving{facility="riverside"} 1',
    'lintel_broker_connected{facility="riverside"} 0',
    'lintel_outbox_depth{facility="riverside"} 7',
    'lintel_loop_lag_seconds{facility="riverside"} 0.25',
    'lintel_bus_good{bus="north",facility="riverside"} 0',
    'lintel_controller_slots{controller="a \\"quoted\\"\\nname",bus="north",driver="osdp",kind="used",facility="riverside"} 5',
    'lintel_entrance_forced{entrance="lobby",facility="riverside"} 1',
    'lintel_area_occupancy{area="workshop",facility="riverside"} 3',
    'lintel_sync_credentials{state="failed",facility="riverside"} 2',
    'lintel_oldest_pending_erasure_timestamp_seconds{facility="riverside"} 1772442000',
  ])
    expect(lines).toContain(expected);
  expect(metrics.text).not.toContain('lintel_entrance_open{');
});

it('counts events by type from its start on, each once, however often somebody asks', async () => {
  const recorded = ['lock.unlocked', 'lock.access_denied', 'lock.unlocked'];
  let from: number[] = [];
  const asked = await opened({
    lastSequence: () => 100,
    eventsSince: (sequence) => {
      from.push(sequence);
      const fresh = recorded.slice(sequence - 100, sequence - 100 + 2);
      return { upTo: sequence + fresh.length, counts: new Map(fresh.map((type) => [type, fresh.filter((one) => one === type).length])) };
    },
  });
  const count = async (): Promise<string[]> =>
    (await asked('/metrics')).text.split('\n').filter((line) => line.startsWith('lintel_events_total{')).sort();
  expect(await count()).toEqual(['lintel_events_total{event_type="lock.access_denied",facility="riverside"} 1', 'lintel_events_total{event_type="lock.unlocked",facility="riverside"} 1']);
  expect(await count()).toContain('lintel_events_total{event_type="lock.unlocked",facility="riverside"} 2');
  expect(await count()).toContain('lintel_events_total{event_type="lock.unlocked",facility="riverside"} 2');
  expect(from).toEqual([100, 102, 103]);
  from = [];
}); // prettier-ignore

it('says whether it is well, and whether it serves doors', async () => {
  let { status } = MEASURES;
  const asked = await opened({ read: () => ({ ...MEASURES, status }) });
  expect(await asked('/healthz')).toMatchObject({ status: 200, text: '{"healthy":true,"failing":[]}\n' });
  expect(await asked('/readyz')).toMatchObject({ status: 200, text: '{"ready":true,"problem":null}\n' });
  const { health } = status;
  status = { ...status, refusal: 'the database is damaged', health: { ...(isFields(health) ? health : {}), healthy: false, failing: [{ name: 'loop', problem: 'late' }] } }; // prettier-ignore
  expect(await asked('/healthz')).toMatchObject({ status: 503, text: expect.stringContaining('"name":"loop"') });
  expect(await asked('/readyz')).toMatchObject({ status: 503, text: '{"ready":false,"problem":"the database is damaged"}\n' });
  status = {};
  expect(await asked('/readyz')).toMatchObject({ status: 503, text: '{"ready":false,"problem":"it starts"}\n' });
}); // prettier-ignore

it('tells nothing to a page that reaches loopback under a name of its own, and changes nothing for anybody', async () => {
  const asked = await opened();
  expect(await asked('/metrics', { host: 'attacker.example' })).toMatchObject({ status: 403 });
  expect(await asked('/metrics', { host: 'localhost:9464' })).toMatchObject({ status: 200 });
  expect(await asked('/metrics', { method: 'POST' })).toMatchObject({ status: 405 });
  expect(await asked('/elsewhere')).toMatchObject({ status: 404 });
  expect(await asked('/healthz?x=1', { method: 'HEAD' })).toMatchObject({ status: 200, text: '' });
});

it('takes the port as soon as whoever had it is gone, and is no reason not to start meanwhile', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const address = other.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  const clock = new ManualClock();
  const measured: Measured = { read: () => MEASURES, lastSequence: () => 0, eventsSince: () => ({ upTo: 0, counts: new Map() }) }; // prettier-ignore
  const monitor = new Monitor({ port, facility: 'riverside', measured, clock, log: silentLog });
  onTestFinished(() => monitor.stop());
  await monitor.start();
  expect(monitor.port).toBeNull();
  await new Promise((resolve) => other.close(resolve));
  await clock.advance(60_000);
  await expect.poll(() => monitor.port, { timeout: 20_000 }).toBe(port);
  expect(await ask(port, '/readyz')).toMatchObject({ status: 200 });
});

it('is held up by nobody who connects, as often as there is room, and says nothing', async () => {
  const measured: Measured = { read: () => MEASURES, lastSequence: () => 0, eventsSince: () => ({ upTo: 0, counts: new Map() }) }; // prettier-ignore
  const monitor = new Monitor({ port: 0, facility: 'riverside', measured, clock: systemClock, log: silentLog });
  await monitor.start();
  onTestFinished(() => monitor.stop());
  const port = monitor.port ?? 0;
  const silent = Array.from({ length: 16 }, () => connect(port, '127.0.0.1'));
  await Promise.all(silent.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
  expect(await ask(port, '/readyz')).toMatchObject({ status: 200 });
});
