-- Words that a recogniser has to be told: those of a document, the one most worth knowing first, and those that a
-- correction brought in.
ALTER TABLE documents ADD COLUMN terms text[] NOT NULL DEFAULT '{}';
ALTER TABLE corrections ADD COLUMN terms text[] NOT NULL DEFAULT '{}';
CREATE INDEX corrections_with_terms ON corrections (organisation_id, id DESC) WHERE terms <> '{}';
