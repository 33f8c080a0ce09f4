import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatProblems, problemsJson } from '../../src/facility/format.ts';
import { loadFacilityText } from '../../src/facility/load.ts';
import { readSecret, secretText, UNIT_CREDENTIALS } from '../../src/facility/secret.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf } from './files.ts';

const SECRET = 'hunter2-4711';

describe('a secret that stands in the file by mistake is never repeated', () => {
  it.each<[string, string]>([
    ['as a plain value', `mqtt: {url: mqtts://b.example, username: u, password: ${SECRET}}\n`],
    ['in quotes', `mqtt:\n  url: mqtts://b.example\n  username: u\n  password: "${SECRET}"\n`],
    [
      'over several lines',
      `mqtt:\n  url: mqtts://b.example\n  key: |\n    -----BEGIN PRIVATE KEY-----\n    ${SECRET}\n`,
    ],
    ['where the place should be', `mqtt: {url: mqtts://b.example, username: u, password: {${SECRET}}}\n`],
    ['under a key of its own', `mqtt: {url: mqtts://b.example, username: u, password: {value: ${SECRET}}}\n`],
    ['under a misspelt key', `mqtt: {url: mqtts://b.example, username: u, pasword: ${SECRET}}\n`],
    ['under a key nobody knows', `mqtt: {url: mqtts://b.example, geheim: ${SECRET}, embeded: 3}\n`],
    ['in the address', `mqtt: {url: "mqtts://riverside:${SECRET}@b.example"}\n`],
    ['in an address of another kind', `mqtt: {url: "tcp://riverside:${SECRET}@b.example"}\n`],
    ['in an address that is none', `mqtt: {url: "mqtts://riverside:${SECRET}@b:c:d"}\n`],
    ['in brackets', `mqtt: {url: mqtts://b.example, password: [${SECRET}]}\n`],
    ['behind a star', `mqtt:\n  url: mqtts://b.example\n  password: *${SECRET}\n`],
    ['as a tag', `mqtt:\n  url: mqtts://b.example\n  password: !${SECRET} x\n`],
    ['behind a broken quote', `mqtt:\n  url: mqtts://b.example\n  password: "${SECRET}\n`],
    ['behind a bracket that never closes', `mqtt: {url: mqtts://b.example, password: ${SECRET}\n`],
    ['with a colon in it', `mqtt:\n  url: mqtts://b.example\n  password: a: ${SECRET}\n`],
    ['in the driver’s part', `buses:\n  north: {driver: fake, port: a, key: ${SECRET}}\n`],
  ])('%s', (_name, section) => {
    const sections = section.startsWith('mqtt') ? { mqtt: section } : { buses: section };
    const { facility, problems } = loadFacilityText(fileOf(sections), 'riverside.yaml', [fakeDriver]);
    expect(facility).toBeNull();
    expect(problems.length).toBeGreaterThan(0);
    expect(formatProblems(problems)).not.toContain('4711');
    expect(problemsJson(problems)).not.toContain('4711');
  });

  it.each<[string, string]>([
    ['a key', `${SECRET}\n`],
    ['a key in PEM', `-----BEGIN PRIVATE KEY-----\n${SECRET}\n-----END PRIVATE KEY-----\n`],
    ['a password with a colon', `:${SECRET}`],
    ['a list of them', `- ${SECRET}\n`],
  ])('nor is one that was named in place of the facility file: %s', (_name, text) => {
    const { facility, problems } = loadFacilityText(text, 'master.key', [fakeDriver]);
    expect(facility).toBeNull();
    expect(problems.length).toBeGreaterThan(0);
    expect(formatProblems(problems)).not.toContain('4711');
    expect(problemsJson(problems)).not.toContain('4711');
  });

  it('and the remedy says where it belongs', () => {
    const { problems } = loadFacilityText(
      fileOf({ mqtt: `mqtt: {url: mqtts://b.example, username: u, password: ${SECRET}}\n` }),
      'riverside.yaml',
      [fakeDriver],
    );
    expect(problems).toMatchObject([
      {
        key: 'mqtt.password',
        message: 'expected {file: …} or {credential: …}; a secret itself never stands in this file',
        remedy: expect.stringContaining('`password: {credential: mqtt-password}`') as unknown,
        source: 'mqtt: {url: mqtts://b.example, username: u, password: …',
      },
    ]);
  });
});

describe('a secret is read from where the file says', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lintel-secret-'));
  const put = (name: string, content: string, mode = 0o400): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    chmodSync(path, mode);
    return path;
  };

  it('beside the facility file, its last line end left out', () => {
    put('password', `${SECRET}\r\n`);
    const secret = readSecret({ file: 'password' }, folder, {});
    expect(secretText(secret)).toBe(SECRET);
    expect(secret.warning).toBeNull();
  });

  it('by its absolute path, with a warning when others can read it', () => {
    const path = put('open', SECRET, 0o640);
    expect(readSecret({ file: path }, '/nowhere', {}).warning).toBe(
      `${path} can be read by others than its owner (mode 0640)`,
    );
  });

  it("in systemd's credentials folder", () => {
    put('mqtt-password', SECRET, 0o440);
    const secret = readSecret({ credential: 'mqtt-password' }, '/nowhere', { CREDENTIALS_DIRECTORY: folder });
    expect(secretText(secret)).toBe(SECRET);
    expect(secret.warning).toBeNull();
  });

  it('and what is missing is named with its remedy', () => {
    mkdirSync(join(folder, 'sub'));
    put('empty', '');
    const env = { CREDENTIALS_DIRECTORY: folder };
    expect(() => readSecret({ file: 'none' }, folder, {})).toThrow(
      `${join(folder, 'none')} cannot be read: there is no such file. Remedy: create it with mode 0400`,
    );
    expect(() => readSecret({ file: 'sub' }, folder, {})).toThrow('it is a folder. Remedy: name the file in it');
    expect(() => readSecret({ file: 'empty' }, folder, {})).toThrow('is empty. Remedy: write the secret into it');
    expect(() => readSecret({ credential: 'mqtt-key' }, folder, {})).toThrow('systemd handed none over. Remedy');
    expect(() => readSecret({ credential: 'empty' }, folder, env)).toThrow('is empty');
  });

  it('and a missing credential with what seals it for its building, never with a file that systemd made', () => {
    const env = { CREDENTIALS_DIRECTORY: '/run/credentials/x', RUNTIME_DIRECTORY: '/run/lintel/riverside' };
    const told = (name: string): string => {
      try {
        return readSecret({ credential: name }, folder, env).bytes.toString();
      } catch (error) {
        return String(error);
      }
    };
    expect(told('mqtt-password')).toContain(
      'the credential mqtt-password is not there. Remedy, as root: systemd-creds encrypt --name=mqtt-password - /etc/credstore.encrypted/riverside.mqtt-password, then',
    );
    expect(told('mqtt-password')).not.toMatch(/\/run\/credentials|mode|LoadCredential/);
    expect(told('other')).toContain(
      'systemctl edit lintel@riverside: [Service] LoadCredentialEncrypted=other:%i.other',
    );
  });

  it('where the unit loads each that needs no line of its own', () => {
    const unit = readFileSync(join(import.meta.dirname, '../../systemd/lintel@.service'), 'utf8');
    const loaded = [...unit.matchAll(/^LoadCredentialEncrypted=([\w-]+):%i\.([\w-]+)$/gm)];
    expect(loaded.map(([, name]) => name)).toEqual(loaded.map(([, , file]) => file));
    expect(new Set(loaded.map(([, name]) => name))).toEqual(UNIT_CREDENTIALS);
  });
});
