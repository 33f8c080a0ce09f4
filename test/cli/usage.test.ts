import { describe, expect, it } from 'vitest';
import { COMMAND_TABLE } from '../../src/cli/main.ts';
import { COMMANDS } from '../../src/commands/contract.ts';
import { optionName, paramOptions } from '../../src/cli/contract-options.ts';
import { showResult } from '../../src/cli/show.ts';
import { lintel, say } from './lintel.ts';

describe('help', () => {
  it('names every command, and every command has a page of its own', async () => {
    const { code, stdout } = await say('--help');
    expect(code).toBe(0);
    for (const { name, summary } of COMMAND_TABLE) {
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
      expect(summary.endsWith('.')).toBe(true);
      const page = await say(name, '--help');
      expect(page).toMatchObject({ code: 0, stderr: '' });
      expect(page.stdout).toContain(`Usage: lintel ${name}`);
      expect(await say('help', name)).toEqual(page);
    }
  });

  it('shows each command of the contract with all its parameters, and an example that it would take itself', async () => {
    for (const [name, spec] of Object.entries(COMMANDS)) {
      const [resource = '', verb = ''] = name.split('/');
      const { code, stdout } = await say(resource, verb.replaceAll('_', '-'), '--help');
      expect(code).toBe(0);
      expect(stdout.replaceAll(/\s+/g, ' ')).toContain(spec.summary);
      for (const param of Object.keys(
        spec.params.toJSONSchema({ io: 'input', unrepresentable: 'any' }).properties ?? {},
      ))
        expect(stdout).toContain(`--${optionName(param)}`);
      const example = / {2}lintel (.+)$/m.exec(stdout)?.[1] ?? '';
      const words = [...example.matchAll(/'((?:[^']|'\\'')*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
      // Nobody serves that socket: everything before is right, and that is what is said.
      const tried = await say(...words, '--socket', '/tmp/there/is/nobody.sock');
      expect([example, tried.stderr]).toEqual([example, expect.stringContaining('no lintel answers at')]);
      expect(tried.code).toBe(1);
    }
  });
});

describe('wrong use ends with 2 and says what would be right', () => {
  it.each([
    [['chek'], 'there is no command chek. Did you mean check?'],
    [['frobnicate'], 'there is no command frobnicate. All commands: lintel --help'],
    [['check'], 'which file? Usage: lintel check FILE'],
    [['check', 'a.yaml', 'b.yaml'], '"b.yaml" is too much here'],
    [['check', '--jason', 'a.yaml'], 'there is no option --jason. Did you mean --json?'],
    [['run'], 'which facility? Usage: lintel run --config FILE'],
    [['credentials'], 'lintel credentials needs a verb: create, get, list'],
    [['credentials', 'creat'], 'credentials has no verb creat. Did you mean create?'],
    [['facility', 'begin-snapshot'], '--snapshot-id is missing'],
    [['credentials', 'create'], '--access-method is missing'],
    [['credentials', 'create', '--access-method', 'kode'], '--access-method: one of code, card'],
    [['credentials', 'create', '--access-method=code', '--ends-at', 'tomorrow'], '--ends-at: an RFC 3339 instant'],
    [['credentials', 'get'], '--acs-credential-id is missing'],
    [['credentials', 'get', '33'], '--acs-credential-id: an id in the form of a UUID'],
    [['credentials', 'apply', '--operations', '[{'], '--operations: this is no JSON'],
    [
      ['credentials', 'apply', '--file', '/no/such/file'],
      '--file: /no/such/file cannot be read: there is no such file',
    ],
    [['users', 'create', '--full-name'], '--full-name needs a value: --full-name TEXT'],
    [['users', 'create', '--full-name', '--json'], '--full-name needs a value, and --json looks like an option'],
    [['users', 'create', 'Jane', 'Doe'], '"Doe" is too much here'],
    [['users', 'create', '--full-name', 'A', '--full-name', 'B'], '--full-name is given twice'],
    [['users', 'list', '--limit', 'ten'], '--limit: a whole number, not "ten"'],
    [['users', 'list', '--limit', '501'], '--limit: '],
    [['users', 'list', '--json=yes'], '--json is a switch and takes no value'],
    [['users', 'list', '--timeout', '10'], '--timeout: a duration up to 1h, with its unit, e.g. 10s'],
    [['users', 'list', '--url', 'mqtt://127.0.0.1'], '--url needs --facility NAME as well'],
    [['users', 'list', '--url', 'http://x', '--facility', 'demo'], '--url: an address that begins with mqtt://'],
    [['users', 'list', '--ca', 'x.pem'], '--ca belongs to --url'],
    [['swipe', '--entrance', 'lobby'], 'give either --card or --code'],
    [['swipe', '--card', 'uid:01020304'], 'give either --entrance or --reader'],
    [['simulate', 'uart'], 'there is no simulated uart. Did you mean uart-reader?'],
    [['simulate', 'uart-reader', '--profile', 'x'], '--profile is not for uart-reader'],
    [['simulate', 'uart-reader', '--port', 'tcp://0.0.0.0:4001'], 'a simulator listens on 127.0.0.1 only'],
    [['clock', 'set'], '"set" is too much here'],
    [['demo', '--port', '65536'], '--port: a whole number from 0 to 65535'],
    [
      ['credentials', 'create', '--access-method', 'code', '--ends-at', 'tomorrow'],
      '--ends-at: an RFC 3339 instant with an offset, e.g. 2026-03-01T10:40:00Z; or now; or +2h from now',
    ],
    [['credentials', 'create', '--access-method', 'code', '--ends-at', '+2x'], '--ends-at: an RFC 3339 instant'],
  ])('lintel %j: %s', async (args, message) => {
    const { code, stdout, stderr } = await say(...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^lintel: /);
    expect(stderr).toContain(message);
  });

  it('never repeats a PIN that was typed', async () => {
    const { code, stderr } = await say('credentials', 'update', '--acs-credential-id', 'x', '--code', '82a4759');
    expect(code).toBe(2);
    expect(stderr).toContain('--code: digits only');
    expect(stderr).not.toContain('82a4759');
    const json = await say('credentials', 'create', '--params', '{"code":"824759",}');
    expect(json.stderr).toContain('--params: this is no JSON (it breaks at character 18)');
    expect(json.stderr).not.toContain('824759');
  });
});

describe('what an answer says to people', () => {
  const shown = (result: Record<string, unknown>): string =>
    showResult(
      result,
      {
        out: () => undefined,
        err: () => undefined,
        isTty: false,
        colour: false,
        width: 80,
        env: {},
        taken: () => Promise.resolve(),
        whenUnread: () => undefined,
      },
      null,
    );

  it('is that there is none, where a list is empty, and that it is done, where there is nothing to tell', () => {
    expect(shown({ acs_users: [], pagination: { next_page_cursor: null } })).toBe('no users\n');
    expect(shown({ schedules: [], pagination: { next_page_cursor: null } })).toBe('no schedules\n');
    expect(shown({ foreign_slots: [] })).toBe('no foreign slots\n');
    expect(shown({})).toBe('done\n');
  });
});

describe('what is typed becomes what the contract takes', () => {
  it('has an option for each parameter, of the right kind', () => {
    const kinds = Object.fromEntries(paramOptions('credentials/create').map(({ param, kind }) => [param, kind]));
    expect(kinds).toMatchObject({
      acs_user_id: 'id',
      access_method: 'text',
      ends_at: 'instant',
      allowed_acs_entrance_ids: 'list',
      is_one_time_use: 'switch',
      secret_revision: 'whole',
      metadata: 'json',
    });
    expect(
      paramOptions('credentials/update')
        .filter(({ isNullable }) => isNullable)
        .map(({ param }) => param),
    ).toEqual(['starts_at', 'ends_at', 'allowed_acs_entrance_ids', 'display_name', 'schedule_id', 'max_uses']);
  });
});

describe('bin/lintel', () => {
  it('runs from any folder, says its version, and passes on the exit code', async () => {
    expect(await lintel(['--version'], { cwd: '/' })).toEqual({ code: 0, stdout: 'lintel 0.1.0\n', stderr: '' });
    expect((await lintel(['chek'], { cwd: '/' })).code).toBe(2);
  });

  it('says so when no agent is there to be asked', async () => {
    const { code, stderr } = await lintel(['status', '--facility', 'nobody-serves-this']);
    expect(code).toBe(1);
    expect(stderr).toContain('/run/lintel/nobody-serves-this/control.sock');
  });
});
