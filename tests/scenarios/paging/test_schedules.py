"""Schedules on the real server: what people change at run time is durable, and paging follows it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.on_call import on_call_at
from records.policy_store import PolicyStore
from records.roster_files import RosterFiles
from tests.world import EXAMPLE, RefusedError, World, a_world
from workflows import contract

AT = datetime.now(UTC).replace(microsecond=0)


async def start(world: World, **fields: Any) -> None:
    """The roster, as a worker starts it."""
    await world.client.start_workflow(
        contract.ROSTER,
        contract.RosterInput(**fields),
        id=contract.ROSTER_ID,
        task_queue=contract.TASK_QUEUE,
    )


async def change(world: World, name: str, **body: Any) -> dict[str, Any]:
    """Ask something of the roster."""
    key = body.pop("key", str(uuid.uuid4()))
    return dict(await world.command(contract.ROSTER_ID, name, key=key, **body))


async def status(world: World) -> dict[str, Any]:
    """What the roster holds."""
    return dict(await world.handle(contract.ROSTER_ID).query("status"))


def hours(count: float) -> str:
    """An instant so many hours from now, as the wire has it."""
    return (AT + timedelta(hours=count)).isoformat()


def on_now(data: Path, schedule: str = "payments", after: float = 0.5) -> set[str]:
    """Who is on by the data folder, as paging reads it."""
    _, policy = PolicyStore(data).current()
    shift = on_call_at(policy.schedules[schedule], AT + timedelta(hours=after))
    return {duty.person for duty in shift.on}


async def test_an_override_is_paged_and_survives_everything(tmp_path: Path) -> None:
    """An override is in the copy when its answer comes, is paged, and outlives the Temporal database."""
    async with a_world(tmp_path) as world:
        await start(world)
        answer = await change(
            world,
            "add_override",
            schedule="payments",
            person="dana",
            actor="carol",
            **{"from": hours(-1), "to": hours(3)},
        )
        assert answer["copied"] is True
        assert [entry["id"] for entry in answer["added"]] == ["o1"]
        assert on_now(tmp_path) == {"dana"}
        await world.declare()
        await world.eventually(lambda: world.outbox("page"))
        assert [page["to"] for page in world.outbox("page")] == ["dana@example.com"]
    async with a_world(tmp_path) as world:
        await start(world)
        found = await world.eventually(lambda: status(world))
        held = await world.eventually(lambda: _entries(world))
        assert [entry["id"] for entry in held] == ["o1"], found
        again = await change(
            world,
            "add_override",
            schedule="platform",
            person="bob",
            also=True,
            **{"from": hours(-1), "to": hours(3)},
        )
        assert again["added"][0]["id"] == "o2"
    assert on_now(tmp_path) == {"dana"}
    assert "bob" in on_now(tmp_path, "platform")


async def _entries(world: World) -> list[dict[str, Any]]:
    return list((await status(world))["entries"])


async def test_contradicting_overrides_are_refused_even_at_once(tmp_path: Path) -> None:
    """Of two people who replace the same turn at the same moment one is refused, naming the other."""
    async with a_world(tmp_path) as world:
        await start(world)
        window = {"from": hours(1), "to": hours(5)}
        wanted = [
            change(world, "add_override", schedule="payments", person=person, **window)
            for person in ("carol", "dana")
        ]
        done = await asyncio.gather(*wanted, return_exceptions=True)
        [refused] = [one for one in done if isinstance(one, RefusedError)]
        assert refused.kind == "ConflictError"
        assert "o1 (" in str(refused)
        # Beside whoever is on, on another schedule, or at another time nothing contradicts it.
        beside = await change(
            world, "add_override", schedule="payments", person="bob", also=True, **window
        )
        assert beside["copied"] is True
        removed = await change(world, "remove_override", id="o1")
        assert [entry["id"] for entry in removed["removed"]] == ["o1"]
        later = await change(world, "add_override", schedule="payments", person="dana", **window)
        assert later["added"][0]["id"] == "o3"
        assert on_now(tmp_path, after=2) == {"dana", "bob"}


@pytest.mark.parametrize(
    ("name", "body", "kind", "where"),
    [
        ("add_override", {"schedule": "paymnts", "person": "bob"}, "UnknownNameError", "/schedule"),
        ("add_override", {"schedule": "payments", "person": "bo"}, "UnknownNameError", "/person"),
        (
            "add_override",
            {"schedule": "payments", "person": "bob", "to": hours(-9)},
            "CommandError",
            "/to",
        ),
        (
            "add_override",
            {"schedule": "payments", "person": "bob", "from": hours(-9), "to": hours(-3)},
            "CommandError",
            "/to",
        ),
        (
            "add_override",
            {"schedule": "payments", "person": "bob", "to": hours(24 * 400)},
            "CommandError",
            "/to",
        ),
        ("add_override", {"schedule": "payments"}, "CommandError", "/person"),
        ("add_override", {"schedule": "payments", "person": "bob", "x": 1}, "CommandError", "/x"),
        ("remove_override", {"id": "o99"}, "UnknownNameError", "/id"),
        ("swap", {"schedule": "payments", "person": "bob", "with": "bob"}, "CommandError", "/with"),
        (
            "set_contact",
            {"person": "bob", "channel": "sms", "enabled": False},
            "UnknownNameError",
            "/channel",
        ),
    ],
)
async def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, name: str, body: dict[str, Any], kind: str, where: str
) -> None:
    """An override outside its schedule changes nothing and says what is wrong, and where."""
    async with a_world(tmp_path) as world:
        await start(world)
        if name in ("add_override", "swap"):
            body = {"from": hours(0), "to": hours(4)} | body
        with pytest.raises(RefusedError) as refused:
            await change(world, name, **body)
        assert refused.value.kind == kind
        assert where in [problem["where"] for problem in refused.value.details["problems"]]
        assert (await status(world))["entries"] == []
        # The same by signal is kept where the operator sees it.
        await world.signal(contract.ROSTER_ID, name, body)
        await world.eventually(lambda: _refused(world))
        assert not (tmp_path / "policy" / "roster.json").exists()


async def _has_begun(world: World) -> bool:
    return bool((await status(world))["copied_version"] >= 0)


async def _refused(world: World) -> list[str]:
    return list((await status(world))["refused"])


async def test_swap_and_temporary_schedule_by_signal(tmp_path: Path) -> None:
    """Swaps and temporary schedules given while nobody waits for an answer count as well, once."""
    async with a_world(tmp_path) as world:
        await start(world)
        (first,) = on_now(tmp_path)
        second = {"alice": "bob", "bob": "alice"}[first]
        swap = {
            "schedule": "payments",
            "person": first,
            "with": second,
            "from": hours(-1),
            "to": hours(2),
            "key": "k",
        }
        for _ in range(2):
            await world.signal(contract.ROSTER_ID, "swap", swap)
        await world.eventually(lambda: _entries(world))
        await world.eventually(lambda: on_now(tmp_path) == {second})
        held = await _entries(world)
        assert [(entry["id"], entry["swap"]) for entry in held] == [("o1", "o1"), ("o2", "o1")]
        removed = await change(world, "remove_override", id="o2")
        assert len(removed["removed"]) == 2, "half a swap is no swap"
        assert on_now(tmp_path) == {first}
        await change(
            world,
            "add_temporary",
            schedule="payments",
            shifts=[{"person": "dana", "from": hours(-1), "to": hours(1)}],
            **{"from": hours(-1), "to": hours(3)},
        )
        assert on_now(tmp_path) == {"dana"}
        assert on_now(tmp_path, after=2) == set(), "a temporary schedule replaces everything"
        with pytest.raises(RefusedError, match="temporary schedule"):
            await change(
                world,
                "add_override",
                schedule="payments",
                person="bob",
                **{"from": hours(2), "to": hours(4)},
            )


async def test_a_switched_off_contact_is_not_paged(tmp_path: Path) -> None:
    """Whoever switches a contact off is not reached by it until it is switched on again."""
    async with a_world(tmp_path) as world:
        await start(world)
        answer = await change(world, "set_contact", person="bob", channel="email", enabled=False)
        assert "no other contact" in answer["warnings"][0]
        _, policy = PolicyStore(tmp_path).current()
        assert [one.enabled for one in policy.people["bob"].contacts] == [False]
        await change(world, "set_contact", person="bob", channel="email", enabled=True)
        _, policy = PolicyStore(tmp_path).current()
        assert [one.enabled for one in policy.people["bob"].contacts] == [True]


async def test_the_same_key_counts_once_over_a_roll_over(tmp_path: Path) -> None:
    """However often it is sent, and though the roster continues as new meanwhile, it is one override."""
    async with a_world(tmp_path) as world:
        await start(world, roll_over_at=60)
        body = {"schedule": "payments", "person": "dana", "key": "one"}
        window = {"from": hours(1), "to": hours(2)}
        for number in range(6):
            answer = await change(world, "add_override", **body, **window)
            assert answer["added"][0]["id"] == "o1"
            other = {"from": hours(3 + number), "to": hours(4 + number)}
            await change(world, "add_override", schedule="payments", person="carol", **other)
        runs = await world.runs(contract.ROSTER_ID)
        assert len(runs) > 1
        assert len(await _entries(world)) == 7
        assert await world.failed_tasks(contract.ROSTER_ID) == []
        copy = json.loads((tmp_path / "policy" / "roster.json").read_text())
        assert [entry["id"] for entry in copy["entries"]] == [f"o{n}" for n in range(1, 8)]


async def test_a_copy_that_cannot_be_written_is_said_and_made_up_for(tmp_path: Path) -> None:
    """With the disk full the change is kept, and the answer says that paging cannot see it yet."""
    async with a_world(tmp_path) as world:
        await start(world)
        await world.eventually(lambda: _has_begun(world))
        blocker = tmp_path / "policy" / "roster.json"
        blocker.mkdir()  # a file cannot replace a folder: the write fails until it is gone
        answer = await change(
            world,
            "add_override",
            schedule="payments",
            person="dana",
            **{"from": hours(-1), "to": hours(3)},
        )
        assert answer["copied"] is False
        assert on_now(tmp_path) != {"dana"}
        blocker.rmdir()
        await world.skip(timedelta(minutes=1))
        await world.eventually(lambda: on_now(tmp_path) == {"dana"})


async def test_an_older_state_does_not_undo_a_newer_copy(tmp_path: Path) -> None:
    """A late attempt to write an old version leaves the newer copy alone."""
    files = RosterFiles(tmp_path / "policy")
    newer = files.roster().model_copy(update={"version": 5})
    assert files.write_roster(newer) == 5
    assert files.write_roster(newer.model_copy(update={"version": 4})) == 5
    assert files.roster().version == 5


async def test_a_calendar_feed_is_followed_and_its_loss_is_told(tmp_path: Path) -> None:
    """Feeds are read at the start, every quarter of an hour and at word of a policy; a lost one is told."""
    feeds = [(calendar_text("bob"), 200), (calendar_text("carol"), 200), ("", 500)]
    async with a_feed(feeds) as (url, asked):
        policy = tmp_path / "policy.yaml"
        text = EXAMPLE.read_text(encoding="utf-8")
        by_feed = f"schedules:\n  web:\n    calendar: {{url: '{url}'}}\n"
        policy.write_text(text.replace("schedules:\n", by_feed, 1), encoding="utf-8")
        async with a_world(tmp_path, policy=policy) as world:
            await start(world)
            await world.eventually(lambda: on_now(tmp_path, "web") == {"bob"})
            assert asked() == 1
            await world.skip(timedelta(minutes=16))
            await world.eventually(lambda: on_now(tmp_path, "web") == {"carol"})
            await world.signal(contract.ROSTER_ID, "refresh", {})
            await world.eventually(lambda: _fault(world))
            assert on_now(tmp_path, "web") == {"carol"}, "the last good copy stays in force"
            _, found = PolicyStore(tmp_path).current()
            assert "it answered 500" in on_call_at(found.schedules["web"], AT).why


async def _fault(world: World) -> str | None:
    feeds = (await status(world))["feeds"]
    return feeds[0]["fault"] if feeds else None


def calendar_text(who: str) -> str:
    """A calendar that puts somebody on call for days around now."""
    begins, ends = (AT + timedelta(days=days) for days in (-5, 5))
    return (
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\n"
        f"SUMMARY:{who}\r\nDTSTART:{begins:%Y%m%dT%H%M%SZ}\r\nDTEND:{ends:%Y%m%dT%H%M%SZ}\r\n"
        "END:VEVENT\r\nEND:VCALENDAR\r\n"
    )


@asynccontextmanager
async def a_feed(answers: list[tuple[str, int]]) -> AsyncIterator[tuple[str, Callable[[], int]]]:
    """A web server that gives these answers one after the other, the last one for ever."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body, code = answers[min(len(asked), len(answers)) - 1]
        head = f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/on-call.ics", lambda: len(asked)
    finally:
        server.close()
