"""How a rule of an integration matches the value of a label: exactly, one of several, or a pattern.

A pattern runs for every alert, in the process that takes alerts in, on text that strangers chose. So
values are cut, and patterns whose time can grow without bound are refused when the policy is read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

MAX_VALUE_CHARS = 1_000
"""Of a label's value; the rest is not looked at."""
MAX_WAYS = 8_000_000
"""In how many ways a pattern may divide a value, at most: what takes far below a second to try."""
_QUANTIFIER = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")


@dataclass(frozen=True, slots=True)
class Condition:
    """What one label must be."""

    label: str
    values: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]

    @classmethod
    def of(cls, label: str, wanted: str | list[str]) -> Condition:
        every = [wanted] if isinstance(wanted, str) else wanted
        return cls(
            label,
            frozenset(text for text in every if not _is_pattern(text)),
            tuple(re.compile(text[1:-1]) for text in every if _is_pattern(text)),
        )

    def holds(self, value: str) -> bool:
        """Whether a value is one of them; a pattern has to match the whole of it."""
        return value in self.values or any(one.fullmatch(value) for one in self.patterns)


def parse_matching(value: Any) -> Any:
    """What a policy says of a label: text, or a list of texts; numbers and true are taken as text.

    Raises:
        ValueError: it is something else, or a pattern that cannot be used.
    """
    every = value if isinstance(value, list) else [value]
    texts = [_text(one) for one in every]
    for text in texts:
        if _is_pattern(text) and (why := pattern_fault(text[1:-1])):
            raise ValueError(f"the pattern {text[:80]} {why}")
    return texts if isinstance(value, list) else texts[0]


def pattern_fault(pattern: str) -> str | None:
    """Why a pattern cannot be used; None where it can."""
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"is no regular expression: {error}"
    ways, nested = _ways(pattern)
    if nested:
        return (
            "repeats a group that holds a repetition or alternatives, which can take for ever: "
            "repeat a set of characters instead, such as [a-z0-9.]*"
        )
    if ways > MAX_WAYS:
        return (
            f"can take too long: two of * and + are possible, with few of ?, {{1,3}} and | beside "
            f"them (each has ways to divide a value; all together {ways}, at most {MAX_WAYS}); "
            "write several shorter patterns as a list"
        )
    return None


def _is_pattern(text: str) -> bool:
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    raise ValueError("expected a value, a list of values or a /regular expression/")


@dataclass
class _Group:
    """An open group of a pattern."""

    branches: bool = False
    """Whether a quantifier or an alternative stands in it, so that it can match in several ways."""
    alternatives: int = 1


def _ways(pattern: str) -> tuple[int, bool]:
    """In how many ways a valid pattern can divide a value, roughly; and whether repetitions are nested."""
    ways, groups = 1, [_Group()]
    closed = False
    """Whether what stands before is a group that can match in several ways."""
    place = 0
    while place < len(pattern):
        char, found = pattern[place], _QUANTIFIER.match(pattern, place)
        if found and found[0] not in ("{}", "{,}"):
            place = found.end()
            low, high = _times(found)
            if closed and high > 1:
                return ways, True
            ways *= high - low + 1
            groups[-1].branches = groups[-1].branches or high > low
            if pattern[place : place + 1] in ("?", "+"):  # lazy, possessive
                place += 1
            closed = False
            continue
        closed = False
        if char == "\\":
            place += 1
        elif char == "[":
            place = _end_of_set(pattern, place)
        elif char == "(":
            groups.append(_Group())
            # `(?:`, `(?=`, `(?P<name>`: the mark is no quantifier.
            place += 1 if pattern[place + 1 : place + 2] == "?" else 0
        elif char == ")":
            group = groups.pop()
            ways *= group.alternatives
            closed = group.branches
            groups[-1].branches = groups[-1].branches or closed
        elif char == "|":
            groups[-1].branches = True
            groups[-1].alternatives += 1
        place += 1
    return ways * groups[-1].alternatives, False


def _times(found: re.Match[str]) -> tuple[int, int]:
    """How often a quantifier repeats, at least and at most; no value is longer than a thousand."""
    if found[0] == "?":
        return 0, 1
    if found[0] in ("*", "+"):
        return 1, MAX_VALUE_CHARS
    low, comma, high = found[1], found[2], found[3]
    least = min(int(low or 0), MAX_VALUE_CHARS)
    most = int(high or MAX_VALUE_CHARS) if comma else least
    return least, max(min(most, MAX_VALUE_CHARS), least)


def _end_of_set(pattern: str, start: int) -> int:
    """Where the `]` of a set of characters is; one that stands first is a member of it."""
    place = start + 1
    place += 1 if pattern[place : place + 1] == "^" else 0
    place += 1 if pattern[place : place + 1] == "]" else 0
    while pattern[place] != "]":
        place += 2 if pattern[place] == "\\" else 1
    return place
