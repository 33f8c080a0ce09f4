import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { API_PAGE, pageFrom } from '../../src/cli/docs.ts';
import { COMMAND_TABLE } from '../../src/cli/main.ts';
import { COMMANDS } from '../../src/commands/contract.ts';
import { credentialLine, userLine } from '../../src/store/digest.ts';
import { HOME } from '../../src/cli/version.ts';
import { say } from './lintel.ts';

const page = readFileSync(API_PAGE, 'utf8');

describe('docs/mqtt-api.md', () => {
  it('is up to date with the contract (else run: node src/cli/docs.ts)', () => {
    for (const name of Object.keys(COMMANDS)) expect(page).toContain(`### ${name}\n`);
    expect(page).toBe(pageFrom(page));
  });

  it('shows the lines of the digest as they are', () => {
    const lines = /```\n(user\|3[^`]+)\n```/.exec(page)?.[1]?.split('\n');
    const user = { acs_user_id: '33333333-3333-3333-3333-333333333333', starts_at: null, ends_at: null } as const;
    expect(lines).toEqual([
      userLine({ ...user, is_suspended: 0 }),
      credentialLine({
        acs_credential_id: '66666666-6666-6666-6666-666666666666',
        acs_user_id: user.acs_user_id,
        access_method: 'code',
        starts_at: Date.UTC(2026, 2, 1, 12),
        ends_at: Date.UTC(2026, 2, 4, 10),
        has_own_entrances: 1,
        max_uses: null,
        is_duress: 0,
        secret_revision: 7,
        schedule_id: null,
        phones: null,
        entrances: '55555555-5555-5555-5555-555555555555,55555555-5555-5555-5555-000000000000',
      }),
    ]);
  });

  it('names every event that this version records', () => {
    const files = readdirSync(join(HOME, 'src'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const source = files.map((name) => readFileSync(join(HOME, 'src', name), 'utf8')).join('\n');
    const found = source.matchAll(
      /'((?:agent|lock|acs_credential|acs_entrance|access_code|device|facility)\.[a-z_]+)'/g,
    );
    // `access_code.failed` is the beginning of names that are compared.
    const types = new Set([...found].map((match) => match[1] ?? '').filter((type) => type !== 'access_code.failed'));
    expect(types.size).toBeGreaterThan(30);
    const rows = page.slice(page.indexOf('## Events'), page.indexOf('`reason.detail`:')).split('\n');
    const isThere = (type: string): boolean => {
      const [family = '', name = ''] = type.split('.');
      return rows.some(
        (row) => row.includes(`\`${family}.`) && (row.includes(`\`${type}\``) || row.includes(`\`${name}\``)),
      );
    };
    expect([...types].filter((type) => !isThere(type))).toEqual([]);
  });
});

describe('the guides, the examples and the profiles', () => {
  it('name only commands that there are', () => {
    const known = COMMAND_TABLE.map(({ name }): string => name);
    for (const folder of ['docs', 'config', 'drivers/modbus/profiles']) {
      for (const name of readdirSync(join(HOME, folder))) {
        const named = readFileSync(join(HOME, folder, name), 'utf8').matchAll(/(?:`|^)lintel ([a-z]+)/gm);
        expect([name, [...named].map((match) => match[1]).filter((word) => !known.includes(word ?? ''))]).toEqual([
          name,
          [],
        ]);
      }
    }
  });
});

/** Of a page: its own name, '', and each heading as a link has it. */
function headingsOf(link: string): string[] {
  const page = readFileSync(join(HOME, link.split('#')[0] ?? ''), 'utf8');
  const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, words = '']) => words.toLowerCase().replaceAll(/[^a-z0-9 _-]/g, '').replaceAll(' ', '-')); // prettier-ignore
  return ['', ...headings];
}

describe('README.md', () => {
  const readme = readFileSync(join(HOME, 'README.md'), 'utf8');

  it('shows only commands that the command line takes', async () => {
    const lines = [...readme.matchAll(/^lintel (.+?)(?: {2,}#.*)?$/gm)].map((match) => match[1] ?? '');
    expect(lines.length).toBeGreaterThan(8);
    for (const line of lines) {
      const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
      const [command = '', verb = ''] = words;
      const page = await say(command, ...(verb.startsWith('-') ? [] : [verb]), '--help');
      expect([line, page.code]).toEqual([line, 0]);
      for (const option of words.filter((word) => word.startsWith('--')))
        expect([line, page.stdout]).toEqual([line, expect.stringContaining(option)]);
    }
  });

  it('links to pages that are there', () => {
    for (const [, link = ''] of readme.matchAll(/\]\(([^)]+)\)/g))
      expect(headingsOf(link), link).toContain(link.split('#')[1] ?? '');
  });
});
