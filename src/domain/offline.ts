// How long doors go on deciding without word from above, by the class of what is shown: at an entrance as it says
// itself, else as the facility says.

export const CREDENTIAL_CLASSES = ['staff', 'visitor', 'one_time'] as const;
export type CredentialClass = (typeof CREDENTIAL_CLASSES)[number];

/** Milliseconds, null: without limit; undefined: nothing is said here. `grace`: of all classes that are not named. */
export type OfflineRules = Readonly<Partial<Record<CredentialClass | 'grace', number | null | undefined>>>;

/** Null: without limit. */
export function graceOf(of: CredentialClass, entrance: OfflineRules, facility: OfflineRules): number | null {
  const said = [entrance[of], entrance.grace, facility[of], facility.grace];
  return said.find((rule) => rule !== undefined) ?? null;
}

/** How long anybody at all is let in; null: without limit. */
export function longestGraceOf(entrance: OfflineRules, facility: OfflineRules): number | null {
  const graces = CREDENTIAL_CLASSES.map((of) => graceOf(of, entrance, facility));
  return graces.includes(null) ? null : Math.max(...graces.map((grace) => grace ?? Infinity));
}

type Credential = { uses_left: number; ends_at: number | null; user_ends_at: number | null };

/** What is good for so many entries is of a class of its own, however many; whoever has an end, by the credential or as a person, is a visitor. */
export function classOf({ uses_left: left, ends_at, user_ends_at }: Credential): CredentialClass {
  if (left > 0) return 'one_time';
  return ends_at !== null || user_ends_at !== null ? 'visitor' : 'staff';
}
