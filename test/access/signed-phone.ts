// A phone at a door, and an issuer that signs for it whatever it is told to.

import type { KeyObject } from 'node:crypto';
import { SimulatedCard } from '../../drivers/osdp/pkoc/simulated-card.ts';
import { expect } from 'vitest';
import type { CredentialManager } from '../../src/domain/credential-manager.ts';
import { issue, manager, p256, type Stated } from '../support/issuer.ts';
import { LOBBY, USER } from '../support/room.ts';
import { world, type World } from './world.ts';

export const KEY = '66666666-6666-6666-6666-666666666666';
export const HOUR_MS = 3_600_000;
export const issuer = p256();
export const newPoint = (): Buffer => new SimulatedCard().point;

export type Here = World & { point: Buffer; signed: (more?: Partial<Stated>, key?: KeyObject) => Buffer };

export async function door(more: Partial<CredentialManager> = {}): Promise<Here> {
  const here = world({ takesPhones: true, managers: [manager(issuer, more)] });
  await here.caller.call('users/create', { acs_user_id: USER, full_name: 'Jane' });
  const point = newPoint();
  const startsAtMs = Math.floor(here.clock.nowMs() / 1_000) * 1_000 - HOUR_MS;
  const signed = (stated: Partial<Stated> = {}, key: KeyObject = issuer): Buffer =>
    issue(key, { point, credentialId: KEY, startsAtMs, endsAtMs: startsAtMs + 3 * HOUR_MS, ...stated });
  return { ...here, point, signed };
}

/** With the mobile key that commands have brought. */
export async function withKey(
  more: Partial<CredentialManager> = {},
  params: Record<string, unknown> = {},
): Promise<Here> {
  const here = await door(more);
  const created = await here.caller.call('credentials/create', {
    acs_credential_id: KEY,
    acs_user_id: USER,
    access_method: 'mobile_key',
    is_multi_phone_sync_credential: true,
    allowed_acs_entrance_ids: [LOBBY],
    ...params,
  });
  expect(created.error).toBeUndefined();
  return here;
}

/** What the door makes of this phone, handing over this or nothing. */
export function show(here: Here, token?: Buffer, key: Buffer = here.point): string {
  here.present({ kind: 'mobile_key', key, ...(token === undefined ? {} : { token }) });
  const told = here.told();
  return told['event_type'] === 'lock.unlocked' ? 'granted' : (told['reason'] as { detail: string }).detail;
}
export const today = (here: Here): number => Math.floor(here.clock.nowMs() / 1_000) * 1_000;
export const hand = (here: Here, token: Buffer) =>
  here.caller.call('credentials/enroll_issued_key', { token: token.toString('hex') });
