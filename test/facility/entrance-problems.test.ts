// What may be wrong with an entrance of the facility file.

import { describe, it } from 'vitest';
import { expectProblems, good, lobby, type Case } from './mistakes.ts';

const ENTRANCES: Case[] = [
  [
    'controllers and channels that do not exist, all in one entrance',
    lobby(`    readers: [¶raeder, ¶relays]
    strike: {controller: relays, output: ¶2}
    contact: {controller: ¶relay, input: 0}
    rex: {controller: reader, input: ¶0}
`),
    [
      ['entrances.lobby.readers[0]', 'there is no controller "raeder"', 'Did you mean reader?'],
      ['entrances.lobby.readers[1]', 'relays has no reader', 'Readers are: reader, plain, plain2, keypad.'],
      ['entrances.lobby.strike.output', 'relays has no output 2', 'Its outputs are 0 to 1.'],
      ['entrances.lobby.contact.controller', 'there is no controller "relay"', 'Did you mean relays?'],
      ['entrances.lobby.rex.input', 'reader has no input 0', 'It has no inputs at all'],
    ],
  ],
  [
    'wrong types beside wrong references, each told',
    lobby(`    readers: [reader]
    strike: {controller: relays, output: ¶9, pulse: ¶5, ¶puls: 5s}
    factors: ¶cards
`),
    [
      ['entrances.lobby.strike.output', 'relays has no output 9', 'Its outputs are 0 to 1.'],
      ['entrances.lobby.strike.pulse', 'expected a duration from 100ms to 10m', '`pulse: 5s`'],
      ['entrances.lobby.strike.puls', 'unknown key "puls"', 'Did you mean pulse?'],
      ['entrances.lobby.factors', 'expected one of card, code', 'Did you mean card?'],
    ],
  ],
  [
    'a host-decided entrance with neither strike nor readers',
    lobby('', '¶¶'),
    [
      ['entrances.lobby.readers', 'this key is missing', '`readers: [lobby-reader]`'],
      ['entrances.lobby.strike', 'this key is missing', '`strike: {controller: relay-board, output: 0}`'],
    ],
  ],
  [
    'an entrance of no form',
    { entrances: 'entrances:\n  lobby: ¶yes\n  store: ¶[]\n' },
    [
      [
        'entrances.lobby',
        'an entrance needs its keys',
        'readers and a strike (Lintel decides), or controller and door',
      ],
      ['entrances.store', 'an entrance needs its keys', 'readers and a strike'],
    ],
  ],
  [
    'a strike, inputs, a reader and ids that are used twice',
    lobby(`    readers: [¶plain]
    strike: {controller: relays, output: ¶1}
    contact: {controller: panel, input: ¶0}
    rex: {controller: relays, input: ¶2}
    encoder: {acs_encoder_id: 77777777-7777-7777-7777-777777777777, reader: plain}
  back:
    acs_entrance_id: ¶55555555-5555-5555-5555-000000000000
    readers: [keypad]
    factors: code
    strike: {controller: relays, output: 0}
    contact: {controller: relays, input: 1}
    rex: {controller: relays, input: ¶1}
    encoder: {acs_encoder_id: ¶77777777-7777-7777-7777-777777777777, reader: reader}
`),
    [
      ['entrances.lobby.readers[0]', 'the reader plain is used already, by entrances.used.readers[0]', ''],
      ['entrances.lobby.strike.output', 'output 1 of relays is used already, by entrances.used.strike.output', ''],
      ['entrances.lobby.contact.input', 'input 0 of panel is used already, by entrances.store-room.controller', ''],
      ['entrances.lobby.rex.input', 'input 2 of relays is used already, by entrances.used.rex.input', ''],
      ['entrances.back.acs_entrance_id', 'this id is used already, by entrances.store-room.acs_entrance_id', ''],
      ['entrances.back.rex.input', 'input 1 of relays is used already, by entrances.back.contact.input', ''],
      ['entrances.back.encoder.acs_encoder_id', 'this id is used already, by entrances.lobby.encoder', ''],
    ],
  ],
  [
    'codes where there is no keypad, cards where none are read',
    lobby(`    readers: [reader, ¶plain2, ¶keypad]
    factors: card_and_code
    strike: {controller: relays, output: 0}
`),
    [
      [
        'entrances.lobby.readers[1]',
        'plain2 has no keypad, and factors: card_and_code asks for a code',
        'factors: card',
      ],
      ['entrances.lobby.readers[2]', 'keypad reads no cards, and factors: card_and_code asks for one', 'factors: code'],
    ],
  ],
  [
    'an encoder that is no reader of cards',
    lobby(`    ${good}
    encoder: {acs_encoder_id: 77777777-7777-7777-7777-777777777777, reader: ¶relays}
`),
    [['entrances.lobby.encoder.reader', 'relays has no reader', 'Readers are: reader, plain, plain2, keypad.']],
  ],
  [
    'a door decided by a device that holds nothing',
    lobby('    controller: ¶relays\n    door: 1\n'),
    [['entrances.lobby.controller', 'relays holds no credentials, so it cannot decide', 'readers and a strike']],
  ],
  [
    'a door that the device does not have, and one that another entrance has',
    lobby(`    controller: two
    door: ¶3
  back: {acs_entrance_id: 55555555-5555-5555-5555-000000000009, controller: panel, door: ¶1}
`),
    [
      ['entrances.lobby.door', 'two has no door 3', 'Its doors are: 1, 2.'],
      ['entrances.back.door', 'door 1 of panel is used already, by entrances.store-room.controller', ''],
    ],
  ],
  [
    'a device of several doors, and none named',
    lobby('    controller: two\n', '¶'),
    [['entrances.lobby.door', 'this key is missing: two has 2 doors', 'Add door: one of 1, 2.']],
  ],
  [
    'factors that the table cannot hold',
    {
      entrances: `entrances:
  lobby: {acs_entrance_id: 55555555-5555-5555-5555-000000000001, controller: two, door: 1, factors: ¶code}
  gate: {acs_entrance_id: 55555555-5555-5555-5555-000000000002, controller: two, door: 2, factors: ¶card_and_code}
`,
      controllers: 'controllers:\n  two: {bus: north, unit: 4, model: two-door-panel}\n',
    },
    [
      ['entrances.lobby.factors', 'two holds no codes without a card', 'that its table can hold'],
      ['entrances.gate.factors', 'two cannot ask for a card and a code', 'that its table can hold'],
    ],
  ],
  [
    'readers at an entrance that the controller decides, and a door at one that it does not',
    {
      entrances: `entrances:
  lobby:
    acs_entrance_id: 55555555-5555-5555-5555-000000000001
    controller: panel
    ¶readers: [reader]
  gate:
    acs_entrance_id: 55555555-5555-5555-5555-000000000002
    readers: [reader]
    strike: {controller: relays, output: 0}
    ¶door: 1
`,
    },
    [
      ['entrances.lobby.readers', 'unknown key "readers"', 'leave out either readers or controller'],
      ['entrances.gate.door', 'unknown key "door"', 'add controller, or leave door out'],
    ],
  ],
  [
    'a contact without its input where the door of the device has none',
    {
      entrances: `entrances:
  lobby: {acs_entrance_id: 55555555-5555-5555-5555-000000000001, controller: two, door: 2, ¶contact: {held_after: 1m}}
  gate: {acs_entrance_id: 55555555-5555-5555-5555-000000000002, controller: two, door: 1, contact: {held_after: 1m}}
`,
      controllers: 'controllers:\n  two: {bus: north, unit: 4, model: two-door-panel}\n',
    },
    [['entrances.lobby.contact.input', 'this key is missing', 'Add input: the door of two names none.']],
  ],
  [
    'a pulse that the output cannot make',
    lobby('    readers: [reader]\n    strike: {controller: relays, output: 0, pulse: ¶2m}\n'),
    [['entrances.lobby.strike.pulse', 'this output cannot be pulsed for 2m', 'Write a pulse from 100ms to 1m.']],
  ],
  [
    'a pulse that neither the output nor any other can make, and an output beyond all',
    lobby(`    readers: [reader]
    strike: {controller: relays, output: 0, pulse: ¶2h}
  back:
    acs_entrance_id: 55555555-5555-5555-5555-000000000009
    readers: [plain2]
    factors: card
    strike: {controller: tireless, output: 0, pulse: ¶11m}
    contact: {controller: relays, input: ¶70000}
`),
    [
      ['entrances.lobby.strike.pulse', 'this output cannot be pulsed for 2h', 'Write a pulse from 100ms to 1m.'],
      ['entrances.back.strike.pulse', 'this output cannot be pulsed for 11m', 'Write a pulse from 100ms to 10m.'],
      ['entrances.back.contact.input', 'relays has no input 70000', 'Its inputs are 0 to 2.'],
    ],
  ],
  [
    'a pulse at a device that knows only one',
    {
      controllers: 'controllers:\n  panel: {bus: north, unit: 3, model: fixed-pulse-panel}\n',
      entrances:
        'entrances:\n  a: {acs_entrance_id: 33333333-3333-3333-3333-333333333333, controller: panel, strike: {pulse: ¶4s}}\n',
    },
    [['entrances.a.strike.pulse', 'this output cannot be pulsed for 4s', 'Write 3s, as the device has it']],
  ],
];

describe('every mistake at an entrance is found at once, at its line and column', () => {
  it.each(ENTRANCES)('%s', (_name, sections, expected) => expectProblems(sections, expected));
});
