// Steps of migrations.ts about who is in which area. A step is never edited once released.

export const AREAS = `
-- Where people are, as far as is known: a row for whoever was ever seen to enter or leave. The name is that of the moment of entering, so that a list of who is
-- inside still has it when the person was deleted meanwhile; it is blanked when they leave. No seal: a row here opens nothing that no credential opens.
CREATE TABLE area_occupants (
  occupant_key INTEGER PRIMARY KEY,
  area TEXT NOT NULL,
  acs_user_id TEXT NOT NULL,
  full_name TEXT,
  -- 'inside', 'unsure', 'unknown', 'outside' (domain/areas.ts).
  state TEXT NOT NULL,
  entered_at INTEGER NOT NULL,
  -- Where this person was let through last.
  seen_at INTEGER NOT NULL,
  acs_entrance_id TEXT NOT NULL,
  reader TEXT NOT NULL,
  UNIQUE (area, acs_user_id)
) STRICT;
CREATE INDEX area_occupants_by_user ON area_occupants (acs_user_id);
CREATE INDEX area_occupants_listed ON area_occupants (area, occupant_key) WHERE state <> 'outside';
CREATE TRIGGER area_occupants_of_nobody AFTER DELETE ON users BEGIN
  DELETE FROM area_occupants WHERE acs_user_id = old.acs_user_id AND state = 'outside';
END;

-- How many are inside ('inside', 'unsure') and how many may be ('unknown'), for whoever asks at each card.
CREATE TABLE area_counts (area TEXT PRIMARY KEY, inside INTEGER NOT NULL, unknown INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TRIGGER area_counts_insert AFTER INSERT ON area_occupants BEGIN
  INSERT INTO area_counts VALUES (new.area, new.state = 'inside' OR new.state = 'unsure', new.state = 'unknown')
    ON CONFLICT DO UPDATE SET inside = inside + excluded.inside, unknown = unknown + excluded.unknown;
END;
CREATE TRIGGER area_counts_update AFTER UPDATE OF state ON area_occupants WHEN old.state <> new.state BEGIN
  UPDATE area_counts SET
    inside = inside + (new.state = 'inside' OR new.state = 'unsure') - (old.state = 'inside' OR old.state = 'unsure'),
    unknown = unknown + (new.state = 'unknown') - (old.state = 'unknown')
    WHERE area = new.area;
END;
CREATE TRIGGER area_counts_delete AFTER DELETE ON area_occupants BEGIN
  UPDATE area_counts SET inside = inside - (old.state = 'inside' OR old.state = 'unsure'), unknown = unknown - (old.state = 'unknown')
    WHERE area = old.area;
END;

-- Who was let through a door and was not seen to go yet.
CREATE TABLE area_passages (
  acs_entrance_id TEXT NOT NULL,
  acs_user_id TEXT NOT NULL,
  reader TEXT NOT NULL,
  granted_at INTEGER NOT NULL,
  PRIMARY KEY (acs_entrance_id, acs_user_id)
) STRICT, WITHOUT ROWID;
`;
