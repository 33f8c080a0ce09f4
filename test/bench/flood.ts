// Whether a door feels that another one's reader has gone mad: from the calm reader's card sent to the strike's request
// received, at rest and while a reader at a TCP converter, or at a serial line of 115,200 baud, shows unknown cards as
// fast as it can.

import { connect, createServer, type AddressInfo } from 'node:net';
import { startModbusDevices } from '../../drivers/modbus/simulator.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { startUartReader } from '../../drivers/uart/simulator.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { openPtyPair } from '../support/ports.ts';
import { benchFolder } from './building.ts';
import { startChild } from './child.ts';
import { against, beside, median, percentile, type Report } from './report.ts';

const ROUNDS = 3;
const CARDS = 60;
const EVERY_MS = 90;
const LATE_MS = 20_000;
const SETTLE_MS = 1_500;
const STRIKE_FUNCTIONS = [5, 15];

type Told = { counts: Record<string, number>; longestTurnMs: number };
type Load = 'rest' | 'tcp' | 'pty';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const tag = (n: number): string => `00${(n + 1).toString(16).padStart(8, '0')}`;

export async function run(report: Report): Promise<void> {
  const { folder, remove } = benchFolder();
  const relays = await startModbusDevices({
    listen: { kind: 'rtu-over-tcp', port: 0 },
    units: [{ unit: 1, profile: 'waveshare-relay-8ch' }],
    clock: systemClock,
  });
  const tap = await tapped(relays.port);
  const calm = await startUartReader({
    port: 'tcp://127.0.0.1:0',
    frame: 'rdm6300',
    clock: systemClock,
    openPort: portOpener(systemClock),
  });
  const pair = await openPtyPair();
  const sources = {
    tcp: await startChild<string, { path: string; sent: number }>('flood-source.ts', ['tcp']),
    pty: await startChild<string, { path: string; sent: number }>('flood-source.ts', [pair.b, '115200']),
  };
  const lines = [tap.path, calm.address ?? '', sources.tcp.first.path, pair.a];
  const agent = await startChild<string, Told>('flood-child.ts', [folder, ...lines, String(CARDS)]);
  try {
    const round = async (): Promise<number[]> => {
      const latencies: number[] = [];
      for (let n = 0; n < CARDS; n++) {
        const startedMs = performance.now();
        const written = tap.nextWrite();
        await calm.present(tag(n));
        latencies.push((await written) - startedMs);
        await pause(EVERY_MS * (0.5 + Math.random()));
      }
      return latencies;
    };
    await round();
    await agent.ask('events');
    const p99: Record<Load, number[]> = { rest: [], tcp: [], pty: [] };
    const p50: Record<Load, number[]> = { rest: [], tcp: [], pty: [] };
    const turns: Record<Load, number[]> = { rest: [], tcp: [], pty: [] };
    const sent: Record<Load, number> = { rest: 0, tcp: 0, pty: 0 };
    for (let i = 0; i < ROUNDS; i++) {
      for (const load of ['rest', 'tcp', 'rest', 'pty'] as const) {
        const before = load === 'rest' ? 0 : (await sources[load].ask('on')).sent;
        if (load !== 'rest') await pause(SETTLE_MS);
        const latencies = await round();
        if (load !== 'rest') sent[load] += (await sources[load].ask('off')).sent - before;
        p99[load].push(percentile(latencies, 0.99));
        p50[load].push(median(latencies));
        turns[load].push((await agent.ask('events')).longestTurnMs);
        await pause(SETTLE_MS);
      }
    }
    await sources.tcp.ask(tag(1));
    await sources.pty.ask(tag(2));
    await pause(SETTLE_MS);
    const { counts } = await agent.ask('events');
    const rest = median(p99.rest);
    const lost = (1 + 4 * ROUNDS) * CARDS - (counts['lobby lock.unlocked'] ?? 0);
    report(beside('flood', 'calm door, card sent to strike received, p99 at rest', rest, 'ms'));
    for (const load of ['tcp', 'pty'] as const) {
      const what = load === 'tcp' ? 'a TCP converter' : '115,200 baud';
      report(
        against(
          'flood',
          `ratio: p99 while a reader at ${what} floods / at rest`,
          median(p99[load]) / rest,
          '',
          '<=',
          2,
        ),
      );
      report(beside('flood', 'the same, medians', median(p50[load]) / median(p50.rest), ''));
      report(beside('flood', 'longest turn of the loop, ratio to rest', median(turns[load]) / median(turns.rest), ''));
      report(beside('flood', 'cards sent by the flooded reader', sent[load], ''));
    }
    report(against('flood', 'events of the calm door lost', lost, '', '<=', 0));
    report(
      against(
        'flood',
        'readers that let in at once after their flood, of 2',
        counts['other lock.unlocked'] ?? 0,
        '',
        '>=',
        2,
      ),
    );
    report(beside('flood', 'denials recorded for all that was flooded', counts['other lock.access_denied'] ?? 0, ''));
  } finally {
    agent.end();
    sources.tcp.end();
    sources.pty.end();
    await Promise.all([calm.stop(), relays.close(), tap.close(), pair.close()]);
    remove();
  }
}

/** Stands before the relay board and tells when a strike is requested. */
async function tapped(
  port: number,
): Promise<{ path: string; nextWrite: () => Promise<number>; close: () => Promise<void> }> {
  let told: ((atMs: number) => void) | null = null;
  const server = createServer({ noDelay: true }, (client) => {
    const board = connect({ port, host: '127.0.0.1', noDelay: true });
    client.on('data', (bytes) => {
      if (STRIKE_FUNCTIONS.includes(bytes[1] ?? 0)) told?.(performance.now());
      board.write(bytes);
    });
    board.on('data', (bytes) => client.write(bytes));
    for (const end of [client, board]) {
      end.on('error', () => undefined);
      end.on('close', () => {
        client.destroy();
        board.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    path: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    nextWrite: () =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error('a door did not open')), LATE_MS);
        told = (atMs) => {
          clearTimeout(late);
          told = null;
          resolve(atMs);
        };
      }),
    close: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}
