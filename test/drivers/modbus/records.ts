// Records of a table by profiles that a test makes up.

import { RecordCodec } from '../../../drivers/modbus/record.ts';
import { parseProfile } from '../../../drivers/modbus/profile.ts';
import type { Profile } from '../../../drivers/modbus/profile-schema.ts';
import type { SlotContent } from '../../../src/domain/ports.ts';

/** A profile with this record; `credentials` holds what else differs. */
export function profileWith(record: object, credentials: object = {}, more: object = {}): Profile {
  const document = {
    schema: 'lintel.controller/1',
    id: 'test',
    title: 'Test',
    provenance: { status: 'reference', source: 'this test' },
    transport: { kinds: ['rtu'] },
    clock: { at: 0, type: 'registers', order: ['yyyy', 'mm', 'dd', 'hh', 'mi', 'ss'], zone: 'utc' },
    credentials: {
      table: { base: 1000, stride: 24, count: 10 },
      record,
      delete: { mode: 'fill', fill: 0xffff },
      capabilities: { pin_without_card: 'pin' in record, card_or_pin: 'pin' in record && 'card' in record },
      ...credentials,
    },
    ...more,
  };
  const { problems, profile } = parseProfile(JSON.stringify(document), 'test.yaml');
  if (profile === null) throw new Error(problems.map((problem) => `${problem.message}: ${problem.remedy}`).join('\n'));
  return profile;
}

export function codecWith(record: object, credentials: object = {}, zone = 'UTC', more: object = {}): RecordCodec {
  const profile = profileWith(record, credentials, more);
  if (profile.credentials === undefined) throw new Error('it has credentials');
  return new RecordCodec(profile.credentials, profile.doors.length, zone);
}

export const content = (some: Partial<SlotContent>): SlotContent => ({
  card: null,
  pin: null,
  cardAndPin: false,
  doors: [1],
  startsAtMs: null,
  endsAtMs: null,
  oneTimeUse: false,
  ...some,
});

export function registersOf(codec: RecordCodec, some: Partial<SlotContent>, slot = 0): number[] {
  const encoded = codec.encode(slot, content(some));
  if (!encoded.ok) throw new Error(encoded.message);
  return encoded.registers;
}
