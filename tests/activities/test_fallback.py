"""Paging past the orchestrator: who, over what, in which words, and what becomes of it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from activities.channels.outbox import Outbox
from activities.delivery import Mode, Postman
from activities.fallback import DirectPager, DirectRequest
from domain.errors import DeliveryError, DeliveryReason
from domain.policy.model import Policy
from templates.renderer import Renderer
from tests.fakes.organisation import NOW, FixedPolicy, RecordingChannel, a_clock, a_policy

WORDS = "orchestrator down, possible duplicate"


def a_pager(
    folder: Path, *channels: RecordingChannel, policy: Policy | None = None, mode: Mode = "live"
) -> DirectPager:
    outbox = Outbox(folder / "outbox")
    postman = Postman(mode, {c.name: c for c in channels}, outbox, a_clock)
    return DirectPager(FixedPolicy(policy or a_policy()), Renderer(), postman, a_clock)


def waiting(service: str = "checkout", *, round_: int = 1, count: int = 1) -> dict[str, Any]:
    return {
        "service": service,
        "key": f"journal/1/{service}",
        "round": round_,
        "count": count,
        "since": NOW.timestamp() - 60,
        "alerts": [
            {"key": f"{service}-{n}", "summary": f"{service} is ill {n}", "severity": "SEV1"}
            for n in range(count)
        ],
    }


def a_request(*services: dict[str, Any]) -> DirectRequest:
    return DirectRequest.model_validate({"services": list(services or [waiting()])})


def files(folder: Path, purpose: str = "page") -> list[dict[str, Any]]:
    found = [json.loads(file.read_text()) for file in (folder / "outbox").glob("*.json")]
    return [one for one in found if one["purpose"] == purpose]


async def test_the_first_step_is_paged_by_the_first_usable_contact(tmp_path: Path) -> None:
    """Alice, by mail, for text messages are not set up here; the words say what this is."""
    mail = RecordingChannel()
    answer = await a_pager(tmp_path, mail).page(a_request(waiting(count=3)))
    (message,) = mail.sent
    assert message.to == "alice@example.com"
    assert WORDS in message.subject.lower()
    assert WORDS in message.text
    assert all(f"checkout is ill {n}" in message.text for n in range(3))
    (sentence,) = answer.said["checkout"]
    assert sentence == f"alice was paged directly by email at 14:07 UTC: {WORDS}"


async def test_who_is_on_call_for_several_services_gets_one_message(tmp_path: Path) -> None:
    """It names all of them, and each has its own note in the outbox."""
    policy = a_policy(
        services={
            name: {"name": name.title(), "escalation": "payments"}
            for name in ("checkout", "search")
        }
    )
    mail = RecordingChannel()
    pager = a_pager(tmp_path, mail, policy=policy)
    answer = await pager.page(a_request(waiting(), waiting("search")))
    (message,) = mail.sent
    assert "checkout is ill 0" in message.text
    assert "search is ill 0" in message.text
    assert sorted(one["incident"] for one in files(tmp_path)) == ["checkout", "search"]
    assert [len(said) for said in answer.said.values()] == [1, 1]


async def test_the_same_page_is_not_sent_again_after_a_crash(tmp_path: Path) -> None:
    """Whoever asked died before it could note the answer, and asks again."""
    mail = RecordingChannel()
    first = await a_pager(tmp_path, mail).page(a_request())
    second = await a_pager(tmp_path, mail).page(a_request())
    assert len(mail.sent) == 1
    assert first == second


async def test_each_repeat_takes_one_more_step_and_another_contact(tmp_path: Path) -> None:
    """Nobody can acknowledge meanwhile: whoever sleeps through it is not the only one who knows."""
    mail, text = RecordingChannel(), RecordingChannel("sms")
    pager = a_pager(tmp_path, mail, text)
    await pager.page(a_request())
    assert ([m.to for m in text.sent], mail.sent) == (["+4915550001"], [])
    await pager.page(a_request(waiting(round_=2)))
    assert sorted(m.to for m in mail.sent) == ["alice@example.com", "bob@example.com"]
    assert len(text.sent) == 1


async def test_a_contact_that_fails_brings_the_next_and_nobody_brings_the_catch_all(
    tmp_path: Path,
) -> None:
    """Every address is tried, step by step; each failure is a sentence."""
    gone = DeliveryError(DeliveryReason.UNREACHABLE, "no route", retryable=True)
    mail, text = RecordingChannel(), RecordingChannel("sms")
    text.fails["+4915550001"] = gone
    mail.fails |= {"alice@example.com": gone, "bob@example.com": gone}
    answer = await a_pager(tmp_path, mail, text).page(a_request())
    assert [m.to for m in mail.sent] == ["carol@example.com"]
    said = answer.said["checkout"]
    assert "alice could not be paged directly by sms at 14:07 UTC: no route" in said
    assert said[-1] == f"carol was paged directly by email at 14:07 UTC: {WORDS}"
    assert files(tmp_path, "operator") == []


async def test_nobody_at_all_is_told_to_the_operator(tmp_path: Path) -> None:
    """A file for whoever runs Tocsin, and the incident will say so."""
    pager = a_pager(tmp_path, RecordingChannel(configured=False))
    answer = await pager.page(a_request())
    (file,) = files(tmp_path, "operator")
    assert "NOBODY COULD BE PAGED" in file["text"]
    assert WORDS in file["text"]
    assert answer.said["checkout"][-1] == (
        f"nobody could be paged directly ({WORDS}): the operator was told"
    )


async def test_without_a_policy_the_operator_is_told(tmp_path: Path) -> None:
    """The disk with the policy is gone."""
    pager = a_pager(tmp_path, RecordingChannel())
    pager._policy = FixedPolicy(None)
    answer = await pager.page(a_request())
    assert files(tmp_path, "operator")
    assert "the disk is gone" in answer.said["checkout"][0]


async def test_an_unknown_service_pages_the_catch_all(tmp_path: Path) -> None:
    """As the desk `unknown` would."""
    mail = RecordingChannel()
    await a_pager(tmp_path, mail).page(a_request(waiting("unknown")))
    assert [m.to for m in mail.sent] == ["carol@example.com"]


async def test_a_broken_template_is_no_reason_not_to_page(tmp_path: Path) -> None:
    """The built-in words say what has to be said."""
    (tmp_path / "page_directly").mkdir()
    (tmp_path / "page_directly" / "subject.j2").write_text("{{ nothing.at.all }}")
    mail = RecordingChannel()
    pager = a_pager(tmp_path, mail)
    pager._renderer = Renderer([tmp_path])
    await pager.page(a_request())
    assert WORDS in mail.sent[0].subject.lower()
    assert "checkout is ill 0" in mail.sent[0].text


async def test_the_time_of_the_wait_is_shown(tmp_path: Path) -> None:
    """Since when, in words for people."""
    mail = RecordingChannel()
    await a_pager(tmp_path, mail).page(a_request())
    since = datetime.fromtimestamp(NOW.timestamp() - 60, NOW.tzinfo)
    assert f"{since:%Y-%m-%d %H:%M} UTC" in mail.sent[0].text
