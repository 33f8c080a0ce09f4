// The credential as callers see it: Seam's fields and ours, derived from the stored row and from what each controller
// really holds.

import { presentCard } from '../domain/card-formats.ts';
import type { CredentialRow } from '../store/credentials.ts';
import type { Store } from '../store/store.ts';
import { storedJson, storedObject } from '../store/stored-json.ts';
import type { TargetRow } from '../store/target-row.ts';
import type { UserRow } from '../store/users.ts';
import { leftOut } from './left-out.ts';
import type { Room } from './room.ts';
import type { AcsCredential } from './contract/results.ts';
import { uselessness } from './useless.ts';
import { usesLeft } from '../domain/uses.ts';
import { iso } from '../domain/iso.ts';

type Failure = AcsCredential['errors'][number];
type Warning = AcsCredential['warnings'][number];
type Mutation = AcsCredential['pending_mutations'][number];

/** What a handler has at hand already; everything else is read. */
export type Known = {
  user: UserRow;
  card: string | null;
  entranceIds: readonly string[];
  targets: readonly TargetRow[] | null;
};

/** `shownCode` is a code that was generated in this very command. */
export function credentialObject(
  room: Room,
  row: CredentialRow,
  shownCode: string | null = null,
  known: Known | null = null,
): AcsCredential {
  const { store } = room;
  const targets = known?.targets ?? store.targets.ofCredential(row.credential_key);
  const canonical = known === null ? openCard(store, row) : known.card;
  const card = canonical === null ? null : presentCard(canonical);
  const user = known?.user ?? (row.user_key === null ? undefined : store.users.byKey(row.user_key));
  const opaque = opaqueOf(row);
  const entranceIds = row.has_own_entrances === 1 ? (known?.entranceIds ?? idsOf(store, row)) : null;
  return {
    acs_credential_id: row.acs_credential_id,
    acs_system_id: room.acsSystemId,
    acs_user_id: user?.acs_user_id ?? null,
    access_method: row.access_method,
    display_name: row.display_name ?? defaultName(row, user?.full_name ?? null),
    code: shownCode,
    has_code: row.code_sealed !== null,
    card_number: card?.card_number ?? null,
    card_format: card?.card_format ?? null,
    starts_at: iso(row.starts_at),
    ends_at: iso(row.ends_at),
    schedule_id: row.schedule_key === null ? null : (store.schedules.byKey(row.schedule_key)?.schedule_id ?? null),
    allowed_acs_entrance_ids: entranceIds,
    is_issued: row.issued_at !== null && targets.every(isOnDevice),
    issued_at: iso(row.issued_at),
    is_latest_desired_state_synced_with_provider: isSynced(row, targets),
    latest_desired_state_synced_with_provider_at: iso(row.synced_at),
    is_multi_phone_sync_credential: opaque.is_multi_phone_sync_credential === true,
    parent_acs_credential_id: null,
    is_one_time_use: row.max_uses === 1,
    max_uses: row.max_uses,
    uses_left: usesLeft(row),
    is_duress: row.is_duress === 1,
    used_at: iso(row.used_at),
    is_managed: true,
    secret_revision: row.secret_revision,
    metadata: storedJson(row.metadata),
    ...opaque,
    created_at: iso(row.created_at),
    controller_states: targets.map((target) => ({
      controller: target.controller,
      slot: target.slot,
      state: target.state,
      verified_at: iso(target.verified_at),
      error: errorOf(room, target),
    })),
    errors: [
      ...(known === null ? tampered(store, row) : []),
      ...targets.filter((target) => target.state === 'failed').map((target) => failure(target, row)),
    ],
    warnings: [
      ...warnings(row, targets),
      ...[...uselessness(room, row, canonical, entranceIds ?? []), ...leftOut(room, row)].map((found) => ({
        ...found,
        created_at: iso(row.created_at),
      })),
    ],
    pending_mutations: mutations(row, targets),
  };
}

export const cardContext = (acsCredentialId: string): string => `card ${acsCredentialId}`;
export const codeContext = (acsCredentialId: string): string => `code ${acsCredentialId}`;

const openCard = (store: Store, row: CredentialRow): string | null =>
  row.card_sealed === null ? null : store.secrets.open(row.card_sealed, cardContext(row.acs_credential_id));

const idsOf = (store: Store, row: CredentialRow): string[] =>
  store.ownLists.of(row.credential_key).map((entrance) => entrance.acs_entrance_id);

const isOnDevice = (target: TargetRow): boolean =>
  target.state === 'set' || target.state === 'unconfirmed' || target.state === 'removed';

/** What a controller refused, or what is in the way of what is still on its way. */
function errorOf(room: Room, target: TargetRow): { type: string; message: string | null } | null {
  if (target.error_type !== null) return { type: target.error_type, message: target.error_message };
  const isOnItsWay = target.state === 'writing' || target.state === 'removing';
  return isOnItsWay ? room.sync.hindranceOf(target.controller, target.target_key) : null;
}

/** Nothing is on its way any more, on any controller. */
function isSynced(row: CredentialRow, targets: readonly TargetRow[]): boolean {
  return row.user_key !== null && row.synced_at !== null && targets.every(isOnDevice);
}

/** What was checked when it came, and is only kept. */
type Opaque = Partial<
  Pick<
    AcsCredential,
    | 'user_identity_id'
    | 'is_multi_phone_sync_credential'
    | 'credential_manager_acs_system_id'
    | 'visionline_metadata'
    | 'salto_space_metadata'
    | 'assa_abloy_vostio_metadata'
    | 'hotek_metadata'
  >
>;
const opaqueOf = (row: CredentialRow): Opaque => storedObject(row.opaque);

const KINDS = { card: 'Card', code: 'Code', mobile_key: 'Mobile key' } as const;

const defaultName = (row: CredentialRow, name: string | null): string =>
  `${KINDS[row.access_method]}${name === null ? '' : ` of ${name}`}`;

function failure(target: TargetRow, row: CredentialRow): Failure {
  return {
    error_code: target.error_type ?? 'failed_to_set_on_device',
    message: target.error_message ?? `It could not be set on ${target.controller}.`,
    controller: target.controller,
    created_at: iso(row.created_at),
  };
}

function tampered(store: Store, row: CredentialRow): Failure[] {
  const found = store.credentials.withUser(row.credential_key);
  if (found === undefined) return [];
  const { seals, reach } = store;
  // Of one that follows its user the groups say for themselves whether they are as they were written.
  if (
    seals.holdsAnywhere(found) &&
    (row.has_own_entrances === 0 || reach.pathsOf(found).every(({ path }) => seals.holdsPath(path)))
  )
    return [];
  const message =
    'Its record, or that of its user or schedule, was changed behind the back of Lintel. It opens nothing. Remedy: delete it and create it anew.';
  return [{ error_code: 'storage_tampered', message, created_at: iso(row.created_at) }];
}

function warnings(row: CredentialRow, targets: readonly TargetRow[]): Warning[] {
  const created_at = iso(row.created_at);
  const found: Warning[] = [];
  const waiting = targets.filter((target) => !isOnDevice(target)).map((target) => target.controller);
  if (row.user_key !== null && waiting.length > 0 && row.invalidated_at === null) {
    found.push({ warning_code: 'waiting_to_be_issued', message: `Not yet on ${waiting.join(', ')}.`, created_at });
  }
  if (row.schedule_modified === 1) {
    found.push({
      warning_code: 'schedule_modified',
      message: 'Its start lay in the past when it was created: it is valid from its creation.',
      created_at,
    });
  }
  return found;
}

function mutations(row: CredentialRow, targets: readonly TargetRow[]): Mutation[] {
  const created_at = iso(row.created_at);
  const found: Mutation[] = [];
  if (targets.some((target) => target.state === 'writing')) {
    found.push({
      mutation_code: row.issued_at === null ? 'creating' : 'updating',
      message: 'Being written to its controllers.',
      created_at,
    });
  }
  if (targets.some((target) => target.state === 'removing')) {
    found.push({ mutation_code: 'deleting', message: 'Being erased from a controller.', created_at });
  }
  return found;
}
