// What is said to the broker at CONNECT; everything explicitly, for the defaults of mqtt.js lose messages.

import type { IClientOptions } from 'mqtt';
import type { Topics } from './topics.ts';

/** Read anew at every connection: a password that was mended is used without a restart. */
export type LinkSecrets = { password: string | null; ca: Buffer | null; cert: Buffer | null; key: Buffer | null };
export type Account = { clientId: string; username: string | null };

export const CONNECT_TIMEOUT_MS = 15_000;
export const RECEIVE_MAXIMUM = 256;
export const MAXIMUM_PACKET_BYTES = 1024 * 1024;
const KEEPALIVE_S = 30;
const SESSION_EXPIRY_S = 7 * 24 * 3600;

export function sessionOptions(
  protocol: 5 | 4,
  account: Account,
  secrets: LinkSecrets,
  topics: Topics,
): IClientOptions {
  return {
    ...common(protocol, account, secrets),
    clean: false,
    keepalive: KEEPALIVE_S,
    reschedulePings: true,
    ...(protocol === 5
      ? {
          properties: {
            sessionExpiryInterval: SESSION_EXPIRY_S,
            receiveMaximum: RECEIVE_MAXIMUM,
            maximumPacketSize: MAXIMUM_PACKET_BYTES,
          },
        }
      : {}),
    will: { topic: topics.state('agent'), payload: Buffer.from('{"online":false}'), qos: 1, retain: true },
  };
}

/** For a short look beside the session, under an id of its own. */
export function guestOptions(protocol: 5 | 4, account: Account, secrets: LinkSecrets): IClientOptions {
  return { ...common(protocol, account, secrets), clean: true };
}

function common(protocol: 5 | 4, { clientId, username }: Account, secrets: LinkSecrets): IClientOptions {
  const { password, ca, cert, key } = secrets;
  return {
    protocolVersion: protocol,
    clientId,
    connectTimeout: CONNECT_TIMEOUT_MS,
    reconnectPeriod: 0,
    reconnectOnConnackError: false,
    resubscribe: false,
    queueQoSZero: false,
    manualConnect: true,
    rejectUnauthorized: true,
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  };
}
