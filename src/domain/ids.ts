// Ids have the form of a UUID of any version, `33333333-3333-3333-3333-333333333333` too; inside they are lower case.

export const UUID_FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const COMMAND_ID_FORM = /^[A-Za-z0-9._~-]{1,64}$/;

/** The same content has the same id: version 8 of RFC 9562, of its SHA-256 in hexadecimal digits. */
export const uuidOfHash = (hex: string): string =>
  `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
