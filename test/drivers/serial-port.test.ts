// Serial devices as a driver sees them: bytes, cables that are pulled, others that hold them.

import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import type { Clock } from '../../drivers/driver.ts';
import { portOpener } from '../../drivers/serial-port.ts';
import { turn } from '../support/manual-clock.ts';
import { openFarEnd, openPtyPair, until, type PtyPair } from '../support/ports.ts';
import { open, hurriedClock, at, listener, refusal, everyByte } from './real-ports.ts';

/** Returns once what was written to the first device waits in the kernel to be read from the second. */
const WRITE_AND_SEE_IT_WAIT = `
import fcntl, os, struct, sys, termios, time
to, at, text = sys.argv[1:]
with open(to, 'wb', buffering=0) as device: device.write(text.encode())
device = os.open(at, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
while struct.unpack('i', fcntl.ioctl(device, termios.FIONREAD, bytes(4)))[0] < len(text): time.sleep(0.001)
`;

/** Holds up the loop, as a slow piece of work would. */
const block = (durationMs: number): void =>
  void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs);

describe('a serial device', () => {
  let pair: PtyPair;
  beforeEach(async () => {
    pair = await openPtyPair();
  });
  afterEach(() => pair.close());

  test('carries every byte unchanged in both directions, whatever the parity', async () => {
    const far = await openFarEnd(pair.b);
    for (const parity of ['none', 'even', 'odd'] as const) {
      const { heard, handlers } = listener();
      const port = await open(at(pair.a, { parity, stopBits: 2 }), handlers, 2000);
      port.write(everyByte);
      expect(await far.take(256)).toEqual(everyByte);
      await far.write(everyByte);
      await until(() => heard.bytes.length === 256, 'all bytes');
      expect(heard.bytes).toEqual(everyByte);
      await port.close();
    }
    await far.close();
  });

  test('keeps the order of more bytes than the kernel takes at once', async () => {
    const { handlers } = listener();
    const port = await open(at(pair.a), handlers, 2000);
    const sent = Buffer.from(Array.from({ length: 60_000 }, (_, i) => i % 251));
    const far = spawn('head', ['-c', String(sent.length), pair.b], { stdio: ['ignore', 'pipe', 'inherit'] });
    const received: Buffer[] = [];
    far.stdout.on('data', (bytes: Buffer) => received.push(bytes));
    const ended = new Promise((resolve) => far.once('close', resolve));
    const files = `/proc/${String(far.pid)}/fd`;
    const opens = (file: string) => existsSync(file) && realpathSync(file) === realpathSync(pair.b);
    await until(() => readdirSync(files).some((file) => opens(join(files, file))), 'the far end to open its port');
    port.write(sent.subarray(0, 50_000));
    // The far end, a process of its own, reads while this one is held up: the kernel has room again, but what waits
    // goes first.
    block(200);
    for (let i = 50_000; i < sent.length; i += 1000) port.write(sent.subarray(i, i + 1000));
    await port.drain();
    await ended;
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    await port.close();
  });

  test('is lost once, with the reason, when it is unplugged, and takes no more bytes', async () => {
    const { heard, handlers } = listener();
    const port = await open(at(pair.a), handlers, 2000);
    await pair.cut();
    await until(() => heard.lost.length > 0, 'the loss');
    expect(heard.lost[0]).toContain('gone');
    port.write(everyByte);
    await expect(port.drain()).rejects.toThrow('gone');
    await port.close();
    expect(heard.lost).toHaveLength(1);
  });

  test('says nothing of a loss that comes after it was closed', async () => {
    const { heard, handlers } = listener();
    const port = await open(at(pair.a), handlers, 2000);
    await port.close();
    await pair.cut();
    await turn(20);
    expect(heard.lost).toEqual([]);
  });

  test('is lost when its path vanishes while the open device stays silent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'lintel-by-id-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const link = join(folder, 'usb-reader');
    symlinkSync(pair.a, link);
    const { heard, handlers } = listener();
    const port = await portOpener(hurriedClock)(at(link), handlers, 60_000);
    rmSync(link);
    await until(() => heard.lost.length > 0, 'the loss');
    expect(heard.lost[0]).toContain(link);
    await port.close();
  });

  test('is lost when its path leads to another device: plugged in anew before anyone looked', async () => {
    const other = await openPtyPair();
    onTestFinished(() => other.close());
    const folder = mkdtempSync(join(tmpdir(), 'lintel-by-id-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const link = join(folder, 'usb-reader');
    symlinkSync(pair.a, link);
    const { heard, handlers } = listener();
    const port = await portOpener(hurriedClock)(at(link), handlers, 60_000);
    rmSync(link);
    symlinkSync(other.a, link);
    await until(() => heard.lost.length > 0, 'the loss');
    expect(heard.lost[0]).toContain('plugged in anew');
    await port.close();
  });

  test('stays open over silence while its path stays', async () => {
    const { heard, handlers } = listener();
    let looks = 0;
    const counted: Clock = {
      ...hurriedClock,
      after: (delayMs, run) => hurriedClock.after(delayMs, () => {
        looks += 1;
        run();
      }),
    }; // prettier-ignore
    const port = await portOpener(counted)(at(pair.a), handlers, 60_000);
    await until(() => looks >= 3, 'three looks at the path');
    const far = await openFarEnd(pair.b);
    await far.write('still here');
    await until(() => heard.bytes.length === 10, 'the bytes');
    expect(heard.lost).toEqual([]);
    await port.close();
    await far.close();
  });

  test('throws away what has arrived and was not delivered, and nothing later', async () => {
    const far = await openFarEnd(pair.b);
    const { heard, handlers } = listener();
    const port = await open(at(pair.a), handlers, 2000);
    await far.write('late reply');
    await until(() => heard.bytes.length >= 10, 'the late reply');
    expect(heard.bytes.toString()).toBe('late reply');
    // Arrives while this turn of the loop blocks: it waits in the kernel, undelivered.
    execFileSync('/usr/bin/python3', ['-c', WRITE_AND_SEE_IT_WAIT, pair.b, pair.a, 'stale'], {
      timeout: 10_000,
    });
    await port.discardInput();
    await far.write('fresh');
    await until(() => heard.bytes.length >= 15, 'what comes later');
    expect(heard.bytes.toString()).toBe('late replyfresh');
    await port.close();
    await far.close();
  });

  test('that another has locked is refused with the remedy, and free again once closed', async () => {
    const first = await open(at(pair.a), listener().handlers, 2000);
    const error = await refusal(open(at(pair.a), listener().handlers, 2000));
    expect(error.message).toMatch(/another program has locked it.*fuser/);
    await first.close();
    const second = await open(at(pair.a), listener().handlers, 2000);
    await second.close();
  });

  test('that another has locked keeps the settings of who holds it', async () => {
    const stopBits = () =>
      execFileSync('stty', ['-F', pair.a, '-a'])
        .toString()
        .match(/-?cstopb/)?.[0];
    const first = await open(at(pair.a, { stopBits: 1 }), listener().handlers, 2000);
    expect(stopBits()).toBe('-cstopb');
    await refusal(open(at(pair.a, { stopBits: 2 }), listener().handlers, 2000));
    expect(stopBits()).toBe('-cstopb');
    await first.close();
    const second = await open(at(pair.a, { stopBits: 2 }), listener().handlers, 2000);
    expect(stopBits()).toBe('cstopb');
    await second.close();
  });

  test('that this user may not open is refused with the group to join', async () => {
    const asRoot = process.geteuid?.() === 0;
    chmodSync(pair.a, 0);
    if (asRoot) {
      chmodSync(join(pair.a, '..'), 0o755);
      process.seteuid?.(65_534);
    }
    try {
      const error = await refusal(open(at(pair.a), listener().handlers, 2000));
      expect(error.type).toBe('not_permitted');
      expect(error.message).toContain('dialout');
    } finally {
      if (asRoot) process.seteuid?.(0);
    }
  });

  test('whose far end never reads is lost, with a bounded amount waiting', async () => {
    const { heard, handlers } = listener();
    const port = await open(at(pair.a), handlers, 2000);
    let written = 0;
    while (heard.lost.length === 0 && written < 64 * 1024 * 1024) {
      port.write(Buffer.alloc(4096));
      written += 4096;
      if (written % (64 * 1024) === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(heard.lost).toHaveLength(1);
    expect(heard.lost[0]).toContain('takes no bytes');
    await port.close();
  });

  test('whose far end stops reading in the middle is lost after a while, and drain says so', async () => {
    const { heard, handlers } = listener();
    const port = await portOpener(hurriedClock)(at(pair.a), handlers, 60_000);
    // More than the kernel takes, less than the bound.
    port.write(Buffer.alloc(64_000));
    await expect(port.drain()).rejects.toThrow('none has left');
    await until(() => heard.lost.length > 0, 'the loss');
    await port.close();
  });

  test('that is lost and closed in one turn says nothing more', async () => {
    const { heard, handlers } = listener();
    const port = await open(at(pair.a), handlers, 2000);
    port.write(Buffer.alloc(1024 * 1024));
    await expect(port.drain()).rejects.toThrow('takes no bytes');
    expect(heard.lost).toEqual([]);
    await port.close();
    await turn(20);
    expect(heard.lost).toEqual([]);
  });
});

test('a path without a device is refused with where to look', async () => {
  const error = await refusal(open(at('/dev/serial/by-id/usb-none'), listener().handlers, 2000));
  expect(error.type).toBe('controller_offline');
  expect(error.message).toContain('/dev/serial/by-id/usb-none');
  expect(error.message).toMatch(/no such device.*plugged in/);
});

test('a path to something that is no serial device is refused as such', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-file-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'notes.txt');
  writeFileSync(file, 'not a port');
  for (const path of [file, '/dev/null']) {
    const error = await refusal(open(at(path), listener().handlers, 2000));
    expect(error.message).toContain('no serial device');
  }
});

describe('with nothing else to wake the loop', () => {
  /** Runs a program in a process of its own that has no timer and no other descriptor to wait for. */
  function child(program: string, path: string) {
    const started = spawn(process.execPath, ['--input-type=module-typescript', '-e', program, path], {
      cwd: join(import.meta.dirname, '../..'),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    onTestFinished(() => void started.kill('SIGKILL'));
    const said = { out: '', err: '' };
    started.stdout.on('data', (text: Buffer) => (said.out += text.toString()));
    started.stderr.on('data', (text: Buffer) => (said.err += text.toString()));
    return { started, said };
  }

  const timeless = `
    import { writeSync } from 'node:fs';
    import { portOpener } from './drivers/serial-port.ts';
    const never = { cancel: () => undefined };
    const clock = {
      nowMs: () => Date.now(), monotonicMs: () => performance.now(),
      after: () => never, immediate: (run) => setImmediate(run),
    };
    const settings = { path: process.argv[1], baud: 9600, parity: 'none', dataBits: 8, stopBits: 1 };`;

  test('bytes are delivered and promises behind them settle', async () => {
    const pair = await openPtyPair();
    onTestFinished(() => pair.close());
    const program = `${timeless}
      let arrived = () => undefined;
      const port = await portOpener(clock)(settings, { data: (bytes) => arrived(bytes), lost: () => undefined }, 1000);
      writeSync(1, 'open');
      for (;;) {
        const bytes = await new Promise((resolve) => (arrived = resolve));
        port.write(Buffer.from(bytes.toString().toUpperCase()));
      }`;
    const { said } = child(program, pair.a);
    await until(() => said.out === 'open', `the child to open its port ${said.err}`, 20_000);
    const far = await openFarEnd(pair.b);
    for (let round = 0; round < 20; round++) {
      await far.write('ping');
      expect((await far.take(4)).toString()).toBe('PING');
    }
    await far.close();
  });

  test('a mistake in a handler ends the process with its own stack', async () => {
    const pair = await openPtyPair();
    onTestFinished(() => pair.close());
    const program = `${timeless}
      const data = () => { throw new Error('a broken assumption'); };
      await portOpener(clock)(settings, { data, lost: () => undefined }, 1000);
      writeSync(1, 'open');`;
    const { started, said } = child(program, pair.a);
    await until(() => said.out === 'open', 'the child to open its port', 20_000);
    const far = await openFarEnd(pair.b);
    await far.write('x');
    await until(() => started.exitCode !== null || started.signalCode !== null, 'the child to end');
    expect(started.exitCode).toBe(1);
    expect(said.err).toContain('a broken assumption');
    await far.close();
  });
});
