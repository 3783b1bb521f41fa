"""What a person sees: on a pseudo-terminal of 80 columns, in a zone of their own."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from tests.starter.cli.fake_api import TOKEN, FakeApi, an_incident

COLUMNS, LINES = 80, 24


def on_a_terminal(api: FakeApi, *arguments: str, **environment: str) -> str:
    """What a command puts on the screen, with its colours."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    given = {
        "TOCSIN_API_URL": api.url,
        "TOCSIN_API_TOKEN": TOKEN,
        "TERM": "xterm",
        "TZ": "Asia/Tokyo",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "starter.cli", *arguments],
        stdin=terminal, stdout=terminal, stderr=terminal, env=clean | given | environment,
    ):  # fmt: skip
        os.close(terminal)
        seen = b""
        while True:
            try:
                chunk = os.read(controller, 65536)
            except OSError:  # Linux says so when the last writer has gone
                break
            if not chunk:
                break
            seen += chunk
    os.close(controller)
    return seen.decode().replace("\r\n", "\n")


def plain(screen: str) -> list[str]:
    """The lines without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen).splitlines()


@pytest.mark.parametrize("line", ["list", "show checkout-17", "timeline checkout-17"])
def test_it_fits_the_screen_in_colour(line: str, api: FakeApi) -> None:
    """Nothing is wider than the terminal, whatever the texts."""
    api.incidents["checkout-17"]["summary"] = "Checkout " * 30
    screen = on_a_terminal(api, *line.split())
    assert "\x1b[" in screen
    assert max(map(len, plain(screen))) <= COLUMNS


def test_no_color_means_none(api: FakeApi) -> None:
    """Not even bold."""
    assert "\x1b" not in on_a_terminal(api, "list", NO_COLOR="1")


def test_the_list_keeps_one_row_an_incident(api: FakeApi) -> None:
    """A long summary gives way; ids and severities never do."""
    api.incidents["checkout-17"]["summary"] = "Checkout " * 30
    _, row = plain(on_a_terminal(api, "list"))
    assert row.startswith("checkout-17  SEV1  P1   fixing")
    assert row.rstrip().endswith("…")


def test_the_timeline_shows_both_clocks(api: FakeApi) -> None:
    """The local one with its zone at the day's heading, and UTC beside it."""
    rows = plain(on_a_terminal(api, "timeline", "checkout-17"))
    assert rows[0].endswith("JST (UTC+0900), then UTC")
    assert re.match(r"\d\d:\d\d:\d\d  \d\d:\d\d:\d\dZ  tocsin  SEV1 P1 on checkout", rows[1])


def test_a_clock_in_utc_is_shown_once(api: FakeApi) -> None:
    """On a server in UTC the second column would say nothing."""
    rows = plain(on_a_terminal(api, "timeline", "checkout-17", TZ="UTC"))
    assert rows[0].endswith(", UTC")
    assert not re.search(r"\d\dZ", rows[1])


def test_watch_keeps_the_top_in_sight(api: FakeApi) -> None:
    """While it goes on the end is cut on a small screen, never the top; the last state stays whole."""
    api.incidents["checkout-17"] = an_incident(status="closed")
    rows = plain(on_a_terminal(api, "watch", "checkout-17"))
    assert rows[0].startswith("checkout-17   SEV1   P1  CLOSED")
    assert "..." in [row.strip() for row in rows[:LINES]]


def test_a_maintenance_window_says_why_on_a_narrow_screen(api: FakeApi) -> None:
    """The reason is what somebody asks for who wonders that nobody was paged: it is never cut off."""
    window = {
        "service": "checkout",
        "id": "database-move",
        "from": "2026-11-28T21:00:00Z",
        "to": "2026-11-29T01:00:00Z",
        "state": "coming",
        "by": None,
        "source": "policy",
        "reason": "the database moves to new machines",
    }
    api.next_answer = (200, {"windows": [window], "unanswered": []})
    lines = plain(on_a_terminal(api, "maintenance", "list"))
    assert all(len(line) <= COLUMNS for line in lines)
    assert {"database", "moves", "machines"} <= set(" ".join(lines).split())


def test_a_time_of_another_year_says_its_year(api: FakeApi) -> None:
    """An override of a far day is not taken for one of this year."""
    far = {"id": "o6", "schedule": "payments", "what": "dana added", "made_by": "bob", "swap": None,
           "starts_at": "2150-03-28T02:30:00Z", "ends_at": "2150-03-28T04:30:00Z"}  # fmt: skip
    api.next_answer = (200, {"overrides": [far], "contacts": []})
    assert "28 Mar 2150 11:30" in on_a_terminal(api, "oncall", "override", "list")
