"""What is wrong with one template before any message needs it: its syntax, its names, a trial."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import TemplateSyntaxError, meta, nodes

from templates.filters import short
from templates.sandbox import Sandbox, line_of

ALWAYS = {"self", "loop"}
"""Names that jinja2 itself gives."""
Found = dict[str, Any]


def probe(
    sandbox: Sandbox, name: str, source: str, cases: Sequence[Mapping[str, Any]]
) -> list[Found]:
    """Each mistake as `line`, `detail`, and where it is a name that nobody gives: `unknown`, `of`.

    Args:
        name: of the file, as includes name it; what it is escaped for follows from it.
        source: its text.
        cases: contexts that it is tried with; together they say which names there are.
    """
    environment = sandbox.environment_of(name)
    try:
        tree = environment.parse(source, name, name)
        environment.compile(source, name, name)
    except TemplateSyntaxError as error:
        return [{"line": error.lineno, "detail": f"is no valid template: {error.message}"}]
    found = [*_unknown_names(tree, cases), *_unknown_fields(tree, cases)]
    return found or list(_tried(sandbox, name, source, cases))


def _unknown_names(tree: nodes.Template, cases: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    given = set().union(*cases) | ALWAYS
    for unknown in sorted(meta.find_undeclared_variables(tree) - given):
        if _is_asked_for(tree, unknown):
            continue
        lines = [one.lineno for one in tree.find_all(nodes.Name) if one.name == unknown]
        yield {
            "line": min(lines, default=None),
            "detail": f"{unknown!r} is not given to this template; it has "
            + ", ".join(sorted(set(given) - ALWAYS)),
            "unknown": unknown,
            "of": sorted(set(given) - ALWAYS),
        }


def _is_asked_for(tree: nodes.Template, name: str) -> bool:
    """Whether the template itself allows for its absence: `is defined`, `default(…)`."""
    tests = [one.node for one in tree.find_all(nodes.Test) if one.name in ("defined", "undefined")]
    filters = [one.node for one in tree.find_all(nodes.Filter) if one.name in ("default", "d")]
    return any(isinstance(one, nodes.Name) and one.name == name for one in [*tests, *filters])


def _unknown_fields(tree: nodes.Template, cases: Sequence[Mapping[str, Any]]) -> Iterator[Found]:
    """Fields of the incident, which every message has, that no incident has."""
    incidents = [case["incident"] for case in cases if isinstance(case.get("incident"), dict)]
    known = set().union(*incidents)
    if not known:
        return
    for one in tree.find_all(nodes.Getattr):
        is_incident = isinstance(one.node, nodes.Name) and one.node.name == "incident"
        if is_incident and one.attr not in known | set(dir(dict)):
            yield {
                "line": one.lineno,
                "detail": f"an incident has no {one.attr!r}; it has {', '.join(sorted(known))}",
                "unknown": one.attr,
                "of": sorted(known),
            }


def _tried(
    sandbox: Sandbox, name: str, source: str, cases: Sequence[Mapping[str, Any]]
) -> Iterator[Found]:
    """The first case that it cannot be filled in for."""
    environment = sandbox.environment_of(name)
    template = environment.from_string(source)
    for case in cases:
        try:
            template.render(case)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a template is code of its own: it may raise anything
            why = short(f"{type(error).__name__}: {error}", 200)
            yield {"line": line_of(error), "detail": f"cannot be filled in with an example: {why}"}
            return
