"""The roster: what people change in the schedules at run time, held durably; one workflow for all.

It is the only writer, so that two changes that contradict each other cannot both be taken. After every
change a copy goes into the data folder, from which paging reads: that needs neither this workflow nor
Temporal. Beside that it has the calendar feeds read anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.access.claims import Asked, presented, without_claim
    from domain.errors import IncidentError
    from domain.roster import RosterCopy, RosterState
    from domain.roster_changes import ROSTER_CHANGES, parse_change
    from domain.roster_judging import Judged
    from workflows import activity_options as options
    from workflows import contract
    from workflows.claims import admit
    from workflows.details import roster_card
    from workflows.handlers import accepts, one_object, raw_text, refusal, shown

MAX_REFUSED = 50


@workflow.defn(name=contract.ROSTER)
@accepts(ROSTER_CHANGES)
class Roster:
    """Takes changes one after the other, keeps the copy up, and the feeds fresh."""

    @workflow.init
    def __init__(self, start: contract.RosterInput) -> None:
        self._start = start
        self._state = start.carried
        self._is_new = start.carried is None
        self._copied = -1 if start.carried is None or not start.is_copied else start.carried.version
        """The version that the copy holds."""
        self._feeds = list(start.feeds)
        self._refused = list(start.refused)
        self._turn = asyncio.Lock()
        self._is_refresh_due = True
        self._is_refreshing = False
        self._has_failed = False
        """Whether the feeds could not be looked at at all."""
        self._is_rolling = False

    @workflow.run
    async def run(self, start: contract.RosterInput) -> None:
        if self._state is None:
            self._state = await self._begin()
        keeping = [asyncio.create_task(self._keep_copy()), asyncio.create_task(self._keep_feeds())]
        await workflow.wait_condition(self._should_roll)
        self._is_rolling = True
        await workflow.wait_condition(self._may_roll)
        for task in keeping:
            task.cancel()
        carried = start.model_copy(
            update={
                "carried": self._state,
                "is_copied": self._copied >= self._state.version,
                "feeds": self._feeds,
                "refused": self._refused,
            }
        )
        workflow.continue_as_new(carried)

    async def _begin(self) -> RosterState:
        """From the copy in the data folder: it survives a lost Temporal database."""
        copy: RosterCopy = await workflow.execute_activity(
            "read_roster",
            result_type=RosterCopy,
            summary="What the data folder holds",
            **options.RECORDING,
        )
        self._copied = copy.version
        return RosterState.model_validate(copy.model_dump())

    def _should_roll(self) -> bool:
        info = workflow.info()
        long = info.get_current_history_length() >= self._start.roll_over_at
        return long or info.is_continue_as_new_suggested()

    def _may_roll(self) -> bool:
        # A copy that cannot be written must not keep the history growing: the next run writes it.
        return workflow.all_handlers_finished() and not self._is_refreshing

    @property
    def _held(self) -> RosterState:
        """What is held; handlers wait until it has been read."""
        assert self._state is not None
        return self._state

    # The copy.

    async def _keep_copy(self) -> None:
        while True:
            await workflow.wait_condition(lambda: self._copied < self._held.version)
            try:
                await self._copy()
            except Exception as error:  # noqa: BLE001 - without this loop nothing would reach paging
                self._refuse("copy", f"fault in Tocsin: {type(error).__name__}: {error}")
                await workflow.sleep(options.FAULT_RETRY, summary="Write the copy again")

    async def _copy(self) -> None:
        copy = self._held.copy_of()
        self._show()
        present: int = await workflow.execute_activity(
            "write_roster",
            copy,
            result_type=int,
            summary=f"Copy of version {copy.version} into the data folder",
            **options.RECORDING,
        )
        if present > copy.version:
            # The folder is ahead of us: this history was restored from an older state.
            self._refuse("copy", f"the data folder held version {present}; ours counts on from it")
            self._held.version = max(self._held.version, present) + 1
        else:
            self._copied = copy.version

    def _show(self) -> None:
        workflow.set_current_details(roster_card(self._held, self._feeds, self._refused))

    # The feeds.

    async def _keep_feeds(self) -> None:
        """Without a feed there is nothing to wait for but word of another policy."""
        while True:
            try:
                await workflow.wait_condition(
                    lambda: self._is_refresh_due and not self._is_rolling,
                    timeout=options.FEED_EVERY if self._feeds or self._has_failed else None,
                    timeout_summary="Read the calendar feeds",
                )
            except TimeoutError:
                if self._is_rolling:
                    return
            self._is_refresh_due, self._is_refreshing = False, True
            try:
                self._feeds = await workflow.execute_activity(
                    "refresh_calendars",
                    result_type=list[contract.FeedState],
                    summary="Read the calendar feeds",
                    **options.REFRESH,
                )
                self._has_failed = False
            except Exception as error:  # noqa: BLE001 - the next look comes in a quarter of an hour
                self._has_failed = True
                self._refuse("calendars", f"could not be read: {error.__cause__ or error}")
            finally:
                self._is_refreshing = False
            self._show()

    # Changes.

    async def _change(self, name: str, body: Any, key: str) -> dict[str, Any]:
        """Take one change, once for each key.

        Raises:
            IncidentError: it is of the wrong shape.
            ApplicationError: it was judged and cannot be done.
        """
        _, actor, own_key = parse_change(name, body)
        key = f"{name}/{own_key or key}"
        await workflow.wait_condition(lambda: self._state is not None)
        async with self._turn:
            if key in self._held.results:
                return await self._with_copy(self._held.results[key])
            judged = await self._judge(name, body)
            asked = Asked(subject=contract.ROSTER_ID, verb=name, actor=actor, key=own_key or "")
            now = workflow.now()
            if unsigned := admit(judged.trust, asked, presented(body), body, now):
                workflow.logger.warning("%s is unsigned: %s", name, unsigned)
                judged = judged.unsigned()
            if judged.refusal is not None:
                raise ApplicationError(
                    judged.refusal["detail"],
                    {"problems": judged.refusal["problems"]},
                    type=judged.refusal["type"],
                    non_retryable=True,
                )
            result = self._take(judged, actor)
            self._held.remember(key, result)
        return await self._with_copy(result)

    async def _judge(self, name: str, body: Any) -> Judged:
        fields = without_claim({field: value for field, value in body.items() if field != "key"})
        request = contract.JudgeChange(
            name=name, body=fields, entries=self._held.entries, at=workflow.now(),
            contacts=self._held.contacts,
        )  # fmt: skip
        judged: Judged = await workflow.execute_local_activity(
            "judge_roster",
            request,
            result_type=Judged,
            summary=f"Whether {name.replace('_', ' ')} can be done",
            **options.ANSWERED_LOOK_UP,
        )
        return judged

    def _take(self, judged: Judged, actor: str) -> dict[str, Any]:
        held = self._held
        removed = [one for one in held.entries if one.id in judged.remove]
        held.remove(judged.remove)
        added = held.add(judged.add)
        if judged.switch is not None:
            held.switch(judged.switch)
        held.forget_expired(workflow.now())
        held.version += 1
        return {
            "version": held.version,
            "added": [entry.model_dump(mode="json", by_alias=True) for entry in added],
            "removed": [entry.model_dump(mode="json", by_alias=True) for entry in removed],
            "contact": judged.switch.model_dump(mode="json") if judged.switch else None,
            "warnings": judged.warnings,
            "actor": actor,
        }

    async def _with_copy(self, result: dict[str, Any]) -> dict[str, Any]:
        """The answer, once paging can read it, or after a moment with the word that it cannot yet."""
        try:
            await workflow.wait_condition(
                lambda: self._copied >= result["version"],
                timeout=options.COPY_PATIENCE,
                timeout_summary="Until the copy is in the data folder",
            )
        except TimeoutError:
            return {**result, "copied": False}
        return {**result, "copied": True}

    def _refuse(self, what: str, why: str) -> None:
        workflow.logger.warning("the roster refused %s: %s", what, why)
        self._refused = [*self._refused, f"{what}: {why}"[:500]][-MAX_REFUSED:]

    # Handlers: each change is an update and a signal of its name, see `handlers.py`.

    def check_command(self, name: str, args: Sequence[Any], key: str) -> None:
        try:
            parse_change(name, one_object(name, args))
        except IncidentError as error:
            raise refusal(error) from None

    async def answer_command(self, name: str, args: Sequence[Any], key: str) -> dict[str, Any]:
        try:
            return await self._change(name, one_object(name, args), key)
        except IncidentError as error:
            raise refusal(error) from None
        except ActivityError as error:
            self._refuse(name, f"could not be judged: {error.cause or error}")
            raise ApplicationError(f"it could not be judged: {error.cause or error}") from None

    async def take_signal(self, name: str, args: Sequence[Any]) -> None:
        try:
            await self._change(name, one_object(name, args), str(workflow.uuid4()))
        except (IncidentError, ActivityError, ApplicationError) as error:
            self._refuse(name, f"{error}; sent: {shown(args)}")

    @workflow.signal(name="refresh", description="Another policy: read the calendar feeds now")
    def take_refresh(self, *args) -> None:  # type: ignore[no-untyped-def]
        self._is_refresh_due = True

    @workflow.signal(dynamic=True)
    def take_anything_else(self, name: str, args: Sequence[RawValue]) -> None:
        self._refuse(name, f"there is no signal of this name; sent: {raw_text(args)}")

    @workflow.query(name="status", description="What was changed at run time, and the feeds")
    def query_status(self) -> dict[str, Any]:
        state = self._state or RosterState()
        return {
            "version": state.version,
            "copied_version": self._copied,
            "entries": [entry.model_dump(mode="json", by_alias=True) for entry in state.entries],
            "contacts": [switch.model_dump(mode="json") for switch in state.contacts],
            "feeds": [feed.model_dump(mode="json") for feed in self._feeds],
            "refused": self._refused,
        }
