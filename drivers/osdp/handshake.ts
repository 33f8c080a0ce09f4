// The handshake of Secure Channel, controller's side (fact sheet section 5): CHLNG at sequence number 0, SCRYPT, and
// both proofs checked. It succeeds only when the reader has shown that it holds the very key that was asked for.

import type { Random } from '../driver.ts';
import { command } from './commands.ts';
import { SCS } from './frame.ts';
import { describeNak, NAK, REPLIES } from './replies.ts';
import {
  clientCryptogram,
  deriveKeys,
  equalBytes,
  initialRmac,
  KEY_SELECTOR,
  RANDOM_BYTES,
  SecureSession,
  serverCryptogram,
} from './secure-channel.ts';
import type { JobResult } from './jobs.ts';
import type { Station } from './station.ts';

/** The status of RMAC_I. */
const ACCEPTED = 1;

export type HandshakeResult =
  | { ok: true; cuid: Buffer }
  | {
      ok: false;
      /**
       * `other_key`: it answered and has another key, or none. `no_channel`: it answered as one that knows no Secure
       * Channel. `refused`: it would not begin. `silent`: it said nothing.
       */
      why: 'other_key' | 'no_channel' | 'refused' | 'silent';
      message: string;
    };

export type HandshakeOptions = {
  useDefaultKey?: boolean;
  /** `probe`: the challenge is the first word to a reader that may not be there. */
  lane?: 'connect' | 'probe';
  /** This reader says 0 in RMAC_I where others say 1, though it has accepted. */
  takesStatus0?: boolean;
};

/** Shakes hands under `scbk`. On success the station's link is secured; on failure it stands at its beginning. */
export async function shakeHands(
  station: Station,
  random: Random,
  scbk: Buffer,
  { useDefaultKey = false, lane = 'connect', takesStatus0 = false }: HandshakeOptions = {},
): Promise<HandshakeResult> {
  const selector = useDefaultKey ? KEY_SELECTOR.scbkDefault : KEY_SELECTOR.scbk;
  const result = await attempt(station, random, scbk, { selector, lane, takesStatus0 });
  if (!result.ok) station.link.restart();
  return result;
}

async function attempt(
  station: Station,
  random: Random,
  scbk: Buffer,
  { selector, lane, takesStatus0 }: { selector: number; lane: 'connect' | 'probe'; takesStatus0: boolean },
): Promise<HandshakeResult> {
  if (station.link.secured) station.link.restart();
  const randomA = random.bytes(RANDOM_BYTES);
  const block = (type: number) => ({ block: { type, data: Buffer.from([selector]) } });
  const challenge = () => station.submit(lane, command('CHLNG', { randomA }), block(SCS._11));
  let challenged = await challenge();
  // The number goes on from the word before; a reader that counts otherwise has said so, and the link begins anew.
  if (challenged.kind === 'restart' && challenged.reason === 'sequence') challenged = await challenge();
  if (challenged.kind !== 'reply') return failed(challenged);
  const ccrypt = challenged.code === REPLIES.CCRYPT.code ? REPLIES.CCRYPT.decode(challenged.data) : null;
  if (ccrypt === null || challenged.block?.type !== SCS._12)
    return noChannel('its answer to the challenge is no cryptogram');
  if (challenged.block.data[0] !== selector) return otherKey(wrongSelector(selector));
  const keys = deriveKeys(scbk, randomA);
  if (!equalBytes(ccrypt.clientCryptogram, clientCryptogram(keys, randomA, ccrypt.randomB))) {
    return otherKey('its cryptogram was made with another key');
  }
  const server = serverCryptogram(keys, randomA, ccrypt.randomB);
  const proved = await station.submit('connect', command('SCRYPT', { serverCryptogram: server }), block(SCS._13));
  if (proved.kind !== 'reply') return failed(proved);
  const answer = proved.code === REPLIES.RMAC_I.code ? REPLIES.RMAC_I.decode(proved.data) : null;
  const rmac = initialRmac(keys, server);
  // Readers disagree about the block type here.
  if (answer === null || proved.block === null || !equalBytes(answer.rmac, rmac)) {
    return otherKey('it did not accept our cryptogram');
  }
  const status = proved.block.data[0];
  if (status !== ACCEPTED && !(status === 0 && takesStatus0)) return unaccepted(status);
  const cuid = Buffer.from(ccrypt.cuid);
  station.link.secure(new SecureSession(keys, rmac));
  return { ok: true, cuid };
}

const wrongSelector = (selector: number): string =>
  selector === KEY_SELECTOR.scbk
    ? 'it has no key of its own and offers the default key'
    : 'it is not in install mode: it offers its own key';

/** Whatever R-MAC comes with it: a session that its reader does not take for one is none. */
const unaccepted = (status: number | undefined): HandshakeResult =>
  otherKey(
    status === 0
      ? 'it says that it does not accept our cryptogram (status 0), and proves the key: if this model always says so, add `quirks: [rmac_status_0]` to the reader'
      : `it says that it does not accept our cryptogram (status 0x${(status ?? 0).toString(16)})`,
  );

const otherKey = (message: string): HandshakeResult => ({ ok: false, why: 'other_key', message });
const noChannel = (message: string): HandshakeResult => ({ ok: false, why: 'no_channel', message });
const refused = (message: string): HandshakeResult => ({ ok: false, why: 'refused', message });

function failed(result: Exclude<JobResult, { kind: 'reply' }>): HandshakeResult {
  switch (result.kind) {
    case 'nak':
      if (result.error === NAK.unknownCommand)
        return noChannel(`it refused the handshake (${describeNak(result.error)})`);
      return result.error === NAK.securityBlock ||
        result.error === NAK.encryptionRequired ||
        result.error === NAK.record
        ? otherKey(`it refused the key (${describeNak(result.error)})`)
        : refused(`it refused the handshake (${describeNak(result.error)})`);
    case 'restart':
      return refused('it refused the handshake and asked to begin anew');
    case 'busy':
      return refused('it was busy all the time');
    case 'silence':
    case 'expired':
    case 'dropped':
      return { ok: false, why: 'silent', message: 'it fell silent in the handshake' };
  }
}
