// What a door tells by its contact and its strike: opened, not opened, held, forced, restored.

import { describe, expect, it } from 'vitest';
import { turn } from '../support/manual-clock.ts';
import { ENTRANCES, LOBBY } from '../support/room.ts';
import { contact, exit, ID, lobby, withCard, type World } from './world.ts';

describe('a door', () => {
  const doorEvents = (here: World): string[] => here.events().filter((event) => event.startsWith('acs_entrance.'));

  it('that opens after a grant was opened, and was not when nobody went', async () => {
    const here = await withCard();
    contact(here, false);
    here.card();
    contact(here, true);
    contact(here, false);
    expect(doorEvents(here)).toEqual(['acs_entrance.opened', 'acs_entrance.closed']);
    here.card();
    await here.clock.advance(8_000);
    expect(doorEvents(here).at(-1)).toBe('acs_entrance.not_opened');
  });

  it('that opens without grant or REX is forced until it is closed', async () => {
    const here = await withCard();
    contact(here, false);
    contact(here, true);
    expect(doorEvents(here)).toEqual(['acs_entrance.forced']);
    const entrance = lobby();
    expect(here.access.state(entrance)).toMatchObject({ isForced: true, isOpen: true });
    contact(here, false);
    expect(doorEvents(here)).toEqual(['acs_entrance.forced', 'acs_entrance.closed', 'acs_entrance.restored']);
    expect(here.access.state(entrance)).toMatchObject({ isForced: false, isOpen: false });
  });

  it('whose strike failed lets nobody in: opened then, it is forced, and nobody is said not to have gone', async () => {
    const failed = { outcome: 'failed', error: 'controller_offline', message: 'relay-board does not answer' } as const;
    const entrance = lobby();
    const asker = { source: 'mqtt', sender: null } as const;
    const unlock = { entrance, acsUserId: null, acsCredentialId: null, reason: null, commandId: 'u', asker, actionAttemptId: ID }; // prettier-ignore
    const ways: ((here: World) => Promise<unknown>)[] = [
      (here) => {
        here.card();
        return Promise.resolve();
      },
      (here) => here.access.unlock(unlock),
    ];
    for (const ask of ways) {
      const here = await withCard();
      contact(here, false);
      here.strike.outcome = failed;
      await ask(here);
      await turn();
      expect(here.access.state(entrance)).toMatchObject({ isLocked: true });
      contact(here, true);
      await here.clock.advance(8_000);
      expect(doorEvents(here)).toEqual(['acs_entrance.unlock_failed', 'acs_entrance.forced']);
    }
  });

  it('that stays open warns, then is held, then restored', async () => {
    const here = await withCard();
    contact(here, false);
    here.card();
    contact(here, true);
    await here.clock.advance(20_000);
    expect(doorEvents(here)).toEqual(['acs_entrance.opened', 'acs_entrance.held_warning']);
    await here.clock.advance(10_000);
    contact(here, false);
    expect(doorEvents(here).slice(2)).toEqual(['acs_entrance.held', 'acs_entrance.closed', 'acs_entrance.restored']);
  });

  const strike = (here: World, stand: 'as_told' | 'own' | 'astray' | 'stuck', energised: boolean): void =>
    here.access.output({
      type: 'output',
      device: 'relay-board',
      output: ENTRANCES.lobby.strike?.output ?? 0,
      stand,
      energised,
      atMonotonicMs: here.clock.monotonicMs(),
    });
  const stateOf = (here: World) => here.access.state(lobby());

  it('whose strike does not release is an alarm and not locked, until it follows again; nobody who goes through forces it', async () => {
    const here = await withCard();
    contact(here, false);
    strike(here, 'astray', true);
    expect(stateOf(here)).toMatchObject({ isLocked: false });
    strike(here, 'stuck', true);
    expect(stateOf(here)).toMatchObject({ isLocked: false });
    contact(here, true);
    contact(here, false);
    strike(here, 'as_told', false);
    expect(stateOf(here)).toMatchObject({ isLocked: true, isForced: false });
    expect(doorEvents(here)).toEqual([
      'acs_entrance.unlocked_externally',
      'acs_entrance.strike_stuck',
      'acs_entrance.opened',
      'acs_entrance.closed',
      'acs_entrance.restored',
    ]);
  });

  it('whose strike somebody else switches on is forced by who goes through', async () => {
    const here = await withCard();
    contact(here, false);
    strike(here, 'astray', true);
    strike(here, 'as_told', false);
    contact(here, true);
    expect(doorEvents(here)).toEqual(['acs_entrance.unlocked_externally', 'acs_entrance.forced']);
  });

  it('that its controller opens by itself is not locked meanwhile, and not forced', async () => {
    const here = await withCard();
    contact(here, false);
    strike(here, 'own', true);
    expect(stateOf(here)).toMatchObject({ isLocked: false });
    strike(here, 'as_told', false);
    expect(stateOf(here)).toMatchObject({ isLocked: true });
    contact(here, true);
    expect(doorEvents(here)).toEqual(['acs_entrance.opened']);
  });

  it('whose controller has let somebody in is opened then, and not forced; the next time it is', async () => {
    const here = await withCard();
    contact(here, false);
    here.access.passedByController(LOBBY);
    contact(here, true);
    expect(doorEvents(here)).toEqual(['acs_entrance.opened']);
    contact(here, false);
    await here.clock.advance(60_000);
    contact(here, true);
    expect(doorEvents(here).at(-1)).toBe('acs_entrance.forced');
  });

  it('is not opened any more once the stop has begun: by no card, no command and not from the inside', async () => {
    const here = await withCard();
    here.access.rest();
    here.card();
    exit(here);
    const before = here.events().length;
    const unlocked = await here.access.unlock({
      entrance: lobby(here.store),
      acsUserId: null,
      acsCredentialId: null,
      reason: null,
      commandId: 'c',
      asker: { source: 'local', sender: null },
      actionAttemptId: 'a',
    });
    expect('error' in unlocked).toBe(true);
    expect(here.pulses).toEqual([]);
    expect(here.events().slice(before)).toEqual(['acs_entrance.unlock_failed']);
  });

  it.each([
    ['timed_out', 'acs_entrance.opened'],
    ['too_late', 'acs_entrance.forced'],
    ['device_error', 'acs_entrance.forced'],
  ] as const)(
    'whose strike failed (%s) is opened or forced by whether it may have been driven',
    async (error, event) => {
      const here = await withCard();
      contact(here, false);
      here.strike.outcome = { outcome: 'failed', error, message: 'no' };
      here.card();
      await turn();
      contact(here, true);
      expect(doorEvents(here)).toEqual(['acs_entrance.unlock_failed', event]);
    },
  );

  it('found open at the first look was not forced', async () => {
    const here = await withCard();
    contact(here, true);
    expect(doorEvents(here)).toEqual([]);
  });

  it('may be opened from the inside within the time of the REX', async () => {
    const here = await withCard();
    contact(here, false);
    exit(here);
    await here.clock.advance(7_000);
    contact(here, true);
    expect(doorEvents(here)).toEqual(['acs_entrance.rex', 'acs_entrance.opened']);
  });
});
