// A step of migrations.ts about snapshots: the list of a whole facility, on its way in. A step is never edited once
// released.

export const SNAPSHOTS = `
-- The snapshot that is under way; there is one at a time. What it is to become, who commits it, and how far that has come.
CREATE TABLE snapshots (
  snapshot_id TEXT PRIMARY KEY,
  base_revision INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  begun_at INTEGER NOT NULL,
  touched_at INTEGER NOT NULL,
  -- The command that commits it, with what it said, as JSON; null: pages may still come.
  command_id TEXT,
  commit_order TEXT,
  -- How far it is applied, as JSON; null: nothing of it is.
  progress TEXT
) STRICT, WITHOUT ROWID;
-- Its pages, sealed: they hold codes and cards.
CREATE TABLE snapshot_pages (
  page INTEGER PRIMARY KEY,
  sha256 TEXT NOT NULL,
  items INTEGER NOT NULL,
  commands TEXT NOT NULL,
  content BLOB NOT NULL
) STRICT;
-- Duress codes are few: whoever gives somebody another code looks at those alone.
CREATE INDEX credentials_duress ON credentials (user_key) WHERE is_duress = 1;
`;
