// What a person at a shell is offered, asked of the shells themselves.

import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMAND_TABLE } from '../../src/cli/main.ts';
import { temporaryFolder } from '../support/store.ts';
import { say } from './lintel.ts';

type Shell = 'bash' | 'zsh' | 'fish';
const COMMANDS = COMMAND_TABLE.map(({ name }) => name);

/** What the shell offers behind these words, the last of which is being typed. */
async function offered(shell: Shell, words: readonly string[]): Promise<string[]> {
  const folder = temporaryFolder();
  const script = join(folder, 'lintel');
  writeFileSync(script, (await say('completion', shell)).stdout);
  writeFileSync(join(folder, 'riverside.yaml'), '');
  const quoted = words.map((word) => `'${word}'`).join(' ');
  const asked: Record<Shell, string> = {
    bash: `source ${script}; COMP_WORDS=(lintel ${quoted}); COMP_CWORD=${words.length}; compopt() { :; }; _lintel; printf '%s\\n' "\${COMPREPLY[@]}"`,
    // Its own way of showing takes a terminal: what would be shown is printed here.
    zsh: `compdef() { :; }; _describe() { print -l -- "\${(@P)@[-1]%%:*}"; }; _files() { print -l *; }; source ${script}; words=(lintel ${quoted}); CURRENT=${words.length + 1}; _lintel`,
    fish: `source ${script}; complete -C "lintel ${words.join(' ')}"`,
  };
  const output = execFileSync(shell, ['-c', asked[shell]], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, HOME: folder, TERM: 'dumb' },
  });
  return output.split('\n').flatMap((line) => (line === '' ? [] : [line.split('\t')[0] ?? '']));
}

describe.each(['bash', 'zsh', 'fish'] as const)('completion in %s', (shell) => {
  it('offers every command', async () => {
    expect(await offered(shell, [''])).toEqual(expect.arrayContaining(COMMANDS));
  });

  it('offers the verbs of a command, and the options of a verb', async () => {
    const verbs = await offered(shell, ['credentials', '']);
    expect(verbs).toEqual(expect.arrayContaining(['create', 'enroll-phone', 'apply']));
    expect(verbs).not.toContain('install');
    expect(await offered(shell, ['osdp', 'install', '--'])).toContain('--minutes');
    expect(await offered(shell, ['credentials', 'create', '--'])).toContain('--starts-at');
  });

  it('offers files where a file is meant, and nowhere else', async () => {
    expect(await offered(shell, ['check', ''])).toContain('riverside.yaml');
    expect(await offered(shell, ['run', '--config', ''])).toContain('riverside.yaml');
    expect(await offered(shell, ['credentials', ''])).not.toContain('riverside.yaml');
  });
});

it('a shell that there is no completion for is named as wrong use', async () => {
  expect(await say('completion', 'tcsh')).toMatchObject({ code: 2, stdout: '' });
});

it('the manual page names every command, and groff finds nothing to complain of', async () => {
  const { stdout } = await say('manual');
  const { stderr, stdout: pages } = spawnSync('groff', ['-man', '-ww', '-Tutf8', '-P-cbou'], {
    input: stdout,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  for (const name of COMMANDS) expect(pages).toMatch(new RegExp(`^${name.toUpperCase()}$`, 'm'));
  expect(pages).toContain('--acs-credential-id');
});
