import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { readFileSync, statSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { brokerPassword, layOut } from '../../src/mqtt/broker-password.ts';
import { EmbeddedBroker } from '../../src/mqtt/broker.ts';
import { until } from '../support/ports.ts';
import { temporaryFolder } from '../support/store.ts';

const OWNER = 'lintel-riverside';
const PASSWORD = 'only the group knows';

async function startBroker(): Promise<number> {
  const broker = new EmbeddedBroker({ username: 'lintel', password: PASSWORD, owner: OWNER });
  onTestFinished(() => broker.stop());
  return await broker.start(0);
}

async function client(port: number, more: IClientOptions = {}): Promise<MqttClient> {
  const options = { protocolVersion: 4, username: 'lintel', password: PASSWORD, reconnectPeriod: 0, ...more } as const;
  const connected = await connectAsync(`mqtt://127.0.0.1:${port}`, options);
  connected.on('error', () => undefined);
  onTestFinished(() => void connected.end(true));
  return connected;
}

describe('the built-in broker', () => {
  it('wants its password: nobody else on the machine commands the house', async () => {
    const port = await startBroker();
    for (const wrong of [{ password: 'guessed' }, { username: 'root' }, { username: '', password: '' }])
      await expect(client(port, wrong), JSON.stringify(wrong)).rejects.toThrow(/Bad username or password/i);
    expect((await client(port)).connected).toBe(true);
  });

  it('ends a connection that announces more than any command may have, and serves the others', async () => {
    const port = await startBroker();
    const good = await client(port);
    const heard: string[] = [];
    good.on('message', (topic) => heard.push(topic));
    await good.subscribeAsync('a/#', { qos: 1 });
    const bad = await client(port, { clientId: 'bad' });
    const isOver = new Promise<void>((resolve) => void bad.once('close', () => resolve()));
    // 200 MiB announced, and not one byte of it sent: a parser that waits for them would keep whatever comes.
    bad.stream.write(Buffer.from([0x30, 0x80, 0x80, 0x80, 0x64]));
    await isOver;
    const large = await client(port, { clientId: 'large' });
    const isLargeOver = new Promise<void>((resolve) => void large.once('close', () => resolve()));
    large.publish('a/large', Buffer.alloc(600 * 1024), { qos: 1 });
    await isLargeOver;
    await good.publishAsync('a/whole', Buffer.alloc(256 * 1024), { qos: 1 });
    await until(() => heard.includes('a/whole'), 'what is allowed');
    expect(heard).not.toContain('a/large');
  });

  it('keeps nothing of strangers: neither sessions nor retained messages', async () => {
    const port = await startBroker();
    const stranger = await client(port, { clientId: 'stranger', clean: false });
    await stranger.subscribeAsync('a/#', { qos: 1 });
    await stranger.publishAsync('a/retained', 'x', { qos: 1, retain: true });
    await stranger.endAsync();
    const owner = await client(port, { clientId: OWNER });
    await owner.publishAsync('a/meanwhile', 'x', { qos: 1 });
    await owner.publishAsync('a/state', 'x', { qos: 1, retain: true });
    const again = await client(port, { clientId: 'stranger', clean: false });
    const heard: string[] = [];
    again.on('message', (topic) => heard.push(topic));
    await again.subscribeAsync('a/#', { qos: 1 });
    await until(() => heard.length > 0, 'what the owner retained');
    await owner.publishAsync('a/last', 'x', { qos: 1 });
    await until(() => heard.includes('a/last'), 'a message of now');
    expect(heard).toEqual(['a/state', 'a/last']);
  });

  it('turns away more connections than it serves, and those who say nothing in time', async () => {
    const port = await startBroker();
    const good = await client(port);
    const sockets = Array.from({ length: 100 }, () => connectTcp(port, '127.0.0.1'));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    const ended = new Set<number>();
    for (const [i, socket] of sockets.entries()) {
      socket.on('error', () => ended.add(i));
      socket.on('close', () => ended.add(i));
    }
    await until(() => ended.size >= 37, 'the rest is turned away');
    await good.publishAsync('a/b', 'x', { qos: 1 });
    await until(() => ended.size === sockets.length, 'those who say nothing are sent away', 20_000);
    expect((await client(port, { clientId: 'later' })).connected).toBe(true);
  });

  it('keeps its password beside the database, and lays it out for the group', () => {
    const folder = temporaryFolder();
    const path = join(folder, 'lintel.db');
    const made = brokerPassword(path, () => 'a'.repeat(32));
    expect(brokerPassword(path, () => 'b'.repeat(32))).toBe(made);
    expect(statSync(join(folder, 'broker-password')).mode & 0o777).toBe(0o600);
    const runtime = temporaryFolder();
    const file = layOut(runtime, made);
    expect(statSync(file).mode & 0o777).toBe(0o640);
    expect(readFileSync(file, 'utf8')).toBe(`${made}\n`);
  });
});
