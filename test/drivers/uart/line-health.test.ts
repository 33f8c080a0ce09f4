// How the line of a reader that pushes is by itself, in a clock of the test's own.

import { expect, it, onTestFinished } from 'vitest';
import type { DriverEvent } from '../../../drivers/driver.ts';
import { uartDriver } from '../../../drivers/uart/driver.ts';
import { encodeTag } from '../../../drivers/uart/codec.ts';
import { systemRandom } from '../../../src/ops/random.ts';
import { ManualClock, turn } from '../../support/manual-clock.ts';
import { silentLog } from '../../support/room.ts';
import { ScriptedPort } from '../../support/scripted-port.ts';

const TAG = encodeTag('rdm6300', Buffer.from('62E3086CED', 'hex'));
const NOISE = Buffer.alloc(TAG.length, 0xa5);

it('is told as disturbed by what comes damaged, and as well again when that has stopped, though nothing comes', async () => {
  const clock = new ManualClock();
  const wire = new ScriptedPort();
  const events: DriverEvent[] = [];
  const busConfig = uartDriver.busSchema.parse({ port: '/dev/scripted', frame: 'rdm6300' });
  const { controller } = uartDriver.prepare('desk-reader', busConfig, uartDriver.controllerSchema.parse({}), '/');
  if (controller === null) throw new Error('not prepared');
  const driver = uartDriver.create('desk', busConfig, [controller], {
    clock,
    random: systemRandom,
    log: silentLog,
    openPort: wire.open,
    emit: (event) => void events.push(event),
  });
  onTestFinished(() => driver.stop(1_000));
  expect(driver.health?.()).toMatchObject({ state: 'down' });
  driver.start();
  await turn();
  wire.say(TAG);
  await clock.advance(20_000);
  expect(driver.health?.()).toMatchObject({ state: 'good', counters: { exchanges: 1, lost: 0 } });

  for (let i = 0; i < 60; i++) {
    wire.say(NOISE);
    await clock.advance(100);
  }
  const told = (): (string | null)[] => events.flatMap((one) => (one.type === 'bus_disturbed' ? [one.problem] : []));
  expect(told()).toEqual([expect.stringContaining('100 % of the frames are lost or damaged')]);
  expect(driver.health?.()).toMatchObject({ state: 'disturbed' });
  await clock.advance(20_000);
  expect(told()).toEqual([expect.any(String), null]);
  wire.lose('the adapter was pulled');
  expect(driver.health?.()).toMatchObject({ state: 'down', problem: 'the adapter was pulled' });
});
