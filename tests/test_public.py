"""The public surface, name by name."""

from __future__ import annotations

import inspect
import subprocess
import sys

import promptlog
from promptlog import AsyncPromptLog, PromptLog, errors
from promptlog.async_client import AsyncTemplates, AsyncTrack, AsyncUntrack
from promptlog.instrument import Instrument
from promptlog.models.arguments import RequestArguments
from promptlog.models.build import request_record
from promptlog.overview import Overview
from promptlog.prompts.templates import Templates
from promptlog.query.catalogue import Metadata
from promptlog.track import Track, Untrack


def test_public_names() -> None:
    """These names are promised; each can be had, and each says what it is."""
    assert promptlog.__all__ == [
        "AsyncPromptLog", "PromptLog", "Request", "by_time", "col", "context", "count", "error_rate", "errors", "foreign_request_id",
        "meta", "score", "share", "since", "tag", "until",
    ]  # fmt: skip
    for name in promptlog.__all__:
        assert getattr(promptlog, name).__doc__


def test_every_public_method_is_documented() -> None:
    """Whoever asks for help gets a sentence."""
    client = (
        PromptLog.__dict__
        | Instrument.__dict__
        | AsyncPromptLog.__dict__
        | Templates.__dict__
        | Track.__dict__
        | Untrack.__dict__
        | Overview.__dict__
        | Metadata.__dict__
    )
    for name, member in client.items():
        if not name.startswith("_") and callable(member):
            assert inspect.getdoc(member), name


def test_the_awaited_client_has_all_that_the_other_has() -> None:
    """Each public name of `PromptLog` and of its parts is one of `AsyncPromptLog` and its."""
    pairs: list[tuple[type, type]] = [
        (PromptLog, AsyncPromptLog), (Track, AsyncTrack), (Untrack, AsyncUntrack), (Templates, AsyncTemplates)
    ]  # fmt: skip
    for plain, awaited in pairs:
        assert {name for name in dir(plain) if not name.startswith("_")} <= set(dir(awaited))


def test_the_tree_of_errors_is_the_one_that_is_drawn() -> None:
    """Every error stands in the drawing at the top of its module, and is one of ours."""
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and kind.__module__ == errors.__name__ and not issubclass(kind, Warning):
            assert issubclass(kind, errors.PromptLogError)
            assert name in (errors.__doc__ or "")


def test_the_typed_arguments_are_those_that_are_taken() -> None:
    """What type checkers are told and what the function takes is one list, in one order."""
    assert list(RequestArguments.__annotations__) == list(inspect.signature(request_record).parameters)


def test_promptlayers_arguments_are_taken() -> None:
    """The keyword arguments of PromptLayer's log_request (SDK 1.5.16) all exist here."""
    promptlayer = (
        "provider model input output request_start_time request_end_time parameters tags metadata prompt_name "
        "prompt_version_number prompt_input_variables input_tokens output_tokens price function_name score prompt_id "
        "score_name api_type status error_type error_message"
    )
    assert set(promptlayer.split()) <= set(RequestArguments.__annotations__)


def test_a_process_that_only_logs_stays_light() -> None:
    """Logging imports no database, no frames, and no pydantic models."""
    code = (
        "import sys, tempfile, pathlib, promptlog\n"
        "client = promptlog.PromptLog(pathlib.Path(tempfile.mkdtemp()) / 'a.duckdb')\n"
        "answer = client.log_request(provider='p', model='m', input='i', output='o', request_start_time=1, request_end_time=2)\n"
        "client.track.metadata(answer['id'], {'a': 'b'})\n"
        "print(sorted({'duckdb', 'jinja2', 'pyarrow', 'pandas', 'polars', 'altair', 'lark', 'rich', 'typer', 'opentelemetry', 'openai', 'anthropic', 'genai_prices', 'pydantic.main'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
