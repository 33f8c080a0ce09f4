import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { loadFacilityText } from '../../src/facility/load.ts';
import { formatProblems, problemsJson } from '../../src/facility/format.ts';
import { fakeDriver } from './fake-driver.ts';
import { fileOf, unmarked } from './files.ts';

describe('a text that is no good YAML', () => {
  it.each<[name: string, marked: string, message: string, remedy: string]>([
    [
      'a tab in the indentation',
      'facility: riverside\nmqtt:\n¶\turl: mqtts://b.example\n',
      'a tab stands in the indentation',
      'spaces',
    ],
    [
      'a second document',
      `${fileOf({})}¶---\nfacility: other\n`,
      'a second document begins here',
      'One file is one facility',
    ],
    [
      'an alias to nothing',
      'facility: riverside\nclock: ¶*none\n',
      'a * refers to something that is not there',
      'quotes',
    ],
    ['a tag', 'facility: ¶!name riverside\n', 'tags (!…) have no meaning here', 'Leave the tag out'],
    [
      'a value that begins with a reserved character',
      'facility: ¶@riverside\n',
      'a value cannot begin with this character',
      'quotes',
    ],
    ['two keys on one line', 'facility: riverside\nclock: ¶trust: rtc\n', 'not readable as YAML', ''],
  ])('%s is told at its place', (_name, marked, message, remedy) => {
    const { text, places } = unmarked(marked);
    const { facility, problems } = loadFacilityText(text, 'x.yaml', [fakeDriver]);
    expect(facility).toBeNull();
    const told = problems.find((problem) => problem.message.includes(message));
    expect(`${told?.line}:${told?.column}`).toBe(places[0]);
    expect(told?.remedy).toContain(remedy);
  });

  it('hides no mistake that stands before it, and invents none behind it', () => {
    const { text, places } = unmarked(fileOf({ head: '¶facilty: riverside\n', policy: 'policy: ¶{pin_space: warn\n' }));
    const { problems } = loadFacilityText(text, 'x.yaml', [fakeDriver]);
    expect(problems[0]).toMatchObject({ line: 1, column: 1, key: 'facilty', message: 'unknown key "facilty"' });
    expect(places[0]).toBe('1:1');
    expect(problems.slice(1).every((problem) => problem.message.startsWith('not readable as YAML'))).toBe(true);
    expect(problems.length).toBeGreaterThan(1);
  });

  it('is refused when aliases multiply it, or when it goes round in a circle', () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 9; i++) {
      const [name, last] = [String.fromCharCode(97 + i), String.fromCharCode(96 + i)];
      bomb.push(`${name}: &${name} [${Array(10).fill(`*${last}`).join(', ')}]`);
    }
    for (const text of [bomb.join('\n'), 'facility: &a [*a]\n', `clock: ${'['.repeat(200)}`]) {
      const { facility, problems } = loadFacilityText(text, 'x.yaml', [fakeDriver]);
      expect(facility).toBeNull();
      expect(problems.map((problem) => problem.message)).toEqual(
        expect.arrayContaining([expect.stringContaining('nested too deeply or repeated too often')]),
      );
    }
  });

  it('never makes the loader throw, whatever it is', () => {
    const words = [
      'facility',
      'buses',
      'controllers',
      'entrances',
      'mqtt',
      'url',
      'password',
      'file',
      'lobby',
      'strike',
      '__proto__',
      'constructor',
    ];
    const values = [
      '5s',
      '-1',
      '.nan',
      '1e999',
      'null',
      '~',
      '*a',
      '&a',
      '!!set {a}',
      '"\\u0000"',
      "'",
      '[',
      '{',
      '{}',
      '[]',
      '2_000',
      '0x1F',
      '%YAML 1.1',
      '---',
      '\t',
      '? a',
      '<<: *a',
      '|\n  x',
    ];
    const token = fc.oneof(
      fc.constantFrom(...words),
      fc.constantFrom(...values),
      fc.constantFrom(': ', '\n', '\n  ', '\n    ', ', ', '- '),
      fc.string(),
    );
    const mutated = fc
      .tuple(fc.nat(fileOf({}).length), fc.nat(12), token)
      .map(([at, cut, insert]) => fileOf({}).slice(0, at) + insert + fileOf({}).slice(at + cut));
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(token, { maxLength: 40 }).map((all) => all.join('')),
          mutated,
        ),
        (text) => {
          const { facility, problems } = loadFacilityText(text, 'x.yaml', [fakeDriver]);
          const lines = text.split('\n').length;
          expect(facility === null).toBe(problems.some((problem) => problem.severity === 'error'));
          for (const { line, column, remedy } of problems) {
            expect(line).toBeGreaterThanOrEqual(1);
            expect(line).toBeLessThanOrEqual(lines + 1);
            expect(column).toBeGreaterThanOrEqual(1);
            expect(remedy).not.toBe('');
          }
          expect(formatProblems(problems)).toBeTypeOf('string');
          expect(JSON.parse(problemsJson(problems))).toMatchObject({ ok: facility !== null });
        },
      ),
      { numRuns: 600 },
    );
  });
});
