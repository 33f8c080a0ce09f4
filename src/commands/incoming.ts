// A command on its way in and its reply on its way out, as whoever carries them knows them.

import type { Payload } from './intake.ts';

/** A command as it came in, from the broker or over the local socket. */
export type Incoming = {
  resource: string;
  verb: string;
  payload: Payload;
  source: 'mqtt' | 'local';
  isRetained: boolean;
  /** The request's own Response Topic; null: the default one for its command_id. */
  responseTopic: string | null;
  /** False when the Response Topic lies outside what the facility allows. */
  isResponseTopicAllowed: boolean;
  correlation: Buffer | null;
  /** From the message expiry of MQTT 5, epoch ms. */
  expiresAtMs: number | null;
};

export type Reply = {
  /** Null when nobody can be answered. */
  topic: string | null;
  commandId: string | null;
  json: string;
  correlation: Buffer | null;
  /** True when the journal keeps it until the broker has acknowledged it. */
  isKept: boolean;
};

export type Answerer = (reply: Reply) => void;
/** Told when the whole group was rolled back: nothing happened, nothing may be acknowledged. */
export type Failure = (error: Error) => void;
