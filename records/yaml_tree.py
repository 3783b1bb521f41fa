"""YAML text to plain data that remembers its lines, and every mistake of the text at once.

Built from the parser's nodes rather than from its objects: only the nodes know the line of every
name and item, both places of a name that is defined twice, and how a date was written. YAML 1.2:
`no` and `on` are text. What the data mean is the reader's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from domain.errors import Problem

MAX_VALUES = 200_000  # aliases can make a small text enormous
_TAG = "tag:yaml.org,2002:"
_WRITTEN = ("str", "timestamp", "value")  # dates stay as they are written; the model reads them


@dataclass
class Tree:
    """One text, read: its data, where each dotted place begins, and what is wrong with it."""

    file: str
    data: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    value_count: int = 0

    def report(self, where: str, detail: str, line: int | None) -> None:
        """Note a mistake of the text."""
        self.problems.append(
            Problem(where=where or "policy", detail=detail, file=self.file, line=line)
        )


def read_tree(text: str, file: str) -> Tree:
    """Read one YAML document; never raises for what stands in it.

    Args:
        text: the document.
        file: its name, for messages.
    """
    tree = Tree(file)
    try:
        node = YAML().compose(text)
        if node is not None:
            tree.data = _build(tree, node, "", ())
    except MarkedYAMLError as broken:
        mark = broken.problem_mark or broken.context_mark
        detail = " ".join(filter(None, (broken.context, broken.problem)))
        tree.report("", f"is not valid YAML: {detail}", mark.line + 1 if mark else 1)
    except YAMLError as broken:
        tree.report("", f"is not valid YAML: {str(broken).splitlines()[0]}", None)
    except RecursionError:
        tree.report("", "is nested too deeply to be read", None)
    return tree


def _build(tree: Tree, node: Node, where: str, above: tuple[Node, ...]) -> Any:
    """The plain value of a node; `above` are the nodes that it stands in."""
    line = node.start_mark.line + 1
    tree.lines.setdefault(where, line)
    tree.value_count += 1
    if any(node is outer for outer in above):
        tree.report(where, "refers to itself by an alias", line)
        return None
    if tree.value_count > MAX_VALUES:
        if tree.value_count == MAX_VALUES + 1:
            tree.report("", f"holds more than {MAX_VALUES} values", line)
        return None
    if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
        return _mapping(tree, node, where, above)
    if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
        return [
            _build(tree, item, _below(where, index), (*above, node))
            for index, item in enumerate(node.value)
        ]
    if isinstance(node, ScalarNode):
        return _scalar(tree, node, where)
    tree.report(where, f"has a tag that a policy does not know: {node.tag}", line)
    return None


def _below(where: str, part: object) -> str:
    return f"{where}.{part}" if where else str(part)


def _mapping(tree: Tree, node: MappingNode, where: str, above: tuple[Node, ...]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    first: dict[str, int] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if key.tag == f"{_TAG}merge":
            merged = {**_merge(tree, value, where, (*above, node)), **merged}
            continue
        if not isinstance(key, ScalarNode):
            tree.report(where, "has a name that is itself a list or a section", line)
            continue
        name = str(key.value)
        place = _below(where, name)
        if key.tag != f"{_TAG}str":
            tree.report(place, f'a name must be text: write "{name}" in quotes', line)
        if name in first:
            tree.report(place, f"is defined twice: here and in line {first[name]}", line)
            continue
        first[name] = tree.lines[place] = line
        built[name] = _build(tree, value, place, (*above, node))
    return {**merged, **built}


def _merge(tree: Tree, node: Node, where: str, above: tuple[Node, ...]) -> dict[str, Any]:
    """What `<<: *name` or `<<: [*one, *two]` brings in; the first of several wins."""
    brought: dict[str, Any] = {}
    for source in node.value if isinstance(node, SequenceNode) else [node]:
        value = _build(tree, source, where, above)
        if isinstance(value, dict):
            brought = {**value, **brought}
        else:
            tree.report(where, "<< must name a section", node.start_mark.line + 1)
    return brought


def _scalar(tree: Tree, node: ScalarNode, where: str) -> Any:
    kind, written = str(node.tag).removeprefix(_TAG), str(node.value)
    if kind in _WRITTEN:
        return written
    if kind == "null":
        return None
    if kind == "bool":
        return written.lower() == "true"
    if kind in ("int", "float"):
        try:
            return _number(kind, written)
        except ValueError:
            tree.report(where, f"{written[:40]!r} is no usable number", node.start_mark.line + 1)
            return None
    line = node.start_mark.line + 1
    tree.report(where, f"has a tag that a policy does not know: {node.tag}", line)
    return None


def _number(kind: str, written: str) -> int | float:
    """Raise `ValueError` for what is no finite number of a usable length."""
    if kind == "int":
        digits = written.lstrip("+-")
        base = {"0o": 8, "0x": 16, "0b": 2}.get(digits[:2].lower(), 10)
        return int(written.replace("_", ""), base)
    value = float(written.replace("_", ""))
    if not math.isfinite(value):
        raise ValueError(written)
    return value
