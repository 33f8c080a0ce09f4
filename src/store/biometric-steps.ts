// A step of migrations.ts about fingers, faces and the like. A step is never edited once released.

export const BIOMETRICS = `
-- Templates that readers made of people's fingers, faces and the like, sealed like PINs.
CREATE TABLE biometrics (
  biometric_key INTEGER PRIMARY KEY,
  acs_biometric_id TEXT NOT NULL UNIQUE,
  user_key INTEGER NOT NULL REFERENCES users (user_key),
  biometric_type TEXT NOT NULL,
  format TEXT NOT NULL,
  is_duress INTEGER NOT NULL DEFAULT 0,
  template_sealed BLOB NOT NULL,
  quality INTEGER NOT NULL,
  display_name TEXT,
  created_at INTEGER NOT NULL,
  seal BLOB
) STRICT;
CREATE INDEX biometrics_by_user ON biometrics (user_key);
`;
