-- Which recognisers an organisation's rooms use, the preferred one first. Roll forward: both columns have a meaning for
-- rows and programs from before, nothing to contract.

ALTER TABLE organisations
    ADD COLUMN recognisers text[] NOT NULL DEFAULT '{whisper}',
    ADD CONSTRAINT organisations_recognisers_check
        CHECK (cardinality(recognisers) BETWEEN 1 AND 4
            AND recognisers <@ ARRAY['deepgram', 'openai', 'openai_realtime', 'whisper']);

-- NULL: as the organisation.
ALTER TABLE rooms
    ADD COLUMN recognisers text[],
    ADD CONSTRAINT rooms_recognisers_check
        CHECK (cardinality(recognisers) BETWEEN 1 AND 4
            AND recognisers <@ ARRAY['deepgram', 'openai', 'openai_realtime', 'whisper']);
