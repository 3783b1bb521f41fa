"""What the templates can do with a value: pure functions, one per filter. Escaping by sink is here too.

Texts come from people and machines outside. A line must stay a line, and nothing may move a
terminal's cursor, open a tag or start a heading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff]"
)
"""Control characters but tab and line feed; marks that reverse the reading direction; half characters."""
_MARKS = re.compile(
    "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)
"""More accents on one letter than any language has: they grow over the lines above and below."""
_BREAKS = re.compile("\r\n|\r|\x85|\u2028|\u2029")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&!])")
_BLOCK_START = re.compile(r"(?m)^(\s*)([#=]|-{2,}\s*$|`{3}|~{3})")

FREE_TEXT = frozenset({"noted", "observed", "theory_added", "experiment_added", "result_recorded"})
"""Facts whose text is a person's own words: names in it are left."""


def plain(value: object) -> str:
    """Text without control characters; any kind of line end becomes a line feed."""
    return _MARKS.sub(r"\1", _CONTROL.sub("", _BREAKS.sub("\n", str(value))))


def line(value: object) -> str:
    """One line, whatever it was: for subjects, and for fields that could pose as another line."""
    return " ".join(plain(value).split())


def short(value: object, length: int = 160) -> str:
    """One line of at most `length` characters, with an ellipsis where it was cut."""
    text = line(value)
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def fitting(forms: Iterable[Iterable[object]], length: int) -> str:
    """The first form that fits: parts with a space between, none of them cut. Empty where none fits.

    A form that would have to be cut is none: whoever sends takes a longer one instead.
    """
    for parts in forms:
        text = " ".join(said for said in map(line, parts) if said)
        if len(text) <= length:
            return text
    return ""


def when(value: object) -> str:
    """A time as `2026-11-24 14:07 UTC`; what is no time stays as it is, and none is unknown."""
    if value is None or value == "":
        return "unknown"
    at = _time(value)
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else line(value)


def lasted(start: object, end: object) -> str:
    """The time between two times as `1 h 20 min`; unknown where one is missing."""
    begin, until = _time(start), _time(end)
    if begin is None or until is None:
        return "unknown"
    return spoken(max(0, round((until - begin).total_seconds() / 60)))


def spoken(minutes: int) -> str:
    """A number of minutes as `2 d 3 h 5 min`."""
    days, rest = divmod(minutes, 24 * 60)
    parts = [(days, "d"), (rest // 60, "h"), (rest % 60, "min")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "less than a minute"


def markdown(value: object) -> str:
    """One line in which no character means anything to Markdown or HTML."""
    return _MARKDOWN.sub(r"\\\1", line(value)).replace("\\<", "&lt;").replace("\\&", "&amp;")


def markdown_block(value: object) -> str:
    """A person's paragraphs and lists; no tags, no headings of their own, no links that hide a target."""
    text = plain(value).replace("&", "&amp;").replace("<", "&lt;").replace("](", "]\\(")
    return _BLOCK_START.sub(r"\1\\\2", text)


def header(value: object) -> str:
    """One line for a header of a mail, in which nothing is written in code.

    `=?utf-8?q?a=0d=0aBcc:_b?=` is a line end and another header to whoever decodes it, and Python's own
    mail package does so while it writes one.
    """
    return line(value).replace("=?", "= ?")


def without_title(text: object, title: object) -> str:
    """A text without its first line where that only repeats the title above it."""
    above = title.unescape() if isinstance(title, Markup) else str(title)
    first, _, rest = plain(text).partition("\n")
    return rest.strip() if rest and short(first) == short(above) else plain(text)


def link(value: object) -> str:
    """An address that may stand behind a link: http, https or mail; anything else is no link."""
    text = line(value)
    return text if re.match(r"(https?://|mailto:)[^\s\"'<>]+$", text) else ""


def role_of(person: object, incident: Mapping[str, Any]) -> str:
    """The part that somebody played: reports name roles, not people."""
    if person in (None, "", "tocsin"):
        return "Tocsin"
    if person == "operator":
        return "operator"
    if isinstance(person, str) and person.startswith("alert:"):
        return "monitoring"
    held = [r["role"] for r in incident["roles"] if r["person"] == person]
    return held[0].replace("_", " ") if held else "a responder"


def blameless(
    entry: Mapping[str, Any], incident: Mapping[str, Any], timeline: Iterable[Mapping[str, Any]]
) -> str:
    """The text of a fact with roles where people stood, but in words that somebody wrote themselves."""
    text = line(entry["text"])
    if entry["fact"] in FREE_TEXT:
        return text
    for person in sorted(_people(incident, timeline), key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(person)}(?![\w-])", role_of(person, incident), text)
    return text[:1].upper() + text[1:]


def facts(timeline: Iterable[Mapping[str, Any]], *names: str) -> list[Mapping[str, Any]]:
    """The facts of the given names, in order."""
    return [entry for entry in timeline if entry["fact"] in names]


def _people(incident: Mapping[str, Any], timeline: Iterable[Mapping[str, Any]]) -> set[str]:
    named = {r["person"] for r in [*incident["roles"], *incident["responders"]]}
    for entry in timeline:
        data = entry.get("data") or {}
        named.update((entry["actor"], data.get("person"), data.get("old"), data.get("to")))
        named.update(t.get("person") for t in data.get("targets") or [] if isinstance(t, dict))
    ours = {None, "", "tocsin", "operator"}
    return {
        name.removeprefix("person:")
        for name in named - ours
        if isinstance(name, str) and not name.startswith(("alert:", "team:", "schedule:", "SEV"))
    }


def _time(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


FILTERS: dict[str, Callable[..., Any]] = {
    "plain": plain,
    "line": line,
    "short": short,
    "fitting": fitting,
    "when": when,
    "lasted": lasted,
    "link": link,
    "without_title": without_title,
    "role_of": role_of,
    "blameless": blameless,
    "facts": facts,
    "md": lambda value: Markup(markdown(value)),
    "md_block": lambda value: Markup(markdown_block(value)),
}
