"""Signatures under commands: every sender of one is signed, and nothing else is."""

from __future__ import annotations

import asyncio
import base64
import stat
from pathlib import Path
from typing import Any

import pytest

from domain.access.claims import LIFE, Asked, Trust, presented
from domain.access.roles import EVERY, AccessRole
from domain.access.tokens import SYSTEM, Principal, answering
from domain.commands import COMMANDS
from domain.postmortem.commands import POSTMORTEM_COMMANDS
from domain.roster_changes import ROSTER_CHANGES
from starter.access.actor_keys import ActorKey, read_actor_keys
from starter.access.signing import SIGNED, ClaimSigner, SigningLink, acting
from starter.temporal_link import TemporalLink

NOW = 1_795_867_200
ALICE = Principal(by="token t_1 (laptop)", roles=frozenset({AccessRole.RESPONDER}), owner="alice")


@pytest.fixture
def signer(tmp_path: Path) -> ClaimSigner:
    return ClaimSigner(ActorKey(tmp_path), lambda: NOW)


def claim_in(data: Path, body: dict[str, Any], asked: Asked) -> Any:
    """The claim of a body, checked as a workflow checks it."""
    from datetime import UTC, datetime

    from workflows.claims import verified

    trust = Trust(actor_keys=dict(read_actor_keys(data)))
    return verified(trust, asked, presented(body), datetime.fromtimestamp(NOW, UTC))


def test_a_key_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    """The first start makes it; the next, and another process, find it. Nobody else can read it."""
    first, second = ActorKey(tmp_path), ActorKey(tmp_path)
    first.load()
    second.load()
    file = tmp_path / "access" / "actor-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.kid == second.kid
    assert list(read_actor_keys(tmp_path)) == [first.kid]
    assert file.read_text().strip() not in (tmp_path / "access" / "actor-keys.json").read_text()


def test_a_new_key_stands_beside_the_old_one(tmp_path: Path) -> None:
    """Rotation: what the old key has signed may still be under way."""
    old, new = ActorKey(tmp_path), ActorKey(tmp_path)
    old.load()
    (tmp_path / "access" / "actor-key").unlink()
    new.load()
    assert list(read_actor_keys(tmp_path)) == [old.kid, new.kid]


@pytest.mark.parametrize("broken", ["", "{", '{"keys": []}', '{"keys": {"k": "AAAA"}}'])
def test_damaged_public_keys_are_written_anew(tmp_path: Path, broken: str) -> None:
    """They follow from the private key; until then reading them fails rather than finding none."""
    folder = tmp_path / "access"
    folder.mkdir()
    (folder / "actor-keys.json").write_text(broken)
    with pytest.raises(ValueError):
        read_actor_keys(tmp_path)
    key = ActorKey(tmp_path)
    key.load()
    assert list(read_actor_keys(tmp_path)) == [key.kid]


def test_a_damaged_private_key_is_told_and_not_replaced(tmp_path: Path) -> None:
    """Another one in silence would make every open incident distrust its commands."""
    (tmp_path / "access").mkdir()
    (tmp_path / "access" / "actor-key").write_text("not a key\n")
    with pytest.raises(ValueError):
        ActorKey(tmp_path).load()
    body = {"text": "x"}
    with acting(ALICE):
        assert ClaimSigner(ActorKey(tmp_path)).signed("checkout-1", "note", body) == body


def test_a_command_says_who_gave_it_where(tmp_path: Path, signer: ClaimSigner) -> None:
    """The claim names person, token, roles, workflow, command and key, and its end."""
    body = {"actor": "alice", "text": "x", "key": "note/k"}
    with acting(ALICE):
        signed = signer.signed("checkout-1", "note", body)
    asked = Asked(subject="checkout-1", verb="note", actor="alice", key="note/k")
    claim = claim_in(tmp_path, signed, asked)
    assert (claim.sub, claim.by, claim.roles) == ("alice", "token t_1 (laptop)", ["responder"])
    assert (claim.iat, claim.exp) == (NOW, NOW + LIFE.total_seconds())
    assert {name: value for name, value in signed.items() if name != "claim"} == body


def test_the_systems_token_signs_with_every_role(tmp_path: Path, signer: ClaimSigner) -> None:
    """Without an actor it is the operator who acts."""
    with acting(SYSTEM):
        signed = signer.signed("desk/checkout", "declare", {"service": "checkout", "key": "k"})
    asked = Asked(subject="desk/checkout", verb="declare", actor="operator", key="k")
    assert claim_in(tmp_path, signed, asked).granted() == EVERY


def test_nobody_acting_means_unsigned(signer: ClaimSigner) -> None:
    """A way that forgot to say who acts is seen on the timeline instead of borrowing a name."""
    assert "claim" not in signer.signed("checkout-1", "note", {"text": "x"})


def test_a_claim_that_was_brought_along_is_taken_away(signer: ClaimSigner) -> None:
    """Only our own leaves."""
    assert signer.signed("checkout-1", "note", {"text": "x", "claim": "y.z"}) == {"text": "x"}


def test_each_task_acts_for_its_own(signer: ClaimSigner) -> None:
    """Two requests at once never act in each other's name."""

    async def one(person: str) -> str:
        with acting(answering(person, "link")):
            await asyncio.sleep(0)
            signed = signer.signed("checkout-1", "acknowledge", {"actor": person})
            await asyncio.sleep(0)
        said = signed["claim"].partition(".")[0]
        return base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)).decode()

    async def all_of_them() -> list[str]:
        return list(await asyncio.gather(*(one(f"p{number}") for number in range(20))))

    for number, said in enumerate(asyncio.run(all_of_them())):
        assert f'"sub":"p{number}"' in said
        assert '"by":"answer link"' in said


def test_every_command_is_signed_and_no_word_of_the_system() -> None:
    """All commands of all registries; what workflows tell each other is none."""
    assert {*COMMANDS, *POSTMORTEM_COMMANDS, *ROSTER_CHANGES, "declare", "decide"} <= SIGNED
    internal = (
        "report", "settled", "reopened", "alerts", "maintenance", "page_outcome", "beat", "refresh",
        "delivery_receipt", "postmortem_closed", "incident_resolved", "review_maintenance", "define",
    )  # fmt: skip
    assert SIGNED.isdisjoint(internal)


@pytest.mark.parametrize(
    ("call", "arguments", "subject"),
    [
        ("update", ("checkout-1", "note", {"text": "x"}, "k"), "checkout-1"),
        ("update", ("checkout-1/postmortem", "submit", {}, "k"), "checkout-1/postmortem"),
        ("update_desk", ("checkout", "declare", {}, "k"), "desk/checkout"),
        ("update_desk", ("checkout", "add_maintenance", {}, "k"), "desk/checkout"),
        ("update_roster", ("swap", {}, "k"), "roster"),
        ("signal", ("checkout-1", "note", {"text": "x"}), "checkout-1"),
        ("signal_desk", ("checkout", "declare", {}), "desk/checkout"),
        ("signal_roster", ("set_contact", {}), "roster"),
        ("signal", ("checkout-1", "delivery_receipt", {}), None),
        ("signal_desk", ("checkout", "report", {}), None),
        ("signal_roster", ("refresh", {}), None),
    ],
)
def test_every_way_out_signs(
    signer: ClaimSigner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str,
    arguments: tuple[Any, ...], subject: str | None,
) -> None:  # fmt: skip
    """Whatever method a command leaves by, it carries a claim for where it goes."""
    sent: list[tuple[Any, ...]] = []

    async def note(self: TemporalLink, *given: Any) -> None:
        sent.append(given)

    monkeypatch.setattr(TemporalLink, call, note)
    link = SigningLink(None, signer)
    with acting(SYSTEM):
        asyncio.run(getattr(link, call)(*arguments))
    (body,) = (one for one in sent[0] if isinstance(one, dict))
    if subject is None:
        assert "claim" not in body
        return
    name = arguments[0] if "roster" in call else arguments[1]
    asked = Asked(subject=subject, verb=name, actor="operator")
    assert claim_in(tmp_path, body, asked).subject == subject


def test_the_link_has_no_other_way_out() -> None:
    """A new method that sends a message has to decide about the claim: name it here then."""
    ways = {
        name
        for name in vars(TemporalLink)
        if not name.startswith("_") and callable(getattr(TemporalLink, name))
    }
    signing = {name for name in vars(SigningLink) if not name.startswith("_")}
    without = {"query", "is_reachable", "signal_monitor", "hasten_desk", "calm_desk"}
    assert ways - signing <= without, ways - signing - without
