import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { generatedFiles } from '../../src/facility/generate.ts';

describe('what is made from the schema is up to date (else run: node src/facility/generate.ts)', () => {
  it.each(generatedFiles().map(({ path, text }) => [path.split('/').slice(-2).join('/'), path, text]))(
    '%s',
    (_name, path, text) => {
      expect(text.length).toBeGreaterThan(1_000);
      expect(readFileSync(path, 'utf8')).toBe(text);
    },
  );
});
