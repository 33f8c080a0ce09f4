// What a list would do here: who is added, who is there already, whose credentials come, and which lines are refused,
// with the reason. Nothing is sent by it, so that a dry run and the import itself are one and the same up to that point.
// People are found again by name or address, and the ids of credentials are made of whose they are and what a line
// says, so that the same list again adds nothing.

import { createHash, randomUUID } from 'node:crypto';
import { plainText } from '../../domain/fields.ts';
import { fold } from '../../domain/fold.ts';
import { UUID_FORM, uuidOfHash } from '../../domain/ids.ts';
import { printable } from '../../domain/words.ts';
import { checkParams } from '../contract-options.ts';
import { entranceNamed, type NamedEntrance } from '../names.ts';
import { UsageError } from '../terminal.ts';
import type { Field } from './columns.ts';
import { INSTANT_WORDS, instantOf } from './instants.ts';
import type { Line } from './read.ts';

export type KnownUser = { acs_user_id: string; full_name: string; email_address: string | null };
export type Known = {
  timeZone: string;
  users: readonly KnownUser[];
  /** Ids of the credentials that are there. */
  credentialIds: ReadonlySet<string>;
  entrances: readonly NamedEntrance[];
  groups: readonly { acs_access_group_id: string; name: string }[];
};

type Params = Record<string, unknown>;
export type NewUser = { lines: number[]; params: Params };
export type NewCredential = { line: number; params: Params };
export type NewMember = { line: number; params: { acs_access_group_id: string; acs_user_id: string } };
export type Refused = { line: number; who: string; why: string };
export type Plan = {
  users: NewUser[];
  credentials: NewCredential[];
  members: NewMember[];
  there: { users: number; credentials: number };
  refused: Refused[];
};

/** Only what is said of one line; the others are not touched by it. */
class LineRefused extends Error {}

export function planOf(lines: readonly Line[], known: Known): Plan {
  return new Planning(known).run(lines);
}

type Person = { id: string; isNew: NewUser | null };

class Planning {
  readonly #known: Known;
  readonly #people: People;
  readonly #cards = new Map<string, number>();
  readonly #found = new Set<string>();
  readonly #ids = new Set<string>();
  readonly #plan: Plan = { users: [], credentials: [], members: [], there: { users: 0, credentials: 0 }, refused: [] };

  constructor(known: Known) {
    this.#known = known;
    this.#people = new People(known);
  }

  run(lines: readonly Line[]): Plan {
    for (const line of lines) {
      try {
        this.#add(line);
      } catch (error) {
        if (!(error instanceof LineRefused) && !(error instanceof UsageError)) throw error;
        const who = nameOf(line) ?? line.cells.get('acs_user_id') ?? 'nobody';
        // Ours are named as options are typed.
        const why = error.message.replaceAll(/(^|\n\s*)--/g, '$1').replaceAll(/\n\s*/g, '; ');
        this.#plan.refused.push({ line: line.line, who: printable(who), why });
      }
    }
    return this.#plan;
  }

  #add(line: Line): void {
    const found = this.#people.find(line);
    // All of a line is looked at before any of it counts.
    const groups = this.#groupsOf(line);
    const person = found ?? newPerson(line, groups);
    const credentials = this.#credentialsOf(line, person.id);
    for (const params of credentials) this.#check(params);
    if (found === null && person.isNew !== null) {
      this.#people.remember(line, person);
      this.#plan.users.push(person.isNew);
    } else if (person.isNew !== null) this.#joins(person.isNew, line, groups);
    else {
      if (!this.#found.has(person.id)) this.#plan.there.users += 1;
      this.#found.add(person.id);
      for (const acs_access_group_id of groups)
        this.#plan.members.push({ line: line.line, params: { acs_access_group_id, acs_user_id: person.id } });
    }
    for (const params of credentials) this.#addCredential(line.line, params);
  }

  #joins(user: NewUser, { line }: Line, groups: readonly string[]): void {
    user.lines.push(line);
    const before = user.params['acs_access_group_ids'];
    const all = new Set([...(Array.isArray(before) ? (before as string[]) : []), ...groups]);
    if (all.size > 0) user.params['acs_access_group_ids'] = [...all];
  }

  #check(params: Params): void {
    checkParams('credentials/create', params);
    if (this.#ids.has(plainText(params['acs_credential_id']))) return;
    const before = this.#cards.get(cardOf(params) ?? '');
    if (before !== undefined) throw new LineRefused(`card_number: the same card as in line ${before}`);
  }

  #addCredential(line: number, params: Params): void {
    const card = cardOf(params);
    if (card !== null) this.#cards.set(card, line);
    const id = plainText(params['acs_credential_id']);
    if (this.#known.credentialIds.has(id) || this.#ids.has(id)) this.#plan.there.credentials += 1;
    else this.#plan.credentials.push({ line, params });
    this.#ids.add(id);
  }

  #groupsOf({ cells }: Line): string[] {
    return listed(cells.get('access_groups')).map((name) => {
      const wanted = fold(name);
      const found = this.#known.groups.filter(
        (group) => group.acs_access_group_id === name.toLowerCase() || fold(group.name) === wanted,
      );
      const [only] = found;
      if (only !== undefined && found.length === 1) return only.acs_access_group_id;
      throw new LineRefused(
        found.length > 1
          ? `two groups are called ${printable(name)}: give the id`
          : `no group is called ${printable(name)}: make it first, lintel groups create --name ${printable(name)}`,
      );
    });
  }

  #credentialsOf(line: Line, userId: string): Params[] {
    const { cells } = line;
    const [card, code, method] = [cells.get('card_number'), cells.get('code'), cells.get('access_method')];
    if (method !== undefined && !['card', 'code'].includes(method))
      throw new LineRefused(`access_method: card or code; ${printable(method)} is not imported`);
    if (method === 'card' && card === undefined)
      throw new LineRefused('access_method is card, and there is no card_number');
    if (method === 'code' && code === undefined)
      throw new LineRefused('access_method is code, and there is no code. Lintel makes one: lintel credentials create');
    const common = this.#commonOf(line, userId);
    const own = cells.get('acs_credential_id');
    const isBoth = card !== undefined && code !== undefined && method === undefined;
    if (own !== undefined && isBoth)
      throw new LineRefused(
        'acs_credential_id names one credential, and this line has a card and a code: give each a line',
      );
    return [
      ...(card === undefined || method === 'code' ? [] : [this.#card(line, card, common, own)]),
      ...(code === undefined || method === 'card' ? [] : [this.#code(code, common, own)]),
    ];
  }

  #commonOf({ cells }: Line, acs_user_id: string): Params {
    const entrances = listed(cells.get('allowed_acs_entrance_ids')).map(
      (name) => entranceNamed(name, this.#known.entrances).id,
    );
    const display = cells.get('display_name');
    return {
      acs_user_id,
      ...(entrances.length === 0 ? {} : { allowed_acs_entrance_ids: entrances }),
      ...this.#instant(cells, 'starts_at', 'start'),
      ...this.#instant(cells, 'ends_at', 'end'),
      ...(display === undefined ? {} : { display_name: display }),
    };
  }

  #instant(cells: Line['cells'], field: Field, which: 'start' | 'end'): Params {
    const text = cells.get(field);
    if (text === undefined) return {};
    const instant = instantOf(text, this.#known.timeZone, which);
    if (instant === null) throw new LineRefused(`${field}: ${printable(text)} is no instant: ${INSTANT_WORDS}`);
    return { [field]: instant };
  }

  #card({ cells }: Line, number: string, common: Params, own: string | undefined): Params {
    if (/^\d(?:[.,]\d+)?E\+\d+$/i.test(number))
      throw new LineRefused(
        `card_number: ${number} was rounded by a spreadsheet: have the column as text, and the list made anew`,
      );
    const format = cells.get('card_format');
    const said = `${format ?? ''} ${number}`;
    return {
      acs_credential_id: idOf(own, 'card', plainText(common['acs_user_id']), said),
      access_method: 'card',
      card_number: number,
      ...(format === undefined ? {} : { card_format: format }),
      ...common,
    };
  }

  /** The id is made of whose it is and when, not of the PIN: an id is no secret. */
  #code(code: string, common: Params, own: string | undefined): Params {
    if (!/^\d{4,12}$/.test(code)) throw new LineRefused('code: a PIN has 4 to 12 digits');
    const when = `${plainText(common['starts_at'])} ${plainText(common['ends_at'])}`;
    return {
      acs_credential_id: idOf(own, 'code', plainText(common['acs_user_id']), when),
      access_method: 'code',
      code,
      ...common,
    };
  }
}

/** Who is meant: by id, by e-mail address, by name; those of the list itself as well. */
class People {
  readonly #byId = new Map<string, Person>();
  readonly #byEmail = new Map<string, Person[]>();
  readonly #byName = new Map<string, { person: Person; hasEmail: boolean }[]>();

  constructor({ users }: Known) {
    for (const user of users)
      this.#keep({ id: user.acs_user_id, isNew: null }, user.full_name, user.email_address ?? undefined);
  }

  #keep(person: Person, name: string | null, email: string | undefined): void {
    this.#byId.set(person.id, person);
    if (email !== undefined) push(this.#byEmail, fold(email), person);
    if (name !== null) push(this.#byName, fold(name), { person, hasEmail: email !== undefined });
  }

  remember(line: Line, person: Person): void {
    this.#keep(person, nameOf(line), line.cells.get('email_address'));
  }

  /** Null: nobody yet. */
  find(line: Line): Person | null {
    const id = line.cells.get('acs_user_id')?.toLowerCase();
    const email = line.cells.get('email_address');
    const name = nameOf(line);
    if (id !== undefined) {
      if (!UUID_FORM.test(id)) throw new LineRefused(`acs_user_id: ${printable(id)} is no id, which is a UUID`);
      const known = this.#byId.get(id) ?? null;
      if (known === null && name === null)
        throw new LineRefused('acs_user_id: nobody here has this id, and there is no name');
      return known;
    }
    if (name === null) throw new LineRefused('there is no name');
    const byEmail = email === undefined ? [] : (this.#byEmail.get(fold(email)) ?? []);
    if (byEmail.length > 0) return only(byEmail, `two people have the address ${email ?? ''}`);
    const named = this.#byName.get(fold(name)) ?? [];
    // Of one name, and of two addresses, are two people.
    const same = named.filter(({ hasEmail }) => email === undefined || !hasEmail).map(({ person }) => person);
    return same.length === 0 ? null : only(same, `two people are called ${name}`);
  }
}

function only(people: readonly Person[], what: string): Person {
  const [one] = people;
  if (one !== undefined && people.length === 1) return one;
  throw new LineRefused(`${printable(what)}: add a column acs_user_id, or email_address`);
}

function newPerson({ line, cells }: Line, groups: readonly string[]): Person {
  const acs_user_id = cells.get('acs_user_id')?.toLowerCase() ?? randomUUID();
  const [full_name, email, phone] = [nameOf({ cells }), cells.get('email_address'), cells.get('phone_number')];
  const params = {
    acs_user_id,
    full_name,
    ...(email === undefined ? {} : { email_address: email }),
    ...(phone === undefined ? {} : { phone_number: phone }),
    ...(groups.length === 0 ? {} : { acs_access_group_ids: groups }),
  };
  checkParams('users/create', params);
  return { id: acs_user_id, isNew: { lines: [line], params } };
}

function nameOf({ cells }: Pick<Line, 'cells'>): string | null {
  const parts = [cells.get('first_name'), cells.get('last_name')].filter((part) => part !== undefined);
  return cells.get('full_name') ?? (parts.length === 0 ? null : parts.join(' '));
}

const cardOf = (params: Params): string | null =>
  params['access_method'] === 'card' ? `${plainText(params['card_format'])} ${plainText(params['card_number'])}` : null;

const listed = (cell: string | undefined): string[] =>
  (cell ?? '').split(/[;|,]/).map((part) => part.trim()).filter((part) => part !== ''); // prettier-ignore

function push<V>(map: Map<string, V[]>, key: string, value: V): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}

/** The caller's own, else one made of what is said. */
function idOf(own: string | undefined, ...said: readonly string[]): string {
  if (own !== undefined) return own.toLowerCase();
  const content = JSON.stringify(['lintel import', ...said]);
  return uuidOfHash(createHash('sha256').update(content).digest('hex'));
}
