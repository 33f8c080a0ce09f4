// Steps of migrations.ts about who opens which door beside the lists of credentials: groups, grants, spaces. A step is
// never edited once released.

export const GROUPS = `
-- Access groups: who is in, when, and which entrances they open. A group that was deleted opens nothing with that very transaction; what is left of its rows goes in
-- slices, so that it costs the same with one member and with a hundred thousand. Keys are never used again, for rows outlive their group.
CREATE TABLE access_groups (
  group_key INTEGER PRIMARY KEY AUTOINCREMENT,
  acs_access_group_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  schedule_key INTEGER REFERENCES schedules (schedule_key),
  metadata TEXT,
  user_count INTEGER NOT NULL DEFAULT 0,
  entrance_count INTEGER NOT NULL DEFAULT 0,
  -- What its members and entrances add to the digest: taken out as one number when it is deleted.
  parts_sum TEXT NOT NULL DEFAULT '0',
  created_at INTEGER NOT NULL,
  seal BLOB
) STRICT;
CREATE INDEX access_groups_by_schedule ON access_groups (schedule_key) WHERE schedule_key IS NOT NULL;
CREATE TABLE access_group_users (
  user_key INTEGER NOT NULL REFERENCES users (user_key),
  group_key INTEGER NOT NULL,
  starts_at INTEGER,
  ends_at INTEGER,
  seal BLOB,
  PRIMARY KEY (user_key, group_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_group_users_by_group ON access_group_users (group_key, user_key);
CREATE TABLE access_group_entrances (
  group_key INTEGER NOT NULL,
  entrance_key INTEGER NOT NULL REFERENCES entrances (entrance_key),
  -- Sealed with it: a number that came to stand for another entrance opens nothing.
  acs_entrance_id TEXT NOT NULL,
  seal BLOB,
  PRIMARY KEY (group_key, entrance_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_group_entrances_by_entrance ON access_group_entrances (entrance_key, group_key);

-- What a person may open beside that. One row for each grant of it; 0: said of this person and entrance alone.
CREATE TABLE user_entrances (
  user_key INTEGER NOT NULL REFERENCES users (user_key),
  entrance_key INTEGER NOT NULL REFERENCES entrances (entrance_key),
  grant_key INTEGER NOT NULL,
  acs_entrance_id TEXT NOT NULL,
  starts_at INTEGER,
  ends_at INTEGER,
  schedule_key INTEGER REFERENCES schedules (schedule_key),
  seal BLOB,
  PRIMARY KEY (user_key, entrance_key, grant_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX user_entrances_by_entrance ON user_entrances (entrance_key, user_key);
CREATE INDEX user_entrances_by_schedule ON user_entrances (schedule_key) WHERE schedule_key IS NOT NULL;

-- Changes of a group whose members are looked through in slices: behind which user that stands, whatever happens to the process.
CREATE TABLE group_changes (
  change_key INTEGER PRIMARY KEY AUTOINCREMENT,
  group_key INTEGER NOT NULL,
  -- 1: the group is gone, and so go its rows.
  is_gone INTEGER NOT NULL,
  takes_access INTEGER NOT NULL,
  -- Names of the controllers concerned, as JSON.
  controllers TEXT NOT NULL,
  after_user INTEGER NOT NULL DEFAULT 0
) STRICT;

-- A code that follows its user may come to be typed at any entrance: of each length there are so many, under the entrance 0.
INSERT INTO code_counts SELECT 0, code_length, count(*) FROM credentials
  WHERE has_own_entrances = 0 AND code_length IS NOT NULL AND invalidated_at IS NULL GROUP BY code_length;
CREATE TRIGGER following_counts_insert AFTER INSERT ON credentials WHEN new.has_own_entrances = 0 AND new.code_length IS NOT NULL AND new.invalidated_at IS NULL BEGIN
  INSERT INTO code_counts VALUES (0, new.code_length, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER following_counts_delete AFTER DELETE ON credentials WHEN old.has_own_entrances = 0 AND old.code_length IS NOT NULL AND old.invalidated_at IS NULL BEGIN
  UPDATE code_counts SET count = count - 1 WHERE entrance_key = 0 AND code_length = old.code_length;
END;
CREATE TRIGGER following_counts_update AFTER UPDATE OF has_own_entrances, code_length, invalidated_at ON credentials
  WHEN (old.has_own_entrances = 0 OR new.has_own_entrances = 0)
    AND (old.has_own_entrances <> new.has_own_entrances OR old.code_length IS NOT new.code_length OR (old.invalidated_at IS NULL) <> (new.invalidated_at IS NULL)) BEGIN
  UPDATE code_counts SET count = count - 1
    WHERE entrance_key = 0 AND code_length = old.code_length AND old.has_own_entrances = 0 AND old.invalidated_at IS NULL;
  INSERT INTO code_counts SELECT 0, new.code_length, 1 WHERE new.has_own_entrances = 0 AND new.code_length IS NOT NULL AND new.invalidated_at IS NULL
    ON CONFLICT DO UPDATE SET count = count + 1;
END;
`;

export const GRANTS = `
-- Access grants: what somebody is given as a whole, a stay in a hotel. The ways that it opens are rows of user_entrances, and the list of each credential that was made for it.
CREATE TABLE access_grants (
  grant_key INTEGER PRIMARY KEY AUTOINCREMENT,
  access_grant_id TEXT NOT NULL UNIQUE,
  user_key INTEGER NOT NULL REFERENCES users (user_key),
  name TEXT,
  access_grant_key TEXT UNIQUE,
  reservation_key TEXT,
  starts_at INTEGER,
  ends_at INTEGER,
  schedule_key INTEGER REFERENCES schedules (schedule_key),
  -- Ids of the spaces that were named, as JSON: what they held then is in user_entrances.
  space_ids TEXT NOT NULL,
  -- The grant of another reservation that ended this one.
  ended_by TEXT,
  metadata TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX access_grants_by_user ON access_grants (user_key);
CREATE INDEX access_grants_by_schedule ON access_grants (schedule_key) WHERE schedule_key IS NOT NULL;

-- What was asked for with a grant. Its credential has the same id; a card that has no number yet has none.
CREATE TABLE access_methods (
  method_key INTEGER PRIMARY KEY,
  access_method_id TEXT NOT NULL UNIQUE,
  grant_key INTEGER NOT NULL REFERENCES access_grants (grant_key) ON DELETE CASCADE,
  mode TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX access_methods_by_grant ON access_methods (grant_key);

-- Entrances that have a name together.
CREATE TABLE spaces (
  space_key INTEGER PRIMARY KEY,
  space_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  metadata TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE space_entrances (
  space_key INTEGER NOT NULL REFERENCES spaces (space_key) ON DELETE CASCADE,
  entrance_key INTEGER NOT NULL REFERENCES entrances (entrance_key),
  PRIMARY KEY (space_key, entrance_key)
) STRICT, WITHOUT ROWID;
`;

export const STARTS = `
-- Who comes soon, and whether the doors know it.
CREATE INDEX credentials_by_start ON credentials (starts_at, credential_key) WHERE starts_at IS NOT NULL;
`;

export const USES = `
-- A one-time use is a count that begins at one. The seals are over the values, which stay as they are.
ALTER TABLE credentials RENAME COLUMN is_one_time_use TO uses_left;
-- As it was commanded; what decides is what is left.
ALTER TABLE credentials ADD COLUMN max_uses INTEGER;
UPDATE credentials SET max_uses = 1 WHERE uses_left = 1;
`;

export const ENDED = `
-- What ended long ago is removed (ended.ts). Of a tombstone 1: nobody deleted it. No seal is over that: it is a matter of words.
ALTER TABLE tombstones ADD COLUMN is_ended INTEGER NOT NULL DEFAULT 0;
CREATE INDEX credentials_by_invalidation ON credentials (invalidated_at, credential_key) WHERE invalidated_at IS NOT NULL;
CREATE INDEX access_grants_by_end ON access_grants (ends_at, grant_key) WHERE ends_at IS NOT NULL;
`;

export const DURESS = `
-- A code that is typed under threat: it opens as its person's other code does, and is told.
ALTER TABLE credentials ADD COLUMN is_duress INTEGER NOT NULL DEFAULT 0;
`;
