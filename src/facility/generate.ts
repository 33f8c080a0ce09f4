// Writes what is made from the facility file's schema: config/facility.schema.json for editors and the tables of
// docs/facility-file.md. Run it whenever a key has changed; a test fails while they are stale.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DRIVERS } from '../drivers.ts';
import { facilityJsonSchemaText } from './json-schema.ts';
import { withReference } from './reference.ts';

const HOME = join(import.meta.dirname, '..', '..');

/** Each generated file with the text that it should have. */
export function generatedFiles(): { path: string; text: string }[] {
  const reference = join(HOME, 'docs', 'facility-file.md');
  return [
    { path: join(HOME, 'config', 'facility.schema.json'), text: facilityJsonSchemaText(DRIVERS) },
    { path: reference, text: withReference(readFileSync(reference, 'utf8'), DRIVERS) },
  ];
}

if (import.meta.main) {
  for (const { path, text } of generatedFiles()) writeFileSync(path, text);
}
