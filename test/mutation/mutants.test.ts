// What the mutation runner makes of a file, and where it marks that a test came by.

import { describe, expect, it } from 'vitest';
import { described, mutantsOf, mutated } from './mutants.ts';
import { marked, ON_LOADING } from './reach.ts';

const changesOf = (source: string): string[] => mutantsOf(source).map((mutant) => described(source, mutant));

describe('mutants', () => {
  it.each([
    ['if (a < 5) go();', ['a < 5 → true', 'a < 5 → false', '< → <=', '< → >=', '5 → 6', 'go(); → ;']],
    [
      'const x = a === b ? 1 : list.some(f);',
      ['a === b → true', 'a === b → false', '=== → !==', '1 → 2', 'some → every'],
    ],
    ['while (!done) n++;', ['!done → false', '!done → (done)', 'n++; → ;', 'n++ → n--']],
    ['throw new Error(`no ${name}`);', ['throw new Error(`no ${name}`); → ;']],
    ["const text = 'a' + name + (low && !high);", ['&& → ||', '!high → (high)']],
  ])('of %s', (source, changes) => {
    expect(changesOf(source)).toEqual(changes);
  });

  it('touch neither types nor imports nor what is logged, and leave the rest of the text as it is', () => {
    expect(changesOf(`import { a } from './a.ts';\ntype Two = 1 | 2;\nlog.warn('late', { ms: 5 });\n`)).toEqual([]);
    const source = 'const most = 5; // as many as fit\n';
    expect(mutantsOf(source).map((mutant) => mutated(source, mutant))).toEqual(['const most = 6; // as many as fit\n']);
  });
});

describe('marks', () => {
  it('are left by each statement, branch and short function on the way to a mutant, and change nothing else', () => {
    const source =
      'const f = (n: number) => n + 1;\nfunction g(a: number) { if (a > 1) return f(a); else a += 2; return 7; }\n';
    const mutants = mutantsOf(source);
    const { source: withMarks, marks } = marked(source, mutants);
    expect(new Set(marks).size).toBe(4);
    const by = (mark: number): string => `globalThis.reached?.add(${mark})`;
    expect(withMarks).toBe(
      `const f = (n: number) => (${by(0)}, n + 1);\n` +
        `function g(a: number) { ${by(1)}; if (a > 1) return f(a); else { ${by(2)}; a += 2; } ${by(3)}; return 7; }\n`,
    );
  });

  it('are none for what runs as the file is loaded: every test comes by', () => {
    const source = 'export const MOST = 5;\n';
    expect(marked(source, mutantsOf(source)).marks).toEqual([ON_LOADING]);
  });
});
