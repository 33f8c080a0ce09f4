// Fingers, faces and the like: enrolled at a reader, listed, taken back. What a reader makes of a finger comes in here
// and goes sealed into the store; nothing else that leaves this file holds it.

import {
  MOST_BIOMETRICS,
  MOST_TEMPLATE_BYTES,
  type BiometricDevice,
  type BiometricType,
} from '../domain/biometrics.ts';
import { OperatingError, refused, type ApiError } from '../domain/errors.ts';
import type { SiteEncoder } from '../domain/site.ts';
import type { NewBiometric } from '../store/biometrics.ts';
import type { UserRow } from '../store/users.ts';
import { biometricObject, buryBiometric } from './biometric-object.ts';
import type { ParamsOf } from './contract.ts';
import { findEncoder, newAttempt, succeeded, used } from './encoders.ts';
import { findCredential, findUser, ownerOf } from './found.ts';
import type { Call, Done, Outcome, Room, Work } from './room.ts';
import { enrollSucceeded, scanFailed, scanStarted } from './scan-events.ts';
import { recordChange } from './trace.ts';

export function listBiometrics(
  room: Room,
  params: ParamsOf<'users/list_biometrics'>,
): Outcome<'users/list_biometrics'> {
  const user = whose(room, params);
  const rows = room.store.biometrics.of(user.user_key);
  return { result: { biometrics: rows.map((row) => biometricObject(room, user, row)) } };
}

export function removeBiometric(
  room: Room,
  params: ParamsOf<'users/remove_biometric'>,
  call: Call,
): Outcome<'users/remove_biometric'> {
  const { store } = room;
  const { acs_biometric_id: id } = params;
  const row = store.biometrics.byId(id);
  const user = row === undefined ? undefined : store.users.byKey(row.user_key);
  if (row === undefined || user === undefined) {
    if (store.tombstones.has('biometric', id)) return { result: {} };
    throw refused('acs_biometric_not_found', 'acs_biometric_id', `nothing that is enrolled here has the id ${id}`);
  }
  buryBiometric(room, user, row, call);
  store.raiseRevision();
  return { result: {} };
}

// ---- enrolment ------------------------------------------------------------------------------------------------------

type EnrollParams = ParamsOf<'encoders/enroll_biometric'>;
type Taken = { type: BiometricType; quality: number; template: Buffer };

/** So often somebody may try until the reader makes something good of it. */
const TRIES = 3;

export function prepareEnroll(room: Room, params: EnrollParams, call: Call): Work<'encoders/enroll_biometric'> {
  const { store, encoders, clock } = room;
  const encoder = findEncoder(room, params.acs_encoder_id);
  const { reader } = encoder;
  const device = sensorOf(room, encoder);
  const attempt = newAttempt(room, 'encoders/enroll_biometric', encoder, call);
  roomFor(room, params);
  const untilMs = clock.monotonicMs() + params.timeout_seconds * 1_000;
  return async () => {
    if (encoders.isOnline(reader) && !encoders.isScanning(reader))
      store.group(() =>
        store.events.add(scanStarted(room, attempt, clock.nowMs() + params.timeout_seconds * 1_000), clock.nowMs()),
      );
    const taken = await encoders.hold(reader, async (over) => {
      const outcome = await asError(takeFinger(room, reader, device, { ...params, untilMs }, over));
      encoders.show(reader, 'error' in outcome ? 'denied' : 'granted');
      return outcome;
    });
    const finish = (): Done<'encoders/enroll_biometric'> => {
      const told = 'error' in taken ? taken : used(room, () => keep(room, params, device, taken, call));
      if ('error' in told) {
        store.events.add(scanFailed(room, attempt, told.error), clock.nowMs());
        return told;
      }
      store.events.add(enrollSucceeded(room, attempt, idsOf(told.enrolled)), clock.nowMs());
      return { result: succeeded(attempt, 'ENROLL_BIOMETRIC', told.enrolled) };
    };
    return { finish };
  };
}

function sensorOf({ encoders }: Room, { reader }: SiteEncoder): BiometricDevice {
  const device = encoders.biometricsOf(reader);
  if (device === null)
    throw refused(
      'not_supported',
      'acs_encoder_id',
      `${reader} reads no fingers or faces; where it does, write biometrics: {} for it in the facility file`,
    );
  const problem = device.problem();
  if (problem !== null) throw refused('not_supported', 'acs_encoder_id', problem);
  return device;
}

/** Whose it is, where there is room for one more. */
function roomFor(room: Room, params: EnrollParams): UserRow {
  const user = whose(room, params);
  if (room.store.biometrics.of(user.user_key).length < MOST_BIOMETRICS) return user;
  throw refused(
    'invalid_input',
    'acs_user_id',
    `${MOST_BIOMETRICS} are enrolled of this person already, and all of them may be tried at a door. Remedy: users/remove_biometric`,
  );
}

/** Reads it until it is good, and has it compared with the same finger put there once more. */
async function takeFinger(
  room: Room,
  reader: string,
  device: BiometricDevice,
  { biometric_type: wanted, untilMs }: EnrollParams & { untilMs: number },
  over: AbortSignal,
): Promise<Taken> {
  const { encoders, clock } = room;
  const { terms } = device;
  const type = wanted ?? terms.type;
  const leftMs = (): number => untilMs - clock.monotonicMs();
  let problem = `nothing was put on ${reader} in time`;
  for (let tries = 0; tries < TRIES && leftMs() > 0;) {
    encoders.show(reader, 'prompt_biometric');
    const reading = await device.read(0, type, leftMs(), over);
    if (reading.outcome === 'nothing') continue;
    tries++;
    const why = whyNotGood(reading, terms.quality);
    if (why === null && reading.outcome === 'read')
      return await confirmed(room, reader, device, { ...reading, type }, { leftMs, over });
    problem = `${reader}: ${why ?? 'it could not be read'}`;
    encoders.show(reader, 'denied');
  }
  throw new OperatingError('no_credential_on_encoder', `${problem}; whoever meant to may ask again`);
}

function whyNotGood(reading: Awaited<ReturnType<BiometricDevice['read']>>, least: number): string | null {
  if (reading.outcome !== 'read') return 'it could not be read';
  if (reading.template.length > MOST_TEMPLATE_BYTES)
    return `its template has ${reading.template.length} bytes, and ${MOST_TEMPLATE_BYTES} are kept at most`;
  return reading.quality < least ? `of quality ${reading.quality}, and ${least} is wanted (biometrics.quality)` : null;
}

async function confirmed(
  { encoders }: Room,
  reader: string,
  device: BiometricDevice,
  taken: Taken,
  { leftMs, over }: { leftMs: () => number; over: AbortSignal },
): Promise<Taken> {
  const enrolled = { ...taken, format: device.terms.format };
  for (let tries = 0; tries < TRIES && leftMs() > 0; tries++) {
    encoders.show(reader, 'prompt_biometric');
    const match = await device.match(0, enrolled, leftMs(), over);
    if (match.outcome === 'compared' && match.score >= device.terms.threshold) return taken;
  }
  throw new OperatingError(
    'no_credential_on_encoder',
    `${reader}: what was put there the second time is not the same by its own measure, and nothing was enrolled`,
  );
}

/** Seconds have passed, and whatever was checked is checked again. */
function keep(
  room: Room,
  params: EnrollParams,
  { terms }: BiometricDevice,
  { type, quality, template }: Taken,
  call: Call,
): { enrolled: ReturnType<typeof biometricObject> } {
  const user = roomFor(room, params);
  const nowMs = room.clock.nowMs();
  const row: NewBiometric = {
    acs_biometric_id: room.random.uuid(),
    user_key: user.user_key,
    biometric_type: type,
    format: terms.format,
    is_duress: params.is_duress ? 1 : 0,
    quality,
    display_name: params.display_name ?? null,
    created_at: nowMs,
  };
  room.store.biometrics.insert(row, template);
  room.store.raiseRevision();
  const enrolled = biometricObject(room, user, row);
  recordChange(room, { ...call, nowMs }, { eventType: 'acs_user.biometric_enrolled', ids: idsOf(enrolled) });
  return { enrolled };
}

const idsOf = ({ acs_user_id, acs_biometric_id, biometric_type }: ReturnType<typeof biometricObject>) => ({
  acs_user_id,
  acs_biometric_id,
  biometric_type,
});

async function asError<T>(work: Promise<T>): Promise<T | { error: ApiError }> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof OperatingError) return { error: error.toApiError() };
    throw error;
  }
}

function whose(
  room: Room,
  params: {
    acs_user_id?: string | undefined;
    user_identity_id?: string | undefined;
    acs_credential_id?: string | undefined;
  },
): UserRow {
  const owner = ownerOf(room, params);
  if (owner !== undefined) return owner;
  if (params.acs_credential_id === undefined)
    throw refused(
      'invalid_input',
      'acs_user_id',
      'say whose it is: acs_user_id, user_identity_id or acs_credential_id',
    );
  const { user_key: key } = findCredential(room, params.acs_credential_id);
  const user = key === null ? undefined : room.store.users.byKey(key);
  if (user !== undefined) return findUser(room, user.acs_user_id);
  throw refused('invalid_input', 'acs_credential_id', 'it belongs to nobody, and a finger is somebody’s');
}
