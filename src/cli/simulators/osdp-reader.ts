// `lintel simulate osdp-reader`: OSDP readers with keypad, inputs and outputs, and Secure Channel where they are given
// a key or put into install mode.

import { parseKey } from '../../../drivers/osdp/keys.ts';
import { STRICT } from '../../../drivers/osdp/simulated-quirks.ts';
import { SIMULATED_ID } from '../../../drivers/osdp/simulated-device.ts';
import { SimulatedReader } from '../../../drivers/osdp/simulated-reader.ts';
import { SimulatedLine } from '../../../drivers/osdp/simulator.ts';
import { encodeWiegand, parseCanonical } from '../../domain/card-formats.ts';
import { OperatingError } from '../../domain/errors.ts';
import type { Clock, Random } from '../../domain/ports.ts';
import { silentLog } from '../silent-log.ts';
import { phoneActions, SimulatedIssuer } from './phone.ts';
import {
  checkUnits,
  isOn,
  listenPort,
  place,
  sayingOf,
  watch,
  withTroubles,
  wrong,
  type Actions,
  type Played,
  type PlayOptions,
  type Stage,
} from './played.ts';

const COLOURS = ['off', 'red', 'green', 'amber', 'blue', 'magenta', 'cyan', 'white'] as const;
const WATCH_MS = 50;
/** For so long a finger is waited for. */
const FINGER_MS = 10_000;
/** The one above is everybody's. */
const HIGHEST_ADDRESS = 126;

export async function playOsdpReader(options: PlayOptions, stage: Stage): Promise<Played> {
  const { clock, random, openPort } = stage;
  const { units, installMode, isStrict } = options;
  const quirks = isStrict ? STRICT : {};
  checkUnits(units, 0, HIGHEST_ADDRESS, 'an OSDP reader');
  const key = options.key === null ? {} : { key: parseKey(options.key) };
  const readers = units.map((address) => {
    const id = { ...SIMULATED_ID, serial: SIMULATED_ID.serial + address - 1 };
    return new SimulatedReader(clock, random, { address, installMode, id, quirks, ...key });
  });
  const port = listenPort(options.port);
  const line = new SimulatedLine(
    readers,
    {
      at: port === null ? { path: options.port } : { listen: port },
      baud: options.baud ?? 9600,
      paced: false,
      turnaroundMs: 2,
    },
    { clock, random, log: silentLog, openPort },
  );
  await line.start();
  const issuer = new SimulatedIssuer(random);
  const looks = readers.map((reader, i) => lookAt(reader, sayingOf(stage, units[i] ?? 0, units)));
  const stopWatching = watch(clock, WATCH_MS, () => {
    for (const look of looks) look();
  });
  return {
    address: port === null ? null : `${line.path}, ${place('address', units)}`,
    devices: readers.map((reader, i) => ({
      unit: units[i] ?? 0,
      actions: readerActions(reader, options.pkocMessages, { clock, random, issuer }),
    })),
    async stop() {
      stopWatching();
      await line.stop();
    },
  };
}

type Ports = { clock: Clock; random: Random; issuer: SimulatedIssuer };

/** `messages`: the text by which it tells of phones that it speaks to itself; null: it has transparent mode. */
function readerActions(reader: SimulatedReader, messages: PlayOptions['pkocMessages'], ports: Ports): Actions {
  reader.field.isKnown = messages === null;
  reader.messages.follow(messages);
  reader.sensor.finger = null;
  reader.sensor.patienceMs = FINGER_MS;
  const actions: Actions = {
    card: {
      usage: 'card H10301:123:45678',
      about: 'shows a card: H10301:…, uid:04A1B2C3, raw:26:…',
      needsPower: true,
      run([card]) {
        if (card === undefined) throw wrong('card H10301:123:45678');
        return presentCard(reader, card);
      },
    },
    code: {
      usage: 'code 824759',
      about: 'types a PIN, and #',
      needsPower: true,
      run([pin]) {
        if (pin === undefined || !/^[0-9]{1,12}$/.test(pin)) throw wrong('code 824759');
        reader.typeKeys(`${pin}#`);
        return said(reader, 'typed');
      },
    },
    ...phoneActions(reader, messages !== null, { ...ports, said: (what) => said(reader, what) }),
    finger: {
      usage: 'finger jane [90]',
      about: 'puts a finger on its sensor when it asks for one, of this quality: the same word is the same finger',
      needsPower: true,
      run([whose, quality = '90']) {
        if (whose === undefined || !/^[0-9]{1,3}$/.test(quality) || Number(quality) > 255)
          throw wrong('finger jane [90]');
        if (!reader.sensor.isWaiting) return said(reader, 'nobody is asked for a finger');
        reader.sensor.touch({ template: Buffer.from(`finger of ${whose}`), quality: Number(quality) });
        return said(reader, 'presented');
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
    stick: {
      usage: 'stick 0 on|off',
      about: 'has the relay of an output stick, on, or frees it',
      run([index = '', word]) {
        if (!/^[01]$/.test(index)) throw wrong('stick 0 on|off');
        if (isOn(word, 'stick 0 on|off')) reader.terminals.welded.add(Number(index));
        else reader.terminals.welded.delete(Number(index));
        return `output ${index} ${word === 'on' ? 'sticks' : 'is free'}`;
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
  };
  return withTroubles(ports.clock, actions, {
    silence: (isSilent) => void (reader.unplugged = isSilent),
    power: (isPowered) => reader.powerCycle(isPowered ? 0 : Infinity),
  });
}

const said = (reader: SimulatedReader, what: string): string =>
  reader.online ? what : `${what}, and no controller listens`;

export function presentCard(reader: SimulatedReader, card: string): string {
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

/** Tells what people at the door would see and hear, at each look what is new. */
function lookAt(reader: SimulatedReader, say: (text: string) => void): () => void {
  let before = { online: false, secured: false, colour: -1, beeps: reader.beeps.length, pulses: 0 };
  return () => {
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
  };
}
