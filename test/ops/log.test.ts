import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OperatingError } from '../../src/domain/errors.ts';
import type { Log } from '../../src/domain/ports.ts';
import { createLog, levelFrom, type LogFormat, type LogLevel } from '../../src/ops/log.ts';
import { systemClock } from '../../src/ops/clock.ts';
import { ManualClock } from '../support/manual-clock.ts';

const AT_MS = Date.UTC(2026, 10, 24, 8, 30, 0, 123);
const SECRET = '84217733';

function capture(format: LogFormat, level: LogLevel = 'debug'): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const clock = { ...systemClock, nowMs: () => AT_MS };
  return { log: createLog({ clock, level, format, colour: false, write: (line) => lines.push(line) }), lines };
}

function jsonLine(log: (log: Log) => void): Record<string, unknown> {
  const { log: target, lines } = capture('json');
  log(target);
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0] ?? '') as Record<string, unknown>;
}

describe('a flood of lines', () => {
  const flooded = (): {
    log: Log;
    messages: () => { message: string; lines?: number; example?: string }[];
    clock: ManualClock;
  } => {
    const lines: string[] = [];
    const clock = new ManualClock();
    const log = createLog({ clock, level: 'info', format: 'json', colour: false, write: (line) => lines.push(line) });
    return { log, clock, messages: () => lines.map((line) => JSON.parse(line) as { message: string }) };
  };

  test('of the same words from one place is cut off and counted, and no other place is silenced', async () => {
    const { log, messages, clock } = flooded();
    for (let i = 0; i < 5_000; i++) log.child({ bus: 'north' }).warn('noise', { device: 'a', i });
    log.child({ bus: 'north' }).warn('noise', { device: 'b' });
    log.child({ bus: 'south' }).warn('noise', { device: 'a' });
    log.child({ bus: 'north' }).warn('something else', { device: 'a' });
    expect(messages()).toHaveLength(60 + 3);
    await clock.advance(60_000);
    expect(messages().at(-1)).toMatchObject({ lines: 4_940, example: 'noise' });
    log.child({ bus: 'north' }).warn('noise', { device: 'a' });
    expect(messages().at(-1)).toMatchObject({ message: 'noise' });
  });

  test('of ever new words is bounded as well and silences nobody else, and what is asked for at the level debug is not bounded', () => {
    const { log, messages } = flooded();
    for (let i = 0; i < 50_000; i++) log.info(`odd text ${i}`, { device: 'a' });
    expect(messages()).toHaveLength(500);
    log.error('the database is damaged');
    log.warn('reader went offline', { device: 'b' });
    expect(messages().slice(500)).toMatchObject([
      { message: 'the database is damaged' },
      { message: 'reader went offline', device: 'b' },
    ]);
    const { log: talkative, lines } = capture('json');
    for (let i = 0; i < 3_000; i++) talkative.debug('step');
    expect(lines).toHaveLength(3_000);
  });
});

describe('JSON lines', () => {
  test('hold level, instant, message, the fields and those of the parents', () => {
    const line = jsonLine((log) => log.child({ bus: 'north' }).warn('reader went offline', { device: 'lobby-reader' }));
    expect(line).toEqual({
      level: 'warn',
      time: '2026-11-24T08:30:00.123Z',
      bus: 'north',
      device: 'lobby-reader',
      message: 'reader went offline',
    });
  });

  test('say once what a parent and its child both say', () => {
    const { log, lines } = capture('json');
    log.child({ bus: 'north' }).child({ bus: 'north', device: 'a' }).info('open', { bus: 'north', device: 'a' });
    expect(lines[0]?.match(/"(bus|device)":"\w+"/g)).toEqual(['"bus":"north"', '"device":"a"']);
  });

  test('keep their own level, time and message when a field goes by such a name', () => {
    const line = jsonLine((log) => log.info('said', { level: 'x', time: 1, message: 'other' }));
    expect(line).toMatchObject({ level: 'info', message: 'said', level_: 'x', time_: 1, message_: 'other' });
  });

  test('tell an error with its name, message, code and stack', () => {
    const error = Object.assign(new Error('no such file'), { code: 'ENOENT', path: '/x' });
    const line = jsonLine((log) => log.error('cannot open', { error }));
    expect(line['error']).toMatchObject({ name: 'Error', message: 'no such file', code: 'ENOENT', path: '/x' });
    expect(line['error']).toHaveProperty('stack', expect.stringContaining('log.test.ts'));
    const operating = jsonLine((log) => log.error('x', { error: new OperatingError('timed_out', 'late') }));
    expect(operating['error']).toMatchObject({ name: 'OperatingError', type: 'timed_out' });
  });

  test('below the level are not written', () => {
    const { log, lines } = capture('json', 'warn');
    log.debug('a');
    log.info('b');
    log.warn('c');
    log.error('d');
    expect(lines.map((line) => (JSON.parse(line) as { message: string }).message)).toEqual(['c', 'd']);
  });

  test('survive fields that no JSON can hold', () => {
    const circle: Record<string, unknown> = { count: 3n, at: new Date(Number.NaN), run: () => 1 };
    circle['self'] = circle;
    const hostile = Object.defineProperty({}, 'trap', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    const line = jsonLine((log) =>
      log.info('odd', { circle, hostile, list: Array.from({ length: 300 }, (_, i) => i) }),
    );
    expect(line['circle']).toEqual({ count: '3', at: 'invalid date', run: '[function]', self: '[circular]' });
    expect(line['hostile']).toEqual({ trap: '[unreadable]' });
    expect(line['list']).toHaveLength(201);
  });

  test('show an object that appears twice, for that is no circle', () => {
    const shared = { door: 1 };
    expect(jsonLine((log) => log.info('x', { a: shared, b: [shared] }))).toMatchObject({ a: shared, b: [shared] });
  });
});

describe('the second net', () => {
  const names = ['code', 'pin', 'PIN', 'card_number', 'cardNumber', 'password', 'key', 'master_key', 'scbk', 'digits'];

  test.each(names)('leaves out what is under `%s`, at any depth and in every format', (name) => {
    for (const format of ['json', 'human', 'journal'] as const) {
      const { log, lines } = capture(format);
      const fields = { [name]: SECRET, deep: { list: [{ [name]: SECRET }, { [name]: [SECRET] }] } };
      log.info('x', fields);
      log.child(fields).error('y', { error: Object.assign(new Error('z'), fields) });
      expect(lines).toHaveLength(2);
      expect(lines.join('')).not.toContain(SECRET);
      expect(lines.join('')).toContain('[redacted]');
    }
  });

  test('never lets a secret through, whatever is around it', () => {
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 5 },
        fc.record({ code: fc.constant(SECRET) }),
        fc.record({ pin: fc.constant(Number(SECRET)) }),
        fc.dictionary(fc.string(), tie('node'), { maxKeys: 3 }),
        fc.array(tie('node'), { maxLength: 3 }),
      ),
    })).node;
    fc.assert(
      fc.property(tree, (value) => {
        const { log, lines } = capture('json');
        log.info('x', { value });
        expect(lines[0]).not.toContain(SECRET);
      }),
    );
  });

  test('shows bytes by their count only', () => {
    const line = jsonLine((log) => log.info('x', { frame: Buffer.from(SECRET), more: new Uint16Array(4) }));
    expect(line).toMatchObject({ frame: '[8 bytes]', more: '[8 bytes]' });
  });

  test('lets through the codes of errors and faults, and whether there is a secret at all', () => {
    const fields = {
      a: { code: 'ECONNREFUSED' },
      b: { code: 'wrong_output_mode' },
      c: { pin: null },
      d: { code: true },
    };
    expect(jsonLine((log) => log.info('x', fields))).toMatchObject(fields);
    expect(jsonLine((log) => log.info('x', { code: 'deadbeef' }))).toMatchObject({ code: '[redacted]' });
  });
});

describe('lines for people', () => {
  test('say time, level, message and fields in one line', () => {
    const { log, lines } = capture('human');
    log.child({ bus: 'north' }).warn('reader went offline', { device: 'lobby-reader', why: 'no answer', misses: 3 });
    expect(lines.join('')).toMatch(
      /^\d\d:30:00\.123 WARN {2}reader went offline {2}bus=north device=lobby-reader why="no answer" misses=3\n$/,
    );
  });

  test('put the stack of an error below', () => {
    const { log, lines } = capture('human');
    log.error('cannot open', { error: new Error('no such file') });
    expect(lines.join('').split('\n')[0]).toContain('cannot open  error="no such file"');
    expect(lines.join('')).toMatch(/\n {4}at .*log\.test\.ts/);
  });

  test('cannot be forged by what a device or a broker says', () => {
    const { log, lines } = capture('human');
    log.info('topic \u001b[2J\nERROR forged', { name: 'x\n12:00:00.000 ERROR forged', other: 'a=b \u001b]0;t\u0007' });
    expect(lines.join('').trimEnd()).not.toMatch(/\p{Cc}/u);
  });
});

test('lines for journald carry their priority in front', () => {
  const { log, lines } = capture('journal');
  log.debug('a');
  log.info('b');
  log.warn('c');
  log.error('d');
  expect(lines.map((line) => line.slice(0, 4))).toEqual(['<7>{', '<6>{', '<4>{', '<3>{']);
});

describe('LINTEL_LOG', () => {
  test.each([
    [undefined, 'info'],
    ['', 'info'],
    ['debug', 'debug'],
    [' WARN ', 'warn'],
  ])('%j means %s', (text, level) => {
    expect(levelFrom(text)).toEqual({ level, problem: null });
  });

  test('that is wrong is said, and is no reason not to start', () => {
    expect(levelFrom('loud')).toEqual({ level: 'info', problem: expect.stringContaining('LINTEL_LOG') });
  });
});

describe('the log of a process', () => {
  const program = `
    import { openLog } from './src/ops/log.ts';
    import { systemClock } from './src/ops/clock.ts';
    const { log } = openLog(systemClock, process.env, { json: false });
    // About forty buses, so that none says too much.
    for (let i = 0; i < 1900; i += 1) log.info('line', { i, bus: 'bus-' + (i % 40) });
    log.debug('hidden');
    if (process.env.DIE) throw new Error('broken assumption');
  `;
  const run = async (env: Record<string, string>): Promise<{ stdout: string; stderr: string }> => {
    const child = spawn('node', ['--input-type=module', '-e', program], { env: { ...process.env, ...env } });
    const out = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => (out.stdout += String(text)));
    child.stderr.on('data', (text) => (out.stderr += String(text)));
    await once(child, 'close');
    return out;
  };

  test.each([{}, { DIE: '1' }])(
    'is whole on stderr when the process ends at once (%j), and leaves stdout to the command',
    async (env) => {
      const { stdout, stderr } = await run(env);
      const lines = stderr.split('\n').filter((line) => line.startsWith('{"level"'));
      expect(lines.map((line) => (JSON.parse(line) as { i: number }).i)).toEqual([...Array(1900).keys()]);
      expect(stdout).toBe('');
    },
  );

  test('says that a wrong level was given', async () => {
    expect((await run({ LINTEL_LOG: 'loud' })).stderr).toContain('LINTEL_LOG must be');
  });

  test('has priorities only when it is the stream that journald made', async () => {
    expect((await run({ JOURNAL_STREAM: '1:1' })).stderr.startsWith('{')).toBe(true);
    const child = spawn('sh', [
      '-c',
      'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec node --input-type=module -e "$0"',
      program,
    ]);
    let said = '';
    child.stderr.on('data', (text) => (said += String(text)));
    await once(child, 'close');
    expect(said.startsWith('<6>{')).toBe(true);
  });

  test('never waits for a reader that has stopped reading: it bounds what it keeps and says how much was lost', async () => {
    const flood = `
      import { openLog } from './src/ops/log.ts';
      import { systemClock } from './src/ops/clock.ts';
      const { log } = openLog(systemClock, process.env, { json: false });
      for (let i = 0; i < 12000; i += 1) log.debug('x'.repeat(1000));
      console.log('went on');
      process.stdin.once('data', () => setInterval(() => log.debug('later'), 20)).once('end', () => process.exit());
    `;
    const child = spawn('node', ['--input-type=module', '-e', flood], {
      env: { ...process.env, LINTEL_LOG: 'debug' },
    });
    await once(child.stdout, 'data'); // it got here although nobody has read a line
    let said = '';
    child.stderr.on('data', (text) => {
      said += String(text);
      if (said.includes('were lost')) child.stdin.end();
    });
    child.stdin.write('go');
    await once(child, 'close');
    const lines = said.split('\n').filter((line) => line.endsWith('}'));
    const lost = lines
      .map((line) => JSON.parse(line) as { message: string; lines?: number })
      .find((line) => line.lines);
    const kept = lines.filter((line) => line.includes('xxx')).length;
    expect(kept).toBeGreaterThan(3000);
    expect(kept + (lost?.lines ?? 0)).toBe(12000);
  });
});
