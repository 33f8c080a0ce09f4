// `lintel simulate soyal`: SOYAL controllers of the H series on an RS-485 line.

import { SoyalSimulator } from '../../../drivers/soyal/simulator.ts';
import type { SimulatedController } from '../../../drivers/soyal/simulator-controller.ts';
import { parseCanonical } from '../../domain/card-formats.ts';
import { OperatingError } from '../../domain/errors.ts';
import type { Clock } from '../../domain/ports.ts';
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

const WATCH_MS = 20;
const HIGHEST_ADDRESS = 254;

export async function playSoyal(options: PlayOptions, stage: Stage): Promise<Played> {
  const { clock, openPort } = stage;
  const { units } = options;
  checkUnits(units, 1, HIGHEST_ADDRESS, 'a SOYAL controller');
  const simulator = new SoyalSimulator(
    units.map((address) => ({ address })),
    clock,
  );
  const port = listenPort(options.port);
  const listening = port === null ? null : await simulator.listen(port);
  if (listening === null) await simulator.open(options.port, openPort);
  const looks = units.map((unit) => lookAt(simulator.at(unit), sayingOf(stage, unit, units)));
  const stopWatching = watch(clock, WATCH_MS, () => {
    for (const look of looks) look();
  });
  return {
    address: listening === null ? null : `tcp://127.0.0.1:${listening}, ${place('address', units)}`,
    devices: units.map((unit) => ({ unit, actions: controllerActions(simulator.at(unit), clock) })),
    async stop() {
      stopWatching();
      await simulator.close();
    },
  };
}

/** Tells when its relay has moved since the last look. */
function lookAt({ door }: SimulatedController, say: (text: string) => void): () => void {
  let wasOn = false;
  return () => {
    if (door.relayOn !== wasOn) say(door.relayOn ? 'door relay on' : 'door relay off');
    wasOn = door.relayOn;
  };
}

function controllerActions(controller: SimulatedController, clock: Clock): Actions {
  let [isSilent, isPowered] = [false, true];
  const hear = (): void => void (controller.faults.deaf = isSilent || !isPowered);
  return withTroubles(clock, doorActions(controller.door), {
    silence(silent) {
      isSilent = silent;
      hear();
    },
    power(powered) {
      isPowered = powered;
      hear();
      controller.powerCycle({ memory: true, clock: true });
    },
  });
}

function doorActions(door: SimulatedController['door']): Actions {
  return {
    card: {
      usage: 'card uid:04A1B2C3',
      about: 'shows a card; it decides by its own table',
      needsPower: true,
      run([card]) {
        if (card === undefined) throw wrong('card uid:04A1B2C3');
        return door.presentCard(uidNumber(card)) ? 'opened' : 'not opened';
      },
    },
    code: {
      usage: 'code 8247',
      about: 'types a PIN',
      needsPower: true,
      run([pin]) {
        if (pin === undefined || !/^[0-9]{4,8}$/.test(pin)) throw wrong('code 8247');
        return door.typePin(pin) ? 'opened' : 'not opened';
      },
    },
    exit: {
      usage: 'exit',
      about: 'presses its exit button',
      needsPower: true,
      run() {
        door.pressExit(true);
        door.pressExit(false);
        return 'exit pressed';
      },
    },
    door: {
      usage: 'door on|off',
      about: 'opens (on) or closes the door',
      run([word]) {
        door.setDoor(isOn(word, 'door on|off'));
        return `door ${word === 'on' ? 'open' : 'closed'}`;
      },
    },
    stick: {
      usage: 'stick on|off',
      about: 'has its door relay stick once it is on, or frees it',
      run([word]) {
        door.welded = isOn(word, 'stick on|off');
        return door.welded ? 'the relay sticks' : 'the relay is free';
      },
    },
    clock: {
      usage: 'clock 2026-12-25T09:00',
      about: 'sets its clock, by which its schedules go; alone: says what it shows',
      run([time]) {
        if (time !== undefined) {
          const atMs = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}$/.test(time) ? Date.parse(`${time}:00Z`) : NaN;
          if (Number.isNaN(atMs)) throw wrong('clock 2026-12-25T09:00');
          door.clockMs = atMs;
        }
        return `it shows ${new Date(door.clockMs).toISOString().slice(0, 16)}, and holds ${door.zones.size} time zones and ${door.holidays.length} holidays`;
      },
    },
    slots: { usage: 'slots', about: 'how many users its table holds', run: () => `${door.users.size} users` },
  };
}

/** What it compares: 32 bits. H10301 as it reads such a card, facility code above number. */
function uidNumber(card: string): number {
  const [format, ...fields] = parseCanonical(card).split(':');
  if (format === 'uid' && fields[0]?.length === 8) return Number.parseInt(fields[0], 16);
  if (format === 'H10301') return Number(fields[0]) * 65_536 + Number(fields[1]);
  throw new OperatingError('not_supported', 'it reads cards of four bytes (uid:04A1B2C3) and H10301');
}
