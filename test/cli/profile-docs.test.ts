// The guide to profiles is true: its examples pass, its fragments are of the right form, it speaks of every key and
// quotes messages as they are.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { profileSchema } from '../../drivers/modbus/profile-schema.ts';
import { generatedProfileFiles, PROFILE_MARKER, PROFILE_PAGE, profileKeys } from '../../src/cli/profile-docs.ts';
import { HOME } from '../../src/cli/version.ts';
import { temporaryFolder } from '../support/store.ts';
import { say } from './lintel.ts';

const [guide = ''] = readFileSync(PROFILE_PAGE, 'utf8').split(PROFILE_MARKER);
const blocks = [...guide.matchAll(/^ *```yaml\n([\s\S]*?)^ *```/gm)].map((match) => match[1] ?? '');
const profiles = blocks.filter((text) => text.startsWith('schema:') && text.includes('transport:'));
const idOf = (text: string): string => /^id: (\S+)/m.exec(text)?.[1] ?? '';

describe('what is made from the schema of profiles is up to date (else run: npm run generate)', () => {
  it.each(generatedProfileFiles().map(({ path, text }) => [path.split('/').slice(-2).join('/'), path, text]))(
    '%s',
    (_name, path, text) => {
      expect(text.length).toBeGreaterThan(1_000);
      expect(readFileSync(path, 'utf8')).toBe(text);
    },
  );
});

describe('docs/profiles.md', () => {
  it('has a table controller and a reader as whole examples', () => {
    expect(profiles.map(idOf).sort()).toEqual(['acme-dc2', 'acme-reader']);
  });

  it.each(profiles.map((text) => [idOf(text), text]))('shows a profile that passes its test: %s', async (id, text) => {
    const file = join(temporaryFolder(), `${id}.yaml`);
    writeFileSync(file, text);
    const { code, stdout, stderr } = await say('profile', 'test', file);
    expect([stdout, stderr, code]).toEqual([expect.stringMatching(/\ngood\n$/), '', 0]);
    expect(stdout).toMatch(/✓ form and sense/);
    expect(stdout).toMatch(/✓ frames of the manual +\d+ hold/);
  });

  it('shows fragments of the right form', () => {
    const shape: Record<string, { safeParse(value: unknown): { success: boolean; error?: unknown } }> =
      profileSchema.shape;
    const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
    const tried = blocks.flatMap((text) => {
      const fragment: unknown = parse(text);
      if (profiles.includes(text) || !isRecord(fragment)) return [];
      const keys = Object.keys(fragment).filter((key) => Object.hasOwn(shape, key));
      return keys.map((key) => [key, shape[key]?.safeParse(fragment[key]).success]);
    });
    expect(tried.filter(([, isGood]) => isGood !== true)).toEqual([]);
    const keys = tried.map(([key]) => key);
    expect(keys).toEqual(expect.arrayContaining(['transport', 'limits', 'outputs', 'inputs', 'reader', 'events']));
  });

  it('speaks of every key', () => {
    const code = [...guide.matchAll(/```[\s\S]*?```|`[^`\n]+`/g)].map(([text]) => text).join('\n');
    const isMentioned = (key: string): boolean => new RegExp(`(^|[^\\w-])${key}($|[^\\w-])`, 'm').test(code);
    const missing = profileKeys().filter((path) => !isMentioned(path.split('.').at(-1) ?? ''));
    expect(missing).toEqual([]);
    expect(profileKeys().length).toBeGreaterThan(150);
  });

  it('quotes messages that there are', () => {
    const folder = join(HOME, 'drivers', 'modbus');
    const source = readdirSync(folder)
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(folder, name), 'utf8'))
      .join('\n');
    const quoted = [...guide.matchAll(/^\| \*(.+?)\* \|/gm)].map((match) => match[1] ?? '');
    expect(quoted.length).toBeGreaterThan(15);
    // Numbers and names stand for whatever a message says of the profile at hand.
    const parts = quoted.flatMap((message) => message.split(/ ?(?:\b[NMX]\b|…) ?/).filter((part) => part.length > 3));
    expect(parts.filter((part) => !source.includes(part))).toEqual([]);
  });

  it('shows only commands that the command line takes', async () => {
    const lines = [...guide.matchAll(/^lintel (.+?)$/gm)].map((match) => match[1] ?? '');
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) {
      const words = line.split(/\s+/);
      const page = await say(...words.slice(0, 2), '--help');
      expect([line, page.code]).toEqual([line, 0]);
      for (const option of words.filter((word) => word.startsWith('--')))
        expect([line, page.stdout]).toEqual([line, expect.stringContaining(option)]);
    }
  });

  it('leads from its contents to its chapters', () => {
    const slug = (title: string): string =>
      title
        .toLowerCase()
        .replaceAll(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-');
    const chapters = [...guide.matchAll(/^## (.+)$/gm)].map((match) => slug(match[1] ?? ''));
    const links = [...guide.matchAll(/\]\(#([^)]+)\)/g)].map((match) => match[1] ?? '');
    expect(links.filter((link) => !chapters.includes(link))).toEqual([]);
    expect(links.length).toBe(chapters.length);
  });
});
