import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/ops/clock.ts';
import {
  askKernel,
  bootRecordFile,
  runner,
  thisMachine,
  vouchersFor,
  type Machine,
} from '../../src/ops/clock-vouchers.ts';
import { ManualClock } from '../support/manual-clock.ts';

const NOW_MS = Date.UTC(2026, 10, 24, 8);
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lintel-clock-'));
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'rtc'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A machine of our own: programs that say what a test lets them say, and battery clocks that are files. */
function machine(programs: Record<string, string> = {}): Machine {
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, 'bin', name), 0o755);
  }
  return {
    timesyncFile: join(folder, 'synchronized'),
    rtcFolder: join(folder, 'rtc'),
    run: runner(join(folder, 'bin')),
  };
}

const says = (output: string): string => `printf '%s\\n' '${output}'`;
const tracking = (reference: string, leap: string): string =>
  says(`${reference},192.0.2.1,3,1795507200.123,0.000001,0.000002,0.0001,-21.3,0.001,0.02,0.01,0.002,64.2,${leap}`);
const timedatectl = (synchronised: 'yes' | 'no'): string =>
  says(`Timezone=Europe/Oslo\nLocalRTC=no\nCanNTP=yes\nNTP=yes\nNTPSynchronized=${synchronised}\nTimeUSec=Tue`);

describe('the kernel', () => {
  test('counts as synchronised once systemd-timesyncd has set the clock in this boot', async () => {
    const here = machine({ timedatectl: timedatectl('no') });
    expect(await askKernel(here)).toMatchObject({ vouched: false });
    writeFileSync(here.timesyncFile, '');
    expect(await askKernel(here)).toEqual({ vouched: true, detail: 'synchronised, says systemd-timesyncd' });
  });

  test.each([
    ['timedatectl says yes', { timedatectl: timedatectl('yes') }, true, 'timedatectl'],
    ['timedatectl says no', { timedatectl: timedatectl('no') }, false, 'timedatectl'],
    ['chrony follows a server', { chronyc: tracking('C0000201', 'Normal') }, true, 'chrony'],
    ['chrony inserts a leap second', { chronyc: tracking('C0000201', 'Insert second') }, true, 'chrony'],
    ['chrony follows nobody', { chronyc: tracking('00000000', 'Not synchronised') }, false, 'chrony'],
    [
      'chrony serves its own clock, and the kernel believes it',
      { chronyc: tracking('7F7F0101', 'Normal'), timedatectl: timedatectl('yes') },
      false,
      'chrony',
    ],
    ['chrony is not running', { chronyc: 'exit 1', timedatectl: timedatectl('yes') }, true, 'timedatectl'],
    ['there is no system bus', { timedatectl: 'exit 1', perl: says('250000').replace('\\n', '') }, true, 'adjtimex'],
    ['nothing was ever synchronised', { perl: says('16000000').replace('\\n', '') }, false, 'adjtimex'],
    ['nobody can tell', {}, false, 'nobody here can tell'],
    [
      'programs talk nonsense',
      { chronyc: says('506 Cannot talk'), timedatectl: says('?'), perl: says('x') },
      false,
      'nobody',
    ],
  ])('when %s', async (_case, programs: Record<string, string>, vouched, detail) => {
    const answer = await askKernel(machine(programs));
    expect(answer).toEqual({ vouched, detail: expect.stringContaining(detail) });
  });

  test('is read as it is on this very machine', async () => {
    // The truth by another way: Python's ctypes on adjtimex(2).
    const script =
      'import ctypes, struct; b = ctypes.create_string_buffer(512); ctypes.CDLL(None).adjtimex(b); print(struct.unpack_from("q", b, 24)[0])';
    const maxErrorUs = Number(execFileSync('/usr/bin/python3', ['-c', script], { encoding: 'utf8' }));
    symlinkSync('/usr/bin/perl', join(folder, 'bin', 'perl'));
    expect(await askKernel(machine())).toMatchObject({
      vouched: maxErrorUs < 16_000_000,
      detail: expect.stringContaining('adjtimex'),
    });
  });
});

describe('a program that is asked', () => {
  test('that is missing, fails or floods is no witness', async () => {
    const { run } = machine({ failing: 'exit 3', flooding: 'exec yes' });
    symlinkSync('/usr/bin/yes', join(folder, 'bin', 'yes'));
    expect(await run('missing', [])).toBeNull();
    expect(await run('failing', [])).toBeNull();
    expect(await run('flooding', [])).toBeNull();
  });

  test('sees no environment of ours', async () => {
    process.env['LINTEL_TEST_SECRET'] = 'x';
    symlinkSync('/usr/bin/env', join(folder, 'bin', 'env'));
    expect(await machine().run('env', [])).not.toContain('LINTEL_TEST_SECRET');
    delete process.env['LINTEL_TEST_SECRET'];
  });
});

describe('a battery clock', () => {
  const clock = new ManualClock(NOW_MS);
  const seconds = (atMs: number): string => `${Math.floor(atMs / 1000)}\n`;
  const ask = async (...clocks: (string | null)[]): Promise<unknown> => {
    const here = machine({ timedatectl: timedatectl('no') });
    clocks.forEach((content, number) => {
      mkdirSync(join(here.rtcFolder, `rtc${number}`));
      if (content !== null) writeFileSync(join(here.rtcFolder, `rtc${number}`, 'since_epoch'), content);
    });
    const [rtc] = vouchersFor('rtc', clock, here);
    expect(rtc?.vouch).toBe('rtc');
    return await rtc?.ask();
  };

  test('vouches when it agrees with the clock', async () => {
    expect(await ask(seconds(NOW_MS - 1000))).toEqual({ vouched: true, detail: 'rtc0 agrees' });
  });

  test('vouches even as the second of two, beside one without a battery', async () => {
    expect(await ask(seconds(0), seconds(NOW_MS))).toEqual({ vouched: true, detail: 'rtc1 agrees' });
  });

  test.each([
    [[null], 'rtc0 cannot be read, its battery may be empty'],
    [['garbage'], 'cannot be read'],
    [[seconds(946_684_800_000)], 'rtc0 says 2000-01-01T00:00Z, its battery was empty'],
    [[seconds(NOW_MS + 7_200_000)], 'must keep UTC'],
    [['9'.repeat(30)], 'disagree'],
    [[], 'no battery clock'],
  ])('%j does not vouch, and says why', async (clocks, why) => {
    expect(await ask(...clocks)).toEqual({ vouched: false, detail: expect.stringContaining(why) });
  });

  test('that is silent leaves the word to the kernel', () => {
    expect(vouchersFor('rtc', clock, machine()).map(({ vouch }) => vouch)).toEqual(['rtc', 'kernel']);
  });
});

test('`kernel` asks the kernel alone, and `always` asks nobody', async () => {
  expect(vouchersFor('kernel', systemClock).map(({ vouch }) => vouch)).toEqual(['kernel']);
  const always = vouchersFor('always', systemClock);
  expect(always.map(({ vouch }) => vouch)).toEqual(['always']);
  expect(await always[0]?.ask()).toMatchObject({ vouched: true });
  expect(thisMachine.timesyncFile).toBe('/run/systemd/timesync/synchronized');
});

describe('the record of this boot', () => {
  test('outlives the process, and not the boot', () => {
    const [path, bootId] = [join(folder, 'run', 'clock.json'), join(folder, 'boot_id')];
    writeFileSync(bootId, 'first\n');
    expect(bootRecordFile(path, bootId).load()).toBeNull();
    bootRecordFile(path, bootId).save(1234.4);
    expect(bootRecordFile(path, bootId).load()).toBe(1234);
    writeFileSync(bootId, 'second\n');
    expect(bootRecordFile(path, bootId).load()).toBeNull();
  });

  test.each(['', 'null', '{}', '{"boot_id":"first"}', '{"boot_id":"first","wall_minus_boot_ms":"1"}', '\u0000'])(
    'that is damaged (%j) counts for nothing',
    (text) => {
      const [path, bootId] = [join(folder, 'clock.json'), join(folder, 'boot_id')];
      writeFileSync(bootId, 'first');
      writeFileSync(path, text);
      expect(bootRecordFile(path, bootId).load()).toBeNull();
    },
  );

  test('measures the time since the machine started', () => {
    const before = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 1000;
    const bootMs = bootRecordFile(join(folder, 'x')).bootTimeMs();
    expect(bootMs).toBeGreaterThanOrEqual(before - 20);
    expect(bootMs).toBeLessThan(before + 60_000);
  });
});
