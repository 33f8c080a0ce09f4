// `lintel simulate osdp-reader`: an OSDP reader with keypad, inputs and outputs, and Secure Channel where it is given a key or put into install mode.

import { parseKey } from '../../../drivers/osdp/keys.ts';
import { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { SimulatedLine } from '../../../drivers/osdp/simulator.ts';
import { encodeWiegand, parseCanonical } from '../../domain/card-formats.ts';
import { OperatingError } from '../../domain/errors.ts';
import { silentLog } from '../silent-log.ts';
import { isOn, listenPort, troubles, wrong, type Played, type PlayOptions, type Stage } from './played.ts';

const COLOURS = ['off', 'red', 'green', 'amber', 'blue', 'magenta', 'cyan', 'white'] as const;
const WATCH_MS = 50;

export async function playOsdpReader(options: PlayOptions, stage: Stage): Promise<Played> {
  const { clock, random, openPort } = stage;
  const { unit: address, installMode } = options;
  const key = options.key === null ? {} : { key: parseKey(options.key) };
  const reader = new SimulatedReader(clock, random, { address, installMode, ...key });
  const port = listenPort(options.port);
  const line = new SimulatedLine(
    [reader],
    {
      at: port === null ? { path: options.port } : { listen: port },
      baud: options.baud ?? 9600,
      paced: false,
      turnaroundMs: 2,
    },
    { clock, random, log: silentLog, openPort },
  );
  await line.start();
  const stopWatching = watch(reader, stage);
  return {
    address: port === null ? null : `${line.path}, address ${options.unit}`,
    actions: {
      card: {
        usage: 'card H10301:123:45678',
        about: 'shows a card: H10301:…, uid:04A1B2C3, raw:26:…',
        run([card]) {
          if (card === undefined) throw wrong('card H10301:123:45678');
          return presentCard(reader, card);
        },
      },
      code: {
        usage: 'code 824759',
        about: 'types a PIN, and #',
        run([pin]) {
          if (pin === undefined || !/^[0-9]{1,12}$/.test(pin)) throw wrong('code 824759');
          reader.typeKeys(`${pin}#`);
          return said(reader, 'typed');
        },
      },
      input: {
        usage: 'input 0 on|off',
        about: 'changes one of its two inputs',
        run([index = '', word]) {
          if (!/^[01]$/.test(index)) throw wrong('input 0 on|off');
          reader.setInput(Number(index), isOn(word, 'input 0 on|off') ? 1 : 0);
          return `input ${index} ${word ?? ''}`;
        },
      },
      tamper: {
        usage: 'tamper on|off',
        about: 'opens or closes its housing',
        run([word]) {
          reader.setTamper(isOn(word, 'tamper on|off'));
          return `tamper ${word ?? ''}`;
        },
      },
      ...troubles(clock, {
        silence: (isSilent) => void (line.faults.pulled = isSilent),
        power: (isPowered) => {
          if (isPowered) reader.powerCycle();
          line.faults.pulled = !isPowered;
        },
      }),
    },
    async stop() {
      stopWatching();
      await line.stop();
    },
  };
}

const said = (reader: SimulatedReader, what: string): string =>
  reader.online ? what : `${what}, and no controller listens`;

function presentCard(reader: SimulatedReader, card: string): string {
  const canonical = parseCanonical(card);
  const bits = encodeWiegand(canonical);
  if (bits !== null) reader.presentCard(bits.widthBits, bits.bytes);
  else {
    const uid = Buffer.from(canonical.slice('uid:'.length), 'hex');
    if (uid.length === 0) throw new OperatingError('invalid_input', 'a uid is uid: and hexadecimal digits');
    reader.presentCard(uid.length * 8, uid, 0);
  }
  return said(reader, 'presented');
}

/** Tells what people at the door would see and hear. */
function watch(reader: SimulatedReader, { clock, say }: Stage): () => void {
  let stopped = false;
  let before = { online: false, secured: false, colour: -1, beeps: reader.beeps.length, pulses: 0 };
  const look = (): void => {
    if (stopped) return;
    const now = {
      online: reader.online,
      secured: reader.secured,
      colour: reader.led().color,
      beeps: reader.beeps.length,
      pulses: reader.terminals.pulses.length,
    };
    if (now.online !== before.online)
      say(now.online ? 'a controller speaks to it' : 'no controller speaks to it any more');
    if (now.secured !== before.secured) say(now.secured ? 'Secure Channel is up' : 'Secure Channel is down');
    if (now.colour !== before.colour && before.colour !== -1) say(`light ${COLOURS[now.colour] ?? now.colour}`);
    if (now.beeps > before.beeps) say('beep');
    for (const { output, durationMs } of reader.terminals.pulses.slice(before.pulses))
      say(`output ${output} on${durationMs === 0 ? '' : ` for ${durationMs} ms`}`);
    before = now;
    clock.after(WATCH_MS, look);
  };
  look();
  return () => (stopped = true);
}
