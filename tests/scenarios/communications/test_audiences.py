"""Audiences in a whole Tocsin: who has a message in the outbox, and who has none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.world import EXAMPLE, World, a_world

AUDIENCES = {
    "company": {"hears": "internal", "to": [{"channel": "email", "to": "all@example.com"}]},
    "board": {"hears": "internal", "to": [{"channel": "email", "to": "board@example.com"}]},
    "social": {
        "hears": "external",
        "to": [{"channel": "mastodon", "to": "example"}],
        "approval": True,
    },
}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A Tocsin with a company, a board, and a social network that asks for approval."""
    yaml = YAML(typ="safe")
    policy: dict[str, Any] = yaml.load(EXAMPLE.read_text(encoding="utf-8"))
    policy["audiences"] = AUDIENCES
    policy["processes"]["security"]["audiences"] = ["board"]
    file = tmp_path / "policy.yaml"
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(policy, stream)
    async with a_world(tmp_path / "data", policy=file) as one:
        yield one


def written_to(world: World, purpose: str) -> set[tuple[str, str]]:
    """(channel, address) of every message of that purpose."""
    return {(one["channel"], one["to"]) for one in world.outbox(purpose)}


async def test_a_post_waits_for_a_second_person_and_the_page_does_not(world: World) -> None:
    """The status page has the text at once; the network only once somebody else agrees, and once."""
    incident = await world.declare()
    await world.command(incident, "acknowledge", "alice")
    await world.command(
        incident, "publish_update", "alice", audience="external", text="We look into it."
    )
    await world.eventually(lambda: written_to(world, "external_update") == {STATUS_PAGE})
    asked = await world.eventually(lambda: asked_to_approve(world))
    assert {one["recipient"] for one in asked} == {"person:bob"}, "never the author"
    await world.command(incident, "approve_update", "bob", update="u1")
    await world.eventually(
        lambda: written_to(world, "external_update") == {STATUS_PAGE, ("mastodon", "example")}
    )
    assert len(world.outbox("external_update")) == 2
    assert (await world.status(incident))["proposals"] == []


async def test_a_private_process_reaches_nobody_but_those_it_names(world: World) -> None:
    """A security incident: the board hears, and who leads; company, leadership and the outside do not."""
    incident = await world.declare(type="security")
    await world.command(incident, "acknowledge", "alice")
    await world.command(incident, "assess", "alice", confirmed=True)
    await world.eventually(lambda: world.outbox("internal_update"))
    await world.command(incident, "resolve", "alice", summary="keys rotated")
    await world.eventually(lambda: len(world.outbox("internal_update")) == 4)
    heard = {to for _, to in written_to(world, "internal_update")}
    assert heard == {"board@example.com", "alice@example.com"}
    assert world.outbox("external_update") == []


async def test_a_correction_is_ready_when_an_incident_is_reopened(world: World) -> None:
    """Resolved on the page and open again inside: a text is ready, and a person publishes it."""
    incident = await world.declare()
    await world.command(incident, "acknowledge", "alice")
    await world.command(incident, "assess", "alice", confirmed=True)
    await world.eventually(lambda: len(world.outbox("external_update")) == 1)
    await world.command(incident, "resolve", "alice", summary="rolled back")
    await world.eventually(lambda: len(world.outbox("external_update")) == 2)
    await world.command(incident, "reopen", "alice", reason="it is back")
    found = await world.eventually(
        lambda: [one for one in world.outbox("reminder") if "is back" in one["text"]]
    )
    assert found[0]["recipient"] == "person:alice"
    assert len(world.outbox("external_update")) == 2, "nothing follows by itself"
    await world.command(
        incident, "publish_update", "alice", audience="external", text="It is back."
    )
    view = await world.status(incident)
    assert (view["status"], view["public_status"]) == ("fixing", "investigating")


STATUS_PAGE = ("status_page", "status page")


def asked_to_approve(world: World) -> list[dict[str, Any]]:
    """The messages that ask somebody to read a text."""
    return [one for one in world.outbox("reminder") if "approval" in one["subject"]]
