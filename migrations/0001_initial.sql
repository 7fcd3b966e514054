-- The first schema. Roll forward: nothing to expand or contract yet.
-- Every table that belongs to an organisation carries its id, and the foreign keys carry it too: a row of one
-- organisation cannot hang on a room or document of another, whatever a query says. Times of a meeting are
-- milliseconds on the room's own clock, whose zero is rooms.clock_origin; wall-clock times are timestamptz in UTC.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE organisations (
    id              uuid PRIMARY KEY,
    name            text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    assistant_name  text NOT NULL CHECK (char_length(assistant_name) BETWEEN 1 AND 40),
    instructions    text NOT NULL DEFAULT '' CHECK (char_length(instructions) <= 8000),
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE rooms (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    title           text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 200),
    livekit_room    text NOT NULL UNIQUE,
    instructions    text NOT NULL DEFAULT '' CHECK (char_length(instructions) <= 8000),
    capacity        integer NOT NULL CHECK (capacity BETWEEN 2 AND 500),
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL,
    status          text NOT NULL CHECK (status IN ('scheduled', 'live', 'ended', 'cancelled')),
    -- The newest epoch handed out. A write that carries an older one is refused: this is the fence.
    epoch           bigint NOT NULL DEFAULT 0,
    -- The last sequence number given to a segment; it moves in the transaction that inserts the segment.
    last_sequence   bigint NOT NULL DEFAULT 0,
    clock_origin    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organisation_id, id),
    CONSTRAINT rooms_ends_after_start_check CHECK (ends_at > starts_at)
);
CREATE INDEX rooms_by_organisation ON rooms (organisation_id, starts_at DESC);
CREATE INDEX rooms_due ON rooms (starts_at) WHERE status IN ('scheduled', 'live');

CREATE TABLE participants (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    room_id         uuid NOT NULL,
    identity        text NOT NULL,
    name            text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    kind            text NOT NULL CHECK (kind IN ('client', 'professional', 'agent')),
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (room_id, identity),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);

-- One row an epoch: who holds (or held) the room.
CREATE TABLE agent_sessions (
    id               uuid PRIMARY KEY,
    organisation_id  uuid NOT NULL,
    room_id          uuid NOT NULL,
    epoch            bigint NOT NULL,
    status           text NOT NULL CHECK (status IN ('dispatched', 'running', 'ended', 'expired')),
    worker           text,
    lease_expires_at timestamptz NOT NULL,
    dispatched_at    timestamptz NOT NULL DEFAULT now(),
    joined_at        timestamptz,
    ended_at         timestamptz,
    end_reason       text,
    UNIQUE (room_id, epoch),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);
CREATE INDEX agent_sessions_open ON agent_sessions (lease_expires_at) WHERE status IN ('dispatched', 'running');

CREATE TABLE segments (
    id              uuid NOT NULL UNIQUE,
    organisation_id uuid NOT NULL,
    room_id         uuid NOT NULL,
    sequence        bigint NOT NULL CHECK (sequence > 0),
    epoch           bigint NOT NULL,
    identity        text NOT NULL,
    speaker_name    text NOT NULL,
    track_id        text NOT NULL,
    start_ms        bigint NOT NULL CHECK (start_ms >= 0),
    end_ms          bigint NOT NULL,
    text            text NOT NULL,
    words           jsonb NOT NULL,
    engine          text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (room_id, sequence),
    CONSTRAINT segments_ends_after_start_check CHECK (end_ms >= start_ms),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);

CREATE TABLE room_events (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organisation_id uuid NOT NULL,
    room_id         uuid NOT NULL,
    epoch           bigint,
    kind            text NOT NULL,
    data            jsonb NOT NULL DEFAULT '{}',
    at              timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);
CREATE INDEX room_events_by_room ON room_events (room_id, id);

CREATE TABLE usage_events (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    room_id         uuid NOT NULL,
    epoch           bigint NOT NULL,
    kind            text NOT NULL,
    unit            text NOT NULL,
    quantity        double precision NOT NULL CHECK (quantity >= 0 AND quantity < 'infinity'),
    engine          text NOT NULL DEFAULT '',
    at              timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);
CREATE INDEX usage_events_by_room ON usage_events (room_id, kind);
CREATE INDEX usage_events_by_organisation ON usage_events (organisation_id, at);

CREATE TABLE answers (
    id                 uuid PRIMARY KEY,
    organisation_id    uuid NOT NULL,
    room_id            uuid NOT NULL,
    epoch              bigint NOT NULL,
    asked_by           text NOT NULL,
    via                text NOT NULL CHECK (via IN ('chat', 'voice', 'private')),
    question           text NOT NULL,
    text               text NOT NULL,
    grounded           boolean NOT NULL,
    sources            jsonb NOT NULL,
    engine             text NOT NULL,
    latency_ms         bigint NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (organisation_id, room_id) REFERENCES rooms (organisation_id, id)
);
CREATE INDEX answers_by_room ON answers (room_id, created_at);

CREATE TABLE documents (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisations (id),
    title           text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 300),
    file_name       text NOT NULL,
    format          text NOT NULL CHECK (format IN ('markdown', 'text', 'pdf', 'docx')),
    sha256          bytea NOT NULL,
    content         bytea NOT NULL CHECK (octet_length(content) <= 67108864),
    status          text NOT NULL CHECK (status IN ('queued', 'processing', 'ready', 'failed')),
    attempts        integer NOT NULL DEFAULT 0,
    claimed_until   timestamptz,
    error           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (organisation_id, id)
);
CREATE UNIQUE INDEX documents_same_content ON documents (organisation_id, sha256) WHERE status <> 'failed';
CREATE INDEX documents_waiting ON documents (created_at) WHERE status IN ('queued', 'processing');

CREATE TABLE passages (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL,
    document_id     uuid NOT NULL,
    ordinal         integer NOT NULL,
    heading         text NOT NULL DEFAULT '',
    page            integer,
    text            text NOT NULL,
    embedding       vector(384) NOT NULL,
    search          tsvector GENERATED ALWAYS AS (
        setweight(to_tsvector('english', heading), 'A') || to_tsvector('english', text)) STORED,
    UNIQUE (document_id, ordinal),
    FOREIGN KEY (organisation_id, document_id) REFERENCES documents (organisation_id, id) ON DELETE CASCADE
);
-- Kept in the row: an exact scan over out-of-line vectors is four times slower.
ALTER TABLE passages ALTER COLUMN embedding SET STORAGE PLAIN;
CREATE INDEX passages_by_organisation ON passages (organisation_id);
CREATE INDEX passages_by_search ON passages USING gin (search);
CREATE INDEX passages_by_embedding ON passages USING hnsw (embedding vector_cosine_ops);

-- The reconciler wakes at once when a room is made or changes.
CREATE FUNCTION notify_schedule() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('schedule', NEW.id::text);
    RETURN NEW;
END $$;
CREATE TRIGGER rooms_schedule AFTER INSERT OR UPDATE OF starts_at, ends_at, status ON rooms
    FOR EACH ROW EXECUTE FUNCTION notify_schedule();
CREATE TRIGGER agent_sessions_schedule AFTER UPDATE OF status ON agent_sessions
    FOR EACH ROW EXECUTE FUNCTION notify_schedule();

-- The document worker wakes at once when there is work.
CREATE FUNCTION notify_documents() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('documents', NEW.id::text);
    RETURN NEW;
END $$;
CREATE TRIGGER documents_queued AFTER INSERT ON documents
    FOR EACH ROW EXECUTE FUNCTION notify_documents();
