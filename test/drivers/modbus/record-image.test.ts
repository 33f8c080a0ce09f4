// What counts when a slot is compared, and what an empty one holds.

import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { RecordCodec } from '../../../drivers/modbus/record.ts';
import { loadProfile } from '../../../drivers/modbus/profile.ts';
import { codecWith, registersOf } from './records.ts';

describe('the image of a slot', () => {
  const record = {
    flags: { at: 0, bits: { enabled: 0 } },
    card: { at: 1, type: 'u32', words: 'hi-lo', format: 'w26' },
    pin: { at: 4, type: 'nibbles', registers: 1, digits: [4, 4] },
  };

  it('leaves out what the device keeps for itself', () => {
    const codec = codecWith(record);
    const registers = registersOf(codec, { card: 'H10301:1:2' });
    const used = [...registers];
    used[0] = (used[0] ?? 0) | 0x4000; // a flag that no field names
    used[3] = 17; // a use counter between the fields
    expect(codec.image(used)).toEqual(codec.image(registers));
    used[1] = 9;
    expect(codec.image(used)).not.toEqual(codec.image(registers));
  });

  it('leaves out what cannot be read', () => {
    const codec = codecWith(record, { readback: { mode: 'masked', mask_fields: ['pin'] } });
    const registers = registersOf(codec, { card: 'H10301:1:2', pin: '1234' });
    expect(codec.image([...registers.slice(0, 4), 0xaaaa])).toEqual(codec.image(registers));
  });

  it('is the same for every empty slot, and a record that is only out of force is none', () => {
    for (const erase of [{ mode: 'fill', fill: 0xffff }, { mode: 'fill', fill: 0 }, { mode: 'flag-clear' }]) {
      const codec = codecWith(record, { delete: erase });
      const registers = registersOf(codec, { card: 'H10301:1:2', pin: '1234' });
      const neverWritten = registers.map(() => 0);
      expect([codec.isEmpty(registers), codec.isEmpty(codec.erased()), codec.isEmpty(neverWritten)]).toEqual([
        false,
        true,
        true,
      ]);
      expect(codec.image(neverWritten)).toEqual(codec.image(codec.erased()));
      const disabled = codec.disabled(registers);
      expect([codec.isEmpty(disabled), codec.isInForce(disabled)]).toEqual([false, false]);
      expect(codec.image(disabled)).not.toEqual(codec.image(codec.erased()));
      expect(codec.image(disabled)).not.toEqual(codec.image(registers));
    }
  });

  it('is what an erasure leaves: the filling in each register, or nothing but what puts it out of force', () => {
    const erasedBy = (erase: object, of: object = record): number[] => codecWith(of, { delete: erase }).erased();
    const all = (word: number): number[] => Array<number>(5).fill(word);
    expect(erasedBy({ mode: 'fill', fill: 0xffff })).toEqual(all(0xffff));
    expect(erasedBy({ mode: 'fill', fill: 0 })).toEqual(all(0));
    expect(erasedBy({ mode: 'flag-clear' })).toEqual(all(0));
    expect(erasedBy({ mode: 'flag-clear', fill: 0xffff })).toEqual(all(0));
  });

  it('tells what a write that ended half-way has left from what is another’s', () => {
    const codec = codecWith(record, { delete: { mode: 'fill', fill: 0xffff } });
    const registers = registersOf(codec, { card: 'H10301:1:2', pin: '1234' });
    const disabled = codec.disabled(registers);
    const isOurs = (found: readonly number[]): boolean => codec.mayBeLeftOf(registers, codec.image(found));
    expect(isOurs(disabled)).toBe(true);
    expect(isOurs([...disabled.slice(0, 2), ...codec.erased().slice(2)])).toBe(true);
    expect(isOurs(codec.disabled(registersOf(codec, { card: 'H10301:1:3', pin: '1234' })))).toBe(false);
  });

  it('survives any registers that a device may hold', () => {
    const shipped = loadProfile('plc-door-2', '/').profile?.credentials;
    if (shipped === undefined) throw new Error('the profile has credentials');
    for (const codec of [
      new RecordCodec(shipped, 2, 'UTC'),
      codecWith(record),
      codecWith({ pin: { at: 0, type: 'bcd', registers: 2, words: 'hi-lo', digits: [4, 8] }, pin_length: { at: 2 } }),
    ]) {
      fc.assert(
        fc.property(
          fc.array(fc.integer({ min: 0, max: 0xffff }), { minLength: codec.registers, maxLength: codec.registers }),
          (registers) => {
            codec.decode(registers);
            expect(codec.image(registers).length).toBe(codec.registers * 2);
          },
        ),
      );
    }
  });
});
