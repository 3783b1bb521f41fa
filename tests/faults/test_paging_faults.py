"""Whatever fails on the way to a person: the page finds another way, in bounded time, and no second one.

One running Tocsin with strict vendors for all stories, with the timeouts of real use; only three waits
of a minute are shortened, and what they are in real use is asserted beside it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from domain import paging_clocks
from domain.aggregate import next_page_try
from domain.facts import deliveries
from records.policy_file import read_policy
from records.policy_store import PolicyStore
from tests.fakes.sendgrid import Manner
from tests.faults.paging_world import (
    Ladder,
    Paging,
    Resolver,
    a_paging_world,
    a_policy,
    is_page,
    mail,
    push,
)
from tests.world import RefusedError
from workflows import activity_options

pytestmark = pytest.mark.asyncio(loop_scope="module")

MANNERS = {
    "fails": Manner(status=500),
    "hangs": Manner(mood="hang"),
    "limits": Manner(status=429, headers={"Retry-After": "3600"}),
    "drops": Manner(mood="accept_then_drop"),
    "revoked": Manner(status=401),
}
IN_REAL_USE = (paging_clocks.PAGING_FAILED_AFTER, deliveries.CONFIRM_WITHIN)
FAILED_AFTER, CONFIRMED_WITHIN = timedelta(seconds=12), timedelta(seconds=10)
"""What the two are in these stories: longer than a machine stands still."""
GONE_AFTER = 12.0
"""Seconds in which somebody is taken out of the policy before their step is due."""
LATE_AFTER = 14.0
"""Seconds in which everybody has acknowledged."""
CROWD = [f"c{number}" for number in range(100)]
ACKERS = [f"a{number}" for number in range(10)]
CALLED = [f"d{number}" for number in range(40)]
CLIMBS: dict[str, Ladder] = {
    **{name: [([f"person:{name}"], "0s"), (["person:carol"], "1h")] for name in MANNERS},
    "fine": [(["person:fine"], "0s")],
    "lost": [(["person:lost"], "0s"), (["person:carol"], "1h")],
    "climbs": [(["person:broken"], "0s"), (["person:second"], "3s"), (["person:carol"], "1h")],
    "dark": [(["person:dark"], "0s"), (["person:carol"], "1h")],
    "nowhere": [(["person:nowhere"], "0s"), (["person:carol"], "1h")],
    "quiet": [(["person:quiet"], "0s"), (["person:carol"], "1h")],
    "emptyfirst": [([], "0s"), (["person:e1"], "1h")],
    "emptyall": [([], "0s"), ([], "1h")],
    "emptyone": [([], "0s")],
    "nocontact": [(["person:bare"], "0s"), (["person:e2"], "1h")],
    "switchedoff": [(["person:off"], "0s"), (["person:e3"], "1h")],
    "deleted": [
        (["person:stays"], "0s"),
        (["person:gone"], f"{GONE_AFTER:.0f}s"),
        (["person:e4"], "1h"),
    ],
    "acks": [
        ([f"person:{person}" for person in ACKERS], "0s"),
        (["person:late"], f"{LATE_AFTER:.0f}s"),
    ],
    **{f"instant{n}": [(["person:fine"], "0s"), ([f"person:late{n}"], "2s")] for n in range(5)},
    "other": [(["person:other"], "0s")],
    "unnamed": [([f"person:{person}" for person in CALLED], "0s"), (["person:carol"], "1h")],
    "named": [(["person:named"], "0s")],
    "offline": [(["person:offline"], "0s"), (["person:carol"], "1h")],
    "crowd": [([f"person:{person}" for person in CROWD], "0s"), (["person:carol"], "1h")],
}
CONTACTS: dict[str, list[dict[str, Any]]] = {
    **{name: [mail(name), push(name)] for name in (*MANNERS, "dark", "offline")},
    "fine": [push("fine")],
    "nowhere": [{"channel": "sms", "to": "+4915550001"}, push("nowhere")],
    "quiet": [{"channel": "sms", "to": "+4915550002"}, push("quiet")],
    "bare": [],
    "off": [mail("off") | {"enabled": False}, push("off") | {"verified": False}],
    **{
        name: [mail(name)]
        for name in ("lost", "broken", "second", "stays", "gone", "late", "e1", "e2", "e3", "e4")
    },
    **{name: [mail(name)] for name in (*ACKERS, *(f"late{n}" for n in range(5)), "other")},
    **{name: [push(name)] for name in (*CROWD, "named")},
    **{name: [{"channel": "sms", "to": f"+49155501{name[1:]:0>2}"}] for name in CALLED},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Paging]:
    resolver = Resolver()
    folder = tmp_path_factory.mktemp("paging")
    policy, public = a_policy(CLIMBS, CONTACTS), {"TOCSIN_PUBLIC_URL": "https://tocsin.example.com"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolver)
        patch.setattr(paging_clocks, "PAGING_FAILED_AFTER", FAILED_AFTER)
        patch.setattr(deliveries, "CONFIRM_WITHIN", CONFIRMED_WITHIN)
        patch.setattr(activity_options, "PAGE_TEXT_FRESH", timedelta(seconds=2))
        async with a_paging_world(folder, policy, resolver, **public) as paging:
            for service in CLIMBS:
                await paging.world.start_desk(service)
            yield paging
            assert paging.pushes.refused == paging.mails.refused == paging.phone.refused == []


@pytest.fixture
def paging(shared: Paging) -> Paging:
    """All vendors well."""
    shared.mails.manners.clear()
    shared.mails.status, shared.pushes.status = 202, 0
    shared.resolver.is_down = shared.resolver.all_down = False
    shared.pushes.mood = "answer"
    return shared


async def test_whatever_is_wrong_with_one_channel_the_other_has_the_page_in_time(
    paging: Paging,
) -> None:
    """500, a hang, 429 for an hour, a lost answer, a revoked key, no DNS: push in time, and only once."""
    for name, manner in MANNERS.items():
        paging.mails.manners[f"{name}@example.com"] = manner
    paging.mails.manners["lost@example.com"] = Manner(mood="accept_then_drop", times=1)
    paging.mails.manners["broken@example.com"] = Manner(status=500)
    paging.resolver.is_down = True
    raised = await paging.declare_all(*MANNERS, "lost", "climbs", "nowhere")

    # A vendor that hangs for one holds up nobody else.
    _, asked = await paging.declare("fine")
    assert await paging.push_to("fine", 30) - asked < 9

    for name in ("fails", "limits", "drops", "revoked", "nowhere"):
        assert await paging.push_to(name, 30) - raised[name][1] < 15, name
    reached = await paging.push_to("hangs", 30) - raised["hangs"][1]
    assert 9 < reached < 28, "cut at 10 s"

    # Taken, and the answer lost: uncertain on the timeline, and never more than twice under one key.
    (uncertain, *_) = await paging.facts(raised["drops"][0], "page_failed")
    assert uncertain["data"]["deliveries"][0]["state"] == "uncertain"
    await paging.world.eventually(lambda: len(paging.mailed("lost")) == 2, 30)
    assert len({call.key for call in paging.mailed("lost")}) == 1

    # Nobody can mend a key but the operator: told at once.
    told = await paging.world.eventually(lambda: told_of(paging, raised["revoked"][0]))
    at = datetime.fromisoformat(told[0]["at"])
    view = await paging.world.status(raised["revoked"][0])
    assert at - datetime.fromisoformat(view["raised_at"]) < timedelta(seconds=60)
    assert "email" in told[0]["text"]

    # The climb does not wait for retries.
    first = paging.mailed("broken", accepted=False)[0].at
    assert await paging.mail_to("second", 30) - first < 15
    retries = [b.at - a.at for a, b in pairwise(paging.mailed("broken", accepted=False))]
    assert all(wait > 1.8 for wait in retries)

    for name in MANNERS:
        calls = paging.mailed(name, accepted=False)
        assert len(calls) <= 2, f"{name}: at most one retry within 15 s"
        assert len({call.key for call in calls}) == 1
        assert len(paging.pushed_to(name)) == 1, f"{name}: one page, and nothing more"
    assert len(paging.mailed("lost")) == 2
    assert paging.mailed("carol") == []
    await paging.end(*(incident for incident, _ in raised.values()))


def told_of(paging: Paging, incident: str) -> list[dict[str, Any]]:
    """What the operator was told of an incident."""
    return [m for m in paging.world.outbox("operator") if m["incident"] == incident]


async def test_all_channels_down_and_back_is_one_page_with_what_is_true_now(
    paging: Paging,
) -> None:
    """PAGING FAILED is said; tried on and on; when the vendors are back, one page, and it is not stale."""
    assert IN_REAL_USE[0] <= timedelta(seconds=80), "said within 90 s"
    assert max(next_page_try(n) for n in range(1000)) <= timedelta(seconds=60)
    paging.mails.status, paging.pushes.status = 503, 503
    incident, _ = await paging.declare("dark")
    (first, *_) = await paging.facts(incident, "page_failed")
    said = await paging.facts(incident, "paging_failed", within=FAILED_AFTER.total_seconds() + 30)
    assert "PAGING FAILED" in said[0]["text"]
    waited = datetime.fromisoformat(said[0]["at"]) - datetime.fromisoformat(first["at"])
    assert waited < FAILED_AFTER + timedelta(seconds=15)

    def told() -> list[dict[str, Any]]:
        return [m for m in told_of(paging, incident) if "PAGING FAILED" in m["text"]]

    await paging.world.eventually(told)
    await paging.world.command(
        incident, "set_severity", "carol", severity="SEV2", reason="half of the customers"
    )
    assert paging.mailed("dark") == paging.pushed_to("dark") == []
    paging.mails.status, paging.pushes.status = 202, 0
    back = time.monotonic()

    def subjects() -> list[str]:
        mails = [call.subject for call in paging.mailed("dark")]
        return mails + [title for _, title in paging.pushed_to("dark")]

    await paging.world.eventually(subjects, 40)
    assert time.monotonic() - back < 35
    await asyncio.sleep(5)  # longer than any retry that is left would wait
    (subject,) = subjects()
    assert ("SEV2" in subject, "SEV1" in subject) == (True, False), "what is true now"
    assert len(told()) == 1
    await paging.end(incident)


async def test_names_that_resolve_again_bring_one_page(paging: Paging) -> None:
    """Every vendor's name is gone: PAGING FAILED; the names are back: one page each, and no burst."""
    paging.resolver.all_down = True
    incident, _ = await paging.declare("offline")
    said = await paging.facts(incident, "paging_failed", within=FAILED_AFTER.total_seconds() + 30)
    assert "PAGING FAILED" in said[0]["text"]
    reasons = {f["data"]["reason"] for f in await paging.facts(incident, "page_failed")}
    assert reasons == {"unreachable"}

    def pages() -> list[str]:
        """Who was reached, by whichever vendor."""
        catch_all = [call for call in paging.mailed("carol") if call.incident == incident]
        own = len(paging.mailed("offline")) + len(paging.pushed_to("offline"))
        return ["offline"] * own + ["carol"] * len(catch_all)

    assert pages() == []
    paging.resolver.all_down = False
    back = time.monotonic()
    await paging.world.eventually(lambda: "offline" in pages(), 40)
    assert time.monotonic() - back < 35
    await asyncio.sleep(5)  # longer than any retry that is left would wait
    assert pages() in (["offline"], ["offline", "carol"]), "one each: carol was tried meanwhile"
    assert len(await paging.facts(incident, "paging_failed")) == 1
    await paging.end(incident)


async def test_taken_and_no_receipt_brings_the_next_contact(paging: Paging) -> None:
    """The vendor promised a receipt and is silent: unconfirmed, so the person's next contact is tried."""
    assert IN_REAL_USE[1] == timedelta(seconds=60)
    incident, _ = await paging.declare("quiet")
    await paging.facts(incident, "page_sent")
    (text,) = [text for text in paging.phone.accepted if text["To"] == "+4915550002"]
    assert text["StatusCallback"].startswith("https://tocsin.example.com/")
    taken = time.monotonic()
    assert paging.pushed_to("quiet") == []
    assert await paging.push_to("quiet", 30) - taken < CONFIRMED_WITHIN.total_seconds() + 10
    assert len(await paging.facts(incident, "page_unconfirmed")) == 1
    await paging.end(incident)


async def test_who_cannot_be_paged_is_passed_over_at_once_and_nothing_spins(
    paging: Paging, tmp_path: Path
) -> None:
    """Empty steps, no contact, contacts switched off, somebody deleted meanwhile: the next, within 5 s."""
    names = (
        "emptyfirst", "emptyall", "emptyone", "nocontact", "switchedoff", "deleted",
    )  # fmt: skip
    raised = await paging.declare_all(*names)
    await paging.mail_to("stays", 30)
    without = {name: listed for name, listed in CONTACTS.items() if name != "gone"}
    changed = CLIMBS | {"deleted": [(["person:stays"], "0s")]}
    (tmp_path / "policy.yaml").write_text(a_policy(changed, without), encoding="utf-8")
    store = PolicyStore(paging.world.data)
    store.adopt(read_policy(tmp_path / "policy.yaml"))
    for service, person in (("emptyfirst", "e1"), ("nocontact", "e2"), ("switchedoff", "e3")):
        assert await paging.mail_to(person, 30) - raised[service][1] < 15, service
    first = paging.mailed("stays")[0].at
    assert await paging.mail_to("e4", 30) - first < GONE_AFTER + 15
    skipped = await paging.facts(raised["deleted"][0], "step_skipped")
    assert "gone" in skipped[0]["data"]["reason"]
    bare = await paging.facts(raised["nocontact"][0], "step_skipped")
    assert "bare has no usable contact" in bare[0]["data"]["reason"]
    for service in ("emptyall", "emptyone"):
        incident, asked = raised[service]
        found = await paging.world.eventually(
            lambda one=incident: [c for c in paging.mailed("carol") if c.incident == one], 30
        )
        assert found[0].at - asked < 20
        assert len(found) == 1, "the catch-all, once"
        loops = [f for f in await paging.world.facts(incident, "step_skipped")]
        assert len(loops) <= 2, "nobody there is no reason to spin"
        assert await paging.world.facts(incident, "policy_exhausted")
    assert paging.mailed("off", accepted=False) == paging.pushed_to("off") == []
    (tmp_path / "policy.yaml").write_text(paging.policy, encoding="utf-8")
    store.adopt(read_policy(tmp_path / "policy.yaml"))
    await paging.end(*(incident for incident, _ in raised.values()))


async def test_acknowledgements_at_once_and_at_the_timers_instant(paging: Paging) -> None:
    """Ten at once: ten answers, one owner. At the instant of the next step: at most one page late."""
    incident, asked = await paging.declare("acks")
    await paging.world.eventually(lambda: len(reached_of(paging, ACKERS)) == len(ACKERS), 30)
    answers = await asyncio.gather(
        *(paging.world.command(incident, "acknowledge", person) for person in ACKERS),
        return_exceptions=True,
    )
    assert [a for a in answers if isinstance(a, BaseException) and not _is_definite(a)] == []
    facts = await paging.facts(incident, "acknowledged")
    assert sum(1 for fact in facts if fact["data"]["first"]) == 1
    owner = (await paging.world.status(incident))["incident_manager"]
    assert owner == next(fact["data"]["person"] for fact in facts if fact["data"]["first"])

    services = [f"instant{number}" for number in range(5)]
    raised = await paging.declare_all(*services)
    await asyncio.gather(
        *(
            _acknowledge_at(paging, raised[service][0], second=2 + (number - 2) * 0.02)
            for number, service in enumerate(services)
        )
    )
    await asyncio.sleep(3)
    for number in range(5):
        assert len(paging.mailed(f"late{number}")) <= 1
    before = len(paging.mails.log)
    await asyncio.sleep(max(3.0, asked + LATE_AFTER + 1.5 - time.monotonic()))
    pages = [call for call in paging.mails.log[before:] if is_page(call.key)]
    assert pages == [], "acknowledged is acknowledged"
    assert paging.mailed("late") == []
    await paging.end(incident, *(one for one, _ in raised.values()))


def reached_of(paging: Paging, people: list[str]) -> list[str]:
    """Those who have a page by mail."""
    return [person for person in people if paging.mailed(person)]


def _is_definite(error: BaseException) -> bool:
    return isinstance(error, RefusedError)


async def _acknowledge_at(paging: Paging, incident: str, second: float) -> None:
    """Acknowledge when so many seconds have passed since the first step was paged."""
    (paged, *_) = await paging.facts(incident, "step_paged")
    due = datetime.fromisoformat(paged["at"]) + timedelta(seconds=second)
    wait = (due - datetime.now(due.tzinfo)).total_seconds()
    await asyncio.sleep(max(wait, 0.0))
    await paging.world.command(incident, "acknowledge", "fine")


async def test_a_hundred_calls_that_hang_hold_up_no_page_of_another_channel(
    paging: Paging,
) -> None:
    """A push vendor that hangs a hundred times over: a page by mail is out within 5 s."""
    paging.pushes.mood, before = "hang", paging.pushes.calls
    incident, _ = await paging.declare("crowd")
    await paging.world.eventually(lambda: paging.pushes.calls - before >= len(CROWD), 30)
    assert paging.world.activities.running >= len(CROWD), "they hang, for ten seconds each"
    other, asked = await paging.declare("other")
    assert await paging.mail_to("other", 30) - asked < 9
    paging.pushes.mood = "answer"
    paging.pushes.over.set()  # let them go
    await paging.end(incident, other)


async def test_a_name_server_that_hangs_holds_up_no_page_of_another_channel(
    paging: Paging,
) -> None:
    """Forty look-ups of one vendor's name hang and cannot be cut: a push by name is out within 5 s."""
    paging.resolver.over.clear()
    try:
        incident, _ = await paging.declare("unnamed")
        await paging.world.eventually(lambda: paging.resolver.hanging >= len(CALLED), 30)
        other, asked = await paging.declare("named")
        assert await paging.push_to("named", 30) - asked < 9
        assert paging.resolver.hanging >= len(CALLED), "they hang all the while"
    finally:
        paging.resolver.over.set()
    assert len(paging.pushed_to("named")) == 1
    await paging.end(incident, other)
