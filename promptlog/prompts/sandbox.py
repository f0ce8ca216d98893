"""A Jinja2 environment for templates that nobody has to trust: they read data, and end.

Jinja2's own sandbox keeps a template from private attributes. This one also keeps it from calling what is not plain
data's own, and bounds what it does. Steps are counted (items of loops and filters, calls, items of lists that are made)
and so are letters, wherever a text is made or put out: by then it is as long as it says, but many small names can stand
for one long text, so a list is measured before it is made or shown. Source of what is guarded: `jinja2.compiler`,
`jinja2.sandbox` and `jinja2.filters` of Jinja2 3.1.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from jinja2 import Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import _PassArg
from jinja2.visitor import NodeTransformer

from promptlog.prompts.budget import (
    Budget,
    check_bits,
    check_format,
    check_number,
    check_size,
    guard_filter,
    guard_method,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from jinja2 import Template
    from jinja2.runtime import Context

    from promptlog.prompts.text import Room

# Names that no template can write.
_BUDGET, _COUNTED, _JOINED, _MADE, _WEIGHED = "\0budget", "\0counted", "\0joined", "\0made", "\0weighed"

_A_CALL = 4  # steps
_MOST_TAGS = 10_000

Piece = tuple[str, str | None]  # a text, or the name of a variable

#: The methods that a template may call, by the type they belong to.
_METHODS: dict[type, frozenset[str]] = {
    str: words(
        "capitalize casefold count endswith find index isalnum isalpha isdecimal isdigit islower isnumeric isspace "
        "istitle isupper join lower lstrip partition removeprefix removesuffix replace rfind rindex rpartition rsplit "
        "rstrip split splitlines startswith strip swapcase title upper"
    ),
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("count", "index")),
    tuple: frozenset(("count", "index")),
}

_FILTERS = words(
    "abs attr batch capitalize center count d default dictsort e escape filesizeformat first float forceescape format "
    "groupby indent int items join last length list lower map max min reject rejectattr replace reverse round safe "
    "select selectattr slice sort string striptags sum title tojson trim truncate unique upper urlencode wordcount wordwrap"
)


class Missing(Undefined):
    """A variable that was not given. It may be asked for (`{% if x %}`, `default`), and not used as if it were there."""

    __slots__ = ()
    __iter__ = __str__ = __len__ = __eq__ = __ne__ = __hash__ = Undefined._fail_with_undefined_error  # noqa: SLF001 - as StrictUndefined


class Sandbox(ImmutableSandboxedEnvironment):
    """See the module."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(undefined=Missing, keep_trailing_newline=True, finalize=_shown)
        self.filters = {name: _bounded(name, self.filters[name]) for name in _FILTERS}
        self.filters |= {_COUNTED: _counted, _JOINED: _joined, _MADE: _made, _WEIGHED: _weighed}
        self.tests = {name: _weighing(test) for name, test in self.tests.items()}
        for name in ("lipsum", "cycler", "joiner"):
            del self.globals[name]
        self._allowed = {id(value) for value in self.globals.values()}

    def read(self, source: str) -> tuple[Template, list[str], list[Piece] | None]:
        """Return a template, the variables that it names, in order, and its pieces where it is but text and variables.

        Raises:
            TemplateSyntaxError: it is none.
            SecurityError: it reaches out of itself.
            OverflowError: it has too many tags: reading takes its time with each.
        """
        if source.count("{{") + source.count("{%") > _MOST_TAGS:
            raise OverflowError(f"it has more than {_MOST_TAGS:,} tags")
        tree = self.parse(source)
        for kind, word in _ELSEWHERE.items():
            if tree.find(kind) is not None:
                raise SecurityError(
                    f"{{% {word} %}} reads a file, and there are none; another prompt is included as @@@name@@@"
                )
        names = _names(tree)
        pieces = _pieces(tree, names)
        _Guards(tree).visit(tree)
        code = self.compile(tree)
        return self.template_class.from_code(self, code, self.make_globals(None)), names, pieces

    def render(self, template: Template, variables: dict[str, Any], room: Room) -> str:
        """Return the text of a template; what that takes is taken from the room.

        Raises:
            Exception: whatever a template can raise; the caller says where.
        """
        context = template.new_context({**variables, _BUDGET: Budget(room)})
        text = "".join(template.root_render_func(context))
        check_size(len(text))
        return text

    # -- what Jinja2 asks ------------------------------------------------------------------------------------------

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow data, and of methods those in the table."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        if not callable(value) or type(obj).__module__.startswith("jinja2."):
            return True
        return any(isinstance(obj, kind) and attr in names for kind, names in _METHODS.items())

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """Refuse at once: an attempt that is hidden in an `if` is one too."""
        raise SecurityError(f"it may not reach the attribute {attribute!r} of a {type(obj).__name__}")

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:  # noqa: ARG002 - Jinja2's signature
        """Give no `str.format`, which reaches attributes by itself; the filter `format` does not."""
        return None

    def is_safe_callable(self, obj: Any) -> bool:
        """Allow macros, loops, the globals, and methods that `is_safe_attribute` gave out."""
        owner = type(getattr(obj, "__self__", None))
        return (
            isinstance(obj, Macro | LoopContext)
            or id(obj) in self._allowed
            or owner in _METHODS
            or owner.__module__.startswith("jinja2.")
        )

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Count a call, and refuse one whose result would be too large."""
        budget = _budget(context)
        budget.take(_A_CALL)
        if isinstance(obj, LoopContext):
            args, kwargs = tuple(map(budget.counted, args)), {k: budget.counted(v) for k, v in kwargs.items()}
        owner = getattr(obj, "__self__", None)
        if isinstance(owner, str):
            args = guard_method(obj.__name__, owner, args, budget)
        return budget.made(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute what does not grow beyond bounds."""
        return _budget(context).made(_BINOPS[operator](left, right))


_ELSEWHERE: dict[type[nodes.Node], str] = {
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "from", nodes.Extends: "extends"
}  # fmt: skip


def _budget(context: Context) -> Budget:
    return context.resolve(_BUDGET)  # type: ignore[return-value]


def _names(tree: nodes.Template) -> list[str]:
    """Return the variables that stand in a template and are not its own, in order of their first place."""
    from jinja2.meta import find_undeclared_variables

    unbound = find_undeclared_variables(tree)
    return [
        name for name in dict.fromkeys(node.name for node in tree.find_all(nodes.Name)) if name in unbound
    ]


def _pieces(tree: nodes.Template, names: list[str]) -> list[Piece] | None:
    """Return the texts and variables that a template is made of; None where there is more to it, as in most loops."""
    pieces: list[Piece] = []
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            return None
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                pieces.append((node.data, None))
            elif isinstance(node, nodes.Name) and node.name in names:
                pieces.append(("", node.name))
            else:
                return None
    return pieces


class _Guards(NodeTransformer):
    """Puts our counters where Jinja2 iterates, joins and makes lists by itself."""

    def __init__(self, tree: nodes.Template) -> None:
        # The text between tags is as long as the source, unless it is put out again and again.
        repeating = (nodes.For, nodes.Macro, nodes.CallBlock, nodes.Block)
        self._repeats = any(tree.find(kind) is not None for kind in repeating)

    def _filtered(self, node: nodes.Node, name: str) -> nodes.Filter:
        return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - named by the node
        self.generic_visit(node)
        node.iter = self._filtered(node.iter, _COUNTED)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return self._filtered(nodes.List(node.nodes, lineno=node.lineno), _JOINED)

    def visit_List(self, node: nodes.List) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return self._filtered(node, _MADE)

    visit_Dict = visit_List  # noqa: N815

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return node if node.ctx == "store" else self._filtered(node, _MADE)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return self._filtered(node, _MADE) if isinstance(node.arg, nodes.Slice) else node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:  # noqa: N802
        self.generic_visit(node)
        node.expr = self._filtered(node.expr, _WEIGHED)
        for operand in node.ops:
            operand.expr = self._filtered(operand.expr, _WEIGHED)
        return node

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Expr:  # noqa: N802
        return nodes.Const(node.data, lineno=node.lineno) if self._repeats else node


@pass_context
def _shown(context: Context, value: Any) -> Any:
    """Count what an expression puts out."""
    _budget(context).measure(value)
    return value


@pass_context
def _counted(context: Context, items: Any) -> Any:
    return _budget(context).counted(items)


@pass_context
def _joined(context: Context, parts: list[Any]) -> Any:
    return _budget(context).text("".join, parts)


@pass_context
def _weighed(context: Context, value: Any) -> Any:
    return _budget(context).weighed(value)


@pass_context
def _made(context: Context, value: Any) -> Any:
    return _budget(context).made(value)


def _bounded(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that counts what it is given, and refuses what would give too much."""
    wants = _PassArg.from_obj(work)

    @pass_context
    def call(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        budget = _budget(context)
        budget.take(1)
        for given in (*args, *kwargs.values()):
            check_number(name, budget.weighed(given))
        value = guard_filter(name, value, args, kwargs, budget)
        first = {
            _PassArg.context: context, _PassArg.eval_context: context.eval_ctx, _PassArg.environment: context.environment,
        }  # fmt: skip
        return budget.made(work(*([first[wants]] if wants else []), value, *args, **kwargs))

    return call


def _weighing(work: Any) -> Callable[..., Any]:
    """Return a test that counts what it is given."""
    wants = _PassArg.from_obj(work)

    @pass_context
    def call(context: Context, *args: Any, **kwargs: Any) -> Any:
        for one in (*args, *kwargs.values()):
            _budget(context).weighed(one)
        return work(*([context.environment] if wants else []), *args, **kwargs)

    return call


def _plus(left: Any, right: Any) -> Any:
    if hasattr(left, "__len__") and hasattr(right, "__len__"):
        check_size(len(left) + len(right))
    return operator.add(left, right)


def _times(left: Any, right: Any) -> Any:
    for text, count in ((left, right), (right, left)):
        if isinstance(count, int) and hasattr(text, "__len__"):
            check_size(len(text) * max(count, 0))
    if isinstance(left, int) and isinstance(right, int):
        check_bits(left.bit_length() + right.bit_length())
    return operator.mul(left, right)


def _power(left: Any, right: Any) -> Any:
    if isinstance(left, int) and isinstance(right, int):
        check_bits(left.bit_length() * max(right, 0))
    return operator.pow(left, right)


def _modulo(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        check_format(left, right if isinstance(right, tuple) else (right,))
    return operator.mod(left, right)


_BINOPS: dict[str, Callable[[Any, Any], Any]] = {"+": _plus, "*": _times, "**": _power, "%": _modulo}
