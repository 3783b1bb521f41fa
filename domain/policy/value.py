"""How people write days, times, lengths and turns in a policy, and what these become.

Values only, each understood by itself; the sections that hold them are in `model.py`.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from domain import durations

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LONGEST = timedelta(days=3650)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_weekday(value: Any) -> int:
    """`monday` or `mon` to 0 … 6; a number that is already one stays."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 7:
        return value
    text = str(value).strip().lower()
    for index, name in enumerate(WEEKDAYS):
        if text == name or (len(text) >= 3 and name.startswith(text)):
            return index
    raise ValueError(f"{value!r} is not a weekday such as monday or mon")


def _parse_days(value: Any) -> frozenset[int]:
    """`[mon-fri, sunday]` to a set of weekday numbers; a range may run over the weekend."""
    days: set[int] = set()
    for item in value if isinstance(value, list | tuple | set | frozenset) else [value]:
        if not isinstance(item, str):
            days.add(parse_weekday(item))
            continue
        first, _, last = item.partition("-")
        start, end = parse_weekday(first), parse_weekday(last or first)
        days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(days)


def _parse_wall_time(value: Any) -> str:
    """`09:00` as it is; refuse what is no time of day."""
    match = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", str(value).strip())
    if match and int(match[1]) < 24 and int(match[2]) < 60:
        return f"{int(match[1]):02}:{match[2]}"
    raise ValueError(f"{value!r} is not a time of day such as 09:00")


def _parse_end_time(value: Any) -> str:
    """A time of day at which something ends: midnight is `24:00` there."""
    text = str(value).strip()
    return text if text == "24:00" else _parse_wall_time(text)


def _bounded(value: Any) -> timedelta:
    """Refuse lengths that no timer can hold, before arithmetic with them overflows."""
    try:
        length = durations.parse_duration(value)
    except OverflowError:
        length = timedelta.max
    if length > LONGEST:
        raise ValueError(f"{value!r} is longer than 3650d")
    return length


def _positive(value: timedelta) -> timedelta:
    """Refuse zero for what happens again and again: it would never stop."""
    if value < timedelta(seconds=1):
        raise ValueError("must be at least 1s, since it is done again after each such time")
    return value


def _refuse_number(value: Any) -> Any:
    """A bare number would be read as seconds since 1970, which nobody means in a policy."""
    if isinstance(value, date) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise ValueError(f"{value!r} is not a date such as 2026-01-05")


def _in_calendar(value: date) -> date:
    """Keep far enough from both ends of the calendar that a change of zone cannot leave it."""
    if not 1970 <= value.year <= 2999:
        raise ValueError("must lie between the years 1970 and 2999")
    if isinstance(value, datetime) and value.tzinfo is not None:
        raise ValueError("is wall time of the schedule's zone: leave out the offset")
    return value


def _whole_day(value: Any) -> Any:
    """The date on which something ends belongs to it: until the midnight after."""
    if isinstance(value, str) and _DATE.fullmatch(value.strip()):
        value = date.fromisoformat(value.strip())
    if isinstance(value, date) and not isinstance(value, datetime) and value.year <= 2999:
        return datetime.combine(value + timedelta(days=1), time())
    return value


def _parse_turn(value: Any) -> tuple[int, str]:
    """`week`, `2 weeks`, `12h`, `month` to a count and a unit of hour, day, week or month."""
    text = " ".join(str(part) for part in value) if isinstance(value, tuple | list) else str(value)
    match = re.fullmatch(r"(?:([0-9]{1,4}) ?)?(h|hour|day|week|month)s?", text.strip().lower())
    if not match or not int(match[1] or 1):
        raise ValueError(f"{value!r} is not a turn such as 12h, day, week, 2 weeks or month")
    return (int(match[1] or 1), "hour" if match[2] == "h" else match[2])


Duration = Annotated[durations.Duration, BeforeValidator(_bounded)]
Interval = Annotated[Duration, AfterValidator(_positive)]
Day = Annotated[date, BeforeValidator(_refuse_number), AfterValidator(_in_calendar)]
Moment = Annotated[datetime, BeforeValidator(_refuse_number), AfterValidator(_in_calendar)]
LastMoment = Annotated[
    datetime,
    BeforeValidator(_refuse_number),
    BeforeValidator(_whole_day),
    AfterValidator(_in_calendar),
]

# JSON holds the names that people write, in the week's order: the policy's hash must not depend
# on how a set happens to iterate.
Weekday = Annotated[
    int,
    BeforeValidator(parse_weekday),
    PlainSerializer(lambda day: WEEKDAYS[day], return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["monday", "mon"]}),
]
Days = Annotated[
    frozenset[int],
    BeforeValidator(_parse_days),
    PlainSerializer(
        lambda days: [WEEKDAYS[day] for day in sorted(days)],
        return_type=list[str],
        when_used="json",
    ),
    WithJsonSchema(
        {
            "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}],
            "examples": [["mon-fri", "sunday"]],
        }
    ),
]
WallTime = Annotated[
    str,
    BeforeValidator(_parse_wall_time),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$", "examples": ["09:00"]}),
]
EndTime = Annotated[
    str,
    BeforeValidator(_parse_end_time),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}$", "examples": ["17:00"]}),
]
Turn = Annotated[
    tuple[int, str],
    BeforeValidator(_parse_turn),
    WithJsonSchema({"type": "string", "examples": ["12h", "day", "week", "2 weeks", "month"]}),
]
