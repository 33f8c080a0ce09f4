import { expect, it } from 'vitest';
import { Withdrawn } from '../../src/store/withdrawn.ts';

const CARD = 'card-1';
const JANE = 'jane';
const janes = { acs_credential_id: CARD, acs_user_id: JANE };

it('what one of two commands took away stays away until both are stored', () => {
  const withdrawn = new Withdrawn();
  for (const what of [{ acsCredentialId: CARD }, { acsUserId: JANE }]) {
    expect(withdrawn.has(janes)).toBe(false);
    withdrawn.add(what);
    withdrawn.add(what);
    withdrawn.remove(what);
    expect(withdrawn.has(janes)).toBe(true);
    withdrawn.remove(what);
    expect(withdrawn.has(janes)).toBe(false);
    // One that was never taken away is not owed to the next one.
    withdrawn.remove(what);
    withdrawn.add(what);
    expect(withdrawn.has(janes)).toBe(true);
    withdrawn.remove(what);
  }
});

it('a credential is taken away by its own id, a person with all that is theirs, and nobody else', () => {
  const withdrawn = new Withdrawn();
  withdrawn.add({ acsUserId: JANE });
  expect(withdrawn.has({ acs_credential_id: 'card-2', acs_user_id: JANE })).toBe(true);
  expect(withdrawn.has({ acs_credential_id: 'card-2', acs_user_id: 'joe' })).toBe(false);
  expect(withdrawn.has({ acs_credential_id: JANE, acs_user_id: null })).toBe(false);
  withdrawn.add({ acsCredentialId: CARD });
  expect(withdrawn.has({ acs_credential_id: CARD, acs_user_id: 'joe' })).toBe(true);
  expect(withdrawn.has({ acs_credential_id: CARD, acs_user_id: null })).toBe(true);
});
