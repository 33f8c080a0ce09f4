// `lintel simulate uart-reader`: a 125 kHz reader that pushes tag numbers.

import { startUartReader } from '../../../drivers/uart/simulator.ts';
import { OperatingError } from '../../domain/errors.ts';
import {
  listenPort,
  watch,
  withTroubles,
  wrong,
  type Actions,
  type Played,
  type PlayOptions,
  type Stage,
} from './played.ts';

const WATCH_MS = 100;

export async function playUartReader(options: PlayOptions, { clock, openPort, say }: Stage): Promise<Played> {
  listenPort(options.port);
  const reader = await startUartReader({
    port: options.port,
    frame: options.frame,
    clock,
    openPort,
    ...(options.baud === null ? {} : { baud: options.baud }),
  });
  let wasConnected = false;
  const stopWatching = watch(clock, WATCH_MS, () => {
    if (reader.connected !== wasConnected) say(reader.connected ? 'somebody listens' : 'nobody listens any more');
    wasConnected = reader.connected;
  });
  const present = async (uid: string, holdMs: number): Promise<string> => {
    const isHeard = reader.connected;
    await reader.present(uid, { holdMs });
    return isHeard ? 'presented' : 'presented, and nobody listens';
  };
  const usage = 'present 0A00B1C2D3 [seconds]';
  const actions: Actions = {
    present: {
      usage,
      about: 'holds a tag of ten hexadecimal digits to it',
      needsPower: true,
      run([uid, seconds = '0']) {
        if (uid === undefined || !/^[0-9]{1,3}$/.test(seconds)) throw wrong(usage);
        return present(uid, Number(seconds) * 1000);
      },
    },
    card: {
      usage: 'card uid:0A00B1C2D3',
      about: 'the same for a card as the facility knows it',
      needsPower: true,
      run: ([card]) => present(uidOfCard(card), 0),
    },
  };
  const plug = (isPlugged: boolean): Promise<void> => (isPlugged ? reader.plug() : reader.unplug());
  return {
    address: reader.address,
    devices: [
      { unit: null, actions: withTroubles(clock, actions, { silence: (isSilent) => plug(!isSilent), power: plug }) },
    ],
    async stop() {
      stopWatching();
      await reader.stop();
    },
  };
}

/** What such a reader can say: five bytes, given as they are or as `H10301:facility:number`, the last three of them. */
export function uidOfCard(card: string | undefined): string {
  const text = card ?? '';
  const plain = /^(?:uid:)?([0-9A-Fa-f]{10})$/.exec(text)?.[1];
  if (plain !== undefined) return plain;
  const [, facilityCode, number] = /^H10301:([0-9]{1,3}):([0-9]{1,5})$/.exec(text) ?? [];
  if (facilityCode !== undefined && Number(facilityCode) < 256 && Number(number) < 65_536) {
    const bytes = Buffer.alloc(5);
    bytes.writeUInt8(Number(facilityCode), 2);
    bytes.writeUInt16BE(Number(number), 3);
    return bytes.toString('hex').toUpperCase();
  }
  throw new OperatingError(
    'not_supported',
    'a 125 kHz reader reads tags of five bytes only: give uid: and ten hexadecimal digits, or H10301:facility:number',
  );
}
