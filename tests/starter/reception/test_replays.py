"""Delivery ids: what was delivered once has no second effect, what failed is taken again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from starter.reception.replays import KEPT_SECONDS, Replays

NOW = 1_800_000_000.0


async def deliver(replays: Replays, name: str = "id-1", at: float = NOW, scope: str = "a") -> bool:
    async with replays.once(scope, name, at) as is_first:
        return is_first


async def test_a_hundred_times_is_once() -> None:
    """Only the first has an effect."""
    replays = Replays()
    assert [await deliver(replays) for _ in range(100)] == [True] + [False] * 99


async def test_a_failed_delivery_is_taken_again() -> None:
    """An id is remembered when its alerts are durable, and not before."""
    replays = Replays()

    async def fail() -> None:
        async with replays.once("a", "id-1", NOW) as is_first:
            assert is_first
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await fail()
    assert await deliver(replays)
    assert not await deliver(replays)


async def test_two_at_once_wait_for_each_other() -> None:
    """The second neither delivers beside the first nor is told that all is well before it is."""
    replays = Replays()
    effects: list[int] = []
    order: list[int] = []
    fails = [True, False, False]

    async def one(number: int) -> None:
        async with replays.once("a", "id-1", NOW) as is_first:
            if is_first:
                await asyncio.sleep(0.01)
                if fails[len(order)]:
                    order.append(number)
                    raise ConnectionError
                effects.append(number)
            order.append(number)

    results = await asyncio.gather(*(one(n) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results].count(ConnectionError) == 1
    assert (effects, order) == ([1], [0, 1, 2])


async def test_whoever_gives_up_waiting_takes_nobody_along() -> None:
    """A sender that hangs up while it waits does not disturb the delivery under way."""
    replays, may_go = Replays(), asyncio.Event()

    async def first() -> None:
        async with replays.once("a", "id-1", NOW):
            await may_go.wait()

    working = asyncio.create_task(first())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(deliver(replays))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    may_go.set()
    await working
    assert not await deliver(replays)


async def test_ids_belong_to_their_sender() -> None:
    """Two integrations may use the same id."""
    replays = Replays()
    assert await deliver(replays, scope="a")
    assert await deliver(replays, scope="b")
    assert not await deliver(replays, scope="b")


async def test_after_a_day_it_is_forgotten() -> None:
    """Also in memory: nothing is kept for longer."""
    replays = Replays()
    await deliver(replays)
    assert not await deliver(replays, at=NOW + KEPT_SECONDS)
    assert await deliver(replays, at=NOW + KEPT_SECONDS + 1)
    assert len(replays._done) == 1


async def test_memory_and_file_are_bounded(tmp_path: Path) -> None:
    """The oldest go first, and the file is written anew before it grows without end."""
    replays = Replays(tmp_path / "seen", max_ids=50)
    for number in range(1_000):
        await deliver(replays, f"id-{number}")
    assert len(replays._done) == 50
    assert len((tmp_path / "seen").read_text().splitlines()) <= 102
    assert not await deliver(replays, "id-999")
    assert await deliver(replays, "id-1")
    replays.close()


async def test_it_outlives_the_process(tmp_path: Path) -> None:
    """The next process knows what the last one delivered; the file tells no id and no sender."""
    first = Replays(tmp_path / "seen")
    await deliver(first, "secret-looking-id")
    second = Replays(tmp_path / "seen")
    assert not await deliver(second, "secret-looking-id")
    assert await deliver(second, "another")
    text = (tmp_path / "seen").read_text()
    assert "secret" not in text
    assert (tmp_path / "seen").stat().st_mode & 0o077 == 0
    for one in (first, second):
        one.close()


@pytest.mark.parametrize("junk", [b"\xff\xfe\x00", b"nonsense\n", b"17 \n", b"99999999999999 "])
async def test_a_damaged_file_loses_only_its_damage(tmp_path: Path, junk: bytes) -> None:
    """A line that a crash has cut is skipped, and the others count."""
    before = Replays(tmp_path / "seen")
    await deliver(before, "id-1")
    before.close()
    with (tmp_path / "seen").open("ab") as file:
        file.write(b"\n" + junk)
    assert not await deliver(Replays(tmp_path / "seen"), "id-1")


async def test_a_disk_that_takes_nothing_loses_no_alert(tmp_path: Path) -> None:
    """The alerts are durable already: only the memory of repeats is shorter."""
    (tmp_path / "full").write_text("a file where a folder should be")
    replays = Replays(tmp_path / "full" / "seen")
    assert await deliver(replays)
    assert not await deliver(replays)
