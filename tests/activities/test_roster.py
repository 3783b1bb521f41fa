"""Calendar feeds over a real socket: bounded, from their own host only, and the last good copy stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from activities import roster
from activities.roster import RosterActivities
from domain.on_call import on_call_at
from records.policy_file import read_policy
from records.policy_store import PolicyStore
from workflows.contract import FeedState

NOW = datetime.now(UTC).replace(microsecond=0)
GOOD = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nSUMMARY:{who}\r\n"
    "DTSTART:{start:%Y%m%dT%H%M%SZ}\r\nDTEND:{end:%Y%m%dT%H%M%SZ}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def calendar(who: str = "alice") -> str:
    """A calendar that puts somebody on call now."""
    return GOOD.format(who=who, start=NOW - timedelta(days=1), end=NOW + timedelta(days=1))


def plain(body: str, status: str = "200 OK", extra: str = "") -> Answer:
    """A whole answer."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body.encode())}\r\n{extra}"
        writer.write(f"{head}Connection: close\r\n\r\n{body}".encode())

    return answer


class Feed:
    """A strict little web server that answers as it is told."""

    def __init__(self) -> None:
        self.answer: Answer = plain(calendar())
        self.asked: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(request.split(" ")[1])
        try:
            await self.answer(writer)
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.fixture
async def feed() -> AsyncIterator[Feed]:
    found = Feed()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


@pytest.fixture
def store(tmp_path: Path, feed: Feed) -> PolicyStore:
    """A policy with one schedule by the feed."""
    return adopt(tmp_path, f"http://127.0.0.1:{feed.port}/on-call.ics?key=secret")


def adopt(tmp_path: Path, url: str) -> PolicyStore:
    file = tmp_path / "policy.yaml"
    file.write_text(
        "people: {alice: {contacts: [{channel: email, to: a@x.test}]}, bob: {}}\n"
        f"schedules: {{pay: {{calendar: {{url: '{url}'}}}}}}\n"
    )
    store = PolicyStore(tmp_path / "data")
    store.adopt(read_policy(file))
    return store


async def refresh(store: PolicyStore, **environment: str) -> FeedState:
    """Read the feeds once."""
    [state] = await RosterActivities(store, environment, lambda: NOW).refresh_calendars()
    return state


def on(store: PolicyStore) -> tuple[str | None, str]:
    shift = on_call_at(store.current()[1].schedules["pay"], NOW)
    return shift.person, shift.why


async def test_a_feed_puts_people_on_call(store: PolicyStore, feed: Feed) -> None:
    """What the feed says is in the policy that paging reads, and follows the feed."""
    assert on(store) == (
        None,
        "the calendar names nobody (has not been read yet: until then it puts nobody on call)",
    )
    assert (await refresh(store)).fault is None
    assert on(store)[0] == "alice"
    feed.answer = plain(calendar("bob"))
    await refresh(store)
    assert on(store)[0] == "bob"
    assert feed.asked == ["/on-call.ics?key=secret"] * 2


async def _hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def _drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"B")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _flood(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(7 * 1024):
        writer.write(b"x" * 1024)
        await writer.drain()


async def _drop(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\nBEGIN")


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (plain("", "500 Broken"), "it answered 500"),
        (plain("", "404 Gone"), "it answered 404"),
        (plain("", "401 No"), "it answered 401"),
        (plain("<html>"), "it is not iCalendar"),
        (plain(""), "it is not iCalendar"),
        (plain("", "302 F", "Location: http://127.0.0.2/x\r\n"), "another host"),
        (plain("", "302 F", "Location: file:///etc/passwd\r\n"), "another host"),
        (plain("", "302 F", "Location: /again\r\n"), "more than 3 times"),
        (_hang, "within"),
        (_drip, "within"),
        (_flood, "larger than 5 MiB"),
        (_drop, "cannot be reached"),
    ],
)
async def test_a_feed_that_is_down_leaves_the_last_good_copy(
    store: PolicyStore,
    feed: Feed,
    answer: Answer,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Down, broken, slow or too large: who was on stays on, and the reason says of when the copy is."""
    await refresh(store)
    if fault == "within":
        monkeypatch.setattr(roster, "FEED_SECONDS", 0.5)
    feed.answer = answer
    state = await refresh(store)
    assert state.fault is not None
    assert fault in state.fault
    assert "secret" not in state.fault
    person, why = on(store)
    assert person == "alice"
    assert f"copy of {NOW:%Y-%m-%d}" in why
    assert fault in why
    monkeypatch.undo()
    feed.answer = plain(calendar())
    assert (await refresh(store)).fault is None
    assert on(store)[1].startswith('calendar, "alice" until ')
    assert "copy of" not in on(store)[1]


async def test_a_feed_that_was_never_read(tmp_path: Path) -> None:
    """From the first moment on it is told that nobody knows who is on call."""
    store = adopt(tmp_path, "http://127.0.0.1:9/x")
    assert "cannot be reached" in str((await refresh(store)).fault)
    assert on(store)[0] is None
    assert "has never been read: it cannot be reached" in on(store)[1]


async def test_a_secret_address(tmp_path: Path, feed: Feed) -> None:
    """A private calendar's address stands in the environment, and its absence is said without it."""
    store = adopt(tmp_path, "env:CALENDAR_URL")
    assert (await refresh(store)).fault == "its address env:CALENDAR_URL is not set"
    url = f"http://127.0.0.1:{feed.port}/private"
    assert (await refresh(store, CALENDAR_URL=url)).fault is None
    assert on(store)[0] == "alice"
    assert "begins with http" in str((await refresh(store, CALENDAR_URL="ftp://x")).fault)


async def test_another_mapping_needs_no_other_copy(tmp_path: Path, feed: Feed) -> None:
    """A policy that maps the same feed's events to other people counts as soon as it is adopted."""
    feed.answer = plain(calendar("Primary"))
    url = f"http://127.0.0.1:{feed.port}/x"
    store = adopt(tmp_path, url)
    state = await refresh(store)
    assert (state.shifts, state.strangers) == (0, ["Primary"])
    file = tmp_path / "policy.yaml"
    file.write_text(
        file.read_text().replace(f"url: '{url}'", f"url: '{url}', people: {{primary: bob}}")
    )
    store.reload(file)
    assert on(store)[0] == "bob"
    assert len(feed.asked) == 1
