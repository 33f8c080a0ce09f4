// Cards that a reader sends as text: what stands around the number, and which numbers they are. In virtual time.

import { describe, expect, it } from 'vitest';
import { reply } from '../../../drivers/osdp/replies.ts';
import { CARD_FORMATS, candidates, parseCanonical } from '../../../src/domain/card-formats.ts';
import { raiseVirtualBus, type VirtualBus } from './virtual-bus.ts';

/** The numbers of a card that is sent so, by these formats. */
async function readAs(text: string, formats: readonly string[], direction = 1): Promise<string[]> {
  const bus = await raiseVirtualBus({ baud: 9_600, readers: 1 });
  bus.sims[0]?.report(reply('FMT', { reader: 0, direction, text: Buffer.from(text) }));
  await bus.passUntil(() => bus.count('presented') === 1, 1_000, 'the card');
  return bus.events.flatMap((event) =>
    event.type === 'presented' && event.presentation.kind === 'card'
      ? candidates(event.presentation.reading, formats)
      : [],
  );
}

const asCharacters = (text: string): string =>
  `raw:${text.length * 8}:${Buffer.from(text).toString('hex').toUpperCase()}`;

describe('a card that is sent as text', () => {
  it.each([
    ['a UID in hexadecimal', '04a1b2c3', ['uid:04A1B2C3', asCharacters('04a1b2c3')]],
    ['a UID with signs between its bytes, and an end of line', '04:A1:B2:C3\r\n', ['uid:04A1B2C3']],
    ['a tag with its printed number', '0A00B1C2D3', ['uid:0A00B1C2D3', 'H10301:177:49875']],
    ['a number between STX and ETX', '\x024711\x03', [asCharacters('4711')]],
    ['a track with its sentinels', ';4711?', [asCharacters('4711')]],
    ['a track with its check character', ';4711?7', [asCharacters('4711')]],
    ['a track of letters', '%AB12?:', [asCharacters('AB12')]],
    ['a track that was swiped backwards', '7?1174;', [asCharacters('4711')]],
    ['a third track with its own sign', '+4711?7', [asCharacters('4711')]],
    ['a third track that was swiped backwards', '?1174+', [asCharacters('4711')]],
    ['as many characters as a reader can count', '7'.repeat(255), [asCharacters('7'.repeat(255))]],
    ['all that came', ';4711?', [asCharacters(';4711?')]],
  ])('is read as %s', async (_what, text, numbers) => {
    for (const direction of [1, 2])
      expect(await readAs(text, CARD_FORMATS, direction)).toEqual(expect.arrayContaining(numbers));
  });

  it.each([
    ['whose check character is wrong keeps all its characters', ';4711?2'],
    ['that ends where another begins keeps all its characters', '%AB?;4711?'],
    ['without sentinels is not turned round', '1174'],
    ['that looks like bits with parity is not read as such', 'B<vfjc'],
  ])('%s', async (_what, text) => {
    const formats = CARD_FORMATS.filter((name) => !name.startsWith('uid'));
    expect(await readAs(text, formats, 2)).toEqual([asCharacters(text)]);
  });
});

describe('a card that is more than the number of one', () => {
  const LONG = reply('FMT', { reader: 0, direction: 1, text: Buffer.from('7'.repeat(255)) });
  const faultsOf = ({ events }: VirtualBus): { message: string; cleared: boolean }[] =>
    events.flatMap((event) =>
      event.type === 'fault' && event.code === 'card_unread'
        ? [{ message: event.message, cleared: event.cleared }]
        : [],
    );

  it.each([
    ['text', { ...LONG, data: Buffer.concat([LONG.data, Buffer.from('7'.repeat(45))]) }, '2400 bits'],
    ['bits', reply('RAW', { reader: 0, format: 0, widthBits: 4_000, bits: Buffer.alloc(500, 7) }), '4000 bits'],
    [
      'text without a character',
      reply('FMT', { reader: 0, direction: 1, text: Buffer.from('\r\n') }),
      'without a character',
    ],
    [
      'bits that end too soon',
      reply('RAW', { reader: 0, format: 0, widthBits: 64, bits: Buffer.alloc(4) }),
      'fewer bits',
    ],
  ])('as %s is told with what is wrong, once, and is over with the next that is one', async (_what, said, why) => {
    const bus = await raiseVirtualBus({ baud: 38_400, readers: 1 });
    for (let i = 0; i < 3; i++) bus.sims[0]?.report(said);
    await bus.passUntil(() => faultsOf(bus).length > 0 && bus.sims[0]?.waiting === 0, 3_000, 'it to be told');
    expect(faultsOf(bus)).toEqual([{ message: expect.stringContaining(why), cleared: false }]);
    if (/^\d/.test(why)) expect(faultsOf(bus)[0]?.message).toMatch(/2040$/);
    expect(bus.count('presented')).toBe(0);
    bus.sims[0]?.presentCard(26, Buffer.from('BDD93740', 'hex'));
    await bus.passUntil(() => bus.count('presented') === 1, 1_000, 'a card');
    expect(faultsOf(bus).map(({ cleared }) => cleared)).toEqual([false, true]);
  });

  it('is enrolled up to that length, and named as too long beyond it', () => {
    const longest = asCharacters('7'.repeat(255));
    expect(parseCanonical(longest)).toBe(longest);
    expect(() => parseCanonical(asCharacters('7'.repeat(256)))).toThrow('at most 2040');
  });
});
