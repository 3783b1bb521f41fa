"""A mark in the history where a workflow task would leave nothing, so that a replay sees the same tasks.

The SDK may take a task that applied events and led to no command for one that only prolonged its time, if the
next one follows with nothing between: a task that carries an update. A worker without the workflow in its
cache (a restart, an eviction) then handles what both brought at once, the update first. Once the update is
in the history they are seen apart again: at the next lost cache the commands come in another order, and the
workflow stands still for good (temporalio/sdk-rust#1146, #1606; both open with SDK 1.35). Behind a task that
ends in a command there is something between. To be dropped once the SDK tells them apart, which
tests/workflows/test_lost_cache.py will notice.
"""

from __future__ import annotations

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import (
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
)
from temporalio.workflow import Info

PATCH = "empty-tasks-are-marked"
"""The first mark of a run: it says that the others are to be expected. Runs from before go on without."""
MEMO = "tocsin_task"
"""The other marks: the length of the history at that task, as a memo."""

_BRINGS_NOTHING = {"query_workflow", "do_update", "notify_has_patch", "update_random_seed"}
_ONLY_ANSWERS = {"respond_to_query", "update_response"}


class MarkingRunner(UnsandboxedWorkflowRunner):
    """The unsandboxed runner, with marks."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return MarkedInstance(super().create_instance(det))


class MarkedInstance(WorkflowInstance):
    """A workflow in a worker's cache."""

    def __init__(self, workflow: WorkflowInstance) -> None:
        self._workflow = workflow
        self._is_expected = False
        """Whether this run has marks from here on: it is new, or its history says so."""
        self._has_begun = False

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = self._workflow.activate(act)
        if any(job.notify_has_patch.patch_id == PATCH for job in act.jobs):
            self._is_expected = True
        if _left_nothing(act, completion) and (self._is_expected or not act.is_replaying):
            self._mark(completion.successful.commands.add(), act.history_length)
        return completion

    def _mark(self, command: WorkflowCommand, history_length: int) -> None:
        if not self._has_begun:
            self._has_begun = self._is_expected = True
            command.set_patch_marker.patch_id = PATCH
            return
        payload = command.modify_workflow_properties.upserted_memo.fields[MEMO]
        payload.metadata["encoding"] = b"json/plain"
        payload.data = str(history_length).encode()

    # What else the worker asks.

    def get_serialization_context(self, command_info):  # type: ignore[no-untyped-def]
        return self._workflow.get_serialization_context(command_info)

    def get_external_store_context(self, command_info):  # type: ignore[no-untyped-def]
        return self._workflow.get_external_store_context(command_info)

    def get_info(self) -> Info:
        return self._workflow.get_info()

    def get_thread_id(self) -> int | None:
        return self._workflow.get_thread_id()


def _left_nothing(act: WorkflowActivation, completion: WorkflowActivationCompletion) -> bool:
    """Whether events were applied and no command followed.

    An update that is refused leaves nothing, and no task either. What a local activity has answered stands
    in the history by itself.
    """
    kinds = {job.WhichOneof("variant") for job in act.jobs}
    if completion.HasField("failed") or "remove_from_cache" in kinds or not kinds - _BRINGS_NOTHING:
        return False
    if any(job.resolve_activity.is_local for job in act.jobs):
        return False
    commands = {command.WhichOneof("variant") for command in completion.successful.commands}
    return commands <= _ONLY_ANSWERS
