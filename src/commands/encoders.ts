// Encoders: somebody holds a card or phone to a reader, and it is said what it is, or it becomes a credential. A reader
// of ours writes nothing onto media: what is bound here is the number of the card, or the key that was proved.

import { candidates, CARD_FORMATS, isRandomUid, presentCard, type CardReading } from '../domain/card-formats.ts';
import { OperatingError, refused } from '../domain/errors.ts';
import type { NewEvent } from '../domain/events.ts';
import type { SiteEncoder } from '../domain/site.ts';
import type { ParamsOf } from './contract.ts';
import type { AcsCredential, ResultOf } from './contract/results.ts';
import { credentialObject } from './credential-object.ts';
import { createCredential, updateCredential } from './credentials.ts';
import type { CreateParams } from './factors/factor.ts';
import { findCredential, findEntrances, ownerOf } from './found.ts';
import { enrollPhone } from './phones.ts';
import type { Call, Done, Outcome, Room, Shown, Work } from './room.ts';
import { findSchedule } from './schedules.ts';
import { scanFailed, scanStarted, scanSucceeded, type Attempt, type CardAttempt, type SCANS } from './scan-events.ts';

/** More than this many credentials behind one card is no building. */
const MOST_PER_CARD = 64;

export function listEncoders(room: Room): Outcome<'encoders/list'> {
  const encoders = room.site.encoders.map((encoder) => ({
    acs_encoder_id: encoder.acsEncoderId,
    acs_system_id: room.acsSystemId,
    acs_entrance_id: encoder.acsEntranceId,
    display_name: encoder.displayName,
    reader: encoder.reader,
    card_formats: [...room.encoders.cardFormatsOf(encoder.reader)],
    is_online: room.encoders.isOnline(encoder.reader),
    reads_biometrics: room.encoders.biometricsOf(encoder.reader) !== null,
    is_scanning: room.encoders.isScanning(encoder.reader),
    created_at: null,
    errors: [],
  }));
  return { result: { acs_encoders: encoders } };
}

export function prepareCancel(room: Room, params: ParamsOf<'encoders/cancel_scan'>): Work<'encoders/cancel_scan'> {
  const { reader } = findEncoder(room, params.acs_encoder_id);
  return () => Promise.resolve({ result: { was_scanning: room.encoders.cancel(reader) } });
}

// ---- what is shown next ---------------------------------------------------------------------------------------------

export function prepareScan(
  room: Room,
  params: ParamsOf<'encoders/scan_credential'>,
  call: Call,
): Work<'encoders/scan_credential'> {
  const encoder = findEncoder(room, params.acs_encoder_id);
  const attempt = newAttempt(room, 'encoders/scan_credential', encoder, call);
  return scanning(room, attempt, params.timeout_seconds, (shown) => {
    const result = whatItIs(room, encoder, shown);
    const { acs_credential_on_seam: found, phone_acs_credential_id: phoneId } = result;
    const ids = { acs_credential_id: found?.acs_credential_id ?? null, phone_acs_credential_id: phoneId };
    return { event: scanSucceeded(room, attempt, ids), result: succeeded(attempt, 'SCAN_CREDENTIAL', result) };
  });
}

type OnEncoder = ResultOf<'encoders/scan_credential'>['action_attempt']['result'];

function whatItIs(room: Room, encoder: SiteEncoder, shown: Shown): OnEncoder {
  const known = knownBy(room, shown, room.encoders.cardFormatsOf(encoder.reader));
  const [first, ...others] = known.rows;
  const credential = first === undefined ? null : credentialObject(room, first);
  return {
    acs_credential_on_encoder: {
      ...(shown.kind === 'card'
        ? cardOnEncoder(shown.reading, room.encoders.cardFormatsOf(encoder.reader))
        : keyOnEncoder(shown.key)),
      is_issued: credential !== null,
      created_at: null,
      starts_at: null,
      ends_at: null,
    },
    acs_credential_on_seam: credential,
    phone_acs_credential_id: known.phoneId,
    other_acs_credential_ids: others.map((row) => row.acs_credential_id),
    warnings: [
      ...(credential === null ? [NOT_FOUND] : []),
      ...(shown.kind === 'card' && isMadeUp(shown.reading) ? [MADE_UP] : []),
    ],
  };
}

const NOT_FOUND = {
  warning_code: 'acs_credential_on_seam_not_found',
  warning_message: 'No credential here has this card or key.',
};
const MADE_UP = {
  warning_code: 'uid_is_random',
  warning_message:
    'This serial number is made anew at every tap, as phones and payment cards do: it identifies nobody.',
};

const isMadeUp = (reading: CardReading): boolean => candidates(reading, ['uid']).some(isRandomUid);

type Known = { rows: ReturnType<typeof findCredential>[]; phoneId: string | null };

/** Whom it stands for; by what its reader takes it for first. */
function knownBy({ store }: Room, shown: Shown, formats: readonly string[]): Known {
  if (shown.kind === 'mobile_key') {
    const phones = store.phones.withKey(store.secrets.keyHash(shown.key), MOST_PER_CARD);
    const rows = phones.flatMap((phone) => store.credentials.byKey(phone.credential_key) ?? []);
    return { rows, phoneId: phones[0]?.acs_credential_id ?? null };
  }
  const cards = candidates(shown.reading, [...formats, ...CARD_FORMATS]);
  const found = cards.flatMap((card) => store.credentials.byCard(store.secrets.cardHash(card), MOST_PER_CARD));
  const keys = [...new Set(found.map((credential) => credential.credential_key))];
  return { rows: keys.flatMap((key) => store.credentials.byKey(key) ?? []), phoneId: null };
}

type Read = Omit<OnEncoder['acs_credential_on_encoder'], 'is_issued' | 'created_at' | 'starts_at' | 'ends_at'>;

function cardOnEncoder(reading: CardReading, formats: readonly string[]): Read {
  const read = candidates(reading, formats);
  const all = [...new Set([...read, ...candidates(reading, CARD_FORMATS)])];
  const [first] = read;
  return {
    kind: 'card',
    card_number: null,
    card_format: null,
    ...(first === undefined ? {} : presentCard(first)),
    width_bits: reading.kind === 'wiegand' ? reading.widthBits : null,
    bytes: reading.bytes.toString('hex').toUpperCase(),
    public_key: null,
    card_formats: all.map((card) => ({ ...presentCard(card), is_read_at_encoder: read.includes(card) })),
  };
}

const keyOnEncoder = (key: Buffer): Read => ({
  kind: 'mobile_key',
  card_number: null,
  card_format: null,
  width_bits: null,
  bytes: null,
  public_key: key.toString('hex'),
  card_formats: [],
});

// ---- what is shown next becomes a credential ------------------------------------------------------------------------

type AssignParams = ParamsOf<'encoders/scan_to_assign_credential'>;

export function prepareAssign(
  room: Room,
  params: AssignParams,
  call: Call,
): Work<'encoders/scan_to_assign_credential'> {
  const encoder = findEncoder(room, params.acs_encoder_id);
  checkAssign(room, params);
  const attempt = newAttempt(room, 'encoders/scan_to_assign_credential', encoder, call);
  return scanning(room, attempt, params.timeout_seconds, (shown) => {
    // Seconds have passed, and whatever was checked is checked again with what was shown.
    checkAssign(room, params);
    const told = { ...call, nowMs: room.clock.nowMs() };
    const { credential, phoneId, wake } =
      shown.kind === 'card'
        ? assignCard(room, params, chosenCard(room, encoder, shown.reading, params.card_format ?? null), told)
        : assignPhone(room, params, shown.key, told);
    const ids = { acs_credential_id: credential.acs_credential_id, phone_acs_credential_id: phoneId };
    return {
      event: scanSucceeded(room, attempt, ids),
      result: succeeded(attempt, 'SCAN_TO_ASSIGN_CREDENTIAL', { ...credential, phone_acs_credential_id: phoneId }),
      wake,
    };
  });
}

/** Nobody is made to wait at a reader for what cannot be done. */
function checkAssign(room: Room, params: AssignParams): void {
  const { acs_credential_id: id } = params;
  const owner = ownerOf(room, params);
  if (id !== undefined && room.store.credentials.byId(id) !== undefined) {
    const given = [
      'acs_user_id',
      'user_identity_id',
      'starts_at',
      'ends_at',
      'allowed_acs_entrance_ids',
      'schedule_id',
    ] as const;
    const tooMuch = given.find((name) => params[name] !== undefined);
    if (tooMuch !== undefined)
      throw refused(
        'invalid_input',
        tooMuch,
        'the credential is there already, and keeps what it has: leave this out, or change it with credentials/update',
      );
    if (findCredential(room, id).access_method === 'code')
      throw refused(
        'invalid_input',
        'acs_credential_id',
        'it is a code; nothing that is shown at a reader becomes one',
      );
    return;
  }
  if (id !== undefined && room.store.tombstones.has('credential', id)) findCredential(room, id);
  if (owner === undefined)
    throw new OperatingError(
      'invalid_input',
      'params: give acs_user_id, or user_identity_id, of the person it is for',
      ['params', 'acs_user_id'],
    );
  findEntrances(room, params.allowed_acs_entrance_ids ?? []);
  if (params.schedule_id != null) findSchedule(room, params.schedule_id);
}

type Assigned = { credential: AcsCredential; phoneId: string | null; wake: readonly string[] };

function assignCard(room: Room, params: AssignParams, card: string, call: Call): Assigned {
  const { acs_credential_id: id, display_name: name } = params;
  const existing = id === undefined ? undefined : room.store.credentials.byId(id);
  if (existing !== undefined && existing.access_method !== 'card')
    throw refused('invalid_input', 'acs_credential_id', 'it is a mobile key, and a card without a key was shown');
  const { result, wake = [] } =
    existing === undefined
      ? createCredential(room, { ...newOne(params), access_method: 'card', card_number: card }, call)
      : updateCredential(
          room,
          { acs_credential_id: existing.acs_credential_id, card_number: card, ...named(name) },
          call,
        );
  return { credential: result.acs_credential, phoneId: null, wake };
}

function assignPhone(room: Room, params: AssignParams, key: Buffer, call: Call): Assigned {
  const { acs_credential_id: id, display_name: name } = params;
  const existing = id === undefined ? undefined : room.store.credentials.byId(id);
  if (existing !== undefined && existing.access_method !== 'mobile_key')
    throw refused('invalid_input', 'acs_credential_id', 'it is a card, and a phone, or a card with a key, was shown');
  const made =
    existing === undefined
      ? createCredential(
          room,
          { ...newOne(params), access_method: 'mobile_key', is_multi_phone_sync_credential: true },
          call,
        )
      : null;
  const parentId = made?.result.acs_credential.acs_credential_id ?? existing?.acs_credential_id ?? '';
  const { result } = enrollPhone(room, { acs_credential_id: parentId, public_key: key, ...named(name) }, call);
  const credential = made?.result.acs_credential ?? credentialObject(room, findCredential(room, parentId));
  return { credential, phoneId: result.phone.acs_credential_id, wake: made?.wake ?? [] };
}

const named = (name: string | undefined): { display_name?: string } =>
  name === undefined ? {} : { display_name: name };

const newOne = (params: AssignParams): Omit<CreateParams, 'access_method'> => ({
  acs_credential_id: params.acs_credential_id,
  acs_user_id: params.acs_user_id,
  user_identity_id: params.user_identity_id,
  starts_at: params.starts_at,
  ends_at: params.ends_at,
  allowed_acs_entrance_ids: params.allowed_acs_entrance_ids,
  schedule_id: params.schedule_id,
  ...named(params.display_name),
  is_one_time_use: false,
  is_multi_phone_sync_credential: false,
});

/** Which of the numbers that it may stand for is meant. */
function chosenCard(room: Room, { reader }: SiteEncoder, reading: CardReading, format: string | null): string {
  const all = candidates(reading, CARD_FORMATS);
  const formats = room.encoders.cardFormatsOf(reader);
  const fits = all.map((card) => presentCard(card).card_format).join(', ') || 'none that Lintel knows';
  if (format !== null) {
    const [asked] = all.filter((card) => presentCard(card).card_format === format);
    if (asked !== undefined) return asked;
    throw refused('invalid_input', 'card_format', `the card that was shown is none of ${format}; it fits ${fits}`);
  }
  const [first] = candidates(reading, formats);
  if (first !== undefined) return first;
  throw new OperatingError(
    'not_supported',
    `the card that was shown fits none of card_formats of ${reader}, which are ${formats.join(', ')}; it fits ${fits}. Remedy: add what it is to card_formats of the readers it is for, or give card_format`,
  );
}

// ---- both -----------------------------------------------------------------------------------------------------------

type Told<R> = { event: NewEvent; result: R; wake?: readonly string[] };

/** Waits at the reader, and hands what was shown to `use`, within the transaction that keeps the answer. */
function scanning<N extends CardAttempt['command']>(
  room: Room,
  attempt: CardAttempt,
  timeoutSeconds: number,
  use: (shown: Shown) => Told<ResultOf<N>>,
): Work<N> {
  const { store, encoders, clock } = room;
  const { reader } = attempt.encoder;
  const timeoutMs = timeoutSeconds * 1_000;
  return async () => {
    if (encoders.isOnline(reader) && !encoders.isScanning(reader))
      store.group(() => store.events.add(scanStarted(room, attempt, clock.nowMs() + timeoutMs), clock.nowMs()));
    const outcome = await encoders.scan(reader, timeoutMs);
    const finish = (): Done<N> => {
      const add = (event: NewEvent): void => void store.events.add(event, clock.nowMs());
      const told = 'error' in outcome ? outcome : used(room, () => use(outcome.shown));
      if ('error' in told) {
        add(scanFailed(room, attempt, told.error));
        return told;
      }
      add(told.event);
      return { result: told.result, isSecret: true, wake: told.wake ?? [] };
    };
    return { finish };
  };
}

/** What it wrote is undone where it is refused. */
export function used<T>({ store }: Room, use: () => T): T | { error: ReturnType<OperatingError['toApiError']> } {
  try {
    return store.attempt(use);
  } catch (error) {
    if (error instanceof OperatingError) return { error: error.toApiError() };
    throw error;
  }
}

export const newAttempt = <C extends Attempt['command']>(
  room: Room,
  command: C,
  encoder: SiteEncoder,
  call: Call,
): Attempt & { command: C } => ({
  command,
  encoder,
  call,
  actionAttemptId: room.random.uuid(),
});

export const succeeded = <T extends (typeof SCANS)[Attempt['command']]['type'], R>(
  { actionAttemptId }: Attempt,
  type: T,
  result: R,
) => ({
  action_attempt: {
    action_attempt_id: actionAttemptId,
    action_type: type,
    status: 'success' as const,
    result,
    error: null,
  },
});

export function findEncoder({ site }: Room, acsEncoderId: string): SiteEncoder {
  const encoder = site.encoders.find((one) => one.acsEncoderId === acsEncoderId);
  if (encoder !== undefined) return encoder;
  const known = site.encoders.map((one) => `${one.acsEncoderId} (${one.reader})`).join(', ');
  throw new OperatingError(
    'acs_encoder_not_found',
    `no encoder ${acsEncoderId} in the facility file; ${known === '' ? 'it names none: give an entrance an `encoder`' : `there are ${known}`}`,
    ['params', 'acs_encoder_id'],
  );
}
