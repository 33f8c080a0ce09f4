// The door relay. A pulse is the controller's own, as long as its stored door relay time says, so that a cut line
// cannot leave the door open; a stored time of zero means “until switched off”, and then no pulse is asked for.

import { assert } from '../../src/domain/errors.ts';
import type { Clock, OutputDevice, OutputOutcome } from '../driver.ts';
import { outputFailure, STOPPING } from '../kit/fates.ts';
import { SET_WITHIN_MS } from '../kit/strike.ts';
import { decodeDoorStatus, REQUESTS, type DoorStatus, type Request } from './codec.ts';
import type { ExchangeResult } from './line-terms.ts';
import { fateOf, type Talk } from './talk.ts';

export type RelayPorts = {
  talk: Talk;
  clock: Clock;
  /** Would the controller never end a pulse by itself? */
  endless: () => boolean;
  /** Lintel is stopping: the relay is not switched on any more. */
  isResting: () => boolean;
  /** One command more (1) or less (-1) that may switch the relay on is on its way. */
  energising: (more: 1 | -1) => void;
  /** The relay was told so: for good, or for the controller's own time. */
  told: (wanted: 'on' | 'off' | 'pulse') => void;
  /** It was found not to do what it is told. */
  isStuck: () => boolean;
};

export function outputDevice({ talk, clock, endless, isResting, energising, told, isStuck }: RelayPorts): OutputDevice {
  /**
   * Every 21H is answered with the state of the relay, so its answer is the read-back; one that came before the relay
   * moved is asked for once more.
   */
  const relay = async (
    request: Request,
    notAfterMs: number,
    reached: (status: DoorStatus) => boolean,
    onSent?: () => void,
  ): Promise<OutputOutcome> => {
    const sent = onSent === undefined ? {} : { onSent };
    const result = await talk(request, { priority: 'strike', notAfterMs, ...sent });
    if (result.outcome !== 'answered') return outputFailure(fateOf(result), result.message);
    // One that does not release shows nothing by being on.
    if (reached(statusOf(result))) return { outcome: 'done', confirmed: !isStuck() };
    const again = await talk(REQUESTS.doorStatus(), { priority: 'strike', retries: 1 });
    return { outcome: 'done', confirmed: again.outcome === 'answered' && reached(statusOf(again)) && !isStuck() };
  };

  const switchOn = async (...args: Parameters<typeof relay>): Promise<OutputOutcome> => {
    energising(1);
    try {
      return await relay(...args);
    } finally {
      energising(-1);
    }
  };

  return {
    async pulse(output, _durationMs, notAfterMonotonicMs, onSent): Promise<OutputOutcome> {
      assert(output === 0, 'the controller has one output, number 0');
      if (isResting()) return STOPPING;
      if (endless()) {
        const why = 'the door relay time stored in the controller is 0, so a pulse would leave the door open';
        return outputFailure('refused', why);
      }
      told('pulse');
      return await switchOn(REQUESTS.doorPulse(), notAfterMonotonicMs, (status) => status.relayOn, onSent);
    },
    async set(output, energised): Promise<OutputOutcome> {
      assert(output === 0, 'the controller has one output, number 0');
      if (energised && isResting()) return STOPPING;
      told(energised ? 'on' : 'off');
      const notAfterMs = clock.monotonicMs() + SET_WITHIN_MS;
      return energised
        ? await switchOn(REQUESTS.doorOn(), notAfterMs, (status) => status.relayOn)
        : await relay(REQUESTS.doorOff(), notAfterMs, (status) => !status.relayOn);
    },
  };
}

function statusOf(result: Extract<ExchangeResult, { outcome: 'answered' }>): DoorStatus {
  assert(result.reply.kind === 'echo', 'the relay’s state comes as an echo');
  return decodeDoorStatus(result.reply.data);
}
