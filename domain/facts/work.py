"""Facts about working the problem: notes, observations, theories, experiments, links."""

from __future__ import annotations

from datetime import datetime

from domain.aggregate import Fact
from domain.incident import Experiment, Incident, Link, Theory, TheoryState


class Noted(Fact):
    """Somebody wrote something down."""

    text: str
    source: str | None = None
    """Who wrote it, and where, if it was not here."""

    def sentence(self) -> str:
        return f"{self.source}: {self.text}" if self.source else self.text


class Observed(Fact):
    """Somebody saw something."""

    text: str

    def sentence(self) -> str:
        return f"Observed: {self.text}"


class TheoryAdded(Fact):
    """An idea of what broke."""

    theory: str
    text: str

    def sentence(self) -> str:
        return f"Theory {self.theory}: {self.text}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.theories.append(Theory(id=self.theory, text=self.text))


class TheoryResolved(Fact):
    """A theory was supported or refuted."""

    theory: str
    verdict: TheoryState
    reason: str | None = None

    def sentence(self) -> str:
        return f"Theory {self.theory} {self.verdict}" + (f": {self.reason}" if self.reason else "")

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        for theory in incident.theories:
            if theory.id == self.theory:
                theory.state, theory.reason = self.verdict, self.reason


class ExperimentAdded(Fact):
    """Something is tried, to prove or disprove a theory."""

    experiment: str
    theory: str | None = None
    text: str

    def sentence(self) -> str:
        about = f" on {self.theory}" if self.theory else ""
        return f"Experiment {self.experiment}{about}: {self.text}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.experiments.append(
            Experiment(id=self.experiment, theory=self.theory, text=self.text)
        )


class ResultRecorded(Fact):
    """What an experiment showed."""

    experiment: str
    text: str

    def sentence(self) -> str:
        return f"Result of {self.experiment}: {self.text}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        for experiment in incident.experiments:
            if experiment.id == self.experiment:
                experiment.result = self.text


class Linked(Fact):
    """Something related, grouped with the incident."""

    target: str
    kind: str

    def sentence(self) -> str:
        return f"Linked as {self.kind.replace('_', ' ')}: {self.target}"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.links.append(Link(target=self.target, kind=self.kind))
