// Objects as they come out of JSON: what is known of them is that they have members.

export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Those of a list; none where it is no list. */
export const fieldsIn = (value: unknown): Fields[] => (Array.isArray(value) ? value.filter(isFields) : []);

/** The text; an empty one where it is none. */
export const plainText = (value: unknown): string => (typeof value === 'string' ? value : '');
