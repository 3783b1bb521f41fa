"""The storms of one integration: counts its new incidents across desks and processes, see `domain/storm.py`.

Whoever would raise one past the limit asks by the update `admit`. The storm's incident is raised once, by
the desk of `unknown`; until it exists, those who ask wait, for as long as they have patience.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError, FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain.errors import CommandError
    from domain.storm import IDLE, Admit, Admitted, RaisedStorm, StormInput, StormState
    from workflows import activity_options as options
    from workflows import contract
    from workflows.handlers import one_object, raw_text, shown


@workflow.defn(name=contract.STORM)
class StormWatcher:
    """Lives while the integration raises incidents, and ends when it has been quiet."""

    @workflow.init
    def __init__(self, start: StormInput) -> None:
        self._state = start.carried or StormState(integration=start.integration)
        self._start = start
        self._woken = False

    @workflow.run
    async def run(self, start: StormInput) -> None:
        while not self._is_over():
            if self._should_roll():
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(start.model_copy(update={"carried": self._state}))
            self._woken = False
            await self._raise()
            await self._end()
            self._show()
            await self._wait()
        await workflow.wait_condition(workflow.all_handlers_finished)

    def _is_over(self) -> bool:
        last = self._state.last_at
        return last is not None and self._state.storm is None and workflow.now() - last >= IDLE

    async def _wait(self) -> None:
        """Until the time that is known now; what comes meanwhile lets the timer run to its old end."""
        now, storm = workflow.now(), self._state.storm
        due = self._state.ends_at() or (self._state.last_at or now) + IDLE
        try:
            await workflow.wait_condition(
                lambda: self._woken or self._should_roll(),
                timeout=max(due - now, options.SHORTEST_WAIT),
                timeout_summary="The storm is over" if storm else "Nothing came: end",
            )
        except TimeoutError:
            return

    def _should_roll(self) -> bool:
        info = workflow.info()
        long = info.get_current_history_length() >= self._start.roll_over_at
        return long or info.is_continue_as_new_suggested()

    async def _raise(self) -> None:
        """Have the desk of `unknown` raise the storm's incident."""
        order = self._state.order()
        if order is None:
            return
        for _ in range(options.STORM_TRIES):
            try:
                await workflow.execute_activity(
                    "raise_storm", order, summary=order.summary()[:200], **options.RAISING_STORM
                )
                await workflow.wait_condition(
                    lambda: not self._state.awaits_incident,
                    timeout=options.STORM_RAISED_WITHIN,
                    timeout_summary="The desk has not said that it is raised: ask again",
                )
            except (FailureError, TimeoutError) as error:
                workflow.logger.warning("the storm's incident is not raised yet: %s", error)
            else:
                return
        # Whoever asked has raised an incident of its own by now, and the next one tries again.
        self._state.storm = None

    async def _end(self) -> None:
        incident = self._state.end(workflow.now())
        if not incident:
            return
        try:
            await workflow.get_external_workflow_handle(incident).signal("storm_over", {})
        except ApplicationError as error:
            workflow.logger.info("incident %s is gone: %s", incident, error)

    def _show(self) -> None:
        state = self._state
        lines = [f"## Storms of {state.integration}: {len(state.arrivals)} new incidents lately"]
        if state.storm is not None:
            lines += [
                f"- **Incident:** {state.incident or 'being raised'}",
                f"- **Folded:** {state.storm.folded} since {state.storm.began_at:%H:%M:%S} UTC",
            ]
        workflow.set_current_details("\n".join(lines))

    @workflow.update(name="admit", description="New incidents: those raised, those asked for")
    async def update_admit(self, *args) -> Admitted:  # type: ignore[no-untyped-def]
        try:
            request = Admit.model_validate(one_object("admit", args))
        except (ValidationError, CommandError) as error:
            raise ApplicationError(
                f"{error}; sent: {shown(args)}"[:500], type="CommandError", non_retryable=True
            ) from None
        self._state.take(request, workflow.now())
        self._woken = self._woken or self._state.awaits_incident
        await workflow.wait_condition(lambda: not self._state.awaits_incident)
        return self._state.answer(request)

    @workflow.signal(name="raised", description="The storm's incident exists")
    def take_raised(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            raised = RaisedStorm.model_validate(one_object("raised", args))
        except (ValidationError, CommandError) as error:
            workflow.logger.warning("odd word: %s; sent: %s", error, shown(args))
            return
        self._state.has_raised(raised.key, raised.id)

    @workflow.signal(name="settled", description="The storm's incident takes no more alerts")
    def take_settled(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            settled = contract.Settled.model_validate(one_object("settled", args))
        except (ValidationError, CommandError) as error:
            workflow.logger.warning("odd word: %s; sent: %s", error, shown(args))
            return
        self._state.forget(settled.incident)
        self._woken = True

    @workflow.signal(dynamic=True)
    def take_anything_else(self, name: str, args: Sequence[RawValue]) -> None:
        workflow.logger.warning("no signal %s; sent: %s", name, raw_text(args))

    @workflow.query(name="status", description="The storm that lasts, and what was raised lately")
    def query_status(self) -> dict[str, Any]:
        return self._state.model_dump(mode="json", exclude={"folds"}) | {
            "incident": self._state.incident
        }
