// Ids have the form of a UUID of any version, `33333333-3333-3333-3333-333333333333` too; inside they are lower case.

export const UUID_FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const COMMAND_ID_FORM = /^[A-Za-z0-9._~-]{1,64}$/;
