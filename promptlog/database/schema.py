"""The schema, whole, and the steps from one version to the next.

History
-------
1   requests; metadata, tags, scores, request_prompts and request_groups beside them; removals; conflicts; journal
    offsets.
2   metadata_by_value, the copy of metadata that look-ups read, its runs and its compaction.
"""

from __future__ import annotations

VERSION = 2

#: The table from which the values of one key are read.
BY_VALUE = "metadata_by_value"

_BY_VALUE = """
-- Metadata once more, clustered by key and value, so that zone maps find a rare value as an index would. Every write
-- of metadata changes both in one transaction. The hash stands before the value in the order because zone maps know
-- only the first eight bytes of a text, and many values ("https://…") share those.
CREATE TABLE metadata_by_value (
    key        VARCHAR NOT NULL,
    value_hash UINTEGER NOT NULL,      -- the lowest 32 bits of the value's MD5
    value      VARCHAR NOT NULL,
    request_id UUID NOT NULL,
    run        INTEGER NOT NULL        -- each run is sorted by (key, value_hash, request_id); run 0 is in order of arrival
);

-- The runs, and how many entries were written to each at most; what was replaced since is still counted.
CREATE TABLE metadata_runs (
    run     INTEGER NOT NULL,
    entries BIGINT NOT NULL
);

-- One row while runs are being joined, a range of the order after the other: so any process can go on with it.
CREATE TABLE metadata_compaction (
    sources INTEGER[] NOT NULL,        -- the runs that are joined
    target  INTEGER NOT NULL,          -- into this one
    bounds  STRUCT(key VARCHAR, value_hash UINTEGER, request_id UUID)[] NOT NULL,  -- where a range ends and the next begins
    done    INTEGER NOT NULL           -- ranges that are in the target
);
"""


#: Times are UTC, microseconds, in TIMESTAMP without a zone: no statement depends on a session's zone.
SCHEMA = f"""
-- One row: which version of the schema this file has.
CREATE TABLE promptlog_schema (version INTEGER NOT NULL);

-- One call to a model. A row never changes once it is logged: what can be set later stands in the tables below.
CREATE TABLE requests (
    request_id    UUID PRIMARY KEY,    -- version 7 of the start, so that this order is the order of time
    logged_at     TIMESTAMP NOT NULL,  -- when it was logged; of two rows for one id the earlier stays
    start_time    TIMESTAMP NOT NULL,
    end_time      TIMESTAMP NOT NULL,
    latency_ms    DOUBLE NOT NULL,     -- end minus start
    provider      VARCHAR,             -- "openai", "anthropic", …
    model         VARCHAR,
    api_type      VARCHAR,             -- "chat-completions", "messages", …
    function_name VARCHAR,
    status        VARCHAR NOT NULL,    -- SUCCESS, WARNING or ERROR
    error_type    VARCHAR,
    error_message VARCHAR,
    input         JSON,                -- a prompt blueprint
    output        JSON,                -- a prompt blueprint; null where the call failed
    parameters    JSON,                -- temperature, max_tokens, …
    input_tokens  BIGINT,
    output_tokens BIGINT,
    cost_usd      DOUBLE,
    trace_id      VARCHAR,             -- OpenTelemetry's, 32 hex digits
    span_id       VARCHAR              -- OpenTelemetry's, 16 hex digits
);

-- The heart: any number of string keys with string values on a request. The latest write of a key stays.
CREATE TABLE metadata (
    request_id UUID NOT NULL,          -- may come before its request
    key        VARCHAR NOT NULL,
    value      VARCHAR NOT NULL,
    updated_at TIMESTAMP NOT NULL,     -- when it was tracked; an earlier write that comes later changes nothing
    PRIMARY KEY (request_id, key)
);

{_BY_VALUE}
-- Labels from a small set.
CREATE TABLE tags (
    request_id UUID NOT NULL,
    tag        VARCHAR NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (request_id, tag)
);

-- Numbers under a name; PromptLayer's run from 0 to 100, and one without a name is "default".
CREATE TABLE scores (
    request_id UUID NOT NULL,
    name       VARCHAR NOT NULL,
    score      DOUBLE NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    PRIMARY KEY (request_id, name)
);

-- The prompt template a request came from.
CREATE TABLE request_prompts (
    request_id      UUID PRIMARY KEY,
    prompt_name     VARCHAR,
    prompt_version  BIGINT,
    prompt_label    VARCHAR,
    prompt_id       VARCHAR,
    input_variables JSON,
    updated_at      TIMESTAMP NOT NULL
);

-- PromptLayer's groups: requests that belong together.
CREATE TABLE request_groups (
    request_id UUID PRIMARY KEY,
    group_id   BIGINT NOT NULL,
    updated_at TIMESTAMP NOT NULL
);

-- What was removed, and when: no earlier write that is merged later brings it back.
CREATE TABLE removals (
    request_id UUID NOT NULL,
    kind       VARCHAR NOT NULL,       -- 'metadata', 'tag', 'score', or 'request': all of it, for good
    key        VARCHAR NOT NULL,       -- the key, tag or name; '' for a request
    removed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (request_id, kind, key)
);

-- Contents that were logged for an id and are not the row in `requests`.
CREATE TABLE conflicts (
    request_id   UUID NOT NULL,
    content_hash VARCHAR NOT NULL,
    PRIMARY KEY (request_id, content_hash)
);

-- How far each segment of the journal is applied; written in the transaction that applied it.
CREATE TABLE journal_offsets (
    segment VARCHAR PRIMARY KEY,
    bytes   BIGINT NOT NULL            -- bytes from the segment's beginning
);
"""

#: Steps to a version from the one before it, each run in one transaction with its record. Tests hold that a file
#: of version 1, migrated, has the tables that SCHEMA makes.
MIGRATIONS: dict[int, str] = {
    2: f"""
{_BY_VALUE}
INSERT INTO metadata_by_value
SELECT key, (md5_number_lower(value) % 4294967296)::UINTEGER AS value_hash, value, request_id, 1 FROM metadata
ORDER BY key, value_hash, request_id;
INSERT INTO metadata_runs SELECT 1, count(*) FROM metadata;
""",
}
