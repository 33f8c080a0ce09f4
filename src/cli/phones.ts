// `lintel phones`: every phone that opens something, of whichever mobile key, with its window and how it stands now.

import { systemClock } from '../ops/clock.ts';
import { CHANNEL_OPTIONS, timeoutOf, type Channel } from './channel.ts';
import { optionRows, type Program } from './help.ts';
import { entrancesOf, resolveNames, USER } from './names.ts';
import { openChannel } from './open-channel.ts';
import { asker, eachOf } from './pages.ts';
import { noMoreWords, readOptions, type Option } from './options.ts';
import { fieldsIn, type Fields } from '../domain/fields.ts';
import { showResult } from './show.ts';
import { DONE } from './terminal.ts';

const USAGE = 'lintel phones [--acs-user-id WHO] [OPTIONS]';
const OPTIONS: readonly Option[] = [
  { name: 'acs-user-id', value: 'WHO', description: 'Only this person’s: id, name or e-mail address' },
  ...CHANNEL_OPTIONS,
];
const REPLY_MS = 10_000;

export const phonesProgram: Program = {
  help: () => ({
    usage: [USAGE],
    about:
      'Shows the phones, and cards with a key, of all mobile keys: whose they are, what they open, from when until when, who has signed their key, and whether they are valid now. Nothing is changed by looking.',
    sections: [{ title: 'Options', rows: optionRows(OPTIONS) }],
    examples: ['lintel phones', "lintel phones --acs-user-id 'Jane Doe'"],
  }),
  async run(argv, terminal) {
    const given = readOptions(argv, OPTIONS, 'lintel phones --help');
    noMoreWords(given.words, 0, USAGE);
    const timeoutMs = timeoutOf(given, REPLY_MS);
    const channel = await openChannel(given, terminal);
    try {
      const who = given.text('acs-user-id');
      const asked = who === null ? {} : { [USER]: who };
      const params = await resolveNames('credentials/list', asked, channel, timeoutMs);
      const phones = await phonesOf(channel, params, timeoutMs, systemClock.nowMs());
      if (given.has('json')) for (const phone of phones) terminal.out(`${JSON.stringify(phone)}\n`);
      else {
        const known = await entrancesOf(channel, timeoutMs).catch(() => []);
        const names = new Map(known.map(({ id, name }) => [id, name]));
        terminal.out(showResult({ phones }, terminal, await channel.timeZone(), names));
      }
      return DONE;
    } finally {
      await channel.close();
    }
  },
};

/** Of whose mobile keys `params` ask for, in order of their creation. */
export async function phonesOf(
  channel: Pick<Channel, 'command'>,
  params: Fields,
  timeoutMs: number,
  nowMs: number,
): Promise<Fields[]> {
  const ask = asker(channel, timeoutMs);
  const found: Fields[] = [];
  for await (const key of eachOf(ask, 'credentials/list', 'acs_credentials', params)) {
    if (key['access_method'] !== 'mobile_key') continue;
    const { phones } = await ask('credentials/list_phones', { acs_credential_id: key['acs_credential_id'] });
    for (const phone of fieldsIn(phones)) found.push(shown(phone, key, nowMs));
  }
  return found;
}

/** The phone with what holds for it and its mobile key together. */
function shown(phone: Fields, key: Fields, nowMs: number): Fields {
  const starts = [phone['starts_at'], key['starts_at']].filter((one) => typeof one === 'string').sort();
  const ends = [phone['ends_at'], key['ends_at']].filter((one) => typeof one === 'string').sort();
  const startsAt = starts.at(-1) ?? null;
  const endsAt = ends[0] ?? null;
  const isOver = endsAt !== null && Date.parse(endsAt) <= nowMs;
  const isEarly = startsAt !== null && Date.parse(startsAt) > nowMs;
  const state = key['acs_user_id'] === null ? 'unassigned' : isOver ? 'expired' : isEarly ? 'not_yet_valid' : 'valid';
  return {
    ...phone,
    acs_user_id: key['acs_user_id'],
    display_name: phone['display_name'] ?? key['display_name'],
    allowed_acs_entrance_ids: bothOf(phone['allowed_acs_entrance_ids'], key['allowed_acs_entrance_ids']),
    starts_at: startsAt,
    ends_at: endsAt,
    state,
  };
}

/** Null: there is no list, and it follows its user. */
function bothOf(one: unknown, other: unknown): unknown {
  if (!Array.isArray(one)) return other;
  return Array.isArray(other) ? one.filter((id) => other.includes(id)) : one;
}
