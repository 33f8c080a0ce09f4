import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../support/store.ts';
import { lintel } from './lintel.ts';

const CONFIG = join(import.meta.dirname, '../../config');

describe('lintel check', () => {
  it('passes the examples that installers copy', async () => {
    const { code, stdout } = await lintel(['check', join(CONFIG, 'demo.yaml')]);
    expect(code).toBe(0);
    expect(stdout).toContain('good. demo: 3 entrances, 4 controllers, 4 buses.');
  });

  it('tells every mistake with its line, and ends with 2', async () => {
    const file = join(temporaryFolder(), 'wrong.yaml');
    writeFileSync(file, 'facility: River Side\ntime_zone: Europe/Osloo\nmqtt: {embeded: 1883}\n');
    const { code, stdout, stderr } = await lintel(['check', file]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/wrong\.yaml:1:\d+ {2}facility/);
    expect(stderr).toMatch(/wrong\.yaml:2:\d+ {2}time_zone/);
    expect(stderr).toMatch(/wrong\.yaml:3:\d+ {2}mqtt\.embeded/);
  });

  it('tells machines the same as one JSON object', async () => {
    const file = join(temporaryFolder(), 'wrong.yaml');
    writeFileSync(file, 'facility: riverside\n');
    const { code, stdout } = await lintel(['check', file, '--json']);
    expect(code).toBe(2);
    const said: unknown = JSON.parse(stdout);
    expect(said).toMatchObject({ ok: false });
    expect(said).toHaveProperty('problems.0.line');
  });

  it('names a file that is not there', async () => {
    const { code, stderr } = await lintel(['check', '/no/such/file.yaml']);
    expect(code).toBe(2);
    expect(stderr).toContain('/no/such/file.yaml');
    expect(stderr).toContain('there is no such file');
  });

  it('loads neither the broker’s client nor the database', async () => {
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({ load(url, context, next) { if (/npm\\.(mqtt|aedes)-|better-sqlite3/.test(url)) console.error('LOADED ' + url); return next(url, context); } });`;
    const env = { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(hook)}` };
    const { code, stderr } = await lintel(['check', join(CONFIG, 'demo.yaml')], { env });
    expect(code).toBe(0);
    expect(stderr).not.toContain('LOADED');
    const other = await lintel(['users', 'list', '--url', 'mqtt://127.0.0.1:1', '--facility', 'demo'], { env });
    expect(other.stderr).toMatch(/LOADED .*mqtt/);
  });
});
