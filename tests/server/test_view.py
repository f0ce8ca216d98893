"""Filters as links: a term more, a term less, and the search means just that."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from starlette.datastructures import QueryParams

from promptlog.errors import InvalidInputError
from promptlog.expressions.face import col, meta, since, tag
from promptlog.expressions.nodes import And, Condition
from promptlog.expressions.search import parse
from promptlog.server.pages import filters
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


@given(conditions, conditions)
def test_a_chip_takes_its_term_away(one: Condition, other: Condition) -> None:
    """The address of each chip asks for all terms but its own; the text is read once for all of them."""
    view = View(q=str(And((one, other))))
    assert view.terms is view.terms
    for chip in filters.chips(view):
        at = view.texts.index(chip.text)
        left = View.of(QueryParams(urlsplit(chip.without).query))
        assert _flat(left.terms) == _flat(view.terms[:at] + view.terms[at + 1 :])


def _flat(terms: tuple[Condition, ...]) -> list[Condition]:
    """Return all that must hold, whatever it stood in."""
    return [one for term in terms for one in (_flat(term.parts) if isinstance(term, And) else [term])]


@pytest.mark.parametrize(
    ("q", "texts"),
    [
        ("a:b c:d", {"a:b": "c:d", "c:d": "a:b"}),
        ("since:7d a:b", {"a:b": "since:7d"}),  # the week stands beside the search box
        ("since:8d a:b", {"since:8d": "a:b", "a:b": "since:8d"}),
        ("since:7d until:1d", {"since:7d": "until:1d", "until:1d": "since:7d"}),
        ("(a:b OR c:d) e:f", {"(a:b OR c:d)": "e:f", "e:f": "(a:b OR c:d)"}),
    ],
)
def test_chips(q: str, texts: dict[str, str]) -> None:
    """All that the search asks stands in chips, but the span that is chosen above."""
    assert {
        chip.text: parse_qs(urlsplit(chip.without).query)["q"][0] for chip in filters.chips(View(q=q))
    } == texts


def test_a_search_of_thousands_of_terms_has_few_chips() -> None:
    """Each chip has the address of all others: a page would be as large as their square."""
    assert len(filters.chips(View(q="a:b " * 2000))) == 50
    with pytest.raises(InvalidInputError, match="10,000"):
        View.of(QueryParams({"q": "a:b " * 4000}))


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


def test_the_usual_columns_leave_all_else() -> None:
    """The search and the order stay."""
    assert View("a:b", "-cost_usd", ("model",)).showing() == View("a:b", "-cost_usd")


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
    view = View().sorted_by("scores")
    assert (view.sort, repr(view.order)) == ("-scores", "score('default')")
    for odd in ("meta.", "-meta.::float", "meta." + "a" * 1025, "nothing"):
        assert View.of(QueryParams({"sort": odd})).sort == "-start_time"
