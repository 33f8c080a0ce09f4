// What a reader tells and is told, over a real line, with Secure Channel unless a test says otherwise.

import { describe, expect, it } from 'vitest';
import { reply } from '../../../drivers/osdp/replies.ts';
import { candidates, encodeWiegand } from '../../../src/domain/card-formats.ts';
import { until } from '../../support/ports.ts';
import { inWorld, sleep } from './world.ts';
import type { World } from './world.ts';
import { hex } from './vectors.ts';

const digitsOf = async (world: World, from: number): Promise<string> => {
  const event = await world.event('presented', from);
  return event.presentation.kind === 'digits' ? event.presentation.digits : `a ${event.presentation.kind}`;
};

/** The numbers of the cards that were presented, as far as one of these formats fits. */
const numbersIn = (world: World, formats: readonly string[]): string[] =>
  world.events.flatMap((event) =>
    event.type === 'presented' && event.presentation.kind === 'card'
      ? candidates(event.presentation.reading, formats)
      : [],
  );

describe('a reader comes online', () => {
  for (const line of ['pty', 'tcp'] as const) {
    it(`over ${line}: only the handshake is in the clear, everything else is secured`, async () => {
      await inWorld({ line, readers: { lobby: {} } }, async (world) => {
        await world.online('lobby');
        const sim = world.sim('lobby');
        await until(() => sim.count('POLL') > 0 && sim.count('RSTAT') > 0, 'a poll, and the reader to be set up');
        expect(sim.heard.filter(({ secured }) => !secured).map(({ name }) => name)).toEqual(['CHLNG', 'SCRYPT']);
        expect(sim.heard.filter(({ secured }) => secured).map(({ name }) => name)).toContain('CAP');
        expect(world.driver.devices.get('lobby')?.status()).toMatchObject({
          online: true,
          problem: null,
          identity: expect.stringContaining('OUI 11:22:33 model 68'),
        });
      });
    });
  }

  it('without Secure Channel where the facility file says so', async () => {
    await inWorld(
      { readers: { lobby: { key: null } }, controllers: { lobby: { secure_channel: 'none' } } },
      async (world) => {
        await world.online('lobby');
        world.sim('lobby').presentCard(26, hex('BDD93740'));
        await world.event('presented');
        expect(world.sim('lobby').heard.every(({ secured }) => !secured)).toBe(true);
        expect(world.sim('lobby').heard.map(({ name }) => name)).not.toContain('CHLNG');
      },
    );
  });

  it('and keeps the line quiet for two characters before each command', async () => {
    await inWorld({ baud: 9600, paced: true, readers: { lobby: {}, side: {} } }, async (world) => {
      await world.online('side');
      await until(() => world.line.counts.commands > 40, 'forty commands');
      expect(world.line.counts.hasty).toBe(0);
    });
  });
});

describe('cards', () => {
  const cards: readonly [string, number, string, string][] = [
    ['H10301:123:45678', 26, 'BDD93740', 'H10301'],
    ['H10301:1:1', 26, '80800080', 'H10301'],
    ['H10306:1234:56789', 34, '82696EEA80', 'H10306'],
    ['C1000-35:1234:567890', 35, 'D34A2A9480', 'C1000-35'],
    ['H10302:1234567890', 37, '8499602D28', 'H10302'],
    ['H10304:1234:234567', 37, '0269394470', 'H10304'],
    ['C1000-48:123456:4567890', 48, '41E2408B66A5', 'C1000-48'],
    ['uid:04A1B2C3', 32, '04A1B2C3', 'uid'],
    ['uid:C3B2A104', 32, '04A1B2C3', 'uid-reversed'],
    ['raw:29:12345678', 29, '12345678', 'raw'],
  ];
  for (const [canonical, widthBits, bits, format] of cards) {
    it(`${canonical} arrives as it was read`, async () => {
      await inWorld({ readers: { lobby: {} } }, async (world) => {
        await world.online('lobby');
        world.sim('lobby').presentCard(widthBits, hex(bits));
        const { presentation, reader, device } = await world.event('presented');
        if (presentation.kind !== 'card') throw new Error('no card');
        expect({ reader, device }).toEqual({ reader: 0, device: 'lobby' });
        expect(candidates(presentation.reading, [format])).toEqual([canonical]);
      });
    });
  }

  for (const justify of ['auto', 'right', 'left']) {
    it(`right-justified bits are read right with justify: ${justify}, but for left`, async () => {
      await inWorld(
        { readers: { lobby: { quirks: { rightJustified: true } } }, controllers: { lobby: { justify } } },
        async (world) => {
          await world.online('lobby');
          world.sim('lobby').presentCard(37, hex('8499602D28'));
          world.sim('lobby').presentCard(26, hex('BDD93740'));
          await until(() => world.count('presented') === 2, 'both cards');
          const numbers = world.events.flatMap((event) =>
            event.type === 'presented' && event.presentation.kind === 'card'
              ? candidates(event.presentation.reading, ['H10302', 'H10301'])
              : [],
          );
          const right = ['H10302:1234567890', 'H10301:123:45678'];
          if (justify === 'left') expect(numbers).not.toEqual(right);
          else expect(numbers).toEqual(right);
        },
      );
    });
  }

  it('parity is not given a second chance: what is wrong as the reader sends it is not read from the other side', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      // With three bits shifted away this is H10304:7745:463364, parity and all.
      world.sim('lobby').presentCard(37, hex('01E41E2408'));
      world.sim('lobby').presentCard(37, hex('8499602D28'));
      world.sim('lobby').presentCard(37, hex('01E41E2408'));
      await until(() => world.count('presented') === 3, 'all cards');
      expect(numbersIn(world, ['H10304'])).toEqual(['H10304:2354:393938']);
    });
  });

  it('how a reader sends its cards is learnt from one that can be nothing else, and then holds for those that could be both', async () => {
    const quirks = { rightJustified: true };
    await inWorld({ readers: { lobby: { quirks } } }, async (world) => {
      await world.online('lobby');
      const either = encodeWiegand('H10304:7745:463364');
      if (either === null) throw new Error('the card has bits');
      world.sim('lobby').presentCard(either.widthBits, either.bytes);
      world.sim('lobby').presentCard(26, hex('BDD93740'));
      world.sim('lobby').presentCard(either.widthBits, either.bytes);
      await until(() => world.count('presented') === 3, 'all cards');
      expect(numbersIn(world, ['H10304', 'H10301'])).toEqual(['H10301:123:45678', 'H10304:7745:463364']);
    });
  });

  it('stray bits behind the last one are cleared, for the same card must be the same number', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').presentCard(29, hex('F234567F'));
      const { presentation } = await world.event('presented');
      if (presentation.kind !== 'card') throw new Error('no card');
      expect(candidates(presentation.reading, ['raw'])).toEqual(['raw:29:F2345678']);
    });
  });

  it('formatted text arrives as its characters, also with a length that counts sentinels', async () => {
    for (const longFmt of [false, true]) {
      await inWorld({ readers: { lobby: { quirks: { longFmt } } } }, async (world) => {
        await world.online('lobby');
        world.sim('lobby').presentText('4711');
        await world.event('presented');
        expect(numbersIn(world, ['raw'])).toEqual(['raw:32:34373131']);
      });
    }
  });

  it('several that wait in the reader all arrive, in order', async () => {
    await inWorld({ readers: { lobby: {}, side: {} } }, async (world) => {
      await world.online('lobby');
      const sent = Array.from({ length: 12 }, (_, i) => Buffer.from([4, 0, 0, i]));
      for (const uid of sent) world.sim('lobby').presentCard(32, uid);
      await until(() => world.count('presented') === sent.length, 'all cards');
      const got = world.events.flatMap((event) =>
        event.type === 'presented' && event.presentation.kind === 'card' ? [event.presentation.reading.bytes] : [],
      );
      expect(got).toEqual(sent);
    });
  });

  it('one at a head that is not configured goes nowhere', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      const sim = world.sim('lobby');
      sim.report(reply('RAW', { reader: 1, format: 1, widthBits: 26, bits: hex('BDD93740') }));
      sim.presentCard(32, hex('04000001'));
      await world.event('presented');
      expect(world.count('presented')).toBe(1);
    });
  });

  it('a biometric report that nobody asked for is a factor', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').report(reply('BIOMATCHR', { reader: 0, status: 0, score: 250 }));
      expect((await world.event('presented')).presentation).toEqual({ kind: 'biometric', factor: 'match' });
    });
  });
});

describe('the keypad', () => {
  it('ends a PIN at #, whether keys come together or one by one', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').typeKeys('1234#');
      expect(await digitsOf(world, 0)).toBe('1234');
      const from = world.events.length;
      world.sim('lobby').typeKeys('567890#', true);
      expect(await digitsOf(world, from)).toBe('567890');
    });
  });

  it('begins anew at *, takes the literal signs too, and passes over function keys', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').typeKeys('99*12');
      world.sim('lobby').report(reply('KEYPAD', { reader: 0, keys: Buffer.from('A3*45E6#') }));
      expect(await digitsOf(world, 0)).toBe('456');
    });
  });

  it('hands on at the time-out what was typed, or throws it away, as configured', async () => {
    for (const pin_on_timeout of ['submit', 'discard']) {
      await inWorld(
        { readers: { lobby: {} }, controllers: { lobby: { pin_timeout: '1s', pin_on_timeout } }, speed: 5 },
        async (world) => {
          await world.online('lobby');
          world.sim('lobby').typeKeys('4321');
          if (pin_on_timeout === 'submit') expect(await digitsOf(world, 0)).toBe('4321');
          else {
            await sleep(400);
            world.sim('lobby').typeKeys('77#');
            expect(await digitsOf(world, 0)).toBe('77');
          }
        },
      );
    }
  });

  it('ends by itself at a configured length', async () => {
    await inWorld({ readers: { lobby: {} }, controllers: { lobby: { pin_length: 6 } } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').typeKeys('123456789#', true);
      expect(await digitsOf(world, 0)).toBe('123456');
    });
  });

  it('never makes a PIN of too many digits by cutting them', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').typeKeys(`${'1'.repeat(30)}#`);
      expect((await digitsOf(world, 0)).length).toBeGreaterThan(12);
    });
  });

  type Outage = { lose: (world: World) => unknown; restore: (world: World) => unknown };
  const OUTAGES: Readonly<Record<string, Outage>> = {
    'fell silent': {
      lose: ({ line }) => (line.faults.pulled = true),
      restore: ({ line }) => (line.faults.pulled = false),
    },
    'lost its line': {
      lose: ({ pty }) => pty?.cut(),
      restore: ({ pty }) => pty?.replug(),
    },
    'lost its session and does not answer to begin another': {
      lose: (world) => {
        world.sim('lobby').mute.push(...Array.from({ length: 100 }, () => 'CHLNG' as const));
        world.sim('lobby').noise();
      },
      restore: (world) => (world.sim('lobby').mute.length = 0),
    },
  };
  it.each(Object.keys(OUTAGES))('knows nothing any more of half a PIN once the reader %s', async (how) => {
    const lobby = { pin_timeout: '60s' };
    await inWorld({ readers: { lobby: {} }, controllers: { lobby }, speed: 5 }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').typeKeys('12');
      const polls = world.sim('lobby').count('POLL');
      await until(() => world.sim('lobby').count('POLL') >= polls + 2, 'the keys to be taken');
      await OUTAGES[how]?.lose(world);
      await world.event('offline');
      await OUTAGES[how]?.restore(world);
      await world.online('lobby');
      world.sim('lobby').typeKeys('34#');
      expect(await digitsOf(world, 0)).toBe('34');
    });
  });

  it('is not there when the reader has none', async () => {
    await inWorld({ readers: { lobby: {} }, controllers: { lobby: { keypad: false } } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').typeKeys('1234#');
      world.sim('lobby').presentCard(26, hex('BDD93740'));
      expect((await world.event('presented')).presentation.kind).toBe('card');
    });
  });
});
