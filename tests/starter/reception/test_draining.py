"""What waits is delivered in order, once, whatever dies meanwhile; an outage is noticed once."""

from __future__ import annotations

import asyncio
import random

import pytest

from starter.reception.group_commit import MAX_ALERTS, GroupCommit, TooManyWaitingError
from starter.reception.keeping import FirstAlerts
from starter.temporal_link import RefusedError
from tests.fakes.desks import an_alert
from tests.patience import until

SERVICES = ("checkout", "search", "mail")


async def test_an_outage_is_noticed_once(processes, desks):
    """After the first failure nobody waits for Temporal again; one attempt at a time asks for all."""
    desks.is_away = True
    durable = await processes.begin()
    await durable.deliver("checkout", [an_alert("a")])
    await asyncio.gather(
        *(durable.deliver(f"s{n}", [an_alert(f"k{n}", f"s{n}")]) for n in range(50))
    )
    assert {service for service, _ in desks.calls} == {"checkout"}
    desks.is_away = False
    await until(durable.journal.is_empty)
    assert len(desks.taken) == 51


async def test_newer_alerts_go_behind_those_that_wait(processes, desks):
    """Temporal is back, and what came first is still under way: nothing overtakes it."""
    desks.is_away = True
    durable = await processes.begin()
    for number in range(5):
        await durable.deliver("checkout", [an_alert(f"k{number}")])
    desks.gate.clear()
    desks.is_away = False
    newer = [
        asyncio.create_task(durable.deliver("checkout", [an_alert(f"k{number}")]))
        for number in range(5, 30)
    ]
    await asyncio.gather(*newer)
    assert desks.keys() == []
    desks.gate.set()
    await until(durable.journal.is_empty)
    assert desks.keys() == [f"k{n}" for n in range(30)]
    await durable.deliver("checkout", [an_alert("direct")])
    assert desks.keys()[-1] == "direct"
    await until(lambda: not processes.segments())


async def test_what_was_taken_without_an_answer_counts_once(processes, desks):
    """Nobody knows whether Temporal has it: it is journalled under the key that was sent."""
    desks.forgets_to_answer = 1
    durable = await processes.begin()
    await durable.deliver("checkout", [an_alert("a")])
    await until(durable.journal.is_empty)
    assert desks.keys() == ["a"]
    assert len(desks.calls) == 2
    assert len({key for _, key in desks.calls}) == 1


async def test_what_was_taken_alone_is_not_sent_again_in_company(processes, desks):
    """Taken from the journal without an answer; then more came, and the process died as well."""
    desks.is_away = True
    durable = await processes.begin()
    await durable.deliver("checkout", [an_alert("before")])
    await durable.deliver("checkout", [an_alert("a")])
    desks.forgets_to_answer, desks.is_away = 2, False
    await until(lambda: desks.keys() == ["before", "a"] and desks.forgets_to_answer == 0)
    desks.is_away = True
    await durable.deliver("checkout", [an_alert("b")])
    await processes.kill(durable)
    desks.is_away = False
    durable = await processes.begin()
    await until(durable.journal.is_empty)
    assert desks.keys() == ["before", "a", "b"]


async def test_a_long_outage_comes_back_in_few_batches(processes, desks):
    """A desk does not get a signal for each of a thousand alerts."""
    desks.is_away = True
    durable = await processes.begin()
    for number in range(1000):
        await durable.deliver("checkout", [an_alert(f"k{number}")])
    desks.is_away = False
    await until(durable.journal.is_empty)
    assert desks.keys() == [f"k{n}" for n in range(1000)]
    assert len(desks.batches) <= 1000 / MAX_ALERTS + 2


async def test_a_desk_that_refuses_does_not_keep_the_others(processes, desks, monkeypatch):
    """Its alerts wait, the others' go, and whoever asks is told."""
    monkeypatch.setattr("starter.reception.draining.REFUSED_SECONDS", 0.3)
    desks.refuses["checkout"] = RefusedError("CommandError", "too many signals", {})
    durable = await processes.begin()
    await durable.deliver("checkout", [an_alert("a")])
    await durable.deliver("search", [an_alert("b", "search")])
    assert desks.keys("search") == ["b"], "Temporal is not away"
    await until(lambda: "too many signals" in durable.standing().sentence())
    desks.refuses.clear()
    await until(durable.journal.is_empty)
    assert desks.keys() == ["a"]


async def test_a_remark_behind_a_record_does_not_count_as_its_end(processes, desks):
    """While records are written and others delivered at the same moment, each is read as it was written."""
    desks.is_away = True
    durable = await processes.begin()
    for number in range(3):
        await durable.deliver("search", [an_alert(f"k{number}", "search")])
    files, append = durable.journal._files, durable.journal._files.append

    def append_and_note(records):
        segment, places = append(records)
        files.note(segment, {"is": "done", "offsets": []})
        return segment, places

    files.append = append_and_note
    await durable.deliver("checkout", [an_alert("a")])
    desks.is_away = False
    await until(durable.journal.is_empty)
    assert desks.keys() == ["a"]
    assert list(processes.folder.glob("*.damaged")) == []


@pytest.mark.parametrize("seed", range(12))
async def test_killed_at_any_moment_nothing_is_lost_doubled_or_disordered(processes, desks, seed):
    """Processes die while they take, send, note and delete; the next one goes on where it was."""
    chance = random.Random(seed)
    sent: dict[str, list[str]] = {service: [] for service in SERVICES}
    desks.is_away = True
    for _ in range(6):
        durable = await processes.begin()
        for number in range(chance.randint(0, 25)):
            service = chance.choice(SERVICES)
            key = f"{service}-{len(sent[service])}"
            await durable.deliver(service, [an_alert(key, service)])
            sent[service].append(key)
            if number == 10:
                desks.is_away = chance.random() < 0.5
                desks.forgets_to_answer = chance.randint(0, 2)
        await asyncio.sleep(chance.random() * 0.02)
        await processes.kill(durable)
    desks.is_away, desks.forgets_to_answer = False, 0
    durable = await processes.begin()
    await until(durable.journal.is_empty)
    for service in SERVICES:
        assert desks.keys(service) == sent[service]
    await until(lambda: not list(processes.folder.iterdir()))


async def test_a_group_that_was_sent_comes_again_as_it_was(processes, desks):
    """Died between the desk's taking and the note of it: what came since rides in another batch."""
    desks.is_away = True
    durable = await processes.begin()
    for number in range(3):
        await durable.deliver("checkout", [an_alert(f"k{number}")])
    await until(lambda: len(desks.calls) > 3)
    durable._drainer.close()  # what it did from here on would come in between
    await until(lambda: durable._drainer._task is None)
    first = await durable.journal.next_group("checkout")
    await durable.journal.settle(first)  # the one whose key was sent before goes alone
    group = await durable.journal.next_group("checkout")
    await desks_take(desks, durable, group)
    await durable.deliver("checkout", [an_alert("k3")])
    await processes.kill(durable)
    desks.is_away = False
    durable = await processes.begin()
    await until(durable.journal.is_empty)
    assert desks.keys() == ["k1", "k2", "k3"]


async def desks_take(desks, durable, group):
    desks.is_away = False
    await desks.report("checkout", await durable.journal.read(group), group.key)
    desks.is_away = True


async def test_too_much_in_flight_is_refused_for_all_desks_together():
    """A process holds so many alerts and no more; what is answered makes room."""
    gate = asyncio.Event()

    async def send(service, alerts):
        await gate.wait()

    commit = GroupCommit(send, max_in_flight=10)
    under_way = [
        asyncio.create_task(commit.deliver(f"s{n}", [an_alert(f"k{n}", f"s{n}")]))
        for n in range(10)
    ]
    await asyncio.sleep(0)
    with pytest.raises(TooManyWaitingError, match="10 alerts are under way"):
        await commit.deliver("more", [an_alert("more", "more")])
    gate.set()
    await asyncio.gather(*under_way)
    await asyncio.sleep(0)
    await commit.deliver("more", [an_alert("more", "more")])
    assert commit.in_flight == 0


async def test_a_first_critical_alert_is_kept_past_every_bound():
    """The sender is refused all the same where something else was with it; a repeat finds no such door."""
    kept: list[str] = []

    async def no_room(service, alerts):
        raise TooManyWaitingError("50000 alerts are under way")

    async def keep(service, alerts):
        kept.extend(alert.key for alert in alerts)

    firsts = FirstAlerts(no_room, keep, lambda alert: alert.severity == "SEV1")
    await firsts.deliver("checkout", [an_alert("worst")])
    minor = an_alert("minor", severity="SEV3")
    with pytest.raises(TooManyWaitingError):
        await firsts.deliver("checkout", [minor, an_alert("other")])
    assert kept == ["worst", "other"]
    for again in (minor, an_alert("worst")):
        with pytest.raises(TooManyWaitingError):
            await firsts.deliver("checkout", [again])
    assert kept == ["worst", "other"]
