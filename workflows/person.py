"""The later pages of one person: bundled, throttled, withdrawn. The rules are in `domain/person_pages.py`.

One entity per person who was paged more than once. The first page of an incident to a person never
passes through it, and an incident that hears nothing from here pages by itself. It ends when nothing
has happened for a day; the next page starts it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import datetime
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from pydantic import ValidationError

    from domain.bundling import HandedPage
    from domain.errors import CommandError, DeliveryReason
    from domain.messages import Announced, Delivery, DeliveryState
    from domain.person_pages import (
        REFUSALS_KEPT,
        BundleSent,
        PersonState,
        RankNotice,
        SendBundle,
    )
    from workflows import activity_options as options
    from workflows import contract
    from workflows.alarm import Alarm
    from workflows.handlers import one_object, raw_text, shown

TOLD_AT_ONCE = 100
"""Outcomes that one activity tells."""


@workflow.defn(name=contract.PERSON)
class PersonPages:
    """Holds what waits for one person, and sends it as few messages."""

    @workflow.init
    def __init__(self, start: contract.PersonInput) -> None:
        self._start = start
        self._state = start.carried or PersonState(person=start.person)
        self._refused = list(start.refused)
        self._running: set[asyncio.Task[None]] = set()
        self._is_telling = False
        self._alarm = Alarm()
        self._changes = 0
        """Counts what could change the plan, so that the conductor looks again."""

    @workflow.run
    async def run(self, start: contract.PersonInput) -> None:
        for page in self._state.waiting.values():
            page.bundle = None  # cut by a roll-over: it goes again under its key
        while not self._is_over():
            if self._should_roll():
                await self._roll_over(start)
            seen = self._changes
            try:
                await self._turn(seen)
            except Exception as error:  # noqa: BLE001 - a bug here must not hold pages for ever
                workflow.logger.exception("the pages of %s could not be planned", start.person)
                self._refuse("planning", f"fault in Tocsin: {type(error).__name__}: {error}")
                await workflow.sleep(options.FAULT_RETRY, summary="After a fault")
        await workflow.wait_condition(workflow.all_handlers_finished)

    async def _turn(self, seen: int) -> None:
        """Send what is due, tell the incidents, and wait for the next thing to happen."""
        now = workflow.now()
        plan = self._state.plan(now)
        for bundle in plan.send:
            self._begin(self._send(self._state.begin(bundle, now), bundle.pages[0].severity, now))
        notice = self._state.take_notice(now)
        if notice is not None:
            self._begin(self._notify(notice))
        if self._state.words and not self._is_telling:
            self._is_telling = True
            self._begin(self._tell())
        self._show(len(plan.holds))
        look_at = plan.look_at
        if look_at is None and self._is_idle():
            look_at = (self._state.last_at or now) + options.PERSON_IDLE
        self._alarm.set(look_at, "Nothing came: end" if plan.look_at is None else "Send what waits")
        await workflow.wait_condition(
            lambda: self._changes != seen or self._should_roll() or self._alarm.has_fired
        )

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _is_idle(self) -> bool:
        return self._state.is_idle and not self._running

    def _is_over(self) -> bool:
        """Asked after every wait: a page that came with the last second keeps it alive."""
        last = self._state.last_at
        if last is None or not self._is_idle():
            return False
        return workflow.now() - last >= options.PERSON_IDLE

    def _should_roll(self) -> bool:
        info = workflow.info()
        long = info.get_current_history_length() >= self._start.roll_over_at
        return long or info.is_continue_as_new_suggested()

    async def _roll_over(self, start: contract.PersonInput) -> None:
        """Start nothing, let attempts end, carry the rest."""
        try:
            await workflow.wait_condition(
                lambda: not self._running, timeout=options.DRAIN, timeout_summary="Let attempts end"
            )
        except TimeoutError:
            workflow.logger.warning("rolling over with %d attempts in flight", len(self._running))
        await workflow.wait_condition(workflow.all_handlers_finished)
        workflow.continue_as_new(
            start.model_copy(update={"carried": self._state, "refused": self._refused})
        )

    def _show(self, waiting: int) -> None:
        held = [f"- `{page.page.key}`" for page in self._state.waiting.values()][:20]
        bad = [f"- refused: {text}" for text in self._refused[-5:]]
        head = f"## Pages of {self._state.person}: {waiting} wait, {len(self._running)} under way"
        workflow.set_current_details("\n".join([head, *held, *bad]))

    # Doing.

    async def _send(self, request: SendBundle, severity: str, began: datetime) -> None:
        try:
            result: BundleSent = await workflow.execute_activity(
                "send_bundle",
                request,
                result_type=BundleSent,
                summary=_summary(request),
                priority=contract.priority_of(severity),
                **options.PAGE_ATTEMPT,
            )
        except ActivityError as error:
            result = _unanswered(request, f"{error.cause or error}"[:300])
        except Exception:
            self._state.stop(request)
            raise
        finally:
            self._changes += 1
        self._state.end(request, result, began, workflow.now())

    async def _notify(self, notice: RankNotice) -> None:
        try:
            result: Announced = await workflow.execute_activity(
                "send_rank_notice",
                contract.SendRankNotice(person=self._state.person, notice=notice),
                result_type=Announced,
                summary=f"{notice.first} goes first now",
                **options.MESSAGE_ATTEMPT,
            )
        except ActivityError as error:
            lost = Delivery(
                key=notice.key,
                recipient=f"person:{self._state.person}",
                channel="unknown",
                state=DeliveryState.UNCERTAIN,
                reason=DeliveryReason.TIMED_OUT,
                detail=f"{error.cause or error}"[:300],
            )
            result = Announced(deliveries=[lost])
        self._state.notice_ended(notice, result.deliveries, workflow.now())
        self._changes += 1

    async def _tell(self) -> None:
        """Tell incidents what became of their pages; what is not told yet stays in the state."""
        try:
            while self._state.words:
                batch = self._state.words[:TOLD_AT_ONCE]
                outcomes: dict[str, list[Any]] = {}
                for word in batch:
                    outcomes.setdefault(word.incident, []).append(word.outcome)
                await workflow.execute_activity(
                    "tell_outcomes",
                    contract.TellOutcomes(outcomes=outcomes),
                    summary=f"Tell {', '.join(outcomes)} of pages to {self._state.person}"[:200],
                    **options.TELLING,
                )
                self._state.words = self._state.words[len(batch) :]
        finally:
            self._is_telling = False
            self._changes += 1

    def _refuse(self, what: str, why: str) -> None:
        workflow.logger.warning("%s refused %s: %s", self._state.person, what, why)
        self._refused = [*self._refused, f"{what}: {why}"[:500]][-REFUSALS_KEPT:]

    # Handlers. They take anything: what cannot be understood is kept where the operator sees it, and
    # the incident that sent it pages by itself.

    @workflow.signal(name="page", description="A later page of an incident to this person")
    def take_page(self, *args) -> None:  # type: ignore[no-untyped-def]
        self._changes += 1
        try:
            handed = HandedPage.model_validate(one_object("page", args))
        except (ValidationError, CommandError) as error:
            self._refuse("page", f"{error}; sent: {shown(args)}")
            return
        if handed.page.person != self._state.person:
            self._refuse("page", f"{handed.page.key} is for {handed.page.person}")
            return
        self._state.take(handed, workflow.now())

    @workflow.signal(name="withdraw", description="Pages that are not wanted any more")
    def take_withdrawal(self, *args) -> None:  # type: ignore[no-untyped-def]
        self._changes += 1
        try:
            word = contract.Withdrawal.model_validate(one_object("withdraw", args))
        except (ValidationError, CommandError) as error:
            self._refuse("withdraw", f"{error}; sent: {shown(args)}")
            return
        self._state.withdraw(word.incident, word.keys, workflow.now(), word.at)

    @workflow.signal(name="rank", description="Another incident goes first for this person")
    def take_rank(self, *args) -> None:  # type: ignore[no-untyped-def]
        self._changes += 1
        try:
            notice = RankNotice.model_validate(one_object("rank", args))
        except (ValidationError, CommandError) as error:
            self._refuse("rank", f"{error}; sent: {shown(args)}")
            return
        self._state.offer(notice.model_copy(update={"at": workflow.now()}))

    @workflow.signal(dynamic=True)
    def take_anything_else(self, name: str, args: Sequence[RawValue]) -> None:
        self._changes += 1
        self._refuse(name, f"there is no signal of this name; sent: {raw_text(args)}")

    @workflow.query(name="status", description="What waits for this person, and what left lately")
    def query_status(self) -> dict[str, Any]:
        state = self._state
        return {
            "person": state.person,
            "waiting": [
                {
                    "key": page.page.key,
                    "incident": page.id,
                    "contact": page.lane,
                    "until": page.promised.isoformat() if page.promised else None,
                    "attempts": page.attempts,
                    "bundle": page.bundle,
                }
                for page in state.waiting.values()
            ],
            "sent": {lane: [at.isoformat() for at in sent] for lane, sent in state.sent.items()},
            "notice": state.notice.model_dump(mode="json") if state.notice else None,
            "refused": self._refused,
        }


def _summary(request: SendBundle) -> str:
    ids = ", ".join(dict.fromkeys(page.page.incident_id for page in request.pages))
    return f"Page {request.person} by {request.channel}, attempt {request.attempt}: {ids}"[:200]


def _unanswered(request: SendBundle, why: str) -> BundleSent:
    """An attempt that ended without an answer: it may have gone out, and goes again."""
    return BundleSent(
        deliveries=[
            Delivery(
                key=handed.page.key,
                recipient=f"person:{request.person}",
                channel=request.channel,
                state=DeliveryState.UNCERTAIN,
                reason=DeliveryReason.TIMED_OUT,
                detail=why,
                retryable=True,
            )
            for handed in request.pages
        ]
    )
