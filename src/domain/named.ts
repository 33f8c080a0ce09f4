// Look-ups by a name that came from outside. Every object answers to names that nobody gave it (`toString`,
// `__proto__`): only its own members count.

/** The member of that name which the table itself has. */
export function memberOf<T>(table: Readonly<Record<string, T | undefined>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
