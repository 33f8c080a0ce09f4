// What is explained of a door whose controller decides by its own table.

import { describe, expect, it } from 'vitest';
import type { Policy } from '../../src/domain/facility.ts';
import type { Explanation } from '../../src/access/explain.ts';
import type { SiteEntrance } from '../../src/domain/site.ts';
import type { TargetState } from '../../src/store/target-row.ts';
import { entranceId, keypads, type Keypads } from '../support/keypads.ts';
import { USER } from '../support/room.ts';

const ID = '66666666-6666-6666-6666-666666666666';

type Panel = { here: Keypads; explain: (change?: Partial<SiteEntrance>) => Explanation; hold: (controller: string, state: TargetState) => void }; // prettier-ignore

async function panel(policy: Partial<Policy> = {}): Promise<Panel> {
  const here = await keypads([{ name: 'store', readers: ['store-in'] }], policy);
  await here.caller().call('credentials/create', {
    acs_credential_id: ID, acs_user_id: USER, access_method: 'card', card_number: 'H10301:1:1', allowed_acs_entrance_ids: [entranceId('store')],
  }); // prettier-ignore
  const { targets, credentials } = here.store();
  const { credential_key: key } = credentials.byId(ID) ?? { credential_key: 0 };
  const [entrance] = here.site().entrances;
  if (entrance === undefined) throw new Error('there is a door');
  const asker = { source: 'local', sender: null } as const;
  return {
    here,
    explain: (change = {}) =>
      here
        .access()
        .explain(
          { ...entrance, decidedBy: 'controller', controller: 'panel', door: 1, ...change },
          { acsCredentialId: ID },
          { time: here.time(), isNow: true, reader: null, asker },
        ),
    hold: (controller, state) =>
      here.store().now(() => {
        targets.insert(controller, key, ID);
        const row = targets.ofCredential(key).find((one) => one.controller === controller);
        if (row !== undefined) targets.update({ ...row, state });
      }),
  };
}

const last = ({ steps }: Explanation): unknown => steps.at(-1);

describe('at a door whose controller decides', () => {
  it('what is not there does not open, and it is said how far it has come', async () => {
    const { explain, hold } = await panel();
    const denied = { outcome: 'denied', reason: 'on_controller', acsCredentialId: ID, acsUserId: USER };
    expect(explain()).toMatchObject(denied);
    const says = (state: string): string => `panel decides by its own table; there it is ${state}`;
    expect(last(explain())).toEqual({ step: 'on_controller', passed: false, detail: says('not wanted') });
    hold('another', 'set');
    expect(last(explain())).toEqual({ step: 'on_controller', passed: false, detail: says('not wanted') });
    hold('panel', 'writing');
    expect(last(explain())).toEqual({ step: 'on_controller', passed: false, detail: says('writing') });
  });

  it.each(['set', 'unconfirmed'] as const)('what is %s there opens', async (state) => {
    const { explain, hold } = await panel();
    hold('panel', state);
    expect(explain()).toMatchObject({ outcome: 'granted', reason: null });
    expect(last(explain())).toMatchObject({ step: 'on_controller', passed: true });
  });

  it('what is there and may not open all the same says why before', async () => {
    const { here, explain, hold } = await panel();
    hold('panel', 'set');
    await here.caller().call('users/suspend', { acs_user_id: USER });
    expect(explain()).toMatchObject({ outcome: 'denied', reason: 'user_suspended' });
  });

  it('it asks for the code with the card by itself, and knows no broker', async () => {
    const { here, explain, hold } = await panel({ offline: { grace: 1000 } });
    hold('panel', 'set');
    here.witness.offlineForMs = 5000;
    expect(explain({ factors: 'card_and_code' })).toMatchObject({ outcome: 'granted' });
    expect(explain({ factors: 'card_and_code' }).steps.map(({ step }) => step)).not.toContain('offline_grace');
  });

  it('nothing is said of controllers where the gateway decides', async () => {
    const { explain, hold } = await panel();
    hold('panel', 'writing');
    const explained = explain({ decidedBy: 'gateway' });
    expect(explained).toMatchObject({ outcome: 'granted' });
    expect(explained.steps.map(({ step }) => step)).not.toContain('on_controller');
  });
});
