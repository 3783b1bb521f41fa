"""Commands for working the problem: note, observe, theories, experiments, links."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from domain.aggregate import Fact
from domain.commands.base import OPEN_OR_RESOLVED, Command
from domain.commands.texts import ShortText, Text
from domain.facts import (
    ExperimentAdded,
    Linked,
    Noted,
    Observed,
    ResultRecorded,
    TheoryAdded,
    TheoryResolved,
)
from domain.incident import Incident, TheoryState
from domain.names import require_known

LinkKind = Literal["duplicate", "related", "support_case", "ticket", "video", "article"]


class Note(Command):
    """Write something down, with time and name."""

    name: ClassVar[str] = "note"
    description: ClassVar[str] = "Write a note on the timeline"
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED

    text: Text

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        return [Noted(text=self.text)]


class Observe(Command):
    """Say what you see, so that the team can confirm it."""

    name: ClassVar[str] = "observe"
    description: ClassVar[str] = "Record an observation"
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED

    text: Text

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        return [Observed(text=self.text)]


class AddTheory(Command):
    """Say why it may be happening."""

    name: ClassVar[str] = "add_theory"
    description: ClassVar[str] = "Add a theory of what broke"

    text: Text

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        return [TheoryAdded(theory=f"t{len(incident.theories) + 1}", text=self.text)]


class ResolveTheory(Command):
    """Say whether a theory held."""

    name: ClassVar[str] = "resolve_theory"
    description: ClassVar[str] = "Mark a theory as supported or refuted"

    theory: ShortText
    verdict: Literal["supported", "refuted"]
    reason: Text | None = None

    def check(self, incident: Incident, actor: str) -> None:
        require_known("theory", self.theory, [t.id for t in incident.theories], "theory")

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        verdict = TheoryState(self.verdict)
        return [TheoryResolved(theory=self.theory, verdict=verdict, reason=self.reason)]


class AddExperiment(Command):
    """Say what is tried, to prove or disprove a theory."""

    name: ClassVar[str] = "add_experiment"
    description: ClassVar[str] = "Add an experiment, perhaps on a theory"

    theory: ShortText | None = None
    text: Text

    def check(self, incident: Incident, actor: str) -> None:
        if self.theory is not None:
            require_known("theory", self.theory, [t.id for t in incident.theories], "theory")

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        number = len(incident.experiments) + 1
        return [ExperimentAdded(experiment=f"e{number}", theory=self.theory, text=self.text)]


class RecordResult(Command):
    """Say what an experiment showed."""

    name: ClassVar[str] = "record_result"
    description: ClassVar[str] = "Record the result of an experiment"

    experiment: ShortText
    text: Text

    def check(self, incident: Incident, actor: str) -> None:
        known = [experiment.id for experiment in incident.experiments]
        require_known("experiment", self.experiment, known, "experiment")

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        return [ResultRecorded(experiment=self.experiment, text=self.text)]


class LinkTarget(Command):
    """Group something with the incident: another incident, a ticket, a case, a video, an article."""

    name: ClassVar[str] = "link"
    description: ClassVar[str] = (
        "Link another incident, a ticket, a support case, a video or an article"
    )
    allowed: ClassVar[frozenset[Any]] = OPEN_OR_RESOLVED

    target: ShortText
    kind: LinkKind = "related"

    def decide(self, incident: Incident, actor: str, at: datetime) -> list[Fact]:
        held = any(link.target == self.target and link.kind == self.kind for link in incident.links)
        return [] if held else [Linked(target=self.target, kind=self.kind)]
