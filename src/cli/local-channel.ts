// The channel over the control socket of an agent on this machine. Which one, where nobody says: the only one that
// answers under /run/lintel.

import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { OperatingError } from '../domain/errors.ts';
import { systemClock } from '../ops/clock.ts';
import { connectControl, type ControlClient, type RequestOptions } from '../ops/control-client.ts';
import { controlPath } from '../ops/control-protocol.ts';
import { readReply, type Channel } from './channel.ts';
import { senderHere } from './sender.ts';
import { isFields, type Fields } from '../domain/fields.ts';
import { UsageError } from './terminal.ts';

const CONNECT_MS = 3_000;
const RUNTIME_FOLDER = '/run/lintel';
/** Beyond the command's own deadline, for the answer about it to arrive. */
const GRACE_MS = 500;

export type LocalChannel = Channel & {
  /** Any other request of the control socket; `timeoutMs` null: as long as it takes. */
  request(
    kind: string,
    fields: Fields,
    timeoutMs: number | null,
    more?: Pick<RequestOptions, 'onItem' | 'signal'>,
  ): Promise<Fields>;
};

/** Throws an OperatingError when nobody answers, a UsageError when it is not clear whom to ask. */
export async function openLocalChannel(socket: string | null, facility: string | null): Promise<LocalChannel> {
  if (socket !== null) return await connect(socket);
  if (facility !== null) return await connect(controlPath(facility));
  const running = facilitiesHere();
  const [only] = running;
  if (only === undefined)
    throw new OperatingError(
      'controller_offline',
      `no agent runs on this machine (nothing in ${RUNTIME_FOLDER}). Remedy: start one (systemctl start lintel@NAME), name its --socket, or speak to another over its broker (--url URL --facility NAME)`,
    );
  if (running.length === 1) return await connect(controlPath(only));
  const clients = await Promise.all(running.map(async (name) => await tryConnect(controlPath(name))));
  const answering = clients.filter((client) => client !== null);
  const [first] = answering;
  if (first !== undefined && answering.length === 1) return channelOver(first.client, first.path);
  for (const { client } of answering) client.close();
  throw new UsageError(`which facility? This machine has ${running.join(', ')}: add --facility NAME`);
}

function facilitiesHere(): string[] {
  try {
    return readdirSync(RUNTIME_FOLDER, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && hasSocket(join(RUNTIME_FOLDER, entry.name)))
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}

function hasSocket(folder: string): boolean {
  try {
    return readdirSync(folder).includes('control.sock');
  } catch {
    return true; // a folder that may not be read is somebody's: asking there tells why
  }
}

async function tryConnect(path: string): Promise<{ client: ControlClient; path: string } | null> {
  const connection = await connectControl(systemClock, path, CONNECT_MS);
  return connection.connected ? { client: connection.client, path } : null;
}

async function connect(path: string): Promise<LocalChannel> {
  const connection = await connectControl(systemClock, path, CONNECT_MS);
  if (connection.connected) return channelOver(connection.client, path);
  throw new OperatingError(connection.why === 'forbidden' ? 'not_permitted' : 'controller_offline', connection.message);
}

function channelOver(client: ControlClient, path: string): LocalChannel {
  const request: LocalChannel['request'] = async (kind, fields, timeoutMs, more = {}) => {
    const result = await client.request(kind, fields, { timeoutMs, ...more });
    if (isFields(result)) return result;
    throw new OperatingError('internal', `the agent at ${path} answers what this lintel does not understand`);
  };
  return {
    where: path,
    request,
    async command(name, envelope, timeoutMs) {
      const [resource, verb] = name.split('/');
      const stated = { sender: senderHere(false), ...envelope };
      const { reply } = await request('command', { resource, verb, envelope: stated }, timeoutMs + GRACE_MS);
      const read = readReply(reply);
      if (read !== null) return read;
      throw new OperatingError('internal', `the agent at ${path} answers what this lintel does not understand`);
    },
    async timeZone() {
      const { time_zone: zone } = await request('status', {}, CONNECT_MS).catch((): Fields => ({}));
      return typeof zone === 'string' ? zone : null;
    },
    status: (timeoutMs) => request('status', {}, timeoutMs),
    async follow(fromSequence, onEvent, signal) {
      const onItem = (item: unknown): void => {
        if (isFields(item)) onEvent(item);
      };
      const fields = { follow: true, from: fromSequence };
      try {
        await client.request('events', fields, { timeoutMs: null, onItem, signal });
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    },
    close: () => {
      client.close();
      return Promise.resolve();
    },
  };
}

export const mintCommandId = (): string => randomUUID();
