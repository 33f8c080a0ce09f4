// What the world of a case may be, in the words of its file: a table of sentences, each with what it does. Whoever adds
// a gate adds the sentences here that its rows need.

import type { House } from './house.ts';
import { atLocal } from './instants.ts';
import { cardOf, codeOf, duressOf, fingerOf, holdingId, idOf, phoneOf } from './names.ts';
import { encodeWiegand } from '../../../src/domain/card-formats.ts';
import { MODES } from '../../../src/domain/modes.ts';
import type { Presentation } from '../../../src/domain/ports.ts';
import { settled } from '../../support/sensor.ts';
import { INPUTS } from './site.ts';

type Happens = { says: RegExp; does: (house: House, ...words: (string | undefined)[]) => Promise<void> | void };

const UNIT_MS = { s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 };
const spanMs = (text: string): number => {
  const [, count = '', unit = ''] = /^(\d+)(s|min|h|d)$/.exec(text) ?? [];
  return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS];
};
const SPAN = String.raw`(\d+(?:s|min|h|d))`;
const instantOf = (text: string): number => {
  const atMs = atLocal(text);
  if (typeof atMs === 'string') throw new Error(atMs);
  return atMs;
};
const says = (form: string): RegExp => new RegExp(`^${form}$`);
const user = (name: string) => ({ acs_user_id: idOf('user', name) });
const door = (name: string) => ({ acs_entrance_id: idOf('door', name) });
const group = (name: string) => ({ acs_access_group_id: idOf('group', name) });
/** What is put on the sensor behind a card. */
const FINGER = /^(?:([a-z]+) (finger|other)|a wrong finger|no finger)$/;
const HOLDING = '([a-z]+) (card|code|phone|duress)';
const NAME = '([a-z]+)';

/** The first that fits is meant. */
export const HAPPENS: readonly Happens[] = [
  // Time.
  { says: says(`${SPAN} later`), does: (house, span) => house.clock.advance(spanMs(span ?? '')) },
  { says: says('restart'), does: (house) => house.restart() },
  {
    says: says('the clock was never set'),
    does: ({ time }) => void Object.assign(time, { trusted: false, floorMs: null, isGraceLeft: true }),
  },
  {
    says: says('the clock is lost, last right (.+?)(, too long ago)?'),
    does: ({ time }, last, tooLong) =>
      void Object.assign(time, { trusted: false, floorMs: instantOf(last ?? ''), isGraceLeft: tooLong === undefined }),
  },
  { says: says('the clock is right again'), does: ({ time }) => void Object.assign(time, { trusted: true }) },
  { says: says(`nobody above for ${SPAN}`), does: (house, span) => void (house.offlineForMs = spanMs(span ?? '')) },
  { says: says('heard again'), does: (house) => void (house.offlineForMs = null) },
  // The database.
  { says: says('the database is refused'), does: (house) => house.restart(false) },
  { says: says('the database is found damaged'), does: (house) => house.access.refuse('store_unavailable') },
  {
    says: says(`somebody gave ${HOLDING} no end behind the back of Lintel`),
    does: (house, name = '', kind = '') => house.behindItsBack(`UPDATE credentials SET ends_at = NULL, display_name = 'x' WHERE acs_credential_id = '${holdingId(name, kind)}'`), // prettier-ignore
  },
  {
    says: says(`somebody unsuspended ${NAME} behind the back of Lintel`),
    does: (house, name = '') => house.behindItsBack(`UPDATE users SET is_suspended = 0 WHERE acs_user_id = '${idOf('user', name)}'`), // prettier-ignore
  },
  {
    says: says(`somebody widened the hours ([a-z ]+) behind the back of Lintel`),
    does: (house, hours = '') => house.behindItsBack(`UPDATE schedules SET content = replace(content, '1080', '1440') WHERE schedule_id = '${idOf('hours', hours)}'`), // prettier-ignore
  },
  {
    says: says(`somebody prolonged the members of ${NAME} behind the back of Lintel`),
    does: (house, name = '') =>
      house.behindItsBack(`UPDATE access_group_users SET ends_at = 4102444800000 WHERE group_key = (SELECT group_key FROM access_groups WHERE acs_access_group_id = '${idOf('group', name)}')`), // prettier-ignore
  },
  // Modes.
  { says: says('lockdown'), does: (house) => house.command('facility/lockdown', {}) },
  { says: says('all clear'), does: (house) => house.command('facility/all_clear', {}) },
  { says: says('all clear on site'), does: (house) => house.command('facility/all_clear', {}, 'local') },
  {
    says: says(`${NAME} is set to (${MODES.join('|')})(?: for ${SPAN})?`),
    does: (house, name = '', mode = '', span) => {
      const until = span === undefined ? {} : { until: new Date(house.clock.nowMs() + spanMs(span)).toISOString() };
      return house.command('entrances/set_mode', { ...door(name), mode, ...until });
    },
  },
  {
    says: says('(fire|panic|key) input( over)?'),
    does: (house, which, over) => house.input(INPUTS[which as keyof typeof INPUTS], over === undefined),
  },
  // People.
  { says: says(`${NAME} suspended`), does: (house, name = '') => house.command('users/suspend', user(name)) },
  { says: says(`${NAME} unsuspended`), does: (house, name = '') => house.command('users/unsuspend', user(name)) },
  { says: says(`${NAME} deleted`), does: (house, name = '') => house.command('users/delete', user(name)) },
  {
    says: says(`${NAME} loses all doors`),
    does: (house, name = '') => house.command('users/revoke_access_to_all_entrances', user(name)),
  },
  {
    says: says(`${NAME} leaves ${NAME}`),
    does: (house, name = '', of = '') => house.command('access_groups/remove_user', { ...user(name), ...group(of) }),
  },
  {
    says: says(`${NAME} joins ${NAME}`),
    does: (house, name = '', of = '') => house.command('access_groups/add_user', { ...user(name), ...group(of) }),
  },
  { says: says(`group ${NAME} dissolved`), does: (house, of = '') => house.command('access_groups/delete', group(of)) },
  {
    says: says(`${NAME} may open ${NAME}`),
    does: (house, name = '', at = '') => house.command('entrances/grant_access', { ...user(name), ...door(at) }),
  },
  {
    says: says(`${NAME} may no longer open ${NAME}`),
    does: (house, name = '', at = '') => house.command('entrances/revoke_access', { ...user(name), ...door(at) }),
  },
  // What they hold.
  {
    says: says(`${HOLDING} deleted`),
    does: (house, name = '', kind = '') => house.command('credentials/delete', { acs_credential_id: holdingId(name, kind) }), // prettier-ignore
  },
  {
    says: says(`${HOLDING} taken back`),
    does: (house, name = '', kind = '') => house.command('credentials/unassign', { acs_credential_id: holdingId(name, kind) }), // prettier-ignore
  },
  {
    says: says(`${HOLDING} given to ${NAME}`),
    does: (house, name = '', kind = '', to = '') => house.command('credentials/assign', { acs_credential_id: holdingId(name, kind), ...user(to) }), // prettier-ignore
  },
  {
    says: says(`${HOLDING} ends (.+)`),
    does: (house, name = '', kind = '', at = '') => house.command('credentials/update', { acs_credential_id: holdingId(name, kind), ends_at: new Date(instantOf(at)).toISOString() }), // prettier-ignore
  },
  // At the doors before.
  {
    says: says(`(\\d+) wrong codes at ${NAME}( behind the card of ${NAME})?`),
    does: async (house, count, at = '', _with, name) => {
      for (let i = 0; i < Number(count); i++) {
        if (name !== undefined) await shows(house, `${name} card`, at);
        await shows(house, `code 00${String(i).repeat(2)}${(i * 37) % 10}${(i * 53) % 10}`, at);
        await house.clock.advance(500);
      }
    },
  },
  {
    says: says(`(.+) goes through ${NAME}( inside)?`),
    does: async (house, who = '', at = '', inside = '') => {
      for (const each of who.split(' then ')) await shows(house, each, `${at}${inside}`);
      await house.clock.advance(500);
      if (house.cast.doors[at]?.contact !== true) return;
      house.leaf(at, true);
      await house.clock.advance(1000);
      house.leaf(at, false);
      await house.clock.advance(1000);
    },
  },
  {
    says: says(`${NAME} is (opened|closed)`),
    does: (house, at = '', how) => house.leaf(at, how === 'opened'),
  },
  {
    says: says('everybody is forgiven'),
    does: (house) => house.command('areas/forgive', { is_everybody: true }),
  },
  {
    says: says(`${NAME} is forgiven`),
    does: (house, name = '') => house.command('areas/forgive', user(name)),
  },
  {
    says: says(`(\\d+) wrong fingers at ${NAME} behind the card of ${NAME}`),
    does: async (house, count, at = '', name = '') => {
      for (let i = 0; i < Number(count); i++) {
        await shows(house, `${name} card`, at);
        await shows(house, 'a wrong finger', at);
        await house.clock.advance(500);
      }
    },
  },
  {
    says: says('the sensor is out of order'),
    does: ({ sensor }) => void (sensor.whyNot = 'it says that it has no sensor'),
  },
  {
    says: says('the finger of ([a-z]+) is removed'),
    does: (house, name = '') => house.command('users/remove_biometric', { acs_biometric_id: idOf('finger', name) }),
  },
  {
    says: says(`before, (.+) at ${NAME}( inside)?`),
    does: async (house, who = '', at = '', inside = '') => {
      for (const each of who.split(' then ')) await shows(house, each, `${at}${inside}`);
      await house.clock.advance(1000);
    },
  },
];

export async function happen(house: House, sentence: string): Promise<void> {
  for (const { says: form, does } of HAPPENS) {
    const words = form.exec(sentence);
    if (words === null) continue;
    await does(house, ...words.slice(1));
    return;
  }
  throw new Error(`"${sentence}" is no sentence of test/access/cases/happens.ts`);
}

/** Shows something at a reader of a door: `anna card`, `code 4711`, `card of nobody`, `anna finger`. */
export async function shows(house: House, what: string, at: string): Promise<void> {
  const finger = what === 'a finger' ? null : FINGER.exec(what);
  if (finger !== null) {
    const [, name, kind = ''] = finger;
    if (what === 'no finger') await house.sensor.give('nothing');
    else await house.sensor.touch(name === undefined ? what : fingerOf(name, kind).toString());
    return;
  }
  house.present(at, presentationOf(house, what));
  await settled();
}

export function presentationOf({ cast }: Pick<House, 'cast'>, what: string): Presentation {
  const [, digits] = /^code ([0-9]+)$/.exec(what) ?? [];
  if (digits !== undefined) return { kind: 'digits', digits };
  if (what === 'a card of nobody') return cardPresentation('H10301:200:1');
  if (what === 'a phone of nobody') return { kind: 'mobile_key', key: phoneOf('nobody at all') };
  if (what === 'a finger') return { kind: 'biometric', factor: 'finger' };
  if (what === 'a phone that proves nothing') return { kind: 'unproved', failure: 'signature_invalid' };
  if (what === 'a phone that answers too late') return { kind: 'unproved', failure: 'transaction_expired' };
  const [, name = '', kind] = new RegExp(`^${HOLDING}$`).exec(what) ?? [];
  if (kind === undefined || cast.people[name] === undefined) throw new Error(`nobody knows what "${what}" is`);
  if (kind === 'phone') return { kind: 'mobile_key', key: phoneOf(name) };
  if (kind === 'duress') return { kind: 'digits', digits: duressOf(name) };
  return kind === 'code' ? { kind: 'digits', digits: codeOf(name) } : cardPresentation(cardOf(name, cast));
}

function cardPresentation(canonical: string): Presentation {
  const bits = encodeWiegand(canonical);
  const reading = bits === null ? { kind: 'uid' as const, bytes: Buffer.from(canonical.slice('uid:'.length), 'hex') } : { kind: 'wiegand' as const, ...bits }; // prettier-ignore
  return { kind: 'card', reading };
}
