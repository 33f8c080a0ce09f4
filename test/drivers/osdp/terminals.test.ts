// What is wired to a reader, and what it shows: inputs, outputs, LED and buzzer.

import { describe, expect, it } from 'vitest';
import { COLORS } from '../../../drivers/osdp/commands.ts';
import { reply } from '../../../drivers/osdp/replies.ts';
import { until } from '../../support/ports.ts';
import { inWorld, sleep } from './world.ts';

describe('terminals', () => {
  it('inputs are told when the reader comes online and whenever they change', async () => {
    await inWorld(
      { readers: { lobby: {} }, controllers: { lobby: { inputs: 2, invert_inputs: [1] } } },
      async (world) => {
        await until(() => world.count('input') === 2, 'both inputs');
        expect(world.events.filter((event) => event.type === 'input')).toMatchObject([
          { input: 0, active: false },
          { input: 1, active: true },
        ]);
        const from = world.events.length;
        world.sim('lobby').setInput(1, 1);
        expect(await world.event('input', from)).toMatchObject({ device: 'lobby', input: 1, active: false });
      },
    );
  });

  it('a cut wire is a fault and never looks like somebody pressing the exit button', async () => {
    await inWorld({ readers: { lobby: {} }, controllers: { lobby: { inputs: 2 } } }, async (world) => {
      await until(() => world.count('input') === 2, 'both inputs');
      world.sim('lobby').setInput(0, 3);
      expect(await world.event('fault')).toMatchObject({ code: 'input_0', cleared: false });
      let from = world.events.length;
      world.sim('lobby').setInput(0, 2);
      expect(await world.event('fault', from)).toMatchObject({
        code: 'input_0',
        cleared: false,
        message: expect.stringContaining('short-circuited'),
      });
      from = world.events.length;
      world.sim('lobby').setInput(0, 0);
      expect(await world.event('fault', from)).toMatchObject({ code: 'input_0', cleared: true });
      expect(world.events.filter((event) => event.type === 'input' && event.active)).toEqual([]);
    });
  });

  it('tamper and power are told when they change', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').setTamper(true);
      expect(await world.event('tamper')).toEqual({ type: 'tamper', device: 'lobby', active: true });
      world.sim('lobby').setPowerFailed(true);
      expect(await world.event('power')).toEqual({ type: 'power', device: 'lobby', failed: true });
      const from = world.events.length;
      world.sim('lobby').setTamper(false);
      expect(await world.event('tamper', from)).toMatchObject({ active: false });
    });
  });

  it('a head behind the device that is gone is a fault', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      world.sim('lobby').report(reply('RSTATR', { readers: [1] }));
      expect(await world.event('fault')).toMatchObject({ code: 'reader_not_connected', cleared: false });
    });
  });

  it('fewer terminals than configured is a fault that says so', async () => {
    await inWorld({ readers: { lobby: { outputs: 1 } }, controllers: { lobby: { outputs: 2 } } }, async (world) => {
      expect(await world.event('fault')).toMatchObject({
        code: 'fewer_terminals',
        message: '2 outputs are configured and it says that it has 1',
      });
    });
  });
});

describe('outputs', () => {
  const withStrike = { readers: { lobby: {} }, controllers: { lobby: { outputs: 2 } } };

  it('a pulse is the reader’s own and is read back', async () => {
    await inWorld(withStrike, async (world) => {
      await world.online('lobby');
      expect(await world.pulse('lobby', 1, 450)).toEqual({ outcome: 'done', confirmed: true });
      expect(world.sim('lobby').terminals.pulses).toMatchObject([{ output: 1, durationMs: 500 }]);
      await until(() => !world.sim('lobby').terminals.outputStates()[1], 'the reader to end the pulse');
    });
  });

  it('a pulse answered with the outputs’ state needs no second question', async () => {
    await inWorld({ ...withStrike, readers: { lobby: { quirks: { outAnswersState: true } } } }, async (world) => {
      await world.online('lobby');
      expect(await world.pulse('lobby', 0, 500)).toEqual({ outcome: 'done', confirmed: true });
      expect(world.sim('lobby').heard.map(({ name }) => name)).not.toContain('OSTAT');
    });
  });

  it('goes ahead of everything that waits', async () => {
    await inWorld({ ...withStrike, turnaroundMs: 5 }, async (world) => {
      await world.online('lobby');
      await until(() => world.sim('lobby').count('POLL') > 0, 'a poll');
      const device = world.driver.devices.get('lobby');
      for (let i = 0; i < 3; i++) device?.readers?.feedback(0, 'granted');
      const before = world.sim('lobby').heard.length;
      await world.pulse('lobby', 0, 500);
      const after = world
        .sim('lobby')
        .heard.slice(before)
        .map(({ name }) => name);
      expect(after.indexOf('OUT')).toBeLessThanOrEqual(1);
      expect(after.indexOf('OUT')).toBeGreaterThanOrEqual(0);
    });
  });

  it('is set, read back and brought to rest at the stop', async () => {
    await inWorld(withStrike, async (world) => {
      await world.online('lobby');
      expect(await world.driver.devices.get('lobby')?.outputs?.set(0, true)).toEqual({
        outcome: 'done',
        confirmed: true,
      });
      expect(world.sim('lobby').terminals.outputStates()).toEqual([true, false]);
      await world.driver.stop(1_000);
      expect(world.sim('lobby').terminals.outputStates()).toEqual([false, false]);
    });
  });

  it('rests at the first contact, and is restored as it was after an outage', async () => {
    await inWorld({ ...withStrike, speed: 10, start: false }, async (world) => {
      const { terminals } = world.sim('lobby');
      terminals.drive([{ output: 0, control: 2, timerUnits: 0 }]);
      world.driver.start();
      await world.online('lobby');
      await until(() => !terminals.outputStates()[0], 'the output to be brought to rest');
      await world.driver.devices.get('lobby')?.outputs?.set(1, true);
      world.sim('lobby').powerCycle(12_000);
      await world.event('offline');
      await world.online('lobby');
      await until(() => terminals.outputStates()[1] === true, 'the output to be restored');
    });
  });

  it('a strike in the very moment of coming online is not ended by the setting up that follows', async () => {
    await inWorld(withStrike, async (world) => {
      await until(() => world.count('online') === 1, 'the reader to be online');
      expect(await world.pulse('lobby', 0, 3_000)).toMatchObject({ outcome: 'done' });
      await until(() => world.sim('lobby').count('RSTAT') > 0, 'the reader to be set up');
      expect(world.sim('lobby').terminals.outputStates()).toEqual([true, false]);
    });
  });

  it('fails at once when the reader is offline, and too late is too late', async () => {
    await inWorld({ ...withStrike, speed: 10 }, async (world) => {
      await world.online('lobby');
      world.line.faults.pulled = true;
      const late = await world.pulse('lobby', 0, 500, 1_000);
      expect(late).toMatchObject({ outcome: 'failed' });
      await world.event('offline');
      expect(await world.pulse('lobby', 0, 500)).toMatchObject({ outcome: 'failed', error: 'controller_offline' });
      world.line.faults.pulled = false;
      await world.online('lobby');
      await sleep(50);
      expect(world.sim('lobby').terminals.pulses).toEqual([]);
    });
  });

  it('a refusal is told', async () => {
    await inWorld({ readers: { lobby: { outputs: 1 } }, controllers: { lobby: { outputs: 2 } } }, async (world) => {
      await world.online('lobby');
      expect(await world.pulse('lobby', 1, 500)).toMatchObject({ outcome: 'failed', error: 'device_error' });
    });
  });

  it('a strike whose acknowledgement is lost is sent again with the same bytes and moves once', async () => {
    await inWorld(withStrike, async (world) => {
      await world.online('lobby');
      await until(() => world.sim('lobby').count('POLL') > 0, 'a poll');
      world.sim('lobby').mute.push('OUT');
      expect(await world.pulse('lobby', 0, 3_000)).toMatchObject({ outcome: 'done' });
      expect(world.sim('lobby').terminals.pulses).toHaveLength(1);
    });
  });

  it('a strike that meets a lost session goes out again under the next one', async () => {
    await inWorld(withStrike, async (world) => {
      await world.online('lobby');
      await until(() => world.sim('lobby').count('POLL') > 0, 'a poll');
      world.sim('lobby').noise();
      expect(await world.pulse('lobby', 0, 3_000)).toEqual({ outcome: 'done', confirmed: true });
      expect(world.sim('lobby').terminals.pulses).toHaveLength(1);
      expect(world.count('offline')).toBe(0);
    });
  });
});

describe('feedback', () => {
  it('shows each signal, and ends by the reader’s own timer', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      const sim = world.sim('lobby');
      const shows = async (color: number, flashing: boolean, temporary: boolean): Promise<void> => {
        await until(() => sim.led().color === color && sim.led().temporary === temporary, `colour ${color}`);
        expect(sim.led()).toEqual({ color, flashing, temporary });
      };
      await shows(COLORS.red, false, false);
      const readers = world.driver.devices.get('lobby')?.readers;
      readers?.feedback(0, 'prompt_pin');
      await shows(COLORS.amber, true, true);
      readers?.feedback(0, 'granted');
      await shows(COLORS.green, false, true);
      readers?.feedback(0, 'locked_out');
      await shows(COLORS.magenta, true, true);
      readers?.feedback(0, 'denied');
      await shows(COLORS.red, true, true);
      await until(() => sim.beeps.at(-1)?.count === 3, 'three beeps');
      readers?.feedback(0, 'ready');
      await shows(COLORS.red, false, false);
    });
  });

  it('follows the facility file, and an entrance’s own wish', async () => {
    const feedback = { ready: { led: 'blue', text: 'Welcome' }, granted: { led: 'white', beep: 2 } };
    await inWorld({ readers: { lobby: {} }, controllers: { lobby: { feedback } } }, async (world) => {
      await world.online('lobby');
      const sim = world.sim('lobby');
      await until(() => sim.led().color === COLORS.blue && sim.text === 'Welcome', 'the resting look');
      const readers = world.driver.devices.get('lobby')?.readers;
      readers?.feedback(0, 'granted');
      await until(() => sim.led().color === COLORS.white && sim.beeps.at(-1)?.count === 2, 'the granted look');
      readers?.feedback(0, 'granted', { led: 'cyan', beep: 4 });
      await until(() => sim.led().color === COLORS.cyan && sim.beeps.at(-1)?.count === 4, 'the entrance’s look');
      readers?.feedback(0, 'granted', { beep: 3 });
      await until(() => sim.led().color === COLORS.white && sim.beeps.at(-1)?.count === 3, 'the reader’s own colour');
      readers?.feedback(0, 'granted', {});
      await until(() => sim.led().color === COLORS.white && sim.beeps.at(-1)?.count === 2, 'the reader’s own look');
    });
  });

  it('is restored after the reader has lost its memory', async () => {
    await inWorld({ readers: { lobby: {} }, speed: 10 }, async (world) => {
      const sim = world.sim('lobby');
      await world.online('lobby');
      await until(() => sim.led().color === COLORS.red, 'red');
      sim.powerCycle(12_000);
      expect(sim.led().color).toBe(COLORS.off);
      await world.event('offline');
      await until(() => sim.led().color === COLORS.red, 'red again');
    });
  });

  it('of many signals at once only the last matters: what was not sent yet is replaced, not queued', async () => {
    await inWorld({ readers: { lobby: {} } }, async (world) => {
      await world.online('lobby');
      for (let i = 0; i < 20; i++) world.driver.devices.get('lobby')?.readers?.feedback(0, 'granted');
      await until(() => world.sim('lobby').led().color === COLORS.green, 'green');
      expect(world.sim('lobby').heard.filter(({ name }) => name === 'LED').length).toBeLessThan(10);
    });
  });
});
