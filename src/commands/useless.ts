// What is well formed and yet opens nothing: a credential without entrances, one whose entrances ask for something
// else, a card that no reader there reads. Nobody is refused for it, for files and readers change; everybody is told.

import { presentCard } from '../domain/card-formats.ts';
import { takesCards, takesCodes } from '../domain/factors.ts';
import type { SiteEntrance } from '../domain/site.ts';
import type { CredentialRow } from '../store/credentials.ts';
import type { Room } from './room.ts';

type Kept = Pick<CredentialRow, 'access_method' | 'has_own_entrances' | 'user_key'>;
type Found = { warning_code: string; message: string } & Record<string, unknown>;

/** `card` is canonical, null for a code; `entranceIds` are those that it names itself. */
export function uselessness(
  { site, store }: Pick<Room, 'site' | 'store'>,
  row: Kept,
  card: string | null,
  entranceIds: readonly string[],
): Found[] {
  if (row.has_own_entrances !== 1)
    return store.reach.entrancesOfUser(row.user_key).length === 0 ? [FOLLOWS_ITS_USER] : [];
  if (entranceIds.length === 0) return [NO_ENTRANCES];
  const gone = entranceIds.filter((id) => site.byId(id) === undefined);
  const here = entranceIds.flatMap((id) => site.byId(id) ?? []);
  if (row.access_method === 'mobile_key') return [...leftOf(gone, here), ...noPhonesAt(here)];
  const other = row.access_method === 'card' ? 'code' : 'card';
  const takes = row.access_method === 'card' ? takesCards : takesCodes;
  const closed = here.filter(({ factors }) => !takes(factors));
  const unread = card === null ? [] : here.filter((entrance) => !closed.includes(entrance) && !isRead(card, entrance));
  return [
    ...leftOf(gone, here),
    ...(closed.length === 0 ? [] : [takesOther(closed, row.access_method, other)]),
    ...(card === null || unread.length === 0 ? [] : [notRead(unread, card)]),
  ];
}

const NO_ENTRANCES: Found = {
  warning_code: 'no_entrances',
  message: 'It names no entrance: it opens nothing. Remedy: credentials/update with allowed_acs_entrance_ids.',
};

const FOLLOWS_ITS_USER: Found = {
  warning_code: 'no_entrances',
  message:
    'It names no entrances and follows its user, who has none: it opens nothing. Remedy: users/add_to_access_group, entrances/grant_access, or credentials/update with allowed_acs_entrance_ids.',
};

const leftOf = (gone: readonly string[], here: readonly SiteEntrance[]): Found[] =>
  gone.length === 0 ? [] : [leftTheFile(gone, here.length)];

function noPhonesAt(entrances: readonly SiteEntrance[]): Found[] {
  const without = entrances.filter(({ takesMobileKeys }) => !takesMobileKeys);
  if (without.length === 0) return [];
  const message = `${namesOf(without)} ${without.length === 1 ? 'has' : 'have'} no reader through which a phone can prove its key: this mobile key opens nothing there. Remedy: a reader in transparent mode (docs/mobile-keys.md).`;
  return [{ warning_code: 'factor_not_accepted', message, acs_entrance_ids: idsOf(without) }];
}

const leftTheFile = (gone: readonly string[], left: number): Found => ({
  warning_code: 'entrance_left_facility',
  message: `${gone.length} of its entrances ${gone.length === 1 ? 'is' : 'are'} not in the facility file any more${left === 0 ? ': it opens nothing' : ''}.`,
  acs_entrance_ids: gone,
});

const takesOther = (closed: readonly SiteEntrance[], method: string, other: string): Found => ({
  warning_code: 'factor_not_accepted',
  message: `${namesOf(closed)} ${closed.length === 1 ? 'takes' : 'take'} ${other}s only: this ${method} opens nothing there.`,
  acs_entrance_ids: idsOf(closed),
});

/**
 * A UID may have been printed in decimal, and then stands here as another number: the one mistake that is worth a
 * question.
 */
function notRead(unread: readonly SiteEntrance[], card: string): Found {
  const { card_format: format, card_number: number } = presentCard(card);
  const read = [...new Set(unread.flatMap(({ cardFormats }) => cardFormats))];
  const readsUids = read.includes('uid') || read.includes('uid-reversed');
  const uid = readsUids && /^[0-9]+$/.test(number) ? uidOfDecimal(BigInt(number)) : null;
  const question = uid === null ? '' : ` If ${number} is the serial number of the card in decimal, it is ${uid}.`;
  return {
    warning_code: 'card_format_not_read',
    message: `${namesOf(unread)} ${unread.length === 1 ? 'does' : 'do'} not read ${format}, but ${read.length === 0 ? 'no cards' : read.join(', ')}: this card opens nothing there.${question}`,
    acs_entrance_ids: idsOf(unread),
  };
}

/**
 * The UID of 4 or 5 bytes that is written so in decimal, most significant byte first; null for what is too large for
 * one.
 */
function uidOfDecimal(value: bigint): string | null {
  const hex = value.toString(16).toUpperCase();
  if (hex.length > 10) return null;
  return `uid:${hex.padStart(hex.length > 8 ? 10 : 8, '0')}`;
}

function isRead(card: string, { cardFormats }: SiteEntrance): boolean {
  const { card_format: format } = presentCard(card);
  return cardFormats.includes(format) || (format === 'uid' && cardFormats.includes('uid-reversed'));
}

const namesOf = (entrances: readonly SiteEntrance[]): string =>
  entrances.map(({ displayName }) => displayName).join(', ');
const idsOf = (entrances: readonly SiteEntrance[]): string[] => entrances.map(({ acsEntranceId }) => acsEntranceId);
