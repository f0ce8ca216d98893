"""The schema, whole, and the steps from one version to the next.

History
-------
1   requests; metadata, tags, scores, request_prompts and request_groups beside them; removals; conflicts; journal
    offsets.
2   metadata_by_value, the copy of metadata that look-ups read, its runs and its compaction.
3   spans and span_logs; prompts and prompt_labels; of requests the tokens in detail, why they ended and replays; of
    scores label and explanation.
"""

from __future__ import annotations

VERSION = 3

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

#: What OpenTelemetry programs tell beside their requests.
_SPANS = """
-- Every span that was exported, also those that are no call to a model. A row never changes but for its request.
CREATE TABLE spans (
    trace_id        VARCHAR NOT NULL,  -- 32 hex digits
    span_id         VARCHAR NOT NULL,  -- 16 hex digits
    parent_span_id  VARCHAR,           -- null: the trace begins here
    name            VARCHAR NOT NULL,
    kind            VARCHAR NOT NULL,  -- INTERNAL, SERVER, CLIENT, PRODUCER or CONSUMER
    start_time      TIMESTAMP NOT NULL,
    end_time        TIMESTAMP NOT NULL,
    status          VARCHAR NOT NULL,  -- UNSET, OK or ERROR
    status_message  VARCHAR,
    attributes      JSON,              -- those that no column of the request holds
    events          JSON,
    links           JSON,
    resource        JSON,              -- what the program says of itself: service.name, …
    scope           VARCHAR,           -- the instrumentation that made it
    request_id      UUID,              -- the request that it is; null: it is none
    metadata        MAP(VARCHAR, VARCHAR),  -- what it says of itself and of the calls below it
    tags            VARCHAR[],         -- likewise
    response_id     VARCHAR,           -- the provider's id of the answer ("chatcmpl-…")
    managed_span_id VARCHAR,           -- the request of this span id was logged by other means
    own_content     BOOLEAN NOT NULL,  -- false: input and output come from span_logs, if at all
    PRIMARY KEY (trace_id, span_id)
);

-- Messages and evaluations that came as logs, apart from the span they belong to; either may come first.
CREATE TABLE span_logs (
    trace_id    VARCHAR NOT NULL,      -- '' where the log names none
    span_id     VARCHAR NOT NULL,
    response_id VARCHAR,               -- an evaluation may name the answer instead of the span
    time        TIMESTAMP NOT NULL,
    name        VARCHAR,               -- "gen_ai.choice", …
    input       JSON,                  -- messages of a prompt blueprint
    output      JSON,
    score       STRUCT("name" VARCHAR, score DOUBLE, label VARCHAR, explanation VARCHAR),
    attributes  JSON,                  -- what is none of these
    log_hash    VARCHAR NOT NULL,      -- of all of the above: the same log twice is one
    PRIMARY KEY (trace_id, span_id, log_hash)
);
"""

_PROMPTS = """
-- Prompt templates. A version never changes.
CREATE TABLE prompts (
    prompt_name    VARCHAR NOT NULL,
    version        BIGINT NOT NULL,    -- counts up from 1
    template       JSON NOT NULL,      -- PromptLayer's prompt_template
    metadata       JSON,               -- PromptLayer's: the model and its parameters
    commit_message VARCHAR,
    tags           VARCHAR[],
    content_hash   VARCHAR NOT NULL,   -- of template and metadata: publishing the same again makes no version
    published_at   TIMESTAMP NOT NULL,
    PRIMARY KEY (prompt_name, version)
);

-- Names that move from version to version ("prod").
CREATE TABLE prompt_labels (
    prompt_name VARCHAR NOT NULL,
    label       VARCHAR NOT NULL,
    version     BIGINT NOT NULL,
    updated_at  TIMESTAMP NOT NULL,
    PRIMARY KEY (prompt_name, label)
);
"""

#: Times are UTC, microseconds, in TIMESTAMP without a zone: no statement depends on a session's zone.
SCHEMA = f"""
-- One row: which version of the schema this file has.
CREATE TABLE promptlog_schema (version INTEGER NOT NULL);

-- One call to a model. A row never changes once it is logged, but for what its spans tell: what can be set later
-- stands in the tables below.
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
    trace_id      VARCHAR,             -- OpenTelemetry's, 32 hex digits; that of the span, where only the span was named
    span_id       VARCHAR,             -- OpenTelemetry's, 16 hex digits
    cached_tokens      BIGINT,         -- of the input tokens: read from the provider's cache
    cache_write_tokens BIGINT,         -- of the input tokens: written to it
    reasoning_tokens   BIGINT,         -- of the output tokens
    finish_reason      VARCHAR,        -- "stop", "length", …
    replay_key         UUID,           -- a hash of prompt, model and parameters: what is asked alike has it alike
    replayed_from      UUID            -- the request whose answer this one repeats
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

-- Judgements under a name; PromptLayer's are numbers from 0 to 100, and one without a name is "default". Those of
-- OpenTelemetry keep the scale of who judged.
CREATE TABLE scores (
    request_id  UUID NOT NULL,
    name        VARCHAR NOT NULL,
    score       DOUBLE,                -- null: the evaluation gave a label alone
    updated_at  TIMESTAMP NOT NULL,
    label       VARCHAR,               -- "relevant", …
    explanation VARCHAR,
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

{_SPANS}
{_PROMPTS}
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
    content_hash VARCHAR NOT NULL,     -- '': the row was logged without its trace, which its span told
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
    3: f"""
ALTER TABLE requests ADD COLUMN cached_tokens BIGINT;
ALTER TABLE requests ADD COLUMN cache_write_tokens BIGINT;
ALTER TABLE requests ADD COLUMN reasoning_tokens BIGINT;
ALTER TABLE requests ADD COLUMN finish_reason VARCHAR;
ALTER TABLE requests ADD COLUMN replay_key UUID;
ALTER TABLE requests ADD COLUMN replayed_from UUID;
ALTER TABLE scores ALTER COLUMN score DROP NOT NULL;
ALTER TABLE scores ADD COLUMN label VARCHAR;
ALTER TABLE scores ADD COLUMN explanation VARCHAR;
{_SPANS}
{_PROMPTS}
""",
}
