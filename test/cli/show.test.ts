import { describe, expect, it } from 'vitest';
import { COMMANDS, isCommandName } from '../../src/commands/contract.ts';
import { commandLines, renderHelp } from '../../src/cli/help.ts';
import { resourceProgram } from '../../src/cli/resource.ts';
import { showResult } from '../../src/cli/show.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

const terminal = (more: Partial<Terminal> = {}): Terminal => ({
  out: () => undefined,
  err: () => undefined,
  isTty: true,
  colour: false,
  width: 80,
  env: {},
  taken: () => Promise.resolve(),
  whenUnread: () => undefined,
  ...more,
});

const LOBBY = '55555555-5555-5555-5555-555555555555';
const credential = (n: number): Record<string, unknown> => ({
  acs_credential_id: `66666666-6666-6666-6666-00000000000${n}`,
  display_name: 'Card of Jane Doe',
  card_number: 'DD17380A',
  card_format: 'uid',
  allowed_acs_entrance_ids: [LOBBY, '55555555-5555-5555-5555-000000000000'],
  starts_at: '2026-03-01T12:00:00Z',
  ends_at: null,
  is_issued: true,
  controller_states: [],
  warnings: [{ warning_code: 'no_entrances', message: 'It opens nothing.' }],
});
const LIST = { acs_credentials: [credential(1), credential(2)] };
const NAMES = new Map([[LOBBY, 'lobby']]);

describe('a list on a screen of 80 columns', () => {
  const shown = showResult(LIST, terminal(), 'UTC', NAMES);

  it('breaks no line inside a word: what does not fit in one line has a block of its own', () => {
    const lines = shown.split('\n');
    expect(lines.every((line) => line.length <= 80)).toBe(true);
    expect(shown.match(/66666666-6666-6666-6666-00000000000[12]$/gm)).toHaveLength(2);
  });

  it('says whose it is and which doors it opens, by their names', () => {
    expect(shown).toContain('Card of Jane Doe');
    expect(shown).toMatch(/opens:\s+lobby, 55555555-5555-5555-5555-000000000000/);
    expect(shown).toContain('no_entrances');
  });

  it('is a line a row where there is room, and in a pipe', () => {
    for (const wide of [terminal({ width: 300 }), terminal({ isTty: false })]) {
      const [header = '', first = ''] = showResult(LIST, wide, 'UTC', NAMES).split('\n');
      expect(header).toMatch(/^acs_credential_id\s+display_name/);
      expect(first).toMatch(/000001\s+Card of Jane Doe/);
    }
  });
});

describe('a command to copy', () => {
  const long =
    'lintel credentials create --access-method code --acs-user-id 33333333-3333-3333-3333-333333333333 --ends-at +2h';

  it('is continued as a shell reads it, and is the same words', () => {
    const text = commandLines(long, 3, terminal());
    expect(text.split('\n').every((line) => line.length <= 80)).toBe(true);
    expect(
      text
        .split(/\s*\\\n\s*/)
        .join(' ')
        .trim(),
    ).toBe(long);
    expect(commandLines(long, 3, terminal({ isTty: false })).trim()).toBe(long);
  });

  it('and every page of help fit on the screen, but for a single word that is longer', () => {
    const names = Object.keys(COMMANDS).filter(isCommandName);
    for (const name of names) {
      const [resource = '', verb = ''] = name.split('/');
      const page = renderHelp(resourceProgram(resource).help([verb]), terminal());
      const long = page.split('\n').filter((line) => line.length > 80 && line.trim().split(/ (?=--)/).length > 1);
      expect(long, name).toEqual([]);
    }
  });
});
