// The tables, as a list of forward steps. A step is never edited once released: a new one is added. Instants are epoch
// milliseconds, ids are lower-case text, secrets are a keyed hash to look up (`*_hash`) and a sealed blob to write to
// controllers (`*_sealed`).

import { AREAS } from './area-steps.ts';
import { BIOMETRICS } from './biometric-steps.ts';
import { ISSUED_KEYS } from './issuer-steps.ts';
import { GRANTS, GROUPS, STARTS, USES, DURESS, ENDED } from './people-steps.ts';
import { SNAPSHOTS } from './snapshot-steps.ts';

export type Migration = { version: number; sql: string };

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    sql: `
CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  user_key INTEGER PRIMARY KEY,
  acs_user_id TEXT NOT NULL UNIQUE,
  full_name TEXT,
  email_address TEXT,
  phone_number TEXT,
  user_identity_id TEXT,
  starts_at INTEGER,
  ends_at INTEGER,
  is_suspended INTEGER NOT NULL DEFAULT 0,
  metadata TEXT,
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX users_by_identity ON users (user_identity_id) WHERE user_identity_id IS NOT NULL;

-- Entrances come from the facility file; a row stays when an entrance leaves the file, so that its history keeps a name.
CREATE TABLE entrances (
  entrance_key INTEGER PRIMARY KEY,
  acs_entrance_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL
) STRICT;

CREATE TABLE credentials (
  credential_key INTEGER PRIMARY KEY,
  acs_credential_id TEXT NOT NULL UNIQUE,
  user_key INTEGER REFERENCES users (user_key),
  access_method TEXT NOT NULL,
  starts_at INTEGER,
  ends_at INTEGER,
  -- 1: opens exactly the entrances listed for it; 0: follows its user's groups and grants.
  has_own_entrances INTEGER NOT NULL,
  is_one_time_use INTEGER NOT NULL DEFAULT 0,
  used_at INTEGER,
  -- Set once acs_credential.invalidated has been recorded (expired, used up, user deleted).
  invalidated_at INTEGER,
  card_hash BLOB,
  card_sealed BLOB,
  code_hash BLOB,
  code_sealed BLOB,
  code_length INTEGER,
  secret_revision INTEGER,
  display_name TEXT,
  metadata TEXT,
  -- Kept as given and answered as given: user_identity_id, brand metadata, …
  opaque TEXT,
  schedule_modified INTEGER NOT NULL DEFAULT 0,
  issued_at INTEGER,
  synced_at INTEGER,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX credentials_by_card ON credentials (card_hash) WHERE card_hash IS NOT NULL;
CREATE INDEX credentials_by_code ON credentials (code_hash) WHERE code_hash IS NOT NULL AND has_own_entrances = 0;
CREATE INDEX credentials_by_user ON credentials (user_key) WHERE user_key IS NOT NULL;
CREATE INDEX credentials_by_end ON credentials (ends_at) WHERE ends_at IS NOT NULL AND invalidated_at IS NULL;

CREATE TABLE credential_entrances (
  credential_key INTEGER NOT NULL REFERENCES credentials (credential_key) ON DELETE CASCADE,
  entrance_key INTEGER NOT NULL REFERENCES entrances (entrance_key),
  -- Copied from the credential, so that a typed code is one point lookup at its entrance however many codes the site has.
  code_hash BLOB,
  -- Null once the credential can no longer be used: then it takes no room among the codes of its length.
  code_length INTEGER,
  PRIMARY KEY (credential_key, entrance_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX credential_entrances_by_code ON credential_entrances (code_hash, entrance_key) WHERE code_hash IS NOT NULL;
CREATE INDEX credential_entrances_by_entrance ON credential_entrances (entrance_key, credential_key);

-- How many codes of a length an entrance carries, kept by triggers: the rule of code space must cost the same at ten codes and at a hundred thousand.
CREATE TABLE code_counts (
  entrance_key INTEGER NOT NULL,
  code_length INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (entrance_key, code_length)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER code_counts_insert AFTER INSERT ON credential_entrances WHEN new.code_length IS NOT NULL BEGIN
  INSERT INTO code_counts VALUES (new.entrance_key, new.code_length, 1) ON CONFLICT DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER code_counts_delete AFTER DELETE ON credential_entrances WHEN old.code_length IS NOT NULL BEGIN
  UPDATE code_counts SET count = count - 1 WHERE entrance_key = old.entrance_key AND code_length = old.code_length;
END;
CREATE TRIGGER code_counts_update AFTER UPDATE OF code_length ON credential_entrances WHEN old.code_length IS NOT new.code_length BEGIN
  UPDATE code_counts SET count = count - 1 WHERE entrance_key = old.entrance_key AND code_length = old.code_length;
  INSERT INTO code_counts SELECT new.entrance_key, new.code_length, 1 WHERE new.code_length IS NOT NULL ON CONFLICT DO UPDATE SET count = count + 1;
END;

CREATE TABLE tombstones (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  deleted_at INTEGER NOT NULL,
  PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
  command_id TEXT NOT NULL PRIMARY KEY,
  digest BLOB NOT NULL,
  command TEXT NOT NULL,
  -- accepted: the effect is to come or under way; done: answered; running: an apply that goes on from its progress.
  state TEXT NOT NULL CHECK (state IN ('accepted', 'running', 'done')),
  received_at INTEGER NOT NULL,
  finished_at INTEGER,
  -- The reply as JSON, sealed when it holds a card number or a generated code.
  reply BLOB,
  is_sealed INTEGER NOT NULL DEFAULT 0,
  -- Until when a generated code in the reply may be shown again; null when it holds none.
  code_shown_until INTEGER,
  -- Where the reply goes as long as nobody has acknowledged it; null afterwards.
  reply_topic TEXT,
  correlation BLOB,
  progress BLOB
) STRICT;
CREATE INDEX journal_by_age ON journal (received_at);
CREATE INDEX journal_unanswered ON journal (state) WHERE state <> 'done';
CREATE INDEX journal_undelivered ON journal (received_at) WHERE reply_topic IS NOT NULL AND state = 'done';

-- The event log and the outbox in one: what the broker has acknowledged is everything up to meta 'outbox_acknowledged'.
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  event_type TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  body TEXT NOT NULL
) STRICT;

-- What each controller should hold, was written and was read, one row per credential and controller. The row owns the slot, from before the first write until
-- after the verified erasure.
CREATE TABLE targets (
  target_key INTEGER PRIMARY KEY,
  controller TEXT NOT NULL,
  credential_key INTEGER NOT NULL,
  acs_credential_id TEXT NOT NULL,
  slot INTEGER,
  state TEXT NOT NULL CHECK (state IN ('scheduled', 'writing', 'set', 'unconfirmed', 'removing', 'removed', 'failed')),
  -- Keyed hash of the content that was sent last, or is being sent; null: nothing, or an erasure.
  written_hash BLOB,
  -- Keyed hash of the record's image as last read; null while nobody knows what the slot holds.
  read_hash BLOB,
  verified_at INTEGER,
  error_type TEXT,
  error_message TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  -- When it must be judged anew what this row should hold (0: at once); null: never by itself. Judged by the clock that may be untrusted.
  due_at INTEGER,
  -- What the row waits to have done at the controller (1: an erasure, 2: a write), and its place in that queue; null: nothing.
  waits INTEGER,
  urgent_at INTEGER,
  -- Since when the slot should have been empty, and why: 'ended' or 'revoked'. Null while it may hold something.
  erase_since INTEGER,
  erase_reason TEXT,
  -- 1 once an event has said that this erasure takes too long.
  is_overdue INTEGER NOT NULL DEFAULT 0,
  -- What events have said of the present content: 1 scheduled_on_device, 2 set_on_device.
  announced INTEGER NOT NULL DEFAULT 0,
  -- The credential whose code lies in this card's slot, where a door asks for both; a row without a slot: whose slot holds this code.
  partner_key INTEGER,
  UNIQUE (controller, credential_key)
) STRICT;
CREATE UNIQUE INDEX targets_by_slot ON targets (controller, slot) WHERE slot IS NOT NULL;
CREATE INDEX targets_by_credential ON targets (credential_key);
CREATE INDEX targets_by_partner ON targets (partner_key) WHERE partner_key IS NOT NULL;
CREATE INDEX targets_due ON targets (controller, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX targets_waiting ON targets (controller, waits, urgent_at) WHERE waits IS NOT NULL;
CREATE INDEX targets_erasing ON targets (controller, is_overdue, erase_since) WHERE erase_since IS NOT NULL;
CREATE INDEX targets_unsettled ON targets (state, controller, erase_since) WHERE state IN ('writing', 'removing', 'unconfirmed', 'failed');

-- Per controller: rows that take, or will take, a slot; slots owned; rows that wait for the controller or a remedy. Kept by triggers, so that accepting a
-- credential and showing a state cost the same at ten and at a hundred thousand.
CREATE TABLE target_counts (
  controller TEXT PRIMARY KEY,
  total INTEGER NOT NULL,
  used INTEGER NOT NULL,
  pending INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER target_counts_insert AFTER INSERT ON targets BEGIN
  INSERT INTO target_counts VALUES (new.controller, new.state <> 'removed', new.slot IS NOT NULL, new.state IN ('writing', 'removing', 'failed'))
    ON CONFLICT DO UPDATE SET total = total + excluded.total, used = used + excluded.used, pending = pending + excluded.pending;
END;
CREATE TRIGGER target_counts_delete AFTER DELETE ON targets BEGIN
  UPDATE target_counts SET total = total - (old.state <> 'removed'), used = used - (old.slot IS NOT NULL),
    pending = pending - (old.state IN ('writing', 'removing', 'failed')) WHERE controller = old.controller;
END;
CREATE TRIGGER target_counts_update AFTER UPDATE OF state, slot ON targets WHEN old.state <> new.state OR old.slot IS NOT new.slot BEGIN
  UPDATE target_counts SET total = total + (new.state <> 'removed') - (old.state <> 'removed'),
    used = used + (new.slot IS NOT NULL) - (old.slot IS NOT NULL),
    pending = pending + (new.state IN ('writing', 'removing', 'failed')) - (old.state IN ('writing', 'removing', 'failed'))
    WHERE controller = new.controller;
END;

CREATE TABLE foreign_slots (
  controller TEXT NOT NULL,
  slot INTEGER NOT NULL,
  read_hash BLOB NOT NULL,
  first_seen_at INTEGER NOT NULL,
  PRIMARY KEY (controller, slot)
) STRICT, WITHOUT ROWID;

-- Who had a slot last: a controller's event about it may be read after it was freed.
CREATE TABLE slot_history (
  controller TEXT NOT NULL,
  slot INTEGER NOT NULL,
  acs_credential_id TEXT NOT NULL,
  freed_at INTEGER NOT NULL,
  PRIMARY KEY (controller, slot)
) STRICT, WITHOUT ROWID;

-- What is known of each controller that holds credentials: who it said it was, its last full comparison, how far its events are stored.
CREATE TABLE controllers (
  controller TEXT PRIMARY KEY,
  identity TEXT,
  -- Digest of what the facility file says of its doors and table: when it is another one, every row is judged anew.
  setup TEXT,
  compared_at INTEGER,
  compared INTEGER,
  differing INTEGER,
  -- 1 while a full comparison is owed, whatever happens to the process.
  is_comparison_due INTEGER NOT NULL DEFAULT 0,
  event_cursor TEXT,
  -- 0 between storing events and freeing them at the device.
  is_cursor_acknowledged INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

-- Wrong codes in a row, by reader or by card; outlives a restart, which would otherwise be a way around it.
CREATE TABLE lockouts (
  name TEXT PRIMARY KEY,
  failed INTEGER NOT NULL,
  first_failed_at INTEGER NOT NULL,
  locked_until INTEGER,
  level INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Keys of readers that speak Secure Channel, and what each reader said it is. Pending: made and stored, and not yet proven by the reader.
CREATE TABLE reader_keys (
  device TEXT PRIMARY KEY,
  active_sealed BLOB,
  pending_sealed BLOB,
  identity TEXT
) STRICT, WITHOUT ROWID;

-- Cursors and last completed periods of jobs; one row each.
CREATE TABLE jobs (
  name TEXT PRIMARY KEY,
  completed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`,
  },
  {
    version: 2,
    sql: `
-- 1 once somebody has asked for it to be emptied, as it was then.
ALTER TABLE foreign_slots ADD COLUMN is_unwanted INTEGER NOT NULL DEFAULT 0;
-- How the pending key came about, for the event that tells of it.
ALTER TABLE reader_keys ADD COLUMN pending_how TEXT;
`,
  },
  {
    version: 3,
    sql: `
-- Weekly schedules and the days on which they hold differently. \`content\` is the text of domain/schedule.ts.
CREATE TABLE schedules (
  schedule_key INTEGER PRIMARY KEY,
  schedule_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  content TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE holidays (
  holiday_key INTEGER PRIMARY KEY,
  holiday_id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  -- YYYY-MM-DD, both included.
  first_date TEXT NOT NULL,
  last_date TEXT NOT NULL,
  is_every_year INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
-- Each day of each holiday, YYYY-MM-DD, or MM-DD where it comes every year: a decision asks for two of them.
CREATE TABLE holiday_days (
  day TEXT NOT NULL,
  holiday_key INTEGER NOT NULL REFERENCES holidays (holiday_key) ON DELETE CASCADE,
  PRIMARY KEY (day, holiday_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX holiday_days_by_holiday ON holiday_days (holiday_key);

ALTER TABLE credentials ADD COLUMN schedule_key INTEGER REFERENCES schedules (schedule_key);
CREATE INDEX credentials_by_schedule ON credentials (schedule_key) WHERE schedule_key IS NOT NULL;

-- Which numbered time zone of a controller holds which part of which schedule, from before it is first written until no slot names it any more.
CREATE TABLE controller_zones (
  controller TEXT NOT NULL,
  zone INTEGER NOT NULL,
  -- Null: the schedule is gone, and a slot may still name the zone.
  schedule_key INTEGER REFERENCES schedules (schedule_key) ON DELETE SET NULL,
  part INTEGER NOT NULL,
  -- What the controller acknowledged last; null: nothing that can be relied on.
  written TEXT,
  PRIMARY KEY (controller, zone)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX controller_zones_by_schedule ON controller_zones (schedule_key, controller, part) WHERE schedule_key IS NOT NULL;
-- What a controller was told of the holidays (null: nothing that can be relied on), and the most days that it was ever told.
CREATE TABLE controller_holidays (controller TEXT PRIMARY KEY, written TEXT, most INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- The time zone that the slot's content names; null: none.
ALTER TABLE targets ADD COLUMN zone INTEGER;
CREATE INDEX targets_by_zone ON targets (controller, zone) WHERE zone IS NOT NULL;
`,
  },
  {
    version: 4,
    sql: `
-- As they were, with each state named on its own: for every list of three and more SQLite builds a table in memory at each change of a row, twice where the
-- row as it was and as it is are asked about.
DROP INDEX targets_unsettled;
CREATE INDEX targets_unsettled ON targets (state, controller, erase_since)
  WHERE state = 'writing' OR state = 'removing' OR state = 'unconfirmed' OR state = 'failed';
DROP TRIGGER target_counts_insert;
CREATE TRIGGER target_counts_insert AFTER INSERT ON targets BEGIN
  INSERT INTO target_counts
    VALUES (new.controller, new.state <> 'removed', new.slot IS NOT NULL, new.state = 'writing' OR new.state = 'removing' OR new.state = 'failed')
    ON CONFLICT DO UPDATE SET total = total + excluded.total, used = used + excluded.used, pending = pending + excluded.pending;
END;
DROP TRIGGER target_counts_update;
CREATE TRIGGER target_counts_update AFTER UPDATE OF state, slot ON targets WHEN old.state <> new.state OR old.slot IS NOT new.slot BEGIN
  UPDATE target_counts SET total = total + (new.state <> 'removed') - (old.state <> 'removed'),
    used = used + (new.slot IS NOT NULL) - (old.slot IS NOT NULL),
    pending = pending + (new.state = 'writing' OR new.state = 'removing' OR new.state = 'failed')
      - (old.state = 'writing' OR old.state = 'removing' OR old.state = 'failed')
    WHERE controller = new.controller;
END;
`,
  },
  {
    version: 5,
    sql: `
-- What wrong codes have cost, by place ('reader NAME', 'entrance ID', 'card ID', 'facility'), without an instant: the time that the process is away counts for
-- nothing. A lock that is under way goes on with what is left of it by the clock of this moment, a day at most.
CREATE TABLE guesses (
  name TEXT PRIMARY KEY,
  spent REAL NOT NULL,
  failed INTEGER NOT NULL,
  level INTEGER NOT NULL,
  lock_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO guesses SELECT 'reader ' || name, 0, failed, level, min(86400000, max(0, coalesce(locked_until, 0) - unixepoch() * 1000)) FROM lockouts;
DROP TABLE lockouts;
`,
  },
  {
    version: 6,
    sql: `
-- Name and e-mail address as people search for them: without case and without marks, in any script.
ALTER TABLE users ADD COLUMN folded TEXT;
UPDATE users SET folded = fold(coalesce(full_name, '') || char(10) || coalesce(email_address, ''));
`,
  },
  {
    version: 7,
    sql: `
-- The seal over what decides in a row (seal.ts, which names the columns). Written by the triggers of sealing.ts and by nothing else: a later step that changes
-- such a column itself leaves the row without a seal that fits.
ALTER TABLE users ADD COLUMN seal BLOB;
ALTER TABLE credentials ADD COLUMN seal BLOB;
-- Which list of entrances is the present one: an entry is sealed with it.
ALTER TABLE credentials ADD COLUMN list_revision INTEGER NOT NULL DEFAULT 1;
ALTER TABLE credential_entrances ADD COLUMN seal BLOB;
ALTER TABLE schedules ADD COLUMN seal BLOB;
ALTER TABLE holiday_days ADD COLUMN seal BLOB;
ALTER TABLE tombstones ADD COLUMN seal BLOB;

-- Over all sealed rows, and over those of the holidays alone: how many there are, the sum of their seals, how often access was taken from somebody.
CREATE TABLE ledger (
  name TEXT PRIMARY KEY,
  row_count INTEGER NOT NULL,
  sum BLOB NOT NULL,
  generation INTEGER NOT NULL,
  seal BLOB
) STRICT, WITHOUT ROWID;
`,
  },
  {
    version: 8,
    sql: `
-- 1 for a credential that made way in a full table: it has its slot again when there is room, at the latest at its start.
ALTER TABLE targets ADD COLUMN is_deferred INTEGER NOT NULL DEFAULT 0;
CREATE INDEX targets_deferred ON targets (controller, state, due_at) WHERE is_deferred = 1;
-- What is there ahead of its start, and may make way.
CREATE INDEX targets_not_begun ON targets (controller, due_at) WHERE announced = 1;
`,
  },
  {
    version: 9,
    sql: `
-- The phones of a mobile key: each is a credential of its own to whoever commands, and opens what its parent opens.
CREATE TABLE phones (
  phone_key INTEGER PRIMARY KEY,
  acs_credential_id TEXT NOT NULL UNIQUE,
  credential_key INTEGER NOT NULL REFERENCES credentials (credential_key) ON DELETE CASCADE,
  -- Of its public key, keyed: what a decision looks up. The key itself is no secret.
  key_hash BLOB NOT NULL,
  public_key BLOB NOT NULL,
  display_name TEXT,
  created_at INTEGER NOT NULL,
  seal BLOB,
  UNIQUE (credential_key, key_hash)
) STRICT;
CREATE INDEX phones_by_key ON phones (key_hash);
`,
  },
  {
    version: 10,
    sql: `
-- People who need longer at a door. It lets nobody in, and no seal is over it.
ALTER TABLE users ADD COLUMN is_extended_access INTEGER NOT NULL DEFAULT 0;
`,
  },
  { version: 11, sql: GROUPS },
  { version: 12, sql: ISSUED_KEYS },
  {
    version: 13,
    sql: `
-- What wants which mode of an entrance ('*': of all), beside its schedule. The seal is over all but the command.
CREATE TABLE mode_sources (
  place TEXT NOT NULL,
  kind TEXT NOT NULL,
  origin TEXT NOT NULL,
  mode TEXT NOT NULL,
  until INTEGER,
  since INTEGER NOT NULL,
  command TEXT,
  seal BLOB NOT NULL,
  PRIMARY KEY (place, kind, origin)
) STRICT, WITHOUT ROWID;
`,
  },
  { version: 14, sql: GRANTS },
  { version: 15, sql: STARTS },
  { version: 16, sql: AREAS },
  { version: 17, sql: USES },
  { version: 18, sql: DURESS },
  { version: 19, sql: BIOMETRICS },
  { version: 20, sql: ENDED },
  { version: 21, sql: SNAPSHOTS },
];
