"""A heartbeat's monitor: one workflow each, which waits for the deadline that every beat moves.

A beat does not set the timer anew: it runs to the deadline that was known when it was set, and then the
monitor looks again. That keeps a beat at a handful of events, and the history short.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import FailureError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain.errors import CommandError
    from domain.heartbeat import OVERSLEPT, SETTLE, Definition, Heartbeat, fires_on_time
    from workflows import activity_options as options
    from workflows import contract
    from workflows.handlers import one_object, raw_text, shown


@workflow.defn(name=contract.HEARTBEAT)
class HeartbeatMonitor:
    """Late: an alert to the desk of its service. Back: the alert clears."""

    @workflow.init
    def __init__(self, start: contract.HeartbeatInput) -> None:
        self._start = start
        self._heartbeat = start.carried or Heartbeat(
            name=start.name, monitor=start.monitor, fold=start.fold, rule=start.rule
        )
        self._armed: datetime | None = None
        """The deadline that the timer runs to."""
        self._woken = False

    @workflow.run
    async def run(self, start: contract.HeartbeatInput) -> None:
        while True:
            self._woken = False
            self._show()
            await self._deliver()
            if self._heartbeat.is_removed and not self._heartbeat.reports:
                return
            if self._should_roll() and not self._heartbeat.reports:
                workflow.continue_as_new(start.model_copy(update={"carried": self._heartbeat}))
            await self._wait()

    async def _wait(self) -> None:
        """Until the deadline that is known now, or until something comes in that changes more than it."""
        self._armed = self._heartbeat.deadline()
        now = workflow.now()
        if self._armed is not None and self._armed <= now:
            await self._look(self._armed)
            return
        try:
            await workflow.wait_condition(
                lambda: self._woken or self._should_roll(),
                timeout=None if self._armed is None else self._armed - now,
                timeout_summary=f"Heartbeat of {self._heartbeat.name} is due",
            )
        except TimeoutError:
            return

    async def _look(self, deadline: datetime) -> None:
        """The deadline has passed: is it still a monitor, was the system there to hear it, is it late?"""
        await self._define_anew()
        if workflow.now() - deadline > OVERSLEPT and await self._was_away(deadline):
            still = self._heartbeat.deadline()
            if still is not None and still <= workflow.now():
                self._heartbeat.excuse(workflow.now())
            return
        await self._settle(deadline)
        self._heartbeat.miss(workflow.now())

    async def _settle(self, deadline: datetime) -> None:
        """Wait a moment for beats that were kept back at the door."""
        try:
            await workflow.wait_condition(
                lambda: self._heartbeat.deadline() != deadline,
                timeout=SETTLE,
                timeout_summary=f"Last chance for a beat of {self._heartbeat.name}",
            )
        except TimeoutError:
            return

    async def _define_anew(self) -> None:
        try:
            found: Definition = await workflow.execute_local_activity(
                "look_up_monitor",
                self._heartbeat.name,
                result_type=Definition,
                summary="What the policy says of this monitor now",
                **options.ANSWERED_LOOK_UP,
            )
        except FailureError as error:
            # What was known counts: a monitor that nobody can look up may still be late.
            workflow.logger.warning("monitor unreadable: %s", error)
            return
        self._heartbeat.define(found, workflow.now())

    async def _was_away(self, deadline: datetime) -> bool:
        """Whether the server could take no beat at the deadline; a dead worker alone loses none."""
        info = workflow.info()
        try:
            fired: datetime | None = await workflow.execute_activity(
                "timer_fired_at",
                contract.TimerQuery(workflow_id=info.workflow_id, run_id=info.run_id),
                result_type=datetime | None,  # type: ignore[arg-type]
                summary="Was the server away at the deadline?",
                **options.QUICK,
            )
        except FailureError as error:
            workflow.logger.warning("the timer's history is unreadable: %s", error)
            return True
        # An older timer says nothing of this deadline: what is not known counts for the monitor.
        return fired is None or not fires_on_time(fired, deadline)

    async def _deliver(self) -> None:
        """Tell desks what has become of it, in order; never given up."""
        while self._heartbeat.reports:
            report = self._heartbeat.reports[0]
            batch = contract.ReportBatch(
                key=report.key, alerts=[report.alert], fold=report.fold, rule=report.rule
            )
            await workflow.execute_activity(
                "signal_desk",
                contract.DeskSignal(
                    service=report.service, name="report", body=batch.model_dump(mode="json")
                ),
                summary=f"Tell {contract.desk_id(report.service)}: {report.alert.status.value}",
                **options.RECORDING,
            )
            del self._heartbeat.reports[0]

    def _should_roll(self) -> bool:
        info = workflow.info()
        long = info.get_current_history_length() >= self._start.roll_over_at
        return long or info.is_continue_as_new_suggested()

    def _show(self) -> None:
        one = self._heartbeat
        last = f"{one.last_beat:%Y-%m-%d %H:%M:%S} UTC" if one.last_beat else "never"
        due = one.deadline()
        lines = [
            f"## Heartbeat {one.name}: {one.state.value}",
            f"- **Service:** {one.monitor.service}",
            f"- **Heard last:** {last}",
            f"- **Late at:** {f'{due:%Y-%m-%d %H:%M:%S} UTC' if due else 'not to be known'}",
        ]
        workflow.set_current_details("\n".join(lines))

    @workflow.signal(name="beat", description="The monitored job calls in")
    def take_beat(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            beat = contract.Beat.model_validate(one_object("beat", args) if args else {})
        except (ValidationError, CommandError) as error:
            # Whoever sent something was alive.
            workflow.logger.warning("odd beat: %s; sent: %s", error, shown(args))
            beat = contract.Beat()
        now = workflow.now()
        if beat.definition is not None:
            self._heartbeat.define(beat.definition, now)
        self._heartbeat.beat(beat.at or now, now)
        self._wake_if_needed()

    @workflow.signal(name="define", description="What the policy says of this monitor has changed")
    def take_definition(self, *args) -> None:  # type: ignore[no-untyped-def]
        try:
            definition = Definition.model_validate(one_object("define", args))
        except (ValidationError, CommandError) as error:
            workflow.logger.warning("odd definition: %s; sent: %s", error, shown(args))
            return
        self._heartbeat.define(definition, workflow.now())
        self._woken = True

    def _wake_if_needed(self) -> None:
        """A beat that only moves the deadline on lets the timer run to its old end."""
        deadline = self._heartbeat.deadline()
        is_sooner = deadline is not None and (self._armed is None or deadline < self._armed)
        if self._heartbeat.reports or self._heartbeat.is_removed or is_sooner:
            self._woken = True

    @workflow.signal(dynamic=True)
    def take_anything_else(self, name: str, args: Sequence[RawValue]) -> None:
        workflow.logger.warning("no signal %s; sent: %s", name, raw_text(args))

    @workflow.query(name="status", description="The monitor")
    def query_status(self) -> dict[str, Any]:
        return self._heartbeat.view()
