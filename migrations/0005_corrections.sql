-- What people correct lies over what was recognised and never replaces it. The newest row of a segment is in force; a row
-- without text says that what was recognised was right after all.

CREATE TABLE corrections (
    -- Made under the room's lock, so a room's corrections become visible in this order.
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation_id uuid NOT NULL,
    room_id         uuid NOT NULL,
    segment_id      uuid NOT NULL REFERENCES segments (id),
    text            text CHECK (char_length(text) <= 4000),
    words           jsonb,
    author          text NOT NULL CHECK (char_length(author) BETWEEN 1 AND 100),
    at              timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT corrections_words_check CHECK ((text IS NULL) = (words IS NULL)),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);
CREATE INDEX corrections_by_segment ON corrections (segment_id, id DESC);
CREATE INDEX corrections_by_room ON corrections (room_id, id);

-- The transcript as it reads now.
CREATE VIEW transcript AS
SELECT s.id, s.organisation_id, s.room_id, s.sequence, s.epoch, s.identity, s.speaker_name, s.track_id, s.start_ms, s.end_ms,
       COALESCE(c.text, s.text) AS text, COALESCE(c.words, s.words) AS words, s.engine,
       COALESCE(c.id, 0) AS revision,
       CASE WHEN c.text IS NOT NULL THEN c.author END AS corrected_by,
       CASE WHEN c.text IS NOT NULL THEN s.text END AS recognised_text, s.late
FROM segments s
LEFT JOIN LATERAL (
    SELECT id, text, words, author FROM corrections WHERE segment_id = s.id ORDER BY id DESC LIMIT 1
) c ON true;
