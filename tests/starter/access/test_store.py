"""Tokens in the data folder: shared, atomic, noticed at once, and never open because a file is broken."""

from __future__ import annotations

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from domain.access.roles import AccessRole
from domain.access.tokens import SYSTEM, TokenState, TokenWanted
from starter.access import store as stores
from starter.access.door import Door, NotAdmittedError, NotAllowedError, require, require_command
from starter.access.health import health_of
from starter.access.store import TokenStore, TokensUnreadableError, TooManyTokensError

LAPTOP = TokenWanted(name="laptop", roles=[AccessRole.COMMS, AccessRole.RESPONDER], owner="alice")


class Clock:
    """Says what time it is, and can be moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> TokenStore:
    return TokenStore(tmp_path, clock)


def test_a_token_is_random_and_easily_found_in_a_leak(store: TokenStore) -> None:
    """256 bits behind a prefix that secret scanners know; two are never the same."""
    first, _ = store.create(LAPTOP, "operator")
    second, _ = store.create(LAPTOP, "operator")
    assert first != second
    assert first.startswith("tocsin_")
    assert len(first) == len("tocsin_") + 43


def test_what_is_kept_opens_nothing(store: TokenStore) -> None:
    """The file holds no token, and only its owner can read it."""
    secret, token = store.create(LAPTOP, "carol")
    text = store.file.read_text()
    assert secret not in text
    assert secret.removeprefix("tocsin_") not in text
    assert stat.S_IMODE(store.file.stat().st_mode) == 0o600
    kept = json.loads(text)["tokens"][0]
    assert (kept["id"], kept["owner"], kept["created_by"]) == (token.id, "alice", "carol")
    assert kept["roles"] == ["responder", "comms"]


def test_another_process_sees_it_at_its_next_look(store: TokenStore, tmp_path: Path) -> None:
    """Made in one process and revoked in another: no restart in between."""
    other = TokenStore(tmp_path)
    assert other.all() == []
    secret, token = store.create(LAPTOP, "operator")
    found = other.find(secret)
    assert found is not None
    assert found.state(datetime.now(UTC)) is TokenState.ACTIVE
    other.revoke(token.id, "carol")
    seen = store.find(secret)
    assert seen is not None
    assert (seen.state(datetime.now(UTC)), seen.revoked_by) == (TokenState.REVOKED, "carol")


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    """Several processes make tokens at once: every one of them is kept."""
    stores_ = [TokenStore(tmp_path) for _ in range(4)]
    jobs = [
        threading.Thread(target=lambda s=one: [s.create(LAPTOP, "operator") for _ in range(10)])
        for one in stores_
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert len(TokenStore(tmp_path).all()) == 40


def test_revoking_twice_keeps_the_first_word(store: TokenStore, clock: Clock) -> None:
    """Who revoked it and when stays; an id that does not exist is none."""
    _, token = store.create(LAPTOP, "operator")
    store.revoke(token.id, "carol")
    clock.now += timedelta(hours=1)
    again = store.revoke(token.id, "dana")
    assert again is not None
    assert again.revoked_by == "carol"
    assert store.revoke("t_none", "carol") is None


def test_use_is_known_to_the_hour(store: TokenStore, clock: Clock) -> None:
    """A token in constant use is written once an hour, not at every request."""
    secret, token = store.create(LAPTOP, "operator")
    assert store.is_use_due(token)
    store.note_use(token.id)
    found = store.find(secret)
    assert found is not None
    assert found.used_at == datetime(2026, 11, 28, 12, tzinfo=UTC)
    assert not store.is_use_due(found)
    clock.now += timedelta(minutes=30)
    assert store.is_use_due(found)


@pytest.mark.parametrize(
    "broken",
    ["", "{", "[]", '{"version": 2}', '{"tokens": [{"id": 1}]}', '{"tokens": [], "x": 1}', "\x00"],
)
def test_a_broken_file_lets_in_nobody_but_the_system(
    store: TokenStore, tmp_path: Path, clock: Clock, broken: str
) -> None:
    """Damaged, cut off, of another version: nobody else comes in, everybody hears why, no token is lost."""
    secret, _ = store.create(LAPTOP, "operator")
    good = store.file.read_text()
    store.file.write_text(broken)
    door = Door("tocsin_system", store, clock)
    assert door.principal("tocsin_system") == SYSTEM
    for given in (secret, "tocsin_guess"):
        with pytest.raises(TokensUnreadableError, match="damaged"):
            door.principal(given)
    with pytest.raises(TokensUnreadableError):
        store.create(LAPTOP, "operator")
    assert store.file.read_text() == broken
    store.file.write_text(good)
    assert door.principal(secret).owner == "alice"


def test_what_a_damaged_file_holds_is_in_no_log(
    store: TokenStore, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Names and digests stay in the file; the log says that it is damaged, `doctor` says it itself."""
    store.create(LAPTOP, "operator")
    store.file.write_text('{"tokens": [{"digest": "b85a1d0e"}')
    with capture_logs() as logs, pytest.raises(TokensUnreadableError):
        store.all()
    (row,) = logs
    assert (row["event"], row["error"]) == ("tokens.unreadable", "ValidationError")
    assert "exc_info" not in row
    assert "b85a1d0e" not in str(row)
    assert health_of(tmp_path).state == "failed"
    assert capfd.readouterr() == ("", "")


def test_an_unreadable_folder_lets_in_nobody_but_the_system(tmp_path: Path, clock: Clock) -> None:
    """A folder where the file should be is as good as a damaged disk."""
    (tmp_path / "access" / "tokens.json").mkdir(parents=True)
    door = Door("tocsin_system", TokenStore(tmp_path, clock), clock)
    assert door.principal("tocsin_system") == SYSTEM
    with pytest.raises(TokensUnreadableError):
        door.principal("tocsin_guess")


def test_there_is_an_end_to_tokens(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that makes one at each run is stopped before it slows every request."""
    monkeypatch.setattr(stores, "MOST_TOKENS", 1)
    store.create(LAPTOP, "operator")
    with pytest.raises(TooManyTokensError):
        store.create(LAPTOP, "operator")


def test_who_comes_in(store: TokenStore, clock: Clock) -> None:
    """Nobody without a token; its owner with one; nobody with one that is over, and they hear that."""
    door = Door("tocsin_system", store, clock)
    secret, token = store.create(LAPTOP, "operator")
    found = door.principal(secret)
    assert (found.owner, found.by) == ("alice", f"token {token.id} (laptop)")
    for given in ("", "tocsin_guess", secret + "x", secret[:-1], token.digest, token.id):
        with pytest.raises(NotAdmittedError, match="a valid bearer token is needed"):
            door.principal(given)
    clock.now += timedelta(days=90)
    with pytest.raises(NotAdmittedError, match=r"\(laptop\) expired at 2027-02-26"):
        door.principal(secret)
    store.revoke(token.id, "carol")
    with pytest.raises(NotAdmittedError, match="was revoked"):
        door.principal(secret)


def test_an_empty_token_of_the_system_opens_nothing(store: TokenStore, clock: Clock) -> None:
    """Without a token of the system, no token is not as good as one."""
    with pytest.raises(NotAdmittedError):
        Door("", store, clock).principal("")


def test_tokens_of_monitoring_tools(store: TokenStore, clock: Clock) -> None:
    """One opens the hook of its integration, or every hook; no other token opens any."""
    door = Door("tocsin_system", store, clock)
    ingest = [AccessRole.INGEST]
    one, _ = store.create(
        TokenWanted(name="prom", roles=ingest, integration="prometheus"), "operator"
    )
    every, _ = store.create(TokenWanted(name="all", roles=ingest), "operator")
    other, _ = store.create(LAPTOP, "operator")
    assert door.integration_of(one) == "prometheus"
    assert door.integration_of(every) == ""
    assert door.integration_of(other) is None
    assert door.integration_of("tocsin_guess") is None


def test_what_is_missing_is_said(store: TokenStore, clock: Clock) -> None:
    """A refusal names the role, also where only the body asks for more."""
    secret, _ = store.create(
        TokenWanted(name="x", roles=[AccessRole.RESPONDER], owner="alice"), "operator"
    )
    principal = Door("tocsin_system", store, clock).principal(secret)
    require(principal, "acknowledge", "note")
    with pytest.raises(NotAllowedError, match="resolve needs the role manager"):
        require(principal, "resolve")
    require_command(principal, "publish_update", {"audience": "internal"}, "alice")
    with pytest.raises(NotAllowedError, match="external needs the role comms; this token has resp"):
        require_command(principal, "publish_update", {"audience": "external"}, "alice")
