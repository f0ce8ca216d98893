"""The schema, whole, and the steps from one version to the next.

History
-------
1   requests; metadata, tags, scores, request_prompts and request_groups beside them; removals; conflicts; journal
    offsets.
"""

from __future__ import annotations

VERSION = 1

BY_VALUE = "metadata"  # the table to read one key's values from

#: Times are UTC, microseconds, in TIMESTAMP without a zone: no statement depends on a session's zone.
SCHEMA = """
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
MIGRATIONS: dict[int, str] = {}
