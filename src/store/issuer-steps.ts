// The step that brings the keys which credential managers sign (migrations.ts).

export const ISSUED_KEYS = `
-- Keys that a credential manager has signed for a mobile key, each with a window and entrances of its own.
CREATE TABLE issued_keys (
  issued_key INTEGER PRIMARY KEY,
  acs_credential_id TEXT NOT NULL UNIQUE,
  credential_key INTEGER NOT NULL REFERENCES credentials (credential_key) ON DELETE CASCADE,
  key_hash BLOB NOT NULL,
  public_key BLOB NOT NULL,
  -- The manager's acs_system_id, and the number that it gave to what it signed.
  issuer TEXT NOT NULL,
  token_id TEXT NOT NULL,
  starts_at INTEGER NOT NULL,
  ends_at INTEGER NOT NULL,
  issued_at INTEGER NOT NULL,
  -- Ids, in order, separated by commas.
  entrances TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  seal BLOB,
  UNIQUE (issuer, token_id)
) STRICT;
CREATE INDEX issued_keys_by_key ON issued_keys (key_hash);
CREATE INDEX issued_keys_of ON issued_keys (credential_key);
CREATE INDEX issued_keys_by_end ON issued_keys (ends_at);
-- 1: no command has brought it (yet), it was made of what its credential manager signed.
ALTER TABLE credentials ADD COLUMN is_from_token INTEGER NOT NULL DEFAULT 0;
`;
