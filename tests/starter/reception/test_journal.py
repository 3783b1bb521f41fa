"""The journal on disk: what is answered is there, what is torn is said, what is full is refused."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from domain.alert import AlertStatus
from starter.reception.durable import Durable
from starter.reception.journal import NotKeptError
from starter.reception.segments import as_line
from tests.fakes.desks import an_alert
from tests.patience import until
from tests.starter.reception.conftest import MEGABYTE


async def test_an_alert_is_on_disk_when_it_is_answered(processes, desks):
    """With Temporal away the answer means: another process would find it."""
    desks.is_away = True
    durable = await processes.begin()
    await durable.deliver("checkout", [an_alert("a")])
    (segment,) = processes.segments()
    assert b'"key":"a"' in segment.read_bytes()
    assert durable.standing().waiting == 1


async def test_nothing_is_written_while_temporal_is_there(processes, desks):
    """The fast path asks no disk."""
    durable = await processes.begin()
    await durable.deliver("checkout", [an_alert("a")])
    assert desks.keys() == ["a"]
    assert not processes.folder.exists()


async def test_many_requests_share_one_sync(processes, desks, monkeypatch):
    """A thousand alerts of a hundred services do not wait for a thousand syncs."""
    desks.is_away = True
    durable = await processes.begin()
    await durable.deliver("first", [an_alert("a", "first")])
    syncs = []
    real = os.fdatasync
    monkeypatch.setattr(
        "starter.reception.segments._sync", lambda handle: (syncs.append(handle), real(handle))
    )
    await asyncio.gather(
        *(durable.deliver(f"s{n % 100}", [an_alert(f"k{n}", f"s{n % 100}")]) for n in range(1000))
    )
    assert durable.standing().waiting == 1001
    assert len(syncs) < 60


async def fill(durable: Durable) -> int:
    """Send what is not urgent until it is refused; how many were taken."""
    for number in range(100):
        minor = an_alert(f"k{number}", severity="SEV3", description="x" * 2000)
        try:
            await durable.deliver("checkout", [minor])
        except NotKeptError:
            return number
    raise AssertionError("it has no bound")


async def test_a_full_journal_refuses_and_takes_again(processes, desks):
    """Past its bound the sender is told to come again; once delivered there is room, without a hand."""
    desks.is_away = True
    durable = await processes.begin(limit=40_000)
    kept = await fill(durable)
    assert 5 < kept < 20
    assert "full: 0 MB (TOCSIN_JOURNAL_MB)" in durable.standing().sentence()
    # What is left of the room is for the worst.
    await durable.deliver("checkout", [an_alert("worst")])
    desks.is_away = False
    await until(durable.journal.is_empty)
    assert desks.keys() == [*(f"k{n}" for n in range(kept)), "worst"]
    await until(lambda: not processes.segments())
    assert durable.standing().sentence() == "ok"


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses to let any file grow past it, as a disk that is full does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_refuses_and_heals_by_itself(processes, desks):
    """A write that fails half way leaves nothing behind; the next one that fits is kept and readable."""
    desks.is_away = True
    durable = await processes.begin()
    await durable.deliver("checkout", [an_alert("before")])
    size = processes.segments()[0].stat().st_size
    with no_file_larger_than(size + 300):
        with pytest.raises(NotKeptError, match="cannot be written"):
            await durable.deliver("checkout", [an_alert("lost", description="x" * 5000)])
        assert "cannot be written" in durable.standing().sentence()
    assert processes.segments()[0].stat().st_size == size
    await durable.deliver("checkout", [an_alert("after")])
    await processes.kill(durable)
    desks.is_away = False
    durable = await processes.begin()
    await until(durable.journal.is_empty)
    assert desks.keys() == ["before", "after"]


async def test_remarks_that_cannot_be_written_lose_and_double_nothing(processes, desks):
    """With the disk full while it is drained, all is delivered once and the files go."""
    desks.is_away = True
    durable = await processes.begin()
    for number in range(20):
        await durable.deliver("checkout", [an_alert(f"k{number}")])
    with no_file_larger_than(processes.segments()[0].stat().st_size):
        desks.is_away = False
        await until(durable.journal.is_empty)
    assert desks.keys() == [f"k{n}" for n in range(20)]
    await until(lambda: not processes.segments())


@pytest.mark.parametrize("cut", [1, 9, 40])
async def test_a_torn_tail_is_cut_off_and_said(processes, desks, said, cut):
    """What was being written when the power went was never answered; all before it counts."""
    desks.is_away = True
    durable = await processes.begin()
    await durable.deliver("checkout", [an_alert("whole")])
    await durable.deliver("checkout", [an_alert("torn")])
    await processes.kill(durable)
    (segment,) = processes.segments()
    segment.write_bytes(segment.read_bytes()[:-cut])
    desks.is_away = True
    durable = await processes.begin()
    assert durable.standing().waiting == 1
    assert [line["event"] for line in said].count("journal.torn_tail") == 1
    await durable.deliver("checkout", [an_alert("next")])
    desks.is_away = False
    await until(durable.journal.is_empty)
    assert desks.keys() == ["whole", "next"]


async def test_a_damaged_line_is_kept_aside_and_shown(processes, desks):
    """A disk that has lost bytes costs that record only, and whoever asks is told."""
    desks.is_away = True
    durable = await processes.begin()
    for key in ("a", "b", "c"):
        await durable.deliver("checkout", [an_alert(key)])
    await processes.kill(durable)
    (segment,) = processes.segments()
    segment.write_bytes(segment.read_bytes().replace(b'"key":"b"', b'"key":"?"'))
    desks.is_away = False
    durable = await processes.begin()
    await until(durable.journal.is_empty)
    assert desks.keys() == ["a", "c"]
    (damaged,) = processes.folder.glob("*.damaged")
    assert b'"key":"?"' in damaged.read_bytes()
    assert "*.damaged" in durable.standing().sentence()


async def test_an_alert_that_this_version_cannot_read_is_kept_aside(processes, desks):
    """It does not stand in the way of those behind it."""
    desks.is_away = True
    durable = await processes.begin()
    await durable.deliver("checkout", [an_alert("a")])
    await processes.kill(durable)
    (segment,) = processes.segments()
    record = {"is": "alerts", "service": "checkout", "at": 1.0, "alerts": [{"key": "?"}]}
    segment.write_bytes(as_line(json.dumps(record).encode()) + segment.read_bytes())
    desks.is_away = False
    durable = await processes.begin()
    await until(durable.journal.is_empty)
    assert desks.keys() == ["a"]
    assert len(list(processes.folder.glob("*.damaged"))) == 1


async def test_a_living_process_keeps_its_segment(processes, desks):
    """Another API process on the same folder adopts nothing of it until it is dead."""
    desks.is_away = True
    one = await processes.begin()
    await one.deliver("checkout", [an_alert("a")])
    other = await processes.begin()
    assert await other.journal.adopt() == 0
    await other.deliver("checkout", [an_alert("b")])
    await processes.kill(one)
    assert await other.journal.adopt() == 1
    desks.is_away = False
    await until(other.journal.is_empty)
    assert desks.keys() == ["a", "b"], "what was left behind is older"
    await until(lambda: not processes.segments())


async def test_segments_go_as_they_are_delivered(processes, desks):
    """The room of a long outage is given back step by step, and what clears keeps its place."""
    desks.is_away = True
    durable = await processes.begin(limit=MEGABYTE)
    big = [
        an_alert(f"k{n}", description="x" * 3000, status=status)
        for n in range(80)
        for status in (AlertStatus.FIRING, AlertStatus.RESOLVED)
    ]
    for alert in big:
        await durable.deliver("checkout", [alert])
    assert len(processes.segments()) > 2
    desks.is_away = False
    await until(durable.journal.is_empty)
    assert [(a.key, a.status) for a in desks.taken["checkout"]] == [(a.key, a.status) for a in big]
    await until(lambda: not processes.segments())
