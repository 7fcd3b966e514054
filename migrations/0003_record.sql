-- The coverage ledger. Roll forward: new tables and new columns with defaults; older agents write segments without a
-- stretch, and what they heard is not in the ledger.

-- One row a stretch of a track: detected speech, or time in which an open microphone was not heard. Stretches of a track
-- do not overlap. A transcribed stretch has the id of its segment and is written in the segment's transaction.
CREATE TABLE coverage (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    room_id         uuid NOT NULL,
    epoch           bigint NOT NULL,
    identity        text NOT NULL,
    speaker_name    text NOT NULL,
    track_id        text NOT NULL,
    start_ms        bigint NOT NULL CHECK (start_ms >= 0),
    end_ms          bigint NOT NULL,
    -- open: being said. pending: said, not yet recognised and stored. The others are final, but for a gap that is filled.
    state           text NOT NULL CHECK (state IN ('open', 'pending', 'transcribed', 'empty', 'declined', 'gap')),
    reason          text NOT NULL DEFAULT '',
    -- Filled after it had been a gap.
    late            boolean NOT NULL DEFAULT false,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT coverage_ends_after_start_check CHECK (end_ms >= start_ms),
    CONSTRAINT coverage_gap_has_a_reason_check CHECK ((state = 'gap') = (reason <> '')),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);
CREATE INDEX coverage_by_room ON coverage (room_id, start_ms);
CREATE INDEX coverage_by_track ON coverage (room_id, track_id, end_ms);
CREATE INDEX coverage_unsettled ON coverage (room_id, epoch) WHERE state IN ('open', 'pending');

-- Microphones that are open and heard, by the newest session that hears them. What is left here when a session is lost is
-- what nobody hears until the next one comes.
CREATE TABLE open_microphones (
    organisation_id uuid NOT NULL,
    room_id         uuid NOT NULL,
    track_id        text NOT NULL,
    epoch           bigint NOT NULL,
    identity        text NOT NULL,
    speaker_name    text NOT NULL,
    -- Set by a session that ends while people are still there: until when it heard them.
    until_ms        bigint,
    PRIMARY KEY (room_id, track_id),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);

-- Recognised after its stretch had been a gap.
ALTER TABLE segments ADD COLUMN late boolean NOT NULL DEFAULT false;
-- The last sign of life of a session.
ALTER TABLE agent_sessions ADD COLUMN renewed_at timestamptz;
-- What a session under load leaves out: nothing, partials, or audio.
ALTER TABLE agent_sessions ADD COLUMN pressure text NOT NULL DEFAULT 'none'
    CHECK (pressure IN ('none', 'no_partials', 'no_audio'));

-- Who may be recognised. 'assumed': everybody who has not declined. 'required': nobody who has not agreed.
ALTER TABLE rooms ADD COLUMN consent text NOT NULL DEFAULT 'assumed' CHECK (consent IN ('assumed', 'required'));
-- Every statement is kept; the newest counts.
CREATE TABLE consents (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation_id uuid NOT NULL,
    room_id         uuid NOT NULL,
    identity        text NOT NULL,
    granted         boolean NOT NULL,
    -- The participant's identity, or who said so for them.
    author          text NOT NULL CHECK (char_length(author) BETWEEN 1 AND 200),
    at              timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);
CREATE INDEX consents_by_room ON consents (room_id, identity, id);

-- What a unit of usage costs an organisation, from a moment on; without an organisation, everybody. Whole millionths of
-- the currency: costs are computed when they are asked for.
CREATE TABLE prices (
    organisation_id uuid REFERENCES organisations (id),
    kind            text NOT NULL CHECK (char_length(kind) BETWEEN 1 AND 100),
    engine          text NOT NULL DEFAULT '' CHECK (char_length(engine) <= 200),
    unit            text NOT NULL CHECK (char_length(unit) BETWEEN 1 AND 100),
    currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    micros_per_unit bigint NOT NULL CHECK (micros_per_unit >= 0),
    valid_from      timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (organisation_id, kind, engine, unit, valid_from)
);
-- Whisper on the own machine costs nothing but its seconds, unless somebody sets a price.
INSERT INTO prices (kind, engine, unit, currency, micros_per_unit, valid_from)
VALUES ('recogniser_compute', 'whisper:*', 'seconds', 'EUR', 0, '-infinity'),
       ('speech_recognised', 'whisper:*', 'seconds', 'EUR', 0, '-infinity');
