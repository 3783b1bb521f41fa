"""Sessions in the data folder: small cookies, one winner among many processes, nothing without the secret."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from domain.policy.model import Policy
from starter.access.ended import FILE as ENDED
from starter.access.ended import Ended
from starter.access.seals import MAX_CHARS, BrokenSealError, Seals, SealsUnreadableError
from starter.access.sessions import SessionEndedError, Sessions
from starter.access.store import FOLDER
from starter.security import closed_integrations
from starter.settings import load_settings
from starter.unknown_settings import referenced_settings, refuse_unknown_settings
from tests.signed_in import Clock

OIDC = {
    "issuer": "https://login.example.com",
    "client_id": "tocsin",
    "client_secret": "env:TOCSIN_OIDC",
}


@pytest.fixture
def clock() -> Clock:
    return Clock(1_800_000_000.0)


def test_a_cookie_stays_small(tmp_path: Path, clock: Clock) -> None:
    """Somebody in a thousand groups can sign in: the first ones are kept, and a browser keeps the cookie."""
    sessions = Sessions(tmp_path, clock)
    groups = [f"cn=group-{number},ou=groups,dc=example,dc=com" for number in range(1000)]
    session = sessions.begin("alice", OIDC["issuer"] + "/" + "a" * 300, "c" * 100, groups)
    text = sessions.sealed(session)
    assert len(text) < MAX_CHARS
    assert sessions.read(text).groups == groups[: len(session.groups)]
    assert len(session.groups) > 20


def test_processes_share_a_folder(tmp_path: Path, clock: Clock) -> None:
    """What one has sealed another reads; what one ends has ended for all, at their next look."""
    one, other = Sessions(tmp_path, clock), Sessions(tmp_path, clock)
    session = one.begin("alice", "i", "c")
    text = one.sealed(session)
    assert other.read(text) == session
    assert other.csrf_token(session) == one.csrf_token(session)
    one.end(session)
    with pytest.raises(SessionEndedError, match="signed out of"):
        other.read(text)
    attempt = one.attempt("/me")
    assert (one.nonce(attempt), one.verifier(attempt)) == (
        other.nonce(attempt),
        other.verifier(attempt),
    )
    assert len({one.nonce(attempt), one.verifier(attempt), one.csrf_token(session)}) == 3


def test_folders_do_not_trust_each_other(tmp_path: Path, clock: Clock) -> None:
    """A cookie of one house opens no other."""
    one, other = Sessions(tmp_path / "a", clock), Sessions(tmp_path / "b", clock)
    with pytest.raises(SessionEndedError, match="not known here"):
        other.read(one.sealed(one.begin("alice", "i", "c")))


def test_of_many_one_is_first(tmp_path: Path, clock: Clock) -> None:
    """Threads and processes that use one attempt at the same moment: one is told that it counts."""
    until, told = int(clock.at) + 600, []
    ready = threading.Barrier(8)

    def add() -> None:
        mine = Ended(tmp_path, clock)
        ready.wait()
        told.append(mine.add("state", until))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == [False] * 7 + [True]
    code = (
        "import sys, pathlib; from starter.access.ended import Ended; "
        f"print(Ended(pathlib.Path(sys.argv[1]), lambda: {clock.at}).add('other', {until}))"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = [process.communicate(timeout=60)[0].strip() for process in started]
    assert sorted(said) == ["False", "False", "True"]
    assert set(json.loads((tmp_path / FOLDER / ENDED).read_text())["ended"]) == {"state", "other"}


def test_one_text_has_one_spelling(tmp_path: Path) -> None:
    """Bits that mean nothing, other alphabets and padding do not make a second cookie of one session."""
    seals = Seals(tmp_path)
    good = seals.seal("session", b"12345")
    first, _, mark = good.partition(".")
    assert seals.open("session", good) == b"12345"
    last = first[:-1] + chr(ord(first[-1]) + 1)
    spellings = (f"{last}.{mark}", f"{first}=.{mark}", f"{first}.{mark}=", f" {good}", f"{good}\n")
    for text in (*spellings, f"{first}.{mark}.", "\u0660.x"):
        with pytest.raises(BrokenSealError):
            seals.open("session", text)
    with pytest.raises(BrokenSealError):
        seals.open("attempt", good)


def test_a_folder_that_cannot_be_written(tmp_path: Path, clock: Clock) -> None:
    """Nobody signs in or out, and it says why; nothing is pretended."""
    (tmp_path / FOLDER).write_text("a file where the folder should be")
    sessions = Sessions(tmp_path, clock)
    session = sessions.begin("alice", "i", "c")
    for call in (lambda: sessions.sealed(session), lambda: sessions.end(session)):
        with pytest.raises(SealsUnreadableError, match=FOLDER):
            call()


def test_a_missing_secret_is_said_at_the_start() -> None:
    """Its variable may begin like a setting of ours, and whoever forgets it reads so before people do."""
    policy = Policy.model_validate({"access": {"oidc": OIDC}})
    assert "nobody can sign in" in str(closed_integrations(policy, {}))
    assert closed_integrations(policy, {"TOCSIN_OIDC": "x"}) == []
    assert referenced_settings(policy) == {"TOCSIN_OIDC"}
    refuse_unknown_settings({"TOCSIN_OIDC": "x"}, policy)
    assert load_settings({}).own_url().startswith("http://")
