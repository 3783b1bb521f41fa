"""Calls to Temporal: repeated while it makes sense, bounded in time, errors in our words."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from starter import temporal_link
from starter.temporal_link import (
    GatewayUnavailableError,
    NotAnsweredError,
    RefusedError,
    TemporalLink,
    WorkflowGoneError,
)


def rpc(status: RPCStatusCode, message: str = "why") -> RPCError:
    return RPCError(message, status, b"")


class Handle:
    """Answers what the script says, one item per call; the last again and again."""

    def __init__(self, *script: Any) -> None:
        self.script, self.calls = list(script), []

    async def answer(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append((args, kwargs))
        item = self.script[min(len(self.calls), len(self.script)) - 1]
        if item == "hang":
            await asyncio.sleep(60)
        if isinstance(item, BaseException):
            raise item
        return item

    execute_update = signal = query = answer


class Client:
    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    def get_workflow_handle(self, workflow_id: str) -> Handle:
        return self.handle

    async def start_workflow(self, *args: Any, **kwargs: Any) -> Any:
        return await self.handle.answer(*args, **kwargs)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    for name in ("ANSWER_WITHIN", "DELIVER_WITHIN", "QUERY_WITHIN"):
        monkeypatch.setattr(temporal_link, name, timedelta(seconds=0.3))


def link_to(*script: Any) -> tuple[TemporalLink, Handle]:
    handle = Handle(*script)
    return TemporalLink(Client(handle)), handle  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "status",
    [
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.RESOURCE_EXHAUSTED,
    ],
)
async def test_what_may_succeed_is_repeated_under_the_same_id(status, monkeypatch):
    """A worker that is being restarted is no reason to bother the caller."""
    monkeypatch.setattr(temporal_link, "ANSWER_WITHIN", timedelta(seconds=30))
    link, handle = link_to(rpc(status), rpc(status), {"id": "x"})
    assert await link.update("checkout-1", "note", {}, "key-1") == {"id": "x"}
    assert [kwargs["id"] for _, kwargs in handle.calls] == ["key-1"] * 3


@pytest.mark.parametrize(
    "item",
    [
        rpc(RPCStatusCode.FAILED_PRECONDITION, "Workflow Task in failed state."),
        rpc(RPCStatusCode.DEADLINE_EXCEEDED),
        rpc(RPCStatusCode.CANCELLED, "Timeout expired"),
        WorkflowUpdateRPCTimeoutOrCancelledError(),
        "hang",
    ],
    ids=str,
)
async def test_no_answer_in_time(item):
    """Whatever it is that keeps the answer away, the caller waits no longer than said."""
    link, _ = link_to(item)
    begun = time.monotonic()
    with pytest.raises(NotAnsweredError):
        await link.update("checkout-1", "note", {}, "k")
    assert time.monotonic() - begun < 10


async def test_signal_that_does_not_arrive():
    """Nothing is known to be kept."""
    link, _ = link_to("hang")
    with pytest.raises(GatewayUnavailableError):
        await link.signal("checkout-1", "note", {})
    with pytest.raises(GatewayUnavailableError):
        await link.signal_desk("checkout", "report", {})


async def test_first_connection_fails():
    """A client that never connected raises something else than one that lost its connection."""
    link, _ = link_to(RuntimeError("Failed client connect"))
    with pytest.raises(GatewayUnavailableError, match="no connection"):
        await link.update("checkout-1", "note", {}, "k")
    with pytest.raises(GatewayUnavailableError):
        await link.query("checkout-1", "status")


async def test_refusal_of_the_domain():
    """The kind, the mistakes, the state and what is allowed arrive whole."""
    details = {
        "problems": [{"where": "/role", "detail": "unknown", "near": ["tech_lead"]}],
        "status": "closed",
        "allowed": ["x"],
    }
    cause = ApplicationError("no", details, type="TransitionError", non_retryable=True)
    link, handle = link_to(WorkflowUpdateFailedError(cause))
    with pytest.raises(RefusedError) as caught:
        await link.update("checkout-1", "note", {}, "k")
    error = caught.value
    assert (error.kind, error.status, error.allowed) == ("TransitionError", "closed", ["x"])
    assert error.problems()[0].near == ("tech_lead",)
    assert len(handle.calls) == 1


async def test_run_that_ended_meanwhile_is_asked_once_more():
    """The command may have been done: what comes next knows."""
    ended = ApplicationError("workflow completed", type="AcceptedUpdateCompletedWorkflow")
    link, _ = link_to(WorkflowUpdateFailedError(ended), {"status": "closed"})
    assert await link.update("checkout-1", "note", {}, "k") == {"status": "closed"}


async def test_gone_is_not_away():
    """No such workflow is one thing, no such namespace another."""
    link, handle = link_to(rpc(RPCStatusCode.NOT_FOUND, "workflow not found for ID"))
    with pytest.raises(WorkflowGoneError):
        await link.update("checkout-1", "note", {}, "k")
    with pytest.raises(WorkflowGoneError):
        await link.query("checkout-1", "status")
    handle.script = [rpc(RPCStatusCode.NOT_FOUND, "Namespace default is not found.")]
    with pytest.raises(GatewayUnavailableError):
        await link.update("checkout-1", "note", {}, "k")


async def test_what_temporal_does_not_take_is_the_callers_mistake():
    """A body over Temporal's limits is refused, and not tried again."""
    link, handle = link_to(rpc(RPCStatusCode.INVALID_ARGUMENT, "blob too large"))
    with pytest.raises(RefusedError, match="too large"):
        await link.update("checkout-1", "note", {}, "k")
    assert len(handle.calls) == 1


async def test_wrong_credentials():
    """Not to be helped by waiting."""
    link, handle = link_to(rpc(RPCStatusCode.UNAUTHENTICATED))
    with pytest.raises(GatewayUnavailableError, match="UNAUTHENTICATED"):
        await link.update("checkout-1", "note", {}, "k")
    assert len(handle.calls) == 1
