// Why a broker turns us away, in words that say what to do.

/** By the codes of CONNACK: those of MQTT 5 from 0x80, those of 3.1.1 below. */
const CONNACK: Readonly<Record<number, string>> = {
  2: 'the broker refuses our client id. Remedy: another mqtt.client_id',
  4: 'the broker refuses the user name or password. Remedy: correct mqtt.username, or the file of mqtt.password: it is read again at every try',
  5: 'the broker does not let this client in (not authorized). Remedy: correct mqtt.username and mqtt.password, or allow the client at the broker; the password is read again at every try',
  0x85: 'the broker refuses our client id. Remedy: another mqtt.client_id',
  0x86: 'the broker refuses the user name or password. Remedy: correct mqtt.username, or the file of mqtt.password: it is read again at every try',
  0x87: 'the broker does not let this client in (not authorized). Remedy: correct mqtt.username and mqtt.password, or allow the client at the broker; the password is read again at every try',
  0x8a: 'the broker has banned this client. Remedy: look into the broker’s log',
  0x97: 'the broker has no room for this client (quota exceeded). Remedy: look into the broker’s log',
  0x9f: 'the broker finds that this client connects too often',
};

/** By the codes of DISCONNECT, where they say more than their names. */
const DISCONNECT: Readonly<Record<number, string>> = {
  0x8b: 'the broker is shutting down',
  0x8d: 'the broker heard nothing from us in time (keep alive)',
  0x87: 'the broker ended the connection: not authorized',
  0x95: 'the broker ended the connection: a message was too large for it',
  0x90: 'the broker ended the connection: it does not take a topic of ours',
  0x98: 'the broker ended the connection: an administrator did',
};

export const connectRefusal = (code: number): string | null => CONNACK[code] ?? null;

export const disconnectReason = (code: number): string =>
  DISCONNECT[code] ?? `the broker ended the connection (reason 0x${code.toString(16).padStart(2, '0')})`;

export const TAKEN_OVER = 0x8e;
/** Reasons of DISCONNECT by which a broker says that it was a message: of its topic, size, form or flags. */
export const FOR_A_MESSAGE: ReadonlySet<number> = new Set([0x90, 0x95, 0x99, 0x9a, 0x9b]);
/** Reasons that speak of the broker or of the whole connection, never of one message. */
export const FOR_NO_MESSAGE: ReadonlySet<number> = new Set([
  0x00, 0x88, 0x89, 0x8b, 0x8d, 0x8e, 0x93, 0x96, 0x98, 0x9c, 0x9d, 0x9f, 0xa0,
]);
