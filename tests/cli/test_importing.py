"""`import`: a file of requests, and what OpenTelemetry's collector wrote."""

from __future__ import annotations

import gzip
import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.otel.requests import as_json, as_protobuf, logs_as_json, real_logs, real_spans, sized

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Shell

SPANS = real_spans()


def test_otlp(shell: Shell, tmp_path: Path) -> None:
    """Files of the collector, as lines of JSON, packed, and as protobuf, become requests and spans, once each."""
    lines, packed, binary = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz", tmp_path / "c.binpb"
    lines.write_text(f"{as_json(SPANS)}\n{logs_as_json(real_logs())}\n")
    packed.write_bytes(gzip.compress(as_json(SPANS).encode()))
    binary.write_bytes(sized(as_protobuf(SPANS)))
    said = shell.ok("import", "otlp", str(lines), str(packed), str(binary))
    assert (
        said
        == "6 spans read, 3 of them calls to a model\n1 log records of calls read, 1 others passed over\n"
    )
    assert shell.rows("import", "otlp", str(lines)) == [
        {
            "spans": 2,
            "requests": 1,
            "known": 1,
            "logs": 1,
            "other_logs": 1,
            "repaired": {},
            "skipped": {},
            "lost_attributes": 0,
            "sample": [],
        }
    ]
    assert "2 spans read, 1 of them calls to a model (1 of these here already)" in shell.ok(
        "import", "otlp", str(lines)
    )
    assert [row["count"] for row in shell.rows("sql", "SELECT count(*) AS count FROM requests")] == [1]


def test_what_is_amiss_is_said(shell: Shell, tmp_path: Path) -> None:
    """Repairs and what is passed over stand in the report."""
    span = {"traceId": "1" * 32, "spanId": "1" * 16, "name": "s", "startTimeUnixNano": "1"}
    nameless = {"name": "s", "startTimeUnixNano": "1"}
    file = tmp_path / "a.json"
    file.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span, nameless]}]}]}, indent=1))
    assert shell.ok("import", "otlp", str(file)).splitlines() == [
        "1 spans read, 0 of them calls to a model",
        "repaired: 1 spans without an end: it is their start",
        "skipped: 1 spans without ids",
    ]


def test_what_is_no_otlp(shell: Shell, tmp_path: Path) -> None:
    """One line says which file is wrong and why, and nothing is written."""
    good, bad, empty = tmp_path / "good", tmp_path / "bad", tmp_path / "empty"
    good.write_text(as_json(SPANS))
    bad.write_bytes(as_protobuf(SPANS)[:-5])
    empty.touch()
    assert f"{str(bad)!r} is no OTLP: it is truncated" in shell.refused("import", "otlp", str(good), str(bad))
    assert "is empty" in shell.refused("import", "otlp", str(empty))
    assert "No such file" in shell.refused("import", "otlp", str(tmp_path / "absent"))
    assert shell.rows("sql", "SELECT count(*) AS count FROM spans") == [{"count": 0}]


def test_what_is_no_json(shell: Shell, tmp_path: Path) -> None:
    """One line names the file, the place, and what was expected there."""
    file = tmp_path / "a.jsonl"
    for arguments in (["file"], ["promptlayer"]):
        file.write_text("not json\n")
        said = shell.refused("import", *arguments, str(file))
        assert (
            f"line 1 of {str(file)!r} is not JSON: expected an object, {{…}}, and it begins 'not json'"
            in said
        )
        file.write_text('{"provider": "a",}\n')
        assert f"line 1 of {str(file)!r} is not JSON: trailing comma" in shell.refused(
            "import", *arguments, str(file)
        )


def test_a_file_needs_no_word_before_it(shell: Shell, tmp_path: Path) -> None:
    """`import FILE` is `import file FILE`, wherever its options stand."""
    file = tmp_path / "requests.csv"
    file.write_text("provider,model,input,output,request_start_time,request_end_time\nopenai,m,hi,ho,1,2\n")
    for arguments in ([str(file)], ["file", str(file)]):
        assert shell.ok("import", *arguments) == "1 request imported\n"
    for arguments in (["--json", str(file)], [str(file), "--json"]):
        assert json.loads(shell.ok("import", *arguments)) == {"imported": 1}
    assert "otlp" in shell.ok("import", "--help")
    assert "metadata.<key>" in shell.ok("import", "file", "--help")


def test_a_bar_on_a_terminal(shell: Shell, tmp_path: Path) -> None:
    """On a terminal a bar shows how far the files are read."""
    file = tmp_path / "a.jsonl"
    file.write_text(f"{as_json(SPANS)}\n" * 50)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "promptlog", "import", "otlp", str(file)]
    with subprocess.Popen(
        command, stderr=theirs, stdout=subprocess.DEVNULL, env={**shell.env, "TERM": "xterm"}
    ) as ran:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 1 << 16):
                shown += piece
        except OSError:  # the other side is closed
            pass
    os.close(ours)
    assert ran.returncode == 0
    assert b"reading" in shown
    assert b"100%" in shown
