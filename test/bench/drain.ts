// A log and the half of the agent that empties it into a broker: for measurements of what that costs.

import { newEvent, type NewEvent } from '../../src/domain/events.ts';
import { MqttLink } from '../../src/mqtt/link.ts';
import { Outbox } from '../../src/mqtt/outbox.ts';
import { Topics } from '../../src/mqtt/topics.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { systemRandom } from '../../src/ops/random.ts';
import type { Store } from '../../src/store/store.ts';
import { LOBBY, silentLog, SYSTEM, USER } from '../support/room.ts';

const PER_TRANSACTION = 10_000;
/** More than a broker takes while a bench asks a door a hundred times. */
const WITHOUT_END = 100_000;
const LOOK_EVERY_MS = 100;

export function unlocked(n: number): NewEvent {
  return newEvent('lock.unlocked', {
    acs_system_id: SYSTEM,
    acs_entrance_id: LOBBY,
    acs_credential_id: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    acs_user_id: USER,
    access_method: 'card',
    method: 'card',
    card_format: 'H10302',
    decided_by: 'gateway',
    reader: 'lobby-reader',
    revision: n,
    was_confirmed_by_device: true,
  });
}

export function addEvents(store: Store, count: number): void {
  for (let from = 0; from < count; from += PER_TRANSACTION)
    store.now(() => {
      for (let n = from; n < Math.min(count, from + PER_TRANSACTION); n++) store.events.add(unlocked(n), Date.now());
    });
}

/** `connected` is called before the first event goes out. */
export function halfAgent(store: Store, url: string, connected: () => void): { outbox: Outbox; link: MqttLink } {
  const outbox = new Outbox(store, systemClock, systemRandom, silentLog);
  const link: MqttLink = new MqttLink(
    {
      url,
      clientId: 'lintel-bench',
      username: null,
      secrets: () => ({ password: null, ca: null, cert: null, key: null }),
      replyTopics: [],
      topics: new Topics('lintel/v1', 'bench', 'dots'),
      protocol: 'auto',
      identity: { started_at: new Date().toISOString(), host: 'bench' },
    },
    {
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
      dispatch: () => null,
      flush: () => undefined,
      delivered: () => undefined,
      onConnected: () => {
        connected();
        outbox.connected(link.publishEvent);
      },
      onDisconnected: () => outbox.disconnected(),
      onListening: () => undefined,
      onChange: () => undefined,
    },
  );
  return { outbox, link };
}

/** A log that is sent from its beginning whenever it has come to its end. */
export function drainWithoutEnd(store: Store, url: string): void {
  addEvents(store, WITHOUT_END);
  const begin = (): void => {
    store.now(() => store.events.acknowledge(0));
    const { outbox, link } = halfAgent(store, url, () => undefined);
    const last = store.events.lastSequence();
    link.start();
    const look = setInterval(() => {
      if (outbox.acknowledged < last) return;
      clearInterval(look);
      outbox.stop();
      void link.stop(1_000).then(begin);
    }, LOOK_EVERY_MS);
  };
  begin();
}
