import { chmodSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadFacility, loadFacilityText } from '../../src/facility/load.ts';
import type { Facility } from '../../src/domain/facility.ts';
import { fakeDriver } from './fake-driver.ts';
import { strikeOf } from '../support/room.ts';
import { fileOf, type Sections } from './files.ts';

function load(sections: Sections, file = '/etc/lintel/riverside.yaml') {
  return loadFacilityText(fileOf(sections), file, [fakeDriver]);
}

function facilityOf(sections: Sections): Facility {
  const { facility, problems } = load(sections);
  expect(problems.filter((problem) => problem.severity === 'error')).toEqual([]);
  if (facility === null) throw new Error('no facility');
  return facility;
}

describe('a facility file that says only what it must', () => {
  it('is filled with every default', () => {
    const facility = facilityOf({});
    expect(facility).toMatchObject({
      file: '/etc/lintel/riverside.yaml',
      name: 'riverside',
      acsSystemId: '88888888-8888-8888-8888-888888888888',
      displayName: 'riverside',
      timeZone: 'Europe/Oslo',
      clockTrust: 'kernel',
    });
    expect(facility.mqtt).toEqual({
      url: 'mqtts://broker.example',
      embeddedPort: null,
      topicPrefix: 'lintel/v1',
      clientId: 'lintel-riverside',
      username: null,
      password: null,
      ca: null,
      cert: null,
      key: null,
      replyTopics: ['lintel/v1/riverside/reply/#'],
      eventTopics: 'dots',
      eventDelivery: 'broker',
    });
    expect(facility.store).toEqual({
      path: '/var/lib/lintel/riverside/lintel.db',
      masterKey: null,
      eventsKeepMs: 90 * 86_400_000,
      endedKeepMs: 400 * 86_400_000,
      eventsMax: 2_000_000,
      eventsMaxBytes: null,
      backup: null,
    });
    expect(facility.policy).toEqual({
      defaultCardFormat: { format: 'H10302' },
      clockUntrusted: 'judge_by_floor',
      clockGraceMs: 86_400_000,
      offline: { grace: null },
      word: 'connection',
      overrideGroups: [],
      offlineWarnMs: 3_600_000,
      storeDamaged: 'refuse',
      lockout: {
        attempts: 5,
        windowMs: 60_000,
        firstMs: 60_000,
        maxMs: 900_000,
        perDay: 50,
        perDayCard: 20,
        perDayFacility: 200,
      },
      pinSpace: 'enforce',
      pinQuality: 'warn',
      preloadMs: 72 * 3_600_000,
      arrivalMs: 30 * 60_000,
      explainBySecret: 'local',
    });
    expect(facility.buses).toEqual([{ name: 'north', driver: 'fake', config: { port: '/dev/ttyUSB0', baud: 9600 } }]);
  });

  it('has entrances with strike, pulse, factors and feedback', () => {
    const [lobby] = facilityOf({}).entrances;
    expect(lobby).toEqual({
      name: 'lobby',
      acsEntranceId: '55555555-5555-5555-5555-555555555555',
      displayName: 'lobby',
      decidedBy: 'gateway',
      cardFormats: ['H10301', 'H10302', 'uid'],
      readers: ['reader'],
      controller: null,
      door: null,
      strike: strikeOf('relays'),
      secondLock: null,
      exitReaders: [],
      lift: null,
      atStop: 'rest',
      offline: {},
      modeSchedules: [],
      contact: null,
      rex: null,
      factors: 'card_or_code',
      factorsByTime: null,
      takesMobileKeys: false,
      isGuestRoom: false,
      encoder: null,
      // Left to the reader's own settings.
      feedback: { granted: {}, denied: {}, held: {} },
    });
  });

  it('takes strike, contact and exit button of a controller-decided entrance from the door of the device', () => {
    const storeRoom = facilityOf({}).entrances[1];
    expect(storeRoom).toMatchObject({
      decidedBy: 'controller',
      readers: [],
      controller: 'panel',
      door: 1,
      strike: strikeOf('panel'),
      contact: { controller: 'panel', input: 0, heldAfterMs: 30_000, extendedHeldAfterMs: 60_000 },
      rex: { controller: 'panel', input: 1 },
    });
  });

  it('hands the driver what it asked for, and keeps what the driver made of it', () => {
    const panel = facilityOf({}).controllers.find((controller) => controller.name === 'panel');
    expect(panel).toMatchObject({
      bus: 'north',
      driver: 'fake',
      config: { unit: 3, model: 'panel' },
      prepared: { baseFolder: '/etc/lintel' },
      foreignSlots: 'report',
      cardFormats: ['H10301', 'uid'],
    });
    expect(panel?.capabilities.slots?.count).toBe(500);
  });
});

describe('a facility file that says more', () => {
  it('keeps what it says of one thing beside the defaults of the rest', () => {
    const facility = facilityOf({
      head: `facility: riverside
acs_system_id: 8888888A-8888-8888-8888-88888888888F
display_name: Riverside House
time_zone: America/Argentina/Buenos_Aires
clock: {trust: rtc}
`,
      mqtt: `mqtt:
  url: mqtts://broker.example:8883
  topic_prefix: doors
  client_id: 'gateway-{facility}'
  username: riverside
  password: {credential: mqtt-password}
  ca: {file: pki/ca.pem}
  cert: {file: /etc/lintel/riverside.pem}
  key: {credential: mqtt-key}
  reply_topics: ['{topic_prefix}/{facility}/reply/#', 'tower/+/answers']
`,
      store: 'store: {path: data/lintel.db, master_key: {file: master.key}, events: {keep: 30d, max: 250_000}}\n',
      policy: `policy:
  default_card_format: {format: H10301, facility_code: 123}
  clock_untrusted: deny_windows
  clock_grace: 0ms
  offline: {grace: 72h}
  lockout: {attempts: 3, max: 1h, per_day: 30}
  pin_space: warn
  pin_quality: refuse
`,
    });
    expect(facility).toMatchObject({
      acsSystemId: '8888888a-8888-8888-8888-88888888888f',
      displayName: 'Riverside House',
      clockTrust: 'rtc',
      mqtt: {
        topicPrefix: 'doors',
        clientId: 'gateway-riverside',
        password: { credential: 'mqtt-password' },
        ca: { file: '/etc/lintel/pki/ca.pem' },
        cert: { file: '/etc/lintel/riverside.pem' },
        replyTopics: ['doors/riverside/reply/#', 'tower/+/answers'],
      },
      store: {
        path: '/etc/lintel/data/lintel.db',
        masterKey: { file: '/etc/lintel/master.key' },
        eventsKeepMs: 30 * 86_400_000,
        endedKeepMs: 400 * 86_400_000,
        eventsMax: 250_000,
        eventsMaxBytes: null,
      },
      policy: {
        defaultCardFormat: { format: 'H10301', facility_code: 123 },
        clockGraceMs: 0,
        offline: { grace: 72 * 3_600_000 },
        lockout: { attempts: 3, windowMs: 60_000, firstMs: 60_000, maxMs: 3_600_000, perDay: 30, perDayCard: 20 },
        pinSpace: 'warn',
        pinQuality: 'refuse',
      },
    });
  });

  it('may time the strike of a device’s own door, or wire another contact to it', () => {
    const { entrances } = facilityOf({
      entrances: `entrances:
  store-room:
    acs_entrance_id: 33333333-3333-3333-3333-333333333333
    controller: panel
    strike: {pulse: 8s, fail: safe}
    contact: {controller: relays, input: 2, held_after: 2m}
`,
    });
    expect(entrances[0]).toMatchObject({
      acsEntranceId: '33333333-3333-3333-3333-333333333333',
      strike: { controller: 'panel', output: 0, pulseMs: 8_000, fail: 'safe' },
      contact: { controller: 'relays', input: 2, heldAfterMs: 120_000 },
      rex: { controller: 'panel', input: 1 },
    });
  });

  it('leaves the pulse to a device that knows only one', () => {
    const { entrances } = facilityOf({
      controllers: 'controllers:\n  panel: {bus: north, unit: 3, model: fixed-pulse-panel}\n',
      entrances: `entrances:
  store-room: {acs_entrance_id: 33333333-3333-3333-3333-333333333333, controller: panel, strike: {fail: safe}}
`,
    });
    expect(entrances[0]?.strike).toEqual(strikeOf('panel', { pulseMs: 3_000, extendedPulseMs: 3_000, fail: 'safe' }));
  });

  it('may repeat itself with an alias', () => {
    const { entrances } = facilityOf({
      entrances: `entrances:
  lobby:
    acs_entrance_id: 55555555-5555-5555-5555-555555555555
    readers: [reader]
    strike: {controller: relays, output: 0}
    feedback: &quiet {granted: {beep: 0}, denied: {beep: 1}}
  store-room:
    acs_entrance_id: 55555555-5555-5555-5555-000000000000
    controller: panel
    feedback: *quiet
`,
    });
    expect(entrances[1]?.feedback).toEqual({ granted: { beep: 0 }, denied: { beep: 1 }, held: {} });
  });

  it('may begin with a byte order mark and end its lines as Windows does', () => {
    const { facility, problems } = loadFacilityText(`\uFEFF${fileOf({}).replaceAll('\n', '\r\n')}`, 'riverside.yaml', [
      fakeDriver,
    ]);
    expect(problems).toEqual([]);
    expect(facility?.name).toBe('riverside');
  });
});

/** Bare card numbers are read as every reader here reads them. */
const READ_BY_ALL = 'policy: {default_card_format: {format: H10301, facility_code: 1}}\n';

describe('a warning never stops a start', () => {
  const warned = (sections: Sections): string[] => {
    const { facility, problems } = load({ policy: READ_BY_ALL, ...sections });
    expect(facility).not.toBeNull();
    return problems.map(({ severity, key, message }) => `${severity} ${key}: ${message}`);
  };

  it.each<[string, Sections, string]>([
    [
      'nobody says how long events are kept',
      { store: '' },
      'store.events.keep: nobody has said how long events are kept',
    ],
    [
      'a broker elsewhere is spoken to in the clear',
      { mqtt: 'mqtt: {url: mqtt://10.0.0.1}\n' },
      'mqtt.url: everything goes to the broker unencrypted',
    ],
    [
      'a password has no user name',
      { mqtt: 'mqtt: {url: mqtts://b.example, password: {credential: p}}\n' },
      'mqtt.password: a password without a username',
    ],
    [
      'the built-in broker is used',
      { mqtt: 'mqtt: {embedded: 1883}\n' },
      'mqtt.embedded: the built-in broker is for this machine alone',
    ],
    [
      'a secret’s file is not there',
      { store: 'store: {events: {keep: 1d}, master_key: {file: /nonexistent/key}}\n' },
      'store.master_key.file: /nonexistent/key cannot be read',
    ],
    [
      'PINs that people try first are taken without a word',
      { policy: 'policy: {pin_quality: off}\n' },
      'policy.pin_quality: PINs such as 0000 and 1234 are taken without a word',
    ],
    [
      'so many wrong PINs are admitted that guessing pays',
      { policy: 'policy: {lockout: {per_day: 1000}}\n' },
      'policy.lockout.per_day: 1000 wrong PINs a day at each entrance: with six digits that finds one of 10 people',
    ],
    ['there are no entrances', { entrances: '', controllers: '', buses: '' }, ': there are no entrances'],
    [
      'a bus has no controller',
      { buses: 'buses:\n  north: {driver: fake, port: a}\n  south: {driver: fake, port: b}\n' },
      'buses.south: no controller is on this bus',
    ],
    [
      'no entrance uses a controller',
      {
        controllers:
          'controllers:\n  reader: {bus: north, unit: 1, model: keypad-reader}\n  relays: {bus: north, unit: 2}\n  panel: {bus: north, unit: 3, model: panel}\n  spare: {bus: north, unit: 4}\n',
      },
      'controllers.spare: no entrance uses this controller',
    ],
    [
      'codes are asked for beside cards where there is no keypad',
      {
        controllers: 'controllers:\n  reader: {bus: north, unit: 1, model: reader}\n  relays: {bus: north, unit: 2}\n',
        entrances:
          'entrances:\n  lobby: {acs_entrance_id: 55555555-5555-5555-5555-555555555555, factors: card_or_code, readers: [reader], strike: {controller: relays, output: 0}}\n',
      },
      'entrances.lobby.readers[0]: reader has no keypad: codes cannot be shown there',
    ],
    [
      'a reader shows what its own settings say, whatever the entrance asks for',
      {
        controllers:
          'controllers:\n  reader: {bus: north, unit: 1, model: set-in-its-ways}\n  relays: {bus: north, unit: 2}\n',
        entrances:
          'entrances:\n  lobby: {acs_entrance_id: 55555555-5555-5555-5555-555555555555, factors: card, readers: [reader], strike: {controller: relays, output: 0}, feedback: {granted: {led: blue}}}\n',
      },
      'entrances.lobby.feedback: reader takes no colours and beeps from here: it shows what its own settings say',
    ],
    [
      'a reader shows nothing at all',
      {
        controllers: 'controllers:\n  reader: {bus: north, unit: 1, model: mute}\n  relays: {bus: north, unit: 2}\n',
        entrances:
          'entrances:\n  lobby: {acs_entrance_id: 55555555-5555-5555-5555-555555555555, factors: card, readers: [reader], strike: {controller: relays, output: 0}, feedback: {granted: {led: blue}}}\n',
      },
      'entrances.lobby.feedback: reader takes no colours and beeps from here: it shows nothing',
    ],
    [
      'the controller decides and shows things in its own way',
      {
        controllers: 'controllers:\n  panel: {bus: north, unit: 3, model: panel}\n',
        entrances:
          'entrances:\n  store-room: {acs_entrance_id: 55555555-5555-5555-5555-555555555555, controller: panel, feedback: {denied: {beep: 1}}}\n',
      },
      'entrances.store-room.feedback: panel decides and shows what came of it in its own way',
    ],
    [
      'keys have no effect on such a device',
      {
        controllers:
          'controllers:\n  reader: {bus: north, unit: 1, model: keypad-reader}\n  relays: {bus: north, unit: 2, foreign_slots: erase}\n  panel: {bus: north, unit: 3, model: panel}\n',
      },
      'controllers.relays.foreign_slots: relays holds no credentials, so this has no effect',
    ],
  ])('where %s', (_name, sections, expected) => {
    expect(warned(sections)).toEqual([expect.stringContaining(`warning ${expected}`)]);
  });

  it('where a file with a secret can be read by others, and none once it is kept well', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lintel-facility-'));
    const file = join(folder, 'riverside.yaml');
    const secret = join(folder, 'password');
    writeFileSync(file, fileOf({ mqtt: 'mqtt: {url: mqtts://b.example, username: u, password: {file: password}}\n' }));
    writeFileSync(secret, 'hunter2\n');
    chmodSync(secret, 0o644);
    const [warning] = loadFacility(file, [fakeDriver]).problems;
    expect(warning).toMatchObject({ severity: 'warning', key: 'mqtt.password.file' });
    expect(warning?.message).toContain(`${secret} can be read by others than its owner (mode 0644)`);
    chmodSync(secret, 0o400);
    expect(loadFacility(file, [fakeDriver])).toMatchObject({
      problems: [],
      facility: { file, mqtt: { password: { file: secret } } },
    });
  });
});

describe('a file that is no facility file', () => {
  it.each<[string, string, string]>([
    ['empty', '', 'the file is empty'],
    ['only a comment', '# later\n', 'the file is empty'],
    ['a list', '- facility: riverside\n', 'this is no facility file'],
    ['a word', 'riverside', 'this is no facility file'],
  ])('%s is told as one problem', (_name, text, message) => {
    const { facility, problems } = loadFacilityText(text, 'x.yaml', [fakeDriver]);
    expect(facility).toBeNull();
    expect(problems).toMatchObject([{ line: 1, column: 1, message }]);
    expect(problems[0]?.remedy).toContain('facility: NAME');
  });

  it('is told by why it cannot be read', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lintel-facility-'));
    const latin = join(folder, 'latin.yaml');
    writeFileSync(latin, Buffer.from([0x66, 0xe5, 0x0a]));
    const big = join(folder, 'big.yaml');
    writeFileSync(big, '#'.repeat(1024 * 1024 + 1));
    const messages = [join(folder, 'none.yaml'), folder, latin, big].map((file) => {
      const { facility, problems } = loadFacility(file, [fakeDriver]);
      expect(facility).toBeNull();
      expect(problems).toHaveLength(1);
      expect(problems[0]?.remedy).not.toContain('0400');
      return problems[0]?.message;
    });
    expect(messages).toEqual([
      'the file cannot be read: there is no such file',
      'the file cannot be read: it is a folder',
      'the file is not UTF-8 text: byte 0xe5 at offset 1',
      'the file is larger than 1 MiB',
    ]);
  });
});

describe('one device under two paths', () => {
  const linesOf = (ports: readonly string[]): string[] => {
    const buses = ports.map((port, i) => `  line-${i}: {driver: fake, port: ${port}}\n`).join('');
    const onBus = ports.map((_, i) => `  reader-${i}: {bus: line-${i}, unit: 1, model: reader}\n`).join('');
    const { problems } = load({ buses: `buses:\n${buses}`, controllers: `controllers:\n${onBus}`, entrances: '' });
    return problems.filter(({ severity }) => severity === 'error').map(({ key, message }) => `${key}: ${message}`);
  };

  it('is one line, and cannot be two buses', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lintel-facility-'));
    const device = join(folder, 'ttyUSB0');
    const link = join(folder, 'usb-0');
    writeFileSync(device, '');
    symlinkSync('ttyUSB0', link);
    expect(linesOf([link, device, join(folder, 'ttyUSB1')])).toEqual([
      `buses.line-1.port: the bus line-0 is on ${device} already: ${link} is the same device`,
    ]);
  });

  it('is not guessed at where nothing is plugged in', () => {
    const folder = mkdtempSync(join(tmpdir(), 'lintel-facility-'));
    const link = join(folder, 'usb-0');
    symlinkSync('ttyUSB0', link);
    expect(linesOf([link, join(folder, 'ttyUSB0')])).toEqual([]);
  });
});
