"""Whose turn it is among the failing contacts of one person: when vendors come back, one page is enough."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from domain.aggregate import Effect


class PageTurns:
    """First attempts go at once, side by side. Repeated ones of one person go one after the other:
    whichever arrives makes the others needless before they begin.

    Nothing of it is state: after a roll-over no attempt is under way.
    """

    def __init__(self) -> None:
        self._under_way: dict[str, str] = {}
        """Key of the page to whose it is."""

    async def take(self, effect: Effect, is_wanted: Callable[[], bool]) -> bool:
        """Wait for the turn; False where meanwhile the page is not wanted any more."""
        whose = _whose(effect)
        # Two that wait wake together: the second looks again.
        while is_wanted() and effect.attempt > 0 and whose in self._under_way.values():
            await workflow.wait_condition(
                lambda: not is_wanted() or whose not in self._under_way.values()
            )
        if not is_wanted():
            return False
        self._under_way[effect.key] = whose
        return True

    def give_back(self, effect: Effect) -> None:
        """The attempt has ended."""
        self._under_way.pop(effect.key, None)


def _whose(effect: Effect) -> str:
    return f"{effect.input['run']}/{effect.input['person']}"
