"""The four forms of an answer: a table for people, JSON and YAML for programs, ids for scripts."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from starter.cli.screen import JSON_ESCAPES, clean


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    ID = "id"


def emit(data: Any, format: Format, *, table: Callable[[], None], ids: Iterable[object]) -> None:
    """Print an answer in the form that was asked for.

    Args:
        data: what a program gets.
        format: the form.
        table: prints it for people.
        ids: what identifies it, one a line.
    """
    if format is Format.TABLE:
        table()
    elif format is Format.ID:
        for one in ids:
            print(clean(one))
    elif format is Format.YAML:
        print(as_yaml(data), end="")
    else:
        print(as_json(data))


def as_json(data: Any, indent: int | None = 2) -> str:
    """JSON without a character that a terminal would obey."""
    return json.dumps(data, ensure_ascii=False, indent=indent).translate(JSON_ESCAPES)


def as_yaml(data: Any) -> str:
    """YAML in block style, in the data's own order, without a character that a terminal would obey."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    plain = json.dumps(data, ensure_ascii=False)
    # The emitter escapes what it takes for unprintable only where it writes ASCII.
    yaml.allow_unicode = plain == plain.translate(JSON_ESCAPES)
    buffer = io.StringIO()
    yaml.dump(data, buffer)
    return buffer.getvalue()
