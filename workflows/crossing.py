"""What an incident has to do with others: its likely cause, those that depend on it, a storm's desks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from pydantic import BaseModel, ValidationError

    from domain.aggregate import Effect
    from domain.alert import Alert
    from domain.crossing import as_suspect, tell_dependents
    from domain.errors import CommandError
    from domain.facts import CommandRefused, DependentCollected, Linked, StormEnded
    from domain.facts.crossing import cause_checked, cause_ended
    from domain.incident import Incident
    from domain.likely_cause import CauseWord, Dependent, Suspect, TellCause, TellDependents
    from domain.timeline import OPERATOR
    from workflows import activity_options as options
    from workflows import contract
    from workflows.entity import EntityWorkflow
    from workflows.handlers import one_object, shown

if TYPE_CHECKING:
    from workflows.incident import IncidentWorkflow

W = TypeVar("W", bound=BaseModel)


class HearsOthers(EntityWorkflow[Incident]):
    """Words of other incidents and of a storm; `IncidentWorkflow` is built on it."""

    @workflow.signal(name="dependent", description="An incident that is put down to this one")
    def take_dependent(self, *args) -> None:  # type: ignore[no-untyped-def]
        word = self._word("dependent", args, Dependent)
        if word is None:
            return
        incident = self.subject
        if incident.is_open:
            is_known = any(link.target == word.incident for link in incident.links)
            if not is_known or (word.held and word.incident not in incident.dependents):
                self.record(DependentCollected(**word.model_dump()))
        elif word.held:
            # Too late to wait for it: it hears so at once.
            effect = tell_dependents(incident, [word.incident], incident.status.value)
            key = f"{incident.id}/dependents/{word.incident}"
            incident.effects[key] = effect.model_copy(update={"key": key})

    @workflow.signal(name="cause", description="What may have caused this is over, or was found")
    def take_cause(self, *args) -> None:  # type: ignore[no-untyped-def]
        word = self._word("cause", args, CauseWord)
        if word is None:
            return
        if word.how:
            reason = f"{word.incident}, the likely cause, is {word.how}"
            self.record(*cause_ended(self.subject, word.incident, reason))
        elif not any(link.target == word.incident for link in self.subject.links):
            self.record(Linked(target=word.incident, kind="related"))

    @workflow.signal(name="storm_over", description="The storm that this stands for is over")
    def take_storm_over(self, *args) -> None:  # type: ignore[no-untyped-def]
        storm = self.subject.storm
        if storm is not None and not storm.is_over and self.subject.is_open:
            self.record(StormEnded())

    @workflow.query(name="as_cause", description="What it is to those that depend on its service")
    def query_as_cause(self) -> Suspect:
        return as_suspect(self.subject)

    def _word(self, name: str, args: tuple[Any, ...], kind: type[W]) -> W | None:
        try:
            return kind.model_validate(one_object(name, args))
        except (CommandError, ValidationError) as error:
            why = f"not understood: {error}"[:500]
            refused = CommandRefused(command=name, why=why, sent=shown(args))
            self.record(refused, actor=OPERATOR)
            return None


async def tell_cause(flow: IncidentWorkflow, effect: Effect) -> None:
    """Put this incident down to its cause; one that is gone holds nothing."""
    request = TellCause.model_validate(effect.input)
    is_there: bool = await workflow.execute_activity(
        "tell_cause",
        request,
        result_type=bool,
        summary=f"Tell {request.cause}: {flow.subject.id} is put down to it",
        **options.RECORDING,
    )
    flow.subject.settle(effect.key)
    if not is_there:
        flow.record(*cause_checked(flow.subject, request.cause, None))


async def check_cause(flow: IncidentWorkflow, effect: Effect) -> None:
    """Ask whether the cause is still open; who cannot be asked holds no page."""
    cause, incident = str(effect.input["cause"]), flow.subject
    try:
        found: Suspect | None = await workflow.execute_activity(
            "check_cause",
            cause,
            result_type=Suspect | None,  # type: ignore[arg-type]
            summary=f"Is {cause} still open?",
            **options.CHECKING,
        )
    except ActivityError as error:
        workflow.logger.warning("cause %s cannot be asked: %s", cause, error)
        incident.settle(effect.key)
        flow.record(*cause_ended(incident, cause, f"{cause} cannot be asked whether it is over"))
        return
    incident.settle(effect.key)
    flow.record(*cause_checked(incident, cause, found))


async def tell_those_that_depend(flow: IncidentWorkflow, effect: Effect) -> None:
    """Tell dependents what has become of this incident."""
    request = TellDependents.model_validate(effect.input)
    await workflow.execute_activity(
        "tell_dependents",
        request,
        summary=f"Tell {len(request.dependents)} incidents that depend on this one",
        **options.TELLING_DESKS,
    )
    flow.subject.settle(effect.key)


async def settle_storm(flow: IncidentWorkflow, effect: Effect) -> None:
    """As `settle`, for a storm: every desk whose alerts it holds is told, and given back its own."""
    incident, storm = flow.subject, flow.subject.storm
    if storm is None:
        raise LookupError(f"{incident.id} stands for no storm")
    given = [Alert.model_validate(alert) for alert in effect.input.get("alerts", [])]
    services = dict.fromkeys([incident.service, *storm.services, *(a.service for a in given)])
    await workflow.execute_activity(
        "settle_storm",
        contract.SettleStorm(
            integration=storm.integration,
            services=list(services),
            settled=contract.Settled(
                incident=incident.id,
                alerts=given,
                key=effect.key,
                seq=effect.input.get("seq", 0),
            ),
        ),
        summary=f"Tell {len(services)} desks: settled",
        **options.TELLING_DESKS,
    )
    incident.settle(effect.key)


CROSSING_STEPS: Mapping[str, Callable[[IncidentWorkflow, Effect], Awaitable[None]]] = {
    "tell_cause": tell_cause,
    "check_cause": check_cause,
    "tell_dependents": tell_those_that_depend,
}
