"""The roster as the gateway sees it: the domain's own judgement and the real copy, without a workflow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from domain.errors import IncidentError
from domain.roster import RosterState
from domain.roster_changes import parse_change
from domain.roster_judging import judge
from records.policy_store import PolicyStore
from tests.starter.fakes import refused

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class FakeRoster:
    """What `TemporalLink` says for the workflow `Roster`."""

    def __init__(self, policies: PolicyStore) -> None:
        self._policies, self._state = policies, RosterState()
        self.signals: list[tuple[str, dict[str, Any]]] = []
        self.copies = True

    async def update(self, name: str, body: dict[str, Any], key: str) -> dict[str, Any]:
        """One change, as the workflow takes it."""
        if key in self._state.results:
            return self._state.results[key]
        try:
            change, actor, _ = parse_change(name, body)
            held = self._state
            judged = judge(change, actor, self._policies.base(), held.entries, NOW, held.contacts)
        except IncidentError as error:
            raise refused(error) from error
        removed = [one for one in self._state.entries if one.id in judged.remove]
        self._state.remove(judged.remove)
        added = self._state.add(judged.add)
        if judged.switch is not None:
            self._state.switch(judged.switch)
        self._state.version += 1
        if self.copies:
            self._policies.files.write_roster(self._state.copy_of())
        self._state.remember(
            key,
            {
                "version": self._state.version,
                "added": [one.model_dump(mode="json", by_alias=True) for one in added],
                "removed": [one.model_dump(mode="json", by_alias=True) for one in removed],
                "contact": judged.switch.model_dump(mode="json") if judged.switch else None,
                "warnings": judged.warnings,
                "actor": actor,
                "copied": self.copies,
            },
        )
        return self._state.results[key]
