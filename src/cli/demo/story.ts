// What happens in the demonstration, as data on a screen and as claims that are checked: each `✓` is something that was
// seen at a device, in a reply or in an event, and what is not seen in time ends the story there.

import type { CommandName } from '../../commands/contract.ts';
import { systemClock } from '../../ops/clock.ts';
import { isOver, pause } from '../pause.ts';
import { isFields, type Fields } from '../../domain/fields.ts';
import { cell } from '../show.ts';
import { painter, type Terminal } from '../terminal.ts';
import { localTime } from '../times.ts';
import type { Building } from './building.ts';
import { memberOf } from '../../domain/named.ts';
import { installKey } from './garage.ts';

/** Something that was to happen and was not seen. */
export class NotSeen extends Error {}
/** Ctrl-C. */
export class Interrupted extends Error {}

export type StoryOptions = {
  terminal: Terminal;
  /** Pauses for whoever reads along. */
  pauseMs: number;
  signal: AbortSignal;
};

export const CARD = 'uid:0A00B1C2D3';
const STRANGER = 'uid:0A00D15EA5';
export const LOBBY = '55555555-5555-5555-5555-555555555555';
const STORE_ROOM = '55555555-5555-5555-5555-000000000000';
export const GUEST = '33333333-3333-3333-3333-333333333333';
const GARAGE = '55555555-5555-5555-5555-555555555556';
const MOBILE_KEY = '66666666-6666-6666-6666-666666666663';
const PHONE = '88888888-8888-8888-8888-888888888881';
/** What a reader is told about its field in two turns in which nobody is there, and at the end of the one before. */
const TWO_TURNS = 8;
const CODE = '66666666-6666-6666-6666-666666666661';
const CARD_ID = '66666666-6666-6666-6666-666666666662';
const PLACES: Readonly<Record<string, string>> = { [LOBBY]: 'lobby', [STORE_ROOM]: 'store room', [GARAGE]: 'garage' };

const SEEN_MS = 15_000;
const HOUR_MS = 3_600_000;

export class Story {
  readonly #building: () => Building;
  readonly #options: StoryOptions;
  #step = 0;

  constructor(building: () => Building, options: StoryOptions) {
    this.#building = building;
    this.#options = options;
  }

  /** Resolves when everything was seen; throws NotSeen or Interrupted. */
  async play(): Promise<void> {
    await this.#devicesAnswer();
    await this.#credentialsOverMqtt();
    await this.#controllerDecides();
    await this.#cardAtTheLobby();
    await this.#strangerAtTheLobby();
    await this.#phoneAtTheGarage();
    await this.#brokerGone();
    await this.#brokerBack();
  }

  /** An event as it comes. */
  showEvent(event: Fields): void {
    const { reason } = event;
    const because = isFields(reason) ? cell(reason['detail']) : '';
    const where = memberOf(PLACES, cell(event['acs_entrance_id'])) ?? cell(event['controller'] ?? event['device']);
    const by = cell(event['method'] ?? event['access_method']).replaceAll('_', ' ');
    const details = [where, by === '' ? '' : `by ${by}`, because.replaceAll('_', ' ')].filter((part) => part !== '');
    this.#line('←', `event ${cell(event['sequence'])}  ${cell(event['event_type'])}  ${details.join(', ')}`, 'cyan');
  }

  // ---- the steps ----------------------------------------------------------------------------------------------------

  async #devicesAnswer(): Promise<void> {
    this.#title('The building wakes up');
    const { agent, relayBoard, garage } = this.#building();
    const devices = (): Fields[] => agent.controllers().map(({ name, status }) => ({ name, online: status.online }));
    this.#line('·', 'an install window is opened for the reader at the garage');
    await installKey(this.#building().socket);
    await this.#seen('it has a key of its own, which nobody sees', () => garage.reader.key !== null);
    await this.#seen('all four devices answer', () => devices().every((device) => device['online'] === true));
    await this.#seen('the agent is at the broker', () => this.#isConnected());
    await this.#seen('every strike is at rest', () => !relayBoard.output(0));
  }

  async #credentialsOverMqtt(): Promise<void> {
    this.#title('A guest is let in, over MQTT');
    const { storePanel, agent } = this.#building();
    const endsAtMs = systemClock.nowMs() + 2 * HOUR_MS;
    const ends = new Date(endsAtMs).toISOString();
    const zone = cell(agent.status()['time_zone']);
    await this.#command('users/create', { acs_user_id: GUEST, full_name: 'Jane Doe' }, 'Jane Doe');
    await this.#command(
      'credentials/create',
      {
        ...{ acs_credential_id: CARD_ID, acs_user_id: GUEST, access_method: 'card', card_number: CARD, ends_at: ends },
        allowed_acs_entrance_ids: [LOBBY],
      },
      'her card, for the lobby',
    );
    const created = await this.#command(
      'credentials/create',
      {
        ...{ acs_credential_id: CODE, acs_user_id: GUEST, access_method: 'code', ends_at: ends },
        allowed_acs_entrance_ids: [STORE_ROOM],
      },
      `a code for the store room, until ${localTime(endsAtMs, zone).slice(11, 16)}`,
    );
    this.#code = codeIn(created);
    this.#line('←', `reply ok, code ${this.#code}: made by Lintel, shown this once`, 'green');
    await this.#event('the controller is told', 0, (event) => event['event_type'] === 'access_code.set_on_device');
    await this.#seen('the controller really holds the code, in its own table', () =>
      slotsOf(storePanel).some(({ pin, enabled }) => enabled && pin === this.#code),
    );
    await this.#seenReply(
      'Lintel has read it back: state set',
      'credentials/get',
      { acs_credential_id: CODE },
      (result) => hasState(result, 'set'),
    );
  }

  #code = '';

  async #controllerDecides(): Promise<void> {
    this.#title('The store room decides by its own table');
    const { storePanel, tower } = this.#building();
    const after = tower.events.length;
    this.#line('·', 'Jane types her code at the store room');
    const decision = storePanel.doors.present(1, { pin: this.#code });
    await this.#seen('its controller opened the door itself', () => decision.granted && storePanel.output(0));
    await this.#event('Lintel fetched that from the controller', after, isAt(STORE_ROOM, 'lock.unlocked'));
  }

  async #cardAtTheLobby(): Promise<void> {
    this.#title('A card at the lobby, where Lintel decides');
    const { relayBoard, tower } = this.#building();
    const after = tower.events.length;
    await this.#present('Jane shows her card', CARD);
    await this.#seen('the strike is energised', () => relayBoard.output(0));
    await this.#event('the decision is on record', after, isAt(LOBBY, 'lock.unlocked'));
    this.#line('·', 'she opens the door, and it falls shut');
    relayBoard.setInput(0, true);
    await this.#event('opened', after, isAt(LOBBY, 'acs_entrance.opened'));
    relayBoard.setInput(0, false);
    await this.#event('closed', after, isAt(LOBBY, 'acs_entrance.closed'));
  }

  async #strangerAtTheLobby(): Promise<void> {
    this.#title('A card that nobody knows, and the way out');
    const { relayBoard, tower } = this.#building();
    await this.#seen('the strike is back at rest', () => !relayBoard.output(0));
    const after = tower.events.length;
    await this.#present('a stranger shows a card', STRANGER);
    await this.#event('denied', after, isAt(LOBBY, 'lock.access_denied'));
    await this.#seen('the strike has not moved', () => !relayBoard.output(0));
    this.#line('·', 'somebody inside presses the exit button');
    relayBoard.setInput(1, true);
    await this.#event('the exit button is never refused', after, isAt(LOBBY, 'acs_entrance.rex'));
    relayBoard.setInput(1, false);
  }

  async #phoneAtTheGarage(): Promise<void> {
    this.#title('A phone at the garage, and then no more');
    const { garage, tower } = this.#building();
    const { reader, phone } = garage;
    const own = { acs_credential_id: MOBILE_KEY, acs_user_id: GUEST, allowed_acs_entrance_ids: [GARAGE] };
    const kind = { access_method: 'mobile_key', is_multi_phone_sync_credential: true };
    await this.#command('credentials/create', { ...own, ...kind }, 'a mobile key, for the garage');
    const enrolled = { acs_credential_id: MOBILE_KEY, phone_acs_credential_id: PHONE, display_name: 'Jane’s phone' };
    const key = { public_key: phone.point.toString('hex') };
    await this.#command('credentials/enroll_phone', { ...enrolled, ...key }, 'her phone, by its public key');
    const after = tower.events.length;
    this.#line('·', 'Jane holds her phone to the reader');
    reader.field.lay(phone);
    await this.#seen('it proves its key, and the strike is energised', () => reader.terminals.pulses.length > 0);
    await this.#event('the decision names her phone', after, (event) => event['phone_acs_credential_id'] === PHONE);
    reader.field.lay(null);
    await this.#command('credentials/remove_phone', { acs_credential_id: PHONE }, 'the phone was lost');
    const turns = reader.count('XWR') + TWO_TURNS;
    await this.#seen('the reader has seen that nobody is there', () => reader.count('XWR') >= turns);
    const pulses = reader.terminals.pulses.length;
    this.#line('·', 'somebody who found it holds it there');
    reader.field.lay(phone);
    await this.#event('denied', after, isAt(GARAGE, 'lock.access_denied'));
    await this.#seen('the strike has not moved', () => reader.terminals.pulses.length === pulses);
    reader.field.lay(null);
  }

  async #brokerGone(): Promise<void> {
    this.#title('The broker stops');
    const { relayBoard, stopBroker, tower, agent } = this.#building();
    await this.#seen('the strike is at rest', () => !relayBoard.output(0));
    await stopBroker();
    await this.#seen('the agent is on its own', () => !this.#isConnected());
    this.#known = tower.events.length;
    await this.#present('Jane shows her card again', CARD);
    await this.#seen('the door opens all the same', () => relayBoard.output(0));
    await this.#seen('what happened is kept', () => Number(agent.status()['outbox_depth']) > 0);
  }

  #known = 0;

  async #brokerBack(): Promise<void> {
    this.#title('The broker is back');
    const { startBroker, tower, agent } = this.#building();
    await startBroker();
    await this.#event('the opening meanwhile has arrived', this.#known, isAt(LOBBY, 'lock.unlocked'));
    await this.#seen('nothing is left to deliver', () => agent.status()['outbox_depth'] === 0);
    const sequences = tower.events.map((event) => Number(event['sequence']));
    const last = sequences.at(-1) ?? 0;
    await this.#seen(`events 1 to ${last} came in order, none missing`, () =>
      sequences.every((sequence, i) => sequence === i + 1),
    );
  }

  // ---- how it is told -----------------------------------------------------------------------------------------------

  async #command(name: CommandName, params: Fields, about: string): Promise<Fields> {
    const { tower } = this.#building();
    this.#line('→', `command/${name}  ${about}`);
    const reply = await tower.command(name, params);
    if (!reply.ok) throw new NotSeen(`${name} was answered: ${reply.error.message}`);
    return reply.result;
  }

  async #present(about: string, card: string): Promise<void> {
    this.#line('·', about);
    await this.#building().present(card);
  }

  async #event(about: string, after: number, matches: (event: Fields) => boolean): Promise<void> {
    const { tower } = this.#building();
    await this.#seen(about, () => tower.find(after, matches) !== undefined);
  }

  async #seenReply(
    about: string,
    name: CommandName,
    params: Fields,
    matches: (result: Fields) => boolean,
  ): Promise<void> {
    const { tower } = this.#building();
    const endsAtMs = systemClock.monotonicMs() + SEEN_MS;
    let isSeen = false;
    while (!isSeen && systemClock.monotonicMs() < endsAtMs) {
      const reply = await tower.command(name, params);
      isSeen = reply.ok && matches(reply.result);
      if (!isSeen) await this.#wait(100);
    }
    await this.#seen(about, () => isSeen);
  }

  async #seen(about: string, holds: () => boolean): Promise<void> {
    if (!(await this.#until(holds, SEEN_MS))) throw new NotSeen(about);
    this.#line('✓', about, 'green');
    await this.#wait(this.#options.pauseMs);
  }

  async #until(holds: () => boolean, timeoutMs: number): Promise<boolean> {
    const endsAtMs = systemClock.monotonicMs() + timeoutMs;
    while (!holds()) {
      if (systemClock.monotonicMs() > endsAtMs) return false;
      await this.#wait(5);
    }
    return true;
  }

  async #wait(delayMs: number): Promise<void> {
    const { signal } = this.#options;
    await pause(delayMs, signal);
    if (isOver(signal)) throw new Interrupted();
  }

  #isConnected(): boolean {
    const { broker } = this.#building().agent.status();
    return isFields(broker) && broker['connected'] === true;
  }

  #title(text: string): void {
    const { terminal } = this.#options;
    this.#step += 1;
    terminal.out(`\n${painter(terminal)('bold', `${this.#step}  ${text}`)}\n`);
  }

  #line(mark: '→' | '←' | '✓' | '·', text: string, colour: 'green' | 'cyan' | 'dim' = 'dim'): void {
    const { terminal } = this.#options;
    terminal.out(`   ${painter(terminal)(colour, mark)} ${text}\n`);
  }
}

const isAt =
  (entrance: string, type: string) =>
  (event: Fields): boolean =>
    event['event_type'] === type && event['acs_entrance_id'] === entrance;

function codeIn({ acs_credential: credential }: Fields): string {
  const code = isFields(credential) ? credential['code'] : null;
  if (typeof code !== 'string') throw new NotSeen('the reply shows the code that was generated');
  return code;
}

function hasState({ acs_credential: credential }: Fields, wanted: string): boolean {
  const states = isFields(credential) ? credential['controller_states'] : null;
  return Array.isArray(states) && states.length > 0 && states.filter(isFields).every(({ state }) => state === wanted);
}

function slotsOf(unit: Building['storePanel']): { enabled: boolean; pin: string | null }[] {
  const table = unit.profile.credentials?.table;
  return Array.from({ length: table?.count ?? 0 }, (_, i) => unit.doors.slot((table?.first_slot ?? 0) + i));
}
