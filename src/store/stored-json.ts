// JSON that Lintel wrote itself and that decides nothing, read back. Whoever changed the file behind its back may have
// left anything there: one such row must not keep the others of a list from being shown.

/** What was stored; null where it was nothing, or is no JSON any more. */
export function storedJson(text: string | null): unknown {
  if (text === null) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** As `storedJson`, of what was stored as an object: one without members where it is none any more. */
export function storedObject(text: string | null): Record<string, unknown> {
  const value = storedJson(text);
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
}
