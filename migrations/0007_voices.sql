-- Who speaks where several people share one microphone. Nothing here changes a segment: which of its words are whose is
-- read from the turns that lie over it in time.

-- detect: now and then the agent listens whether there is a second voice. several: all of it is told apart from the first
-- word on. one: nobody is told apart.
ALTER TABLE rooms ADD COLUMN voices text NOT NULL DEFAULT 'detect' CHECK (voices IN ('detect', 'several', 'one'));

-- Voices that an organisation keeps beyond a meeting, each with its owner's consent.
CREATE TABLE people (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    name            text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    -- A direction of length 1: what the voice sounds like (decision 4).
    sound           vector(192) NOT NULL,
    heard_ms        bigint NOT NULL CHECK (heard_ms > 0),
    -- Who said that the person agreed.
    consent_by      text NOT NULL CHECK (char_length(consent_by) BETWEEN 1 AND 200),
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organisation_id, id)
);
CREATE INDEX people_by_organisation ON people (organisation_id, created_at);

-- The voices at one participant's microphone, as far as they are told apart.
CREATE TABLE voices (
    organisation_id uuid NOT NULL,
    room_id         uuid NOT NULL,
    identity        text NOT NULL,
    label           integer NOT NULL CHECK (label BETWEEN 1 AND 1000),
    name            text CHECK (char_length(name) BETWEEN 1 AND 100),
    -- Without a name: it was taken back, and from then on only a person gives it one.
    named_by        text CHECK (char_length(named_by) BETWEEN 1 AND 200),
    person_id       uuid REFERENCES people (id) ON DELETE SET NULL,
    -- The label that this one turned out to be.
    merged_into     integer,
    -- What it sounds like, so that the next agent goes on with the same labels; forgotten when the room ends.
    sound           vector(192),
    heard_ms        bigint NOT NULL CHECK (heard_ms >= 0),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, identity, label),
    CONSTRAINT voices_named_check CHECK (name IS NULL OR named_by IS NOT NULL),
    CONSTRAINT voices_merged_check CHECK (merged_into <> label),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);

CREATE TABLE voice_turns (
    organisation_id uuid NOT NULL,
    room_id         uuid NOT NULL,
    identity        text NOT NULL,
    epoch           bigint NOT NULL,
    utterance       bigint NOT NULL,
    turn            integer NOT NULL,
    start_ms        bigint NOT NULL CHECK (start_ms >= 0),
    end_ms          bigint NOT NULL,
    -- None: nobody is sure whose it is.
    label           integer,
    -- Somebody else spoke at the same time.
    overlapped      boolean NOT NULL,
    PRIMARY KEY (room_id, identity, epoch, utterance, turn),
    CONSTRAINT voice_turns_ends_after_start_check CHECK (end_ms >= start_ms),
    -- So that those over a segment are found without reading all that came before it.
    CONSTRAINT voice_turns_length_check CHECK (end_ms - start_ms <= 60000),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);
CREATE INDEX voice_turns_by_time ON voice_turns (room_id, identity, start_ms);

-- turns: [{"start_ms", "end_ms", "label", "name", "overlapped"}, ...] in order, or null where nobody is told apart.
CREATE OR REPLACE VIEW transcript AS
SELECT s.id, s.organisation_id, s.room_id, s.sequence, s.epoch, s.identity, s.speaker_name, s.track_id, s.start_ms, s.end_ms,
       COALESCE(c.text, s.text) AS text, COALESCE(c.words, s.words) AS words, s.engine,
       COALESCE(c.id, 0) AS revision,
       CASE WHEN c.text IS NOT NULL THEN c.author END AS corrected_by,
       CASE WHEN c.text IS NOT NULL THEN s.text END AS recognised_text, s.late,
       t.turns
FROM segments s
LEFT JOIN LATERAL (
    SELECT id, text, words, author FROM corrections WHERE segment_id = s.id ORDER BY id DESC LIMIT 1
) c ON true
LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_object('start_ms', turn.start_ms, 'end_ms', turn.end_ms, 'label', turn.label,
                                        'name', COALESCE(voice.name, person.name), 'overlapped', turn.overlapped)
                     ORDER BY turn.start_ms, turn.utterance, turn.turn) AS turns
    FROM voice_turns turn
    LEFT JOIN voices voice ON voice.room_id = turn.room_id AND voice.identity = turn.identity AND voice.label = turn.label
    LEFT JOIN people person ON person.id = voice.person_id
    WHERE turn.room_id = s.room_id AND turn.identity = s.identity
      AND turn.start_ms BETWEEN s.start_ms - 60000 AND s.end_ms - 1 AND turn.end_ms > s.start_ms
) t ON true;
