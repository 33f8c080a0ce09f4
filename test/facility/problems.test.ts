// What may be wrong with a facility file, but for its entrances.

import { describe, it } from 'vitest';
import { expectProblems, type Case } from './mistakes.ts';

const SITE: Case[] = [
  ['a misspelt key at the top', { policy: '¶polcy: {}\n' }, [['polcy', 'unknown key "polcy"', 'Did you mean policy?']]],
  [
    'a key that is there twice',
    { policy: 'policy: {}\n¶policy: {preload: 1h}\n' },
    [['policy', 'this key stands here twice', 'Keep one of the two']],
  ],
  [
    'a missing key',
    { head: '¶facility: riverside\nacs_system_id: 88888888-8888-8888-8888-888888888888\n' },
    [['time_zone', 'this key is missing', 'Add for example `time_zone: Europe/Oslo`']],
  ],
  [
    'a facility name with capitals, and an id that is none',
    { head: 'facility: ¶Riverside\nacs_system_id: ¶8888\ntime_zone: UTC\n' },
    [
      ['facility', 'expected a name of 1 to 40 lower-case letters', 'facility: riverside'],
      ['acs_system_id', 'expected an id in the form of a UUID, of any version, found 8888', 'Write for example'],
    ],
  ],
  [
    'a time zone that nobody lives in',
    { head: 'facility: r\nacs_system_id: 33333333-3333-3333-3333-333333333333\ntime_zone: ¶Europe/Olso\n' },
    [['time_zone', 'there is no time zone "Europe/Olso"', 'Did you mean Europe/Oslo?']],
  ],
  [
    'a city instead of a time zone',
    { head: 'facility: r\nacs_system_id: 33333333-3333-3333-3333-333333333333\ntime_zone: ¶New York\n' },
    [['time_zone', 'there is no time zone "New York"', 'Did you mean America/New_York?']],
  ],
  [
    'an offset instead of a time zone',
    { head: 'facility: r\nacs_system_id: 33333333-3333-3333-3333-333333333333\ntime_zone: ¶"+01:00"\n' },
    [['time_zone', 'there is no time zone "+01:00"', 'Europe/Oslo']],
  ],
  [
    'a controller that keeps schedules by another wall clock than the building',
    {
      controllers: `controllers:
  reader: {bus: north, unit: 1, model: keypad-reader}
  relays: {bus: north, unit: 2}
  ¶panel: {bus: north, unit: 3, model: scheduling-panel}
`,
    },
    [
      [
        'controllers.panel.schedule_zones',
        'the clock of panel is to show the time of UTC, and schedules are those of Europe/Oslo',
        'Write `time_zone: Europe/Oslo` at panel as well',
      ],
    ],
  ],
  [
    'neither a broker nor the built-in one',
    { mqtt: '¶mqtt: {client_id: x}\n' },
    [['mqtt', 'no broker is named', 'embedded: 1883']],
  ],
  [
    'both a broker and the built-in one',
    { mqtt: 'mqtt: {url: mqtts://broker.example, ¶embedded: 1883}\n' },
    [['mqtt.embedded', 'both a broker and the built-in one are named', 'Keep either url or embedded']],
  ],
  [
    'an address of another kind',
    { mqtt: 'mqtt: {url: ¶tcp://broker.example}\n' },
    [['mqtt.url', 'expected an address that begins with mqtt://', 'mqtts://broker.example:8883']],
  ],
  [
    'an address that is none',
    { mqtt: 'mqtt: {url: ¶"mqtts://a:b:c"}\n' },
    [['mqtt.url', 'this is no address', 'mqtts://broker.example:8883']],
  ],
  [
    'keys for encryption where nothing is encrypted',
    { mqtt: 'mqtt:\n  url: mqtt://127.0.0.1\n  ¶ca: {credential: ca}\n' },
    [['mqtt.ca', 'ca has no effect, for the connection is not encrypted', 'Write url: mqtts://']],
  ],
  [
    'keys for encryption at the built-in broker',
    { mqtt: 'mqtt:\n  embedded: 1883\n  ¶cert: {credential: c}\n  ¶key: {credential: k}\n' },
    [
      ['mqtt.cert', 'cert has no effect', 'Leave it out'],
      ['mqtt.key', 'key has no effect', 'Leave it out'],
    ],
  ],
  [
    'a client certificate without its key',
    { mqtt: 'mqtt: {url: wss://broker.example, ¶cert: {credential: c}}\n' },
    [['mqtt.cert', 'cert without key', 'Add key']],
  ],
  [
    'reply topics that are no filters, and such as reach our own branches',
    {
      mqtt: `mqtt:
  url: mqtts://broker.example
  reply_topics:
    - ¶a//b
    - ¶a/#/b
    - ¶a+/b
    - ¶'$share/x/y'
    - ¶'#'
    - ¶lintel/v1/+/event/#
    - lintel/v1/riverside/reply/#
    - '{topic_prefix}/{facility}/answers/+'
`,
    },
    [
      ['mqtt.reply_topics[0]', 'no topic filter: a level is empty', 'lintel/v1/riverside/reply/#'],
      ['mqtt.reply_topics[1]', 'no topic filter: # stands at the end only', 'lintel/v1/riverside/reply/#'],
      ['mqtt.reply_topics[2]', 'no topic filter: + and # stand for whole levels', 'lintel/v1/riverside/reply/#'],
      ['mqtt.reply_topics[3]', 'no topic filter: it begins with $', 'lintel/v1/riverside/reply/#'],
      ['mqtt.reply_topics[4]', 'a reply could be published under lintel/v1/riverside/command/', 'narrower'],
      ['mqtt.reply_topics[5]', 'a reply could be published under lintel/v1/riverside/event/', 'narrower'],
    ],
  ],
  [
    'durations without a unit, out of range, and of another kind',
    {
      store: 'store:\n  events:\n    keep: ¶90\n    max: ¶2e3.5\n',
      policy: 'policy:\n  preload: ¶31d\n  lockout: {attempts: ¶0, window: ¶5min}\n',
    },
    [
      ['store.events.keep', 'expected a duration from 1d to 3650d', '`keep: 90d`'],
      ['store.events.max', 'expected a whole number from 1,000 to 100,000,000, found "2e3.5"', '`max: 2_000_000`'],
      [
        'policy.preload',
        'expected a duration from 0ms to 30d, with its unit (ms, s, m, h or d), found 31d',
        '`preload: 72h`',
      ],
      ['policy.lockout.attempts', 'expected a whole number from 1 to 100, found 0', '`attempts: 5`'],
      ['policy.lockout.window', 'expected a duration from 1s to 1d', '`window: 60s`'],
    ],
  ],
  [
    'choices that this version does not have, and a word nearly right',
    { policy: 'policy: {store_damaged: ¶last_backup, pin_space: ¶enforced, offline: {grace: ¶10s, then: ¶open}}\n' },
    [
      ['policy.store_damaged', 'the only choice in this version', 'refuse'],
      ['policy.pin_space', 'expected one of enforce, warn, found "enforced"', 'Did you mean enforce?'],
      ['policy.offline.grace', 'expected unlimited, or a duration from 1m to 365d', '`grace: unlimited`'],
      ['policy.offline.then', 'expected deny, found "open"', '`then: deny`'],
    ],
  ],
  [
    'a facility code that the format has no room for, and a lock shorter than the first',
    {
      policy:
        'policy:\n  default_card_format: {format: H10301, facility_code: ¶256}\n  lockout:\n    first: 1h\n    max: ¶15m\n',
    },
    [
      ['policy.default_card_format.facility_code', 'the facility code of H10301 is at most 255', '0 to 255'],
      ['policy.lockout.max', 'the longest lock is shorter than the first one', 'at least `first`'],
    ],
  ],
  [
    'a facility code for a format that has none',
    { policy: 'policy: {default_card_format: {facility_code: ¶1}}\n' },
    [['policy.default_card_format.facility_code', 'format H10302 has no facility code', 'H10301']],
  ],
  [
    'a section that is a list, and one that is nothing',
    { store: '¶store:\n', policy: 'policy: ¶[1]\n' },
    [
      ['store', 'expected a mapping with path, master_key, events, ended, backup, found nothing', ''],
      ['policy', 'expected a mapping with default_card_format', ''],
    ],
  ],
];

const DEVICES: Case[] = [
  [
    'a bus without a driver, with an unknown one, and of the wrong form',
    {
      buses: `buses:
  ¶east: {port: /dev/ttyUSB1}
  west: {driver: ¶faek, port: /dev/ttyUSB2}
  south: ¶5
  north: {driver: fake, port: /dev/ttyUSB0}
`,
      controllers: `controllers:
  reader: {bus: north, unit: 1, model: keypad-reader}
  relays: {bus: north, unit: 2}
  panel: {bus: north, unit: 3, model: panel}
`,
    },
    [
      ['buses.east.driver', 'this key is missing', 'Add driver: one of fake'],
      ['buses.west.driver', 'there is no driver "faek"', 'Did you mean fake?'],
      ['buses.south', 'a bus needs its keys', 'driver'],
    ],
  ],
  [
    "a bus's own keys, each wrong in its way",
    { buses: 'buses:\n  north: {driver: fake, port: ¶7, baud: ¶115_200_000, ¶speed: 3}\n' },
    [
      ['buses.north.port', 'expected text', '/dev/ttyUSB0'],
      ['buses.north.baud', 'expected a whole number from 300 to 921,600, found 115200000', '`baud: 9600`'],
      ['buses.north.speed', 'unknown key "speed"', 'Keys here: driver, port, baud'],
    ],
  ],
  [
    'two buses on one line',
    { buses: 'buses:\n  north: {driver: fake, port: /dev/ttyUSB0}\n  south: {driver: fake, port: ¶/dev/ttyUSB0}\n' },
    [['buses.south.port', 'the bus north is on /dev/ttyUSB0 already', 'one bus']],
  ],
  [
    'names that cannot stand in a topic',
    { buses: 'buses:\n  ¶North/1: {driver: fake, port: a}\n  north: {driver: fake, port: b}\n' },
    [['buses.North/1', '"North/1" cannot be a name', 'lower-case letters, digits and hyphens']],
  ],
  [
    'a controller on a bus that does not exist, beside mistakes of its own',
    {
      controllers: `controllers:
  reader: {bus: ¶nroth, unit: 1, model: keypad-reader, card_formats: [H10301, ¶H1O301], foreign_slots: ¶keep}
  relays: {bus: north, unit: 2}
  panel: {bus: north, unit: 3, model: panel}
`,
    },
    [
      ['controllers.reader.bus', 'there is no bus "nroth"', 'Did you mean north?'],
      ['controllers.reader.card_formats[1]', 'expected one of H10301', 'Did you mean H10301?'],
      ['controllers.reader.foreign_slots', 'expected one of report, erase, found "keep"', 'report'],
    ],
  ],
  [
    "a controller without its bus, and the driver's own rules at their lines",
    {
      controllers: `controllers:
  ¶reader: {unit: 1, model: keypad-reader}
  relays:
    bus: north
    unit: 2
  panel:
    bus: north
    unit: ¶2
    model: panel
  odd: {bus: north, unit: ¶13}
  strange: {bus: north, unit: 200, model: ¶panel}
  two-formats: {bus: north, unit: 9, model: reader, card_formats: ¶[uid, uid]}
  nothing: ¶7
  slip: {bus: north, unit: 10, ¶card_format: [uid]}
`,
    },
    [
      ['controllers.reader.bus', 'this key is missing', 'bus: north'],
      ['controllers.panel.unit', 'relays is unit 2 already', 'Take another.'],
      ['controllers.odd.unit', 'nobody builds a unit 13', 'Take unit 14.'],
      ['controllers.strange.model', 'no profile', 'Write one.'],
      ['controllers.two-formats.card_formats', 'a format stands here twice', ''],
      ['controllers.nothing', 'a controller needs its keys', 'bus: NAME'],
      ['controllers.slip.card_format', 'unknown key "card_format"', 'Did you mean card_formats?'],
    ],
  ],
];

describe('every mistake is found at once, at its line and column', () => {
  it.each([...SITE, ...DEVICES])('%s', (_name, sections, expected) => expectProblems(sections, expected));
});
