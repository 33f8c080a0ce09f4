// What a list would do, before anything is sent.

import { expect, it } from 'vitest';
import { csvLine } from '../../../src/cli/people/export.ts';
import { instantOf } from '../../../src/cli/people/instants.ts';
import { planOf, type Known, type Plan } from '../../../src/cli/people/plan.ts';
import { readList } from '../../../src/cli/people/read.ts';

const LOBBY = '55555555-5555-5555-5555-555555555555';
const JANE = '33333333-3333-3333-3333-333333333333';
const GROUP = '99999999-9999-4999-8999-999999999999';

const HERE: Known = {
  timeZone: 'Europe/Oslo',
  users: [{ acs_user_id: JANE, full_name: 'Jane Doe', email_address: 'jane@example.com' }],
  credentialIds: new Set(),
  entrances: [{ id: LOBBY, name: 'lobby', displayName: 'Lobby' }],
  groups: [{ acs_access_group_id: GROUP, name: 'Cleaners' }],
};

const planned = (text: string, known: Partial<Known> = {}, mapped: string[] = []): Plan =>
  planOf(readList(Buffer.from(text), 'people.csv', mapped).lines, { ...HERE, ...known });
const reasons = (text: string, known: Partial<Known> = {}): string[] =>
  planned(text, known).refused.map(({ line, who, why }) => `${line} ${who}: ${why}`);

it('reads lists with commas, semicolons and tabs, byte order mark, quotes, and lines within cells', () => {
  for (const [sign, mark] of [[',', ''], [';', '\ufeff'], ['\t', '']] as const) {
    const text = `${mark}Name${sign}Badge no.${sign}Valid until\r\n"Doe,; ""JD""\n Jane"${sign}H10301:1:2${sign}\r\n${sign}${sign}\r\nBob${sign}H10301:1:3${sign}2027-01-31\r\n`;
    const plan = planned(text);
    expect(plan.users.map(({ params, lines }) => [params['full_name'], ...lines])).toEqual([['Doe,; "JD" Jane', 2], ['Bob', 5]]);
    expect(plan.credentials.map(({ params }) => [params['card_number'], params['ends_at']])).toEqual([['H10301:1:2', undefined], ['H10301:1:3', '2027-01-31T23:00:00.000Z']]);
  }
}); // prettier-ignore

it('finds people again by id, e-mail address or name, and makes one of several lines about one person', () => {
  const plan = planned(
    [
      'acs_user_id,name,email,card,groups',
      `${JANE},,,H10301:1:1,`,
      ',Somebody Else,JANE@example.com,H10301:1:2,cleaners',
      ',jane doe,,H10301:1:3,',
      ',Jane Doe,other@example.com,H10301:1:4,',
      ',Bob,,H10301:1:5,',
      ',BOB,,H10301:1:6,Cleaners',
    ].join('\n'),
  );
  expect(plan.refused).toEqual([]);
  const [other, bob] = plan.users;
  expect(plan.users).toHaveLength(2);
  expect(other?.params).toMatchObject({ full_name: 'Jane Doe', email_address: 'other@example.com' });
  expect(bob).toMatchObject({ lines: [6, 7], params: { full_name: 'Bob', acs_access_group_ids: [GROUP] } });
  expect(plan.credentials.map(({ params }) => params['acs_user_id'])).toEqual([
    JANE, JANE, JANE, other?.params['acs_user_id'], bob?.params['acs_user_id'], bob?.params['acs_user_id'],
  ]); // prettier-ignore
  expect(plan.there).toEqual({ users: 1, credentials: 0 });
  expect(plan.members).toEqual([{ line: 3, params: { acs_access_group_id: GROUP, acs_user_id: JANE } }]);
});

it('gives the same credentials the same ids, so that a list may come again', () => {
  const text = 'name,card,pin,from\nJane Doe,H10301:1:1,482917,2027-01-01\n';
  const first = planned(text);
  const ids = first.credentials.map(({ params }) => String(params['acs_credential_id']));
  expect(new Set(ids).size).toBe(2);
  expect(ids.every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))).toBe(
    true,
  );
  const again = planned(text, { credentialIds: new Set(ids) });
  expect(again.credentials).toEqual([]);
  expect(again.there).toEqual({ users: 1, credentials: 2 });
  // An id tells nothing of the PIN.
  expect(planned(text.replace('482917', '739164')).credentials[1]?.params['acs_credential_id']).toBe(ids[1]);
});

it('refuses a line with the reason, and none but that', () => {
  expect(
    reasons(
      [
        'name,email,card,pin,until,doors,groups,access_method,acs_credential_id',
        ',,H10301:1:1,,,,,,',
        'A,,H10301:1:2,,31/01/2027,,,,',
        'B,,"1,2E+15",,,,,,',
        'C,,H10301:1:3,,,loby,,,',
        'D,,H10301:1:4,,,,Guards,,',
        'E,,,12,,,,,',
        'F,,,,,,,code,',
        'G,,,,,,,mobile_key,',
        'H,,H10301:1:5,482917,,,,,66666666-6666-6666-6666-666666666666',
        'I,,H10301:1:6,,,,,,',
        'J,,H10301:1:6,,,,,,',
        'K,,H10301:1:7,,,,,,',
      ].join('\n'),
    ),
  ).toEqual([
    '2 nobody: there is no name',
    expect.stringMatching(/^3 A: ends_at: "?31\/01\/2027"? is no instant: write 2027-01-31/),
    expect.stringMatching(/^4 B: card_number: .* rounded by a spreadsheet/),
    expect.stringMatching(/^5 C: there is no entrance loby. Did you mean lobby\?/),
    expect.stringMatching(/^6 D: no group is called "?Guards"?: make it first/),
    '7 E: code: a PIN has 4 to 12 digits',
    expect.stringMatching(/^8 F: access_method is code, and there is no code/),
    expect.stringMatching(/^9 G: access_method: card or code/),
    expect.stringMatching(/^10 H: acs_credential_id names one credential/),
    '12 J: card_number: the same card as in line 11',
  ]);
});

it('asks who is meant where two have one name, and knows them apart by address', () => {
  const users = [1, 2].map((n) => ({ acs_user_id: JANE.replace(/^3/, String(n)), full_name: 'Jane Doe', email_address: null }));
  expect(reasons('name,card\nJane Doe,H10301:1:1\n', { users })).toEqual([
    expect.stringContaining('two people are called'),
  ]);
}); // prettier-ignore

it('takes columns by what whoever imports says, and names those that mean nothing', () => {
  const list = readList(Buffer.from('Wer,Ausweis,Abteilung\nA,H10301:1:1,B\n'), 'x.csv', ['Wer=full_name', 'Ausweis=card-number']);
  expect(list.columns).toEqual({ fields: ['full_name', 'card_number', null], unread: ['Abteilung'] });
  const wrong = (mapped: string[], text = 'Wer,Ausweis\n'): (() => unknown) => () => readList(Buffer.from(text), 'x.csv', mapped);
  expect(wrong(['Wen=full_name'])).toThrow(/no column "?Wen"?. It has "?Wer"?, "?Ausweis/);
  expect(wrong(['Wer=fullname'])).toThrow(/there is no "?fullname"?. Did you mean full_name/);
  expect(wrong([])).toThrow(/no column says who/);
  expect(wrong([], 'Name,Person\n')).toThrow(/both mean full_name/);
}); // prettier-ignore

it('says what is wrong with a file, by its line, and repeats nothing of it', () => {
  const wrong =
    (bytes: Buffer | string): (() => unknown) =>
    () =>
      readList(Buffer.from(bytes), 'x.csv', []);
  expect(wrong('')).toThrow(/x\.csv is empty/);
  expect(wrong(Buffer.from([0x4e, 0x61, 0x6d, 0x65, 0x0a, 0xd8, 0x0a]))).toThrow(/no UTF-8/);
  expect(wrong('name,pin\nA,1,482917\n')).toThrow(/line 2: it has more cells/);
  expect(wrong('name,pin\nA,"482917\n')).toThrow(/quotation mark/);
  for (const text of ['name,pin\nA,1,482917\n', 'name,pin\nA,"482917\n'])
    expect(() => readList(Buffer.from(text), 'x.csv', [])).not.toThrow(/482917/);
});

it('reads days and times at the clock of the building, the last day included', () => {
  const read = (text: string, which: 'start' | 'end' = 'start'): string | null => instantOf(text, 'Europe/Oslo', which);
  expect(read('2027-01-31')).toBe('2027-01-30T23:00:00.000Z');
  expect(read('2027-01-31', 'end')).toBe('2027-01-31T23:00:00.000Z');
  expect(read('31.1.2027', 'end')).toBe('2027-01-31T23:00:00.000Z');
  expect(read('2027-07-01 18:00', 'end')).toBe('2027-07-01T16:00:00.000Z');
  expect(read('2027-07-01T18:00:00+00:00')).toBe('2027-07-01T18:00:00.000Z');
  expect(['31/01/2027', '2027-02-30', '2027-13-01', '2027-01-01 25:00', 'tomorrow', ''].map((text) => read(text))).toEqual(
    Array.from({ length: 6 }, () => null),
  );
}); // prettier-ignore

it('writes nothing that a spreadsheet would carry out', () => {
  expect(csvLine(['=1+1', '-x', '@y', '+47 22 33 44 55', 'a"b', 'c;d'])).toBe("'=1+1,'-x,'@y,+47 22 33 44 55,\"a\"\"b\",\"c;d\"\r\n"); // prettier-ignore
  const [line] = readList(Buffer.from(`name\n${csvLine(['=1+1'])}`), 'x.csv', []).lines;
  expect(line?.cells.get('full_name')).toBe('=1+1');
});
