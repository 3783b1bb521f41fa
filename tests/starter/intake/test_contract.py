"""What every format of a hook keeps: whatever is sent, it is told apart, bounded, and accounted for."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from starter.intake import FORMATS
from starter.intake.mapping import MAX_DESCRIPTION_CHARS, MAX_RAW_BYTES, MAX_SUMMARY_CHARS
from starter.intake.received import Received
from tests.starter.intake.examples import Example, examples, multipart, usual_sender

WRONG = (None, 7, 1e308, True, "", "x", [], {}, [[]], {"a": {"b": []}}, "\x00\ud800")
HOOKS = [one for one in examples() if FORMATS[one.format].is_hook]
"""The others refuse what their own service would refuse, and say so to their sender."""
ids = [f"{one.format}/{one.name}" for one in HOOKS]


def changed(one: Example, value: Any) -> Iterator[Received]:
    """The example with each place in it, one after the other, holding something else."""
    if one.received.headers["content-type"].startswith("multipart/"):
        return
    whole = json.loads(one.received.body)
    for path in places(whole):
        other = copy.deepcopy(whole)
        spot = other
        for step in path[:-1]:
            spot = spot[step]
        spot[path[-1]] = value
        yield Received(json.dumps(other).encode(), one.received.headers)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value)
    for step, item in steps:
        yield (*path, step)
        if isinstance(item, dict | list):
            yield from places(item, (*path, step))


@pytest.mark.parametrize("one", HOOKS, ids=ids)
def test_repeated_delivery_has_the_same_key(one):
    """The same thing sent twice is one alert for the desk, and two deliveries."""
    parse, who = FORMATS[one.format].parse, usual_sender(one.format)
    first, again = parse(one.received, who), parse(one.received, who)
    assert [alert.key for alert in first] == [alert.key for alert in again]
    assert not {alert.id for alert in first} & {alert.id for alert in again}


@pytest.mark.parametrize("one", HOOKS, ids=ids)
def test_wrong_types_anywhere_lose_no_alert(one):
    """One field that is not what it should be: the alert is there, on its service or on `unknown`."""
    parse, who = FORMATS[one.format].parse, usual_sender(one.format)
    usual = len(parse(one.received, who))
    for value in WRONG:
        for request in changed(one, value):
            alerts = parse(request, who)
            assert len(alerts) >= min(usual, 1) or alerts.why, request.body[:300]


@pytest.mark.parametrize("one", HOOKS, ids=ids)
def test_a_field_that_is_missing_loses_no_alert(one):
    """Each field left out, one after the other."""
    if one.received.headers["content-type"].startswith("multipart/"):
        return
    parse, who = FORMATS[one.format].parse, usual_sender(one.format)
    whole = json.loads(one.received.body)
    for path in places(whole):
        other = copy.deepcopy(whole)
        spot = other
        for step in path[:-1]:
            spot = spot[step]
        del spot[path[-1]]
        alerts = parse(Received(json.dumps(other).encode(), one.received.headers), who)
        assert alerts or alerts.why, path


@pytest.mark.parametrize("one", HOOKS, ids=ids)
@pytest.mark.parametrize(
    "text", ["x" * 100_000, "ü\x00\x1b[31m\u202e" * 5_000, "a\r\nBcc: b@c\n" * 50]
)
def test_texts_are_bounded_and_clean(one, text):
    """Long texts and control characters anywhere: what is kept is short and can be shown."""
    parse, who = FORMATS[one.format].parse, usual_sender(one.format)
    for request in changed(one, text):
        for alert in parse(request, who):
            assert len(alert.summary) <= MAX_SUMMARY_CHARS
            assert len(alert.description) <= MAX_DESCRIPTION_CHARS
            assert len((alert.raw or "").encode()) <= MAX_RAW_BYTES
            assert len(alert.key) <= 512
            assert not {"\x00", "\x1b"} & set(alert.summary + alert.description + alert.key)


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.is_hook])
@pytest.mark.parametrize("word", ["chekout", "", "checkout\x00", "CHECKOUT"])
def test_a_service_that_nobody_has_gets_a_note(name, word):
    """It is raised on `unknown`, and the note says what was sent."""
    one = next(one for one in examples() if one.format == name)
    if one.received.headers["content-type"].startswith("multipart/"):
        to = f"alerts+{word}@parse.example.com".replace("\x00", "")
        one = Example(name, "", multipart({"subject": "[CRITICAL] Disk", "to": to}))
        expected = {"chekout": "unknown", "": "unknown"}.get(word, "checkout")
    else:
        body = one.received.body.decode().replace("checkout", json.dumps(word)[1:-1])
        one = Example(name, "", Received(body.encode(), one.received.headers))
        expected = "checkout" if word == "checkout\x00" else "unknown"
    alerts = FORMATS[name].parse(one.received, usual_sender(name))
    assert {alert.service for alert in alerts} == {expected}
    assert all(alert.notes for alert in alerts) is (expected == "unknown")


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.is_hook])
def test_nested_without_end_is_an_alert_or_refused(name):
    """Brackets that only open are no JSON; those that close are too deep to be read."""
    one = next(one for one in examples() if one.format == name)
    body = b"[" * 50_000 + b"]" * 50_000
    if one.received.headers["content-type"].startswith("multipart/"):
        return
    (alert,) = FORMATS[name].parse(Received(body, one.received.headers), usual_sender(name))
    assert alert.service == "unknown"
    assert alert.raw
