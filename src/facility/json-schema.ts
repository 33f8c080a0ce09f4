// The facility file's JSON Schema (draft 7, which YAML editors know best), made from the schema that the loader checks
// by. It lies beside the examples, so that an editor completes and checks while an installer types.

import type { DriverModule } from '../domain/driver-module.ts';
import { facilitySchema } from './schema.ts';
import { asNode, writtenForm, type SchemaNode } from '../domain/words.ts';

export function facilityJsonSchema(drivers: readonly DriverModule[]): SchemaNode {
  const schema = structuredClone(writtenForm(facilitySchema(drivers)));
  finish(schema);
  return schema;
}

/** The committed form of it. */
export const facilityJsonSchemaText = (drivers: readonly DriverModule[]): string =>
  `${JSON.stringify(facilityJsonSchema(drivers), null, 2)}\n`;

/** What editors need beyond what the loader checks by, in every node. */
function finish(value: unknown): void {
  if (Array.isArray(value)) {
    value.forEach(finish);
    return;
  }
  const node = asNode(value);
  if (node === null) return;
  allowGroupedDigits(node);
  for (const [key, inner] of Object.entries(node.properties ?? {})) {
    const property = asNode(inner);
    if (property !== null) property.title ??= inWords(key);
  }
  Object.values(node).forEach(finish);
}

/** Editors read `2_000_000` as text, as YAML 1.2 does; the loader reads it as the number that is meant. */
function allowGroupedDigits(node: SchemaNode): void {
  if (node.type !== 'integer' || (node.maximum ?? 0) < 1_000_000) return;
  Object.assign(node, { type: ['integer', 'string'], pattern: '^[0-9]{1,3}(_[0-9]{3})+$' });
}

const inWords = (key: string): string => key.charAt(0).toUpperCase() + key.slice(1).replaceAll('_', ' ');
