// `lintel simulate soyal`: a SOYAL controller of the H series on its RS-485 line.

import { SoyalSimulator } from '../../../drivers/soyal/simulator.ts';
import { parseCanonical } from '../../domain/card-formats.ts';
import { OperatingError } from '../../domain/errors.ts';
import { isOn, listenPort, troubles, wrong, type Played, type PlayOptions, type Stage } from './played.ts';

const WATCH_MS = 20;

export async function playSoyal(options: PlayOptions, { clock, openPort, say }: Stage): Promise<Played> {
  const simulator = new SoyalSimulator([{ address: options.unit }], clock);
  const controller = simulator.at(options.unit);
  const port = listenPort(options.port);
  const listening = port === null ? null : await simulator.listen(port);
  if (listening === null) await simulator.open(options.port, openPort);
  let stopped = false;
  let wasOn = false;
  const watch = (): void => {
    if (stopped) return;
    if (controller.door.relayOn !== wasOn) say(controller.door.relayOn ? 'door relay on' : 'door relay off');
    wasOn = controller.door.relayOn;
    clock.after(WATCH_MS, watch);
  };
  watch();
  const { door } = controller;
  return {
    address: listening === null ? null : `tcp://127.0.0.1:${listening}, address ${options.unit}`,
    actions: {
      card: {
        usage: 'card uid:04A1B2C3',
        about: 'shows a card; it decides by its own table',
        run([card]) {
          if (card === undefined) throw wrong('card uid:04A1B2C3');
          return door.presentCard(uidNumber(card)) ? 'opened' : 'not opened';
        },
      },
      code: {
        usage: 'code 8247',
        about: 'types a PIN',
        run([pin]) {
          if (pin === undefined || !/^[0-9]{4,8}$/.test(pin)) throw wrong('code 8247');
          return door.typePin(pin) ? 'opened' : 'not opened';
        },
      },
      exit: {
        usage: 'exit',
        about: 'presses its exit button',
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
      ...troubles(clock, {
        silence: (isSilent) => void (controller.faults.silent = isSilent),
        power: (isPowered) => {
          if (isPowered) controller.powerCycle({ memory: true, clock: true });
          controller.faults.silent = !isPowered;
        },
      }),
    },
    async stop() {
      stopped = true;
      await simulator.close();
    },
  };
}

/** What it compares: 32 bits. H10301 as it reads such a card, facility code above number. */
function uidNumber(card: string): number {
  const [format, ...fields] = parseCanonical(card).split(':');
  if (format === 'uid' && fields[0]?.length === 8) return Number.parseInt(fields[0], 16);
  if (format === 'H10301') return Number(fields[0]) * 65_536 + Number(fields[1]);
  throw new OperatingError('not_supported', 'it reads cards of four bytes (uid:04A1B2C3) and H10301');
}
