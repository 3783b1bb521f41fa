"""Durations as people write them in the policy: `30s`, `5m`, `2h`, `3d`, `1w`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PATTERN = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def parse_duration(value: Any) -> timedelta:
    """Read `5m`, `1h30m` or a timedelta.

    Raises:
        ValueError: naming the accepted forms.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    parts = _PATTERN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration such as 30s, 5m, 2h or 3d")
    return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))


def format_duration(value: timedelta) -> str:
    """The shortest exact form: `90m` becomes `1h30m`, five days `5d`."""
    seconds, out = value.total_seconds(), ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        count, seconds = divmod(seconds, size)
        out += f"{int(count)}{unit}" if count else ""
    exact = f"{seconds:.6f}".rstrip("0").rstrip(".")
    return out + (f"{exact}s" if seconds or not out else "")


def in_words(value: timedelta) -> str:
    """As the timeline says it, down to the minute: `45 s`, `12 min`, `3 h 5 min`, `2 d`."""
    seconds = max(int(value.total_seconds()), 0)
    if seconds < 60 or (seconds < 120 and seconds % 60):
        return f"{seconds} s"
    minutes = seconds // 60
    parts = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    if minutes < 120:
        parts = [(minutes, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count)


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(\.\d+)?[smhdw])+$", "examples": ["5m"]}),
]
