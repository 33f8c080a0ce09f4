// Which column of somebody's list means what: by our own names, by what such columns are usually called, or as whoever
// imports it says.

import { fold } from '../../domain/fold.ts';
import { meantWord, printable } from '../../domain/words.ts';
import { UsageError } from '../terminal.ts';

export const FIELDS = [
  'acs_user_id',
  'full_name',
  'first_name',
  'last_name',
  'email_address',
  'phone_number',
  'access_groups',
  'acs_credential_id',
  'access_method',
  'card_number',
  'card_format',
  'code',
  'starts_at',
  'ends_at',
  'allowed_acs_entrance_ids',
  'display_name',
] as const;
export type Field = (typeof FIELDS)[number];

/** The column in which `--refused` says why: it means nothing when the list comes again. */
export const REASON = 'refused';

/** What such columns are called elsewhere, folded and without signs. */
const USUAL: Readonly<Record<Field, readonly string[]>> = {
  acs_user_id: ['userid', 'personid'],
  full_name: ['name', 'fullname', 'person', 'holder', 'cardholder'],
  first_name: ['firstname', 'givenname', 'forename'],
  last_name: ['lastname', 'surname', 'familyname'],
  email_address: ['email', 'emailaddress', 'mail'],
  phone_number: ['phone', 'phonenumber', 'mobile', 'telephone'],
  access_groups: ['group', 'groups', 'accessgroup', 'accesslevel', 'accesslevels'],
  acs_credential_id: ['credentialid'],
  access_method: ['method', 'credentialtype'],
  card_number: ['card', 'cardnumber', 'cardno', 'badge', 'badgenumber', 'badgeno', 'badgeid', 'cardid', 'tag', 'uid'],
  card_format: ['format', 'cardtype'],
  code: ['pin', 'pincode', 'keypadcode'],
  starts_at: ['start', 'startdate', 'from', 'validfrom', 'activation', 'activationdate', 'begins'],
  ends_at: ['end', 'enddate', 'until', 'validuntil', 'validto', 'expiry', 'expirydate', 'expires', 'expiration'],
  allowed_acs_entrance_ids: ['door', 'doors', 'entrance', 'entrances', 'allowedentrances'],
  display_name: ['label', 'note', 'credentialname'],
};

const plain = (header: string): string => fold(header).replaceAll(/[^a-z0-9]/g, '');

const BY_NAME: ReadonlyMap<string, Field> = new Map(
  FIELDS.flatMap((field) => [plain(field), ...USUAL[field]].map((name) => [name, field] as const)),
);

export type Columns = {
  /** The field of each column; null: it is not read. */
  fields: readonly (Field | null)[];
  /** Headers that mean nothing here. */
  unread: readonly string[];
};

/** `mapped`: `HEADER=FIELD` as typed. Throws a UsageError that names the column. */
export function columnsOf(headers: readonly string[], mapped: readonly string[]): Columns {
  const own = mappings(headers, mapped);
  const fields = headers.map((header) => own.get(header) ?? BY_NAME.get(plain(header)) ?? null);
  for (const [at, field] of fields.entries()) {
    const first = fields.indexOf(field);
    if (field === null || first === at) continue;
    throw new UsageError(
      `the columns ${printable(headers[first] ?? '')} and ${printable(headers[at] ?? '')} both mean ${field}: say which one does, --map 'HEADER=${field}', and rename the other`,
    );
  }
  return {
    fields,
    unread: headers.filter((header, at) => fields[at] === null && header.trim() !== '' && header !== REASON),
  };
}

function mappings(headers: readonly string[], mapped: readonly string[]): Map<string, Field> {
  const found = new Map<string, Field>();
  for (const one of mapped) {
    const at = one.lastIndexOf('=');
    const [wanted, name] = [one.slice(0, Math.max(0, at)).trim(), one.slice(at + 1).trim()];
    const header = headers.find((candidate) => candidate.trim() === wanted);
    if (header === undefined)
      throw new UsageError(
        `--map ${printable(one)}: the file has no column ${printable(wanted)}. It has ${headers.map(printable).join(', ')}`,
      );
    const field = FIELDS.find((candidate) => candidate === name.replaceAll('-', '_'));
    if (field === undefined)
      throw new UsageError(
        `--map ${printable(one)}: there is no ${printable(name)}. ${meantWord(name, FIELDS)} There are ${FIELDS.join(', ')}`,
      );
    found.set(header, field);
  }
  return found;
}
