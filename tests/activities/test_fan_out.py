"""One update for five hundred: the vendor dies half way, or the worker does. Nobody has it twice.

Real mail to a fake SendGrid, real ledgers: the outbox for contacts, the records for subscribers.
A worker that dies is a process of its own, killed as the kernel would.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from activities.announcing import Announcer
from activities.channels.email import EmailChannel, EmailSettings
from activities.channels.outbox import Outbox
from activities.delivery import Postman
from domain import outcomes
from domain.aggregate import Effect
from domain.messages import Announce, Announced, Announcement, DeliveryState, Purpose
from templates.renderer import Renderer
from tests.activities.test_subscribers import Readers, build
from tests.fakes.organisation import NOW, FixedPolicy, a_clock, a_policy, a_view, an_announcement
from tests.fakes.sendgrid import KEY, SendGridFake, sendgrid_fake

ROOT = Path(__file__).parents[2]
MANY = 500
BAD = "reader17@example.com"
SIDES = [Purpose.INTERNAL_UPDATE, Purpose.EXTERNAL_UPDATE]
ANNOUNCE = (
    "import sys; from tests.activities.test_fan_out import announcing; announcing(*sys.argv[1:])"
)
TELL = "import sys; from tests.activities.test_fan_out import telling; telling(*sys.argv[1:])"


@pytest.fixture
def sendgrid() -> Iterator[SendGridFake]:
    with sendgrid_fake() as fake:
        yield fake


def an_update(purpose: Purpose) -> Announcement:
    side = purpose.value.partition("_")[0]
    context = {
        "text": "Half of the payments work again.", "status": "identified", "variant": "follow_up",
        "by": "alice", "next_update_at": None, "number": 3, "at": "2026-11-24T14:30:00Z",
    }  # fmt: skip
    request = an_announcement(
        "audience:crowd", key=f"checkout-17/update/{side}/3", purpose=purpose,
        template=f"{side}_update", context=context,
    )  # fmt: skip
    return request.announcement


def an_announcer(folder: Path, url: str, purpose: Purpose) -> Announcer:
    """What a worker has, over the ledger that every worker of this place shares."""
    given = {"sendgrid_api_key": KEY, "sendgrid_base_url": url, "email_from": "t@example.com"}
    postman = Postman(
        "live",
        {"email": EmailChannel(EmailSettings.model_validate(given))},
        Outbox(folder),
        a_clock,
    )
    to = [{"channel": "email", "to": f"reader{n}@example.com"} for n in range(MANY)]
    crowd = {"hears": purpose.value.partition("_")[0], "to": to}
    policy = FixedPolicy(a_policy(audiences={"crowd": crowd}))
    return Announcer(policy, Renderer([]), postman, a_clock)


async def attempts(
    announcer: Announcer, announcement: Announcement, between: Callable[[], None]
) -> list[Announced]:
    """As the workflow does: again with what is left, until nothing is worth another attempt."""
    found: list[Announced] = []
    while len(found) < 5:
        found.append(
            await announcer.announce(Announce(incident=a_view(), announcement=announcement))
        )
        effect = Effect(
            key=announcement.key, kind="publish_update", input=announcement.model_dump(mode="json")
        )
        outcome = outcomes.announced(effect, found[-1], len(found), NOW)
        if outcome.input is None:
            return found
        announcement = Announcement.model_validate(outcome.input)
        between()
    raise AssertionError("it never ends")


def accepted(sendgrid: SendGridFake) -> Counter[str]:
    return Counter(call.to for call in list(sendgrid.log) if call.is_accepted)


def announcing(folder: str, url: str, purpose: str) -> None:
    """A worker's one attempt at the contacts, for a process that is killed."""
    given = an_update(Purpose(purpose))
    announcer = an_announcer(Path(folder), url, Purpose(purpose))
    asyncio.run(announcer.announce(Announce(incident=a_view(), announcement=given)))


def telling(folder: str, url: str) -> None:
    """A worker's one attempt at the subscribers, for a process that is killed."""
    fake = SendGridFake(url=url)
    asyncio.run(build(Path(folder), fake).tell())


def killed_half_way(sendgrid: SendGridFake, code: str, *arguments: str) -> None:
    """Run it in a process of its own, and kill that once some have the update and many have not."""
    sendgrid.holds_after = MANY // 4
    worker = subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=ROOT)
    try:
        until = time.monotonic() + 60
        while len(accepted(sendgrid)) < MANY // 4:
            assert time.monotonic() < until, "it sends nothing"
            assert worker.poll() is None, "it ended by itself"
            time.sleep(0.01)
    finally:
        worker.kill()
        worker.wait(60)
    time.sleep(0.5)  # what was on its way has arrived by now
    sendgrid.holds_after = None
    sendgrid.goes_on.set()
    assert MANY // 4 <= len(accepted(sendgrid)) < MANY, "it was killed half way"


@pytest.mark.parametrize("purpose", SIDES)
async def test_contacts_when_the_vendor_dies_half_way(
    tmp_path: Path, sendgrid: SendGridFake, purpose: Purpose
) -> None:
    """It takes 250, is away, and comes back: 499 have it once, and the bad address alone has not."""
    sendgrid.bad, sendgrid.fails_after = {BAD}, MANY // 2

    def back() -> None:
        assert len(accepted(sendgrid)) <= MANY // 2
        sendgrid.fails_after = None

    announcer = an_announcer(tmp_path, sendgrid.url, purpose)
    found = await attempts(announcer, an_update(purpose), back)
    assert len(found) == 2
    took = accepted(sendgrid)
    assert (len(took), set(took.values())) == (MANY - 1, {1})
    assert BAD not in took
    last = {one.key: one for result in found for one in result.deliveries}
    states = Counter(one.state for one in last.values())
    assert states == {DeliveryState.SENT: MANY - 1, DeliveryState.FAILED: 1}


async def test_contacts_when_the_worker_is_killed_half_way(
    tmp_path: Path, sendgrid: SendGridFake
) -> None:
    """Outside, nobody has it twice: those who had it on its way are held, and all others have it once."""
    purpose = Purpose.EXTERNAL_UPDATE
    killed_half_way(sendgrid, ANNOUNCE, str(tmp_path), sendgrid.url, purpose.value)
    announcer = an_announcer(tmp_path, sendgrid.url, purpose)
    (found,) = await attempts(announcer, an_update(purpose), lambda: None)
    took = accepted(sendgrid)
    assert set(took.values()) == {1}
    states = Counter(one.state for one in found.deliveries)
    assert set(states) <= {DeliveryState.SENT, DeliveryState.HELD}
    assert states.total() == MANY
    assert states[DeliveryState.SENT] <= len(took), "nothing counts as sent that was not"
    assert len(took) >= MANY - states[DeliveryState.HELD], "nobody is left out in silence"


def subscribed(readers: Readers) -> None:
    for number in range(MANY):
        readers.subscribed(f"reader{number}@example.com")


async def test_subscribers_when_the_vendor_dies_half_way(
    tmp_path: Path, sendgrid: SendGridFake
) -> None:
    """It takes some hundreds, is away, and comes back: 499 have it once, the bad address fails alone."""
    readers = build(tmp_path, sendgrid)
    subscribed(readers)
    sendgrid.bad, sendgrid.fails_after = {BAD}, 3
    first = await readers.tell()
    assert first is not None
    assert first.retryable
    assert 0 < len(accepted(sendgrid)) < MANY - 1
    sendgrid.fails_after = None
    readers.now += timedelta(seconds=5)
    second = await readers.tell()
    assert second is not None
    assert (second.retryable, second.detail) == (False, "499 sent, 1 failed (rejected 1)")
    took = accepted(sendgrid)
    assert (len(took), set(took.values())) == (MANY - 1, {1})
    assert BAD not in took


async def test_subscribers_when_the_worker_is_killed_half_way(
    tmp_path: Path, sendgrid: SendGridFake
) -> None:
    """What was on its way is uncertain and not sent again; all others have it, once."""
    readers = build(tmp_path, sendgrid)
    subscribed(readers)
    killed_half_way(sendgrid, TELL, str(tmp_path), sendgrid.url)
    readers.now += timedelta(seconds=100)
    told: Any = await readers.tell()
    assert not told.retryable
    took = accepted(sendgrid)
    assert set(took.values()) == {1}
    sent, uncertain = (int(part.split()[0]) for part in told.detail.split(", ")[:2])
    assert sent + uncertain == MANY
    assert "uncertain" in told.detail
    assert sent <= len(took) <= MANY, "nothing counts as sent that was not"
