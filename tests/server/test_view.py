"""Filters as links: a term more, a term less, and the search means just that."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from starlette.datastructures import QueryParams

from promptlog.expressions.face import col, meta, since, tag
from promptlog.expressions.nodes import And, Condition
from promptlog.expressions.search import parse
from promptlog.server.pages.view import View
from tests.property.test_search_language import conditions


@given(conditions, conditions)
def test_a_term_more_is_and(before: Condition, term: Condition) -> None:
    """Whatever the search was, the new one asks for both."""
    view = View(q=str(before)).having(term)
    whole = parse(view.q)
    parts = whole.parts if isinstance(whole, And) else (whole,)
    terms = View(q=str(before)).terms
    wanted = parse(str(And((*terms, term)))) if terms else parse(str(term))
    assert parts == (wanted.parts if isinstance(wanted, And) else (wanted,))


def test_a_term_less_leaves_the_others() -> None:
    """What was added is taken away."""
    view = View(q="user_id:u1 OR user_id:u2").having(tag("a b"))
    assert view.q == '(user_id:u1 OR user_id:u2) tag:"a b"'
    assert View(q='x "y z" status:error').lacking(col.status == "ERROR").q == 'x "y z"'
    assert View(q="status:error").lacking(col.status == "ERROR").q == ""
    assert View(q="since:7d until:1d a:b").within(since("1h")).q == "a:b since:1h"


def test_a_text_that_cannot_be_read_stays() -> None:
    """It has no terms; a term more stands behind it."""
    assert View(q="a:(").terms == ()
    assert View(q="a:(").within(since("1h")).q == "a:( since:1h"


@pytest.mark.parametrize("q", ["", 'user_id:"a&b=c#d"', "naïve + ü %20"])
def test_an_address_is_read_back(q: str) -> None:
    """A view survives its address."""
    view = View(q, "-cost_usd", ("start_time", "meta.a b", "meta.ä"))
    address = urlsplit(view.address())
    assert View.of(QueryParams(address.query)) == view
    assert parse_qs(address.query)["sort"] == ["-cost_usd"]


def test_metadata_with_odd_names_is_a_term() -> None:
    """A key that has the name of a column is a key all the same."""
    view = View().having(meta("model") == "x")
    assert parse(view.q) == (meta("model") == "x")


def test_metadata_is_sorted_as_text_or_as_numbers() -> None:
    """A heading sorts one way, then the other; what reads as numbers sorts so, the greatest first."""
    view = View().sorted_by("meta.plan")
    assert (view.sort, view.sorted_by("meta.plan").sort) == ("meta.plan", "-meta.plan")
    view = View().sorted_by("meta.price", numbers=True)
    assert (view.sort, view.by, view.descending) == ("-meta.price::float", "meta.price", True)
    assert repr(view.order) == "meta('price').as_float()"
    assert view.sorted_by("meta.price", numbers=True).sort == "meta.price::float"
    for odd in ("meta.", "-meta.::float", "meta." + "a" * 1025, "nothing"):
        assert View.of(QueryParams({"sort": odd})).sort == "-start_time"
