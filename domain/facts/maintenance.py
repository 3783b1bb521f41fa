"""Facts about maintenance: a page that waits for its end, and what the desk tells of windows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from domain.aggregate import Fact
from domain.escalation import PageRun
from domain.incident import Incident, Status
from domain.maintenance import Window, covering, wire


class InMaintenance(Fact):
    """The service is in maintenance: the page waits for its end, or goes out because a person asked."""

    window: str
    """Id of the window, or its name in the policy."""
    reason: str
    until: datetime
    run: str | None = None
    """The page run that waits; None where nothing waits."""

    def sentence(self) -> str:
        where = f"In maintenance until {wire(self.until)} ({self.reason})"
        if self.run is None:
            return f"{where}; paged all the same: a person asked for it"
        return f"{where}: nobody is paged before that"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run = incident.run(self.run) if self.run is not None else None
        if run is not None and run.is_active:
            run.held_by, run.due_at = self.window, self.until


class MaintenanceEnded(Fact):
    """No window holds the page any longer: it goes out now."""

    window: str
    run: str
    early: bool = False
    """Whether the window was taken away before its end."""

    def sentence(self) -> str:
        how = "Maintenance was ended early" if self.early else "Maintenance is over"
        return f"{how}: the page goes out"

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        run = incident.run(self.run)
        if run is not None:
            run.held_by = ""


class WindowsTold(Fact):
    """Bookkeeping: the desk says which maintenance windows there are now."""

    silent: ClassVar[bool] = True

    windows: list[Window]

    def sentence(self) -> str:
        return ""

    def apply(self, incident: Incident, at: datetime, actor: str) -> None:
        incident.windows = self.windows
        for run in incident.active_pages():
            if not run.held_by or run.due_at is None:
                continue
            now = covering(incident.windows, at)
            if now is None or (now.id, now.end) != (run.held_by, run.due_at):
                run.due_at = at  # the clock looks at it again: held by another, or going out


def windows_from(body: Any, known: list[Window]) -> list[Window]:
    """The windows in the desk's word; without those of the policy, the known ones stay.

    Raises:
        TypeError, ValueError: it is no such word.
    """
    if not isinstance(body, dict):
        raise TypeError("expected one JSON object")
    made = [Window.model_validate(one) for one in body.get("made") or []]
    listed = body.get("policy")
    if listed is None:
        return [*(w for w in known if w.source == "policy"), *made]
    return [*(Window.model_validate(one) for one in listed), *made]


def word_of_maintenance(incident: Incident, run: PageRun, now: datetime) -> Fact | None:
    """What maintenance means to a page run that is due: held, let go, or nothing at all.

    What was due before a window began is owed however late it is; a run that has paged somebody climbs on.
    """
    if run.due_at is None or not run.waits_for_maintenance or run.paged:
        return None
    window = covering(incident.windows, run.due_at)
    if window is not None and window.end > now:
        return InMaintenance(window=window.id, reason=window.reason, until=window.end, run=run.id)
    if not run.held_by:
        return None
    is_early = run.held_by not in {known.id for known in incident.windows}
    return MaintenanceEnded(window=run.held_by, run=run.id, early=is_early)


def quieted_by(incident: Incident, at: datetime) -> Window | None:
    """The window that keeps an incident quiet: a machine raised it, and it is in nobody's hands yet."""
    is_untouched = incident.status is Status.RAISED and incident.raised_by_alert is not None
    if not is_untouched or any(run.paged for run in incident.pages):
        return None
    return covering(incident.windows, at)
