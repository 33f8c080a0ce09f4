// How names are compared when people search: without case and without marks, in any script.

/** `Øystein Åsen` and `øystein asen` are one. */
export const fold = (text: string): string => text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
