"""Reports of customers and colleagues, from the form to the word about their outcome, in virtual time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from domain.access.roles import AccessRole
from domain.access.tokens import SYSTEM, Principal
from domain.reporting import Report, Said, report_id
from records.reporters import Reporters
from starter.access.actor_keys import ActorKey
from starter.access.signing import ClaimSigner, SigningLink, acting
from starter.temporal_link import RefusedError
from tests.world import EXAMPLE, World, a_world
from workflows import contract

REF = "R-7K3M9QX2"
MINUTES = timedelta(minutes=1)


async def reported(world: World, address: str = "kim@example.com") -> None:
    """A customer has sent the form."""
    if address:
        Reporters(world.data).keep(REF, address)
    said = Said(service="checkout", summary="I cannot pay", has_address=bool(address))
    report = Report(ref=REF, said=said, received_at=await world.now())
    await world.client.start_workflow(
        contract.REPORT,
        contract.ReportInput(report=report),
        id=report_id(REF),
        task_queue=contract.TASK_QUEUE,
    )


async def decide(world: World, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await world.handle(report_id(REF)).execute_update(
        "decide", {"actor": "alice", **body}
    )
    return answer


def messages(world: World) -> list[tuple[str, str]]:
    """To whom, and how the subject begins, in order."""
    found = sorted(world.outbox("report"), key=lambda one: str(one["at"]))
    return [(str(one["to"]), str(one["subject"])) for one in found]


async def test_a_report_is_received_confirmed_and_its_outcome_told(tmp_path: Path) -> None:
    """The reporter hears twice, the on-call person once, and the address is gone afterwards."""
    async with a_world(tmp_path) as world:
        await reported(world)
        await world.eventually(lambda: _has(world, 2))
        told = dict(messages(world))
        assert "we have your report" in told["kim@example.com"]
        others = [to for to in told if to != "kim@example.com"]
        assert len(others) == 1  # who is on call, and nobody else
        incident = await world.declare("Cards are refused")
        view = await decide(world, incident=incident)
        assert (view["state"], view["incident"]) == ("confirmed", incident)
        await world.skip(40 * MINUTES)
        assert len(messages(world)) == 2
        await world.command(incident, "acknowledge", "alice")
        await world.command(incident, "resolve", "alice", summary="Rolled back")
        await world.skip(10 * MINUTES)
        await world.eventually(lambda: _has(world, 3))
        last = sorted(world.outbox("report"), key=lambda one: str(one["at"]))[-1]
        assert last["to"] == "kim@example.com"
        assert "has been resolved" in str(last["text"])
        assert "Rolled back" not in str(last["text"])
        assert Reporters(world.data).address(REF) is None


async def test_a_report_that_nobody_answers_gets_louder(tmp_path: Path) -> None:
    """A reminder each quarter of an hour; the third goes to everybody of last resort and the operator."""
    async with a_world(tmp_path) as world:
        await reported(world, address="")
        await world.eventually(lambda: _has(world, 1))
        await world.skip(31 * MINUTES)
        assert not world.outbox("operator")
        await world.skip(15 * MINUTES)
        await world.eventually(lambda: _of(world, "operator"))
        assert any(to == "carol@example.com" for to, _ in messages(world))
        before = len(messages(world))
        await decide(world, incident=None, reason="planned work")
        await world.skip(60 * MINUTES)
        assert len(messages(world)) == before


async def test_a_dismissed_report_is_answered_without_the_reason(tmp_path: Path) -> None:
    """What we call nonsense among ourselves does not reach a customer."""
    async with a_world(tmp_path) as world:
        await reported(world)
        await world.eventually(lambda: _has(world, 2))
        await decide(world, incident=None, reason="user error again")
        await world.eventually(lambda: _has(world, 3))
        texts = [str(one["text"]) for one in world.outbox("report") if "@example.com" in one["to"]]
        assert any("found nothing wrong" in text for text in texts)
        assert not any("user error" in text for text in texts)


async def test_a_second_decision_is_refused(tmp_path: Path) -> None:
    """Two responders who decide at once hear who was first."""
    async with a_world(tmp_path) as world:
        await reported(world, address="")
        incident = await world.declare("Cards are refused")
        await decide(world, incident=incident)
        again = await decide(world, incident=incident)
        assert again["incident"] == incident
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await decide(world, actor="bob", incident=None, reason="no")
        assert "was confirmed by alice" in str(refused.value.cause)


async def test_nonsense_parks_no_report(tmp_path: Path) -> None:
    """Whatever is signalled to it, it can be decided afterwards."""
    async with a_world(tmp_path) as world:
        await reported(world, address="")
        for args in ([], [1, 2], [None], ["x"], [{"actor": 7}], [{"incident": []}]):
            await world.signal(report_id(REF), "decide", *args)
        await world.signal(report_id(REF), "no_such_thing", {"a": 1})
        view = await decide(world, incident=None, reason="test")
        assert view["state"] in ("dismissed", "over")
        assert await world.failed_tasks(report_id(REF)) == []


@pytest.mark.parametrize("unsigned", ["mark", "refuse"])
async def test_a_decision_is_checked_in_the_report_too(tmp_path: Path, unsigned: str) -> None:
    """Without the API's signature it is marked or refused, as the policy says; a role may be missing."""
    policy = tmp_path / "policy.yaml"
    text = EXAMPLE.read_text(encoding="utf-8")
    policy.write_text(f"{text}\naccess: {{unsigned: {unsigned}}}\n", encoding="utf-8")
    key = ActorKey(tmp_path / "data")
    key.load()
    viewer = Principal(by="token v", roles=frozenset({AccessRole.VIEWER}), owner="alice")
    async with a_world(tmp_path / "data", policy=policy) as world:
        link = SigningLink(world.client, ClaimSigner(key))
        body = {"actor": "alice", "incident": None, "reason": "test"}
        await reported(world, address="")
        with acting(viewer), pytest.raises(RefusedError, match="needs the role responder"):
            await link.update(report_id(REF), "decide", body, "by-a-viewer")
        assert (await world.handle(report_id(REF)).query("status"))["state"] == "waiting"
        if unsigned == "refuse":
            with pytest.raises(WorkflowUpdateFailedError) as refused:
                await decide(world, incident=None, reason="typed")
            assert "was not signed" in str(refused.value.cause)
            await world.signal(report_id(REF), "decide", body)
            with acting(SYSTEM):
                view = await link.update(report_id(REF), "decide", body, "by-the-system")
            assert view["decided_by"] == "alice"
        else:
            view = await decide(world, incident=None, reason="typed")
            assert view["decided_by"] == "alice (unsigned)"
            again = await decide(world, incident=None, reason="typed")
            assert again["decided_at"] == view["decided_at"]
        assert await world.failed_tasks(report_id(REF)) == []


async def _has(world: World, count: int) -> bool:
    return len(messages(world)) >= count


async def _of(world: World, purpose: str) -> bool:
    return bool(world.outbox(purpose))
