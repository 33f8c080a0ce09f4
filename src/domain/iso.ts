// Instants as text.

/** RFC 3339 with Z, or null. */
export const iso = (atMs: number | null): string | null => (atMs === null ? null : new Date(atMs).toISOString());
