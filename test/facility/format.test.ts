import { describe, expect, it } from 'vitest';
import { formatProblems, problemsJson } from '../../src/facility/format.ts';
import { loadFacilityText } from '../../src/facility/load.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf, type Sections } from './files.ts';

const shown = (sections: Sections): string =>
  formatProblems(loadFacilityText(fileOf(sections), 'riverside.yaml', [fakeDriver]).problems);

describe('problems on a terminal', () => {
  it('name file, line, column and key, say the remedy, and point at the place', () => {
    expect(shown({ store: '', policy: 'policy:\n\n  pin_space: enforced\n' })).toBe(
      `riverside.yaml:1:1  store.events.keep  warning: nobody has said how long events are kept; it will be 90d  Remedy: Say it on purpose, for it is a legal choice: add \`store: {events: {keep: 90d}}\`.
     1 | facility: riverside
       | ^
riverside.yaml:21:14  policy.pin_space  expected one of enforce, warn, found "enforced"  Remedy: Did you mean enforce?
    21 |   pin_space: enforced
       |              ^
1 mistake, 1 warning
`,
    );
  });

  it('show a long line around its place', () => {
    const output = shown({ policy: `policy: {clock_untrusted: deny_windows,${' '.repeat(200)}pin_space: off}\n` });
    const [, line = '', caret = ''] = output.split('\n');
    expect(line.length).toBeLessThan(120);
    expect(line.slice(caret.indexOf('^'))).toBe('off}');
  });

  it('point right through tabs, and let no control character through', () => {
    const output = shown({ policy: 'policy: {\t"pin\\u001b[2J_space": warn, pin_space:\toff}\n' });
    expect(output).not.toContain('\u001b');
    const lines = output.split('\n');
    const caret = lines.findIndex((line) => line.includes('unknown key')) + 2;
    expect(lines[caret - 1]?.charAt(lines[caret]?.indexOf('^') ?? -1)).toBe('"');
  });

  it('are nothing at all when there are none', () => {
    expect(shown({})).toBe('');
  });
});

describe('problems for machines', () => {
  it('are one JSON object with everything that is said to people', () => {
    const { problems } = loadFacilityText(fileOf({ policy: 'polcy: {}\n' }), 'riverside.yaml', [fakeDriver]);
    expect(JSON.parse(problemsJson(problems))).toEqual({
      ok: false,
      errors: 1,
      warnings: 0,
      problems: [
        {
          severity: 'error',
          file: 'riverside.yaml',
          line: 20,
          column: 1,
          key: 'polcy',
          message: 'unknown key "polcy"',
          remedy: expect.stringContaining('Did you mean policy?') as unknown,
          source: 'polcy: …',
        },
      ],
    });
  });
});
