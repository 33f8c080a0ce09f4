// What a facility file may say of the locks of a door, and of the sides of its readers.

import { describe, expect, it } from 'vitest';
import { loadFacilityText } from '../../src/facility/load.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf } from './files.ts';

function lobby(strike: string, more = '') {
  const text = `entrances:\n  lobby:\n    acs_entrance_id: 55555555-5555-5555-5555-555555555555\n    factors: card\n    readers: [reader]\n    strike: {controller: relays, output: 0${strike}}\n${more}`;
  const { facility, problems } = loadFacilityText(fileOf({ entrances: text }), '/etc/lintel/riverside.yaml', [
    fakeDriver,
  ]);
  const found = problems.filter(({ key }) => key.startsWith('entrances.lobby'));
  return {
    entrance: facility?.entrances[0],
    problems: found.map(({ severity, key }) => `${severity} ${key.slice('entrances.lobby.'.length)}`),
  };
}

describe('a lock', () => {
  it('that power frees needs no word', () => {
    expect(lobby('').problems).toEqual([]);
    expect(lobby(', fail: secure, energised: unlocks').problems).toEqual([]);
  });

  it('that power locks is free without it, and is called so', () => {
    expect(lobby(', fail: secure, energised: locks').problems).toEqual(['error strike.fail']);
    const { entrance, problems } = lobby(', fail: safe, energised: locks');
    expect(problems).toEqual([]);
    expect(entrance?.strike).toMatchObject({ fail: 'safe', energised: 'locks' });
  });

  it('that is free without power has it said how its output stands to it', () => {
    expect(lobby(', fail: safe').problems).toEqual(['warning strike.fail']);
    expect(lobby(', fail: safe, energised: unlocks').problems).toEqual([]);
  });

  it('that locks again by the contact has a contact', () => {
    expect(lobby(', relock: opening').problems).toEqual(['error strike.relock']);
    expect(lobby(', relock: closing', '    contact: {controller: relays, input: 0}\n').problems).toEqual([]);
  });

  it('has an extended pulse of its own, twice the usual one, or what the output can do', () => {
    expect(lobby('').entrance?.strike?.extendedPulseMs).toBe(10_000);
    expect(lobby(', extended_pulse: 12s').entrance?.strike?.extendedPulseMs).toBe(12_000);
    expect(lobby(', pulse: 50s').entrance?.strike?.extendedPulseMs).toBe(60_000);
    expect(lobby(', extended_pulse: 61s').problems).toEqual(['error strike.extended_pulse']);
  });

  it('may be the second one of its door, on an output that nobody else has', () => {
    const { entrance } = lobby('', '    second_lock: {controller: relays, output: 1, fail: safe, energised: locks}\n');
    expect(entrance?.secondLock).toEqual({ controller: 'relays', output: 1, fail: 'safe', energised: 'locks' });
    expect(lobby('', '    second_lock: {controller: relays, output: 0}\n').problems).toEqual([
      'error second_lock.output',
    ]);
  });
});

it('a reader that stands inside is one of the readers of its door', () => {
  expect(lobby('', '    exit_readers: [reader]\n').entrance?.exitReaders).toEqual(['reader']);
  expect(lobby('', '    exit_readers: [panel]\n').problems).toEqual(['error exit_readers[0]']);
});
