"""The machinery that an incident and a postmortem share: facts in, effects out, clocks, records, roll-over.

One coroutine conducts: it strikes the clocks that are due, starts the effects that are wanted, and then
waits for the earliest deadline of all, so that there is one timer in the history and its summary tells
the operator what comes next. Another coroutine keeps the records. `run()` of the subclass is left with
the process itself.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.aggregate import Aggregate, Clock, Deadline, Effect, Fact, Result
    from domain.errors import IncidentError
    from domain.facts.lifecycle import CommandRefused, Faulted
    from domain.recording import RecordBatch, Recorded
    from domain.timeline import OPERATOR, SYSTEM, Entry
    from workflows import activity_options as options
    from workflows import sizes
    from workflows.admission import Admission
    from workflows.alarm import Alarm
    from workflows.contract import Carried, snapshot
    from workflows.handlers import one_object, raw_text, refusal, shown

S = TypeVar("S", bound=Aggregate)

URGENT = ("resolve_page", "send_page")


class EntityWorkflow(Admission, Generic[S]):
    """Base of workflows whose state is an `Aggregate`."""

    CLOCKS: ClassVar[Sequence[Clock[Any]]] = ()
    SUBJECT: ClassVar[str] = "incident"

    def begin(self, subject: S, carried: Carried | None, roll_over_at: int) -> None:
        """Called from `__init__`, which runs before any handler."""
        self.subject = subject
        self.timeline: list[Entry] = list(carried.unrecorded) if carried else []
        self.unrecorded: list[Entry] = list(self.timeline)
        self._unrecorded_bytes = sum(map(sizes.size_of, self.unrecorded))
        self.recorded_version = subject.seq if carried and not self.unrecorded else 0
        self.running: dict[str, asyncio.Task[None]] = {}
        self.is_rolling = False
        self._roll_over_at = roll_over_at
        self._faults: dict[str, datetime] = {}
        self._recording: asyncio.Task[None] | None = None
        self._alarm = Alarm()

    # What a subclass says.

    @abstractmethod
    def view(self) -> dict[str, Any]:
        """The state as the outside sees it."""

    @abstractmethod
    def follows(self, fact: Fact, at: datetime, actor: str) -> list[Effect]:
        """The effects of a fact."""

    @abstractmethod
    def performers(self) -> Mapping[str, Callable[[Effect], Awaitable[None]]]:
        """How each kind of effect is carried out."""

    @abstractmethod
    def decide(self, name: str, body: Any, key: str) -> tuple[list[Fact], str, str]:
        """Check a command and decide it: the facts, who asked, and the key. Raises IncidentError."""

    def show(self) -> None:
        """Tell the Temporal UI; called after every change."""

    # Facts.

    def record(self, *facts: Fact, actor: str = SYSTEM, unsigned: str = "") -> None:
        """Fold facts, put them on the timeline and keep what follows from them.

        Args:
            unsigned: why their command counts as unsigned, where it does.
        """
        now = workflow.now()
        for fact in facts:
            entry = self.subject.record(
                fact, now, actor, lambda _, f, at, who: self.follows(f, at, who)
            )
            if entry is not None:
                entry = entry.marked(unsigned)
                self.timeline.append(entry)
                self.unrecorded.append(entry)
                self._unrecorded_bytes += sizes.size_of(entry)
        if facts:
            self.show()

    def fault(self, where: str, error: Exception) -> None:
        """A rule of ours raised: say so on the timeline once, tell the operator, go on."""
        what = f"{where}: {type(error).__name__}: {error}"
        workflow.logger.error("fault in %s", where, exc_info=error)
        is_new = where not in self._faults
        self._faults[where] = workflow.now() + options.FAULT_RETRY
        if is_new:
            self.record(Faulted(what=what[:500]))

    # Commands.

    def check_command(self, name: str, args: Sequence[Any], key: str) -> None:
        """Validator of the updates: refuse before anything is written. A known key passes."""
        try:
            body = one_object(name, args)
            if _key_of(body, key) in self.subject.results:
                return
            sizes.require_room(name, body, self.subject)
            self.precheck(name, body)
            self.admit_at_the_door(name, body)
        except IncidentError as error:
            raise refusal(error) from None

    def precheck(self, name: str, body: Any) -> None:
        """What can be refused without looking outside. Raises IncidentError."""
        self.decide(name, body, "")

    async def answer_command(self, name: str, args: Sequence[Any], key: str) -> dict[str, Any]:
        """Handler of the updates."""
        try:
            await self.apply_command(name, one_object(name, args), key)
        except IncidentError as error:
            raise refusal(error) from None
        except Exception as error:  # noqa: BLE001 - a bug must not park the incident
            self.fault(f"update {name}", error)
            raise ApplicationError(f"{name} failed: {error}"[:500], type="Fault") from None
        return self.view()

    async def take_signal(self, name: str, args: Sequence[Any]) -> None:
        """Handler of the signals: what cannot be done becomes a fact."""
        try:
            await self.apply_command(name, one_object(name, args), "")
        except IncidentError as error:
            actor = args[0].get("actor") if len(args) == 1 and isinstance(args[0], dict) else None
            who = actor[: sizes.MAX_ACTOR_CHARS] if isinstance(actor, str) and actor else OPERATOR
            refused = CommandRefused(command=name, why=str(error)[:2000], sent=shown(args))
            self.record(refused, actor=who)
        except Exception as error:  # noqa: BLE001 - a bug must not end the incident; it becomes a fact
            self.fault(f"signal {name}", error)

    async def apply_command(self, name: str, body: Any, update_id: str) -> None:
        """Decide a command once per key and record its facts. Raises IncidentError."""
        key = _key_of(body, update_id)
        if key in self.subject.results:
            return
        sizes.require_room(name, body, self.subject)
        unsigned = await self.admitted(name, body)
        facts, actor, _ = await self.decide_outside(name, body, key)
        if key in self.subject.results:
            return  # the same command came twice, and both had to look something up
        self.record(*facts, actor=actor, unsigned=unsigned)
        if key:
            names = [fact.name for fact in facts]
            self.subject.remember(key, Result(seq=self.subject.seq, facts=names))

    async def decide_outside(self, name: str, body: Any, key: str) -> tuple[list[Fact], str, str]:
        """As `decide`, for commands that must look something up first."""
        return self.decide(name, body, key)

    def take_unknown_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """A signal of a name that nobody registered: keep it visible."""
        why = "there is no command of this name"
        self.record(CommandRefused(command=name, why=why, sent=raw_text(args)), actor=OPERATOR)

    # Conducting.

    def start(self) -> None:
        """Start the coroutines that run beside the process."""
        self._conductor = asyncio.create_task(self._for_ever("conducting", self._conduct))
        self._recorder = asyncio.create_task(self._for_ever("record", self._keep_records))
        self.show()

    async def _for_ever(self, where: str, turn: Callable[[], Awaitable[None]]) -> None:
        """Take turns; one that raises is a fault, and the next comes a little later.

        A coroutine that ended here would leave an incident without clocks, in silence.
        """
        while True:
            try:
                await turn()
            except Exception as error:  # noqa: BLE001 - as the docstring says
                self.fault(where, error)
                await workflow.sleep(options.FAULT_RETRY, summary=f"After a fault in {where}")

    async def _conduct(self) -> None:
        now = workflow.now()
        if not self.is_rolling:
            self._strike(now)
            self._start_effects(now)
        deadline = None if self.is_rolling else self._next_deadline()
        if deadline is None:
            self._alarm.set(None)
        else:
            self._alarm.set(deadline.at, deadline.summary)
        await workflow.wait_condition(lambda: self._needs_conducting(deadline))

    def _needs_conducting(self, waited_for: Deadline | None) -> bool:
        if self.is_rolling:
            return False
        if self._alarm.has_fired:
            return True
        now = workflow.now()
        if any(self._is_startable(effect, now) for effect in self.subject.effects.values()):
            return True
        return self._next_deadline() != waited_for

    def _is_startable(self, effect: Effect, now: datetime) -> bool:
        if effect.key in self.running:
            return False
        return effect.next_try is None or effect.next_try <= now

    def _sleeping(self, now: datetime) -> set[str]:
        """Clocks that raised and are left alone for a while. An effect is postponed by itself."""
        return {where for where, until in self._faults.items() if until > now}

    def _next_deadline(self) -> Deadline | None:
        found: list[Deadline] = []
        for clock in self.CLOCKS:
            name = type(clock).__name__
            try:
                deadline = clock.deadline(self.subject)
            except Exception as error:  # noqa: BLE001 - one broken clock must not stop the others
                self.fault(name, error)
                continue
            if deadline is not None:
                wake = self._faults.get(name)
                found.append(
                    deadline
                    if wake is None
                    else deadline.model_copy(update={"at": max(deadline.at, wake)})
                )
        for effect in self.subject.effects.values():
            if effect.next_try is not None and effect.key not in self.running:
                found.append(Deadline(at=effect.next_try, summary=f"Try again: {effect.key}"[:200]))
        return min(found, key=lambda d: d.at, default=None)

    def _strike(self, now: datetime) -> None:
        sleeping = self._sleeping(now)
        for clock in self.CLOCKS:
            name = type(clock).__name__
            if name in sleeping:
                continue
            try:
                deadline = clock.deadline(self.subject)
                if deadline is not None and deadline.at <= now:
                    self.record(*clock.strike(self.subject, now))
                    self._faults.pop(name, None)
            except Exception as error:  # noqa: BLE001 - as above
                self.fault(name, error)

    def _start_effects(self, now: datetime) -> None:
        wanted = [e for e in self.subject.effects.values() if self._is_startable(e, now)]
        for effect in sorted(wanted, key=lambda e: e.kind not in URGENT):
            self.running[effect.key] = asyncio.create_task(self._perform(effect))

    async def _perform(self, effect: Effect) -> None:
        try:
            await self.performers()[effect.kind](effect)
        except Exception as error:  # noqa: BLE001 - the effect stays wanted and is tried again
            self.fault(effect.kind, error)
            self.subject.postpone(effect.key, workflow.now() + options.FAULT_RETRY)
        finally:
            self.running.pop(effect.key, None)

    # Records.

    async def _keep_records(self) -> None:
        # Pages first: a first attempt ends within seconds, and then its outcome stands in the same write.
        await workflow.wait_condition(
            lambda: bool(self.unrecorded) and not self.is_rolling and not self._is_paging()
        )
        batch = sizes.next_to_record(self.unrecorded)
        # A batch that can never be stored is a bug of ours: it stays, and a release mends it.
        recorded: Recorded = await workflow.execute_activity(
            "record",
            self._batch(batch),
            result_type=Recorded,
            summary=f"Write {len(batch)} facts to the records",
            **options.RECORDING,
        )
        # A write is all or nothing: what it held is stored, whatever gap stands below.
        done = batch[-1].seq
        self.unrecorded = [entry for entry in self.unrecorded if entry.seq > done]
        self._unrecorded_bytes = sum(map(sizes.size_of, self.unrecorded))
        self.recorded(recorded)

    def recorded(self, answer: Recorded) -> None:
        """What the records say beside having stored the facts."""

    def _is_paging(self) -> bool:
        """Whether a first attempt at a page is wanted or under way."""
        now = workflow.now()
        effects = self.subject.effects.values()
        # One that has a time is waiting: for a retry, or with the entity of its person.
        if any(e.kind in URGENT and e.attempt == 0 and e.next_try is None for e in effects):
            return True
        # The first facts of all come before their effects: the clock has not struck yet.
        deadline = self._next_deadline()
        return deadline is not None and deadline.at <= now

    def _batch(self, entries: list[Entry]) -> RecordBatch:
        results = {
            key: {"seq": result.seq, "facts": result.facts}
            for key, result in self.subject.results.items()
            if result.seq >= entries[0].seq
        }
        return RecordBatch(
            subject="postmortem" if self.SUBJECT == "postmortem" else "incident",
            id=self.records_id(),
            version=self.subject.seq,
            view=self.view(),
            entries=entries,
            results=results,
        )

    def records_id(self) -> str:
        return self.subject.id

    # Waiting, rolling over and ending.

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to have happened; continue as new on the way when history has grown long."""
        await workflow.wait_condition(lambda: condition() or self._should_roll())
        if not condition():
            await self._roll_over()

    def _should_roll(self) -> bool:
        if self._unrecorded_bytes > sizes.CARRIED_BYTES:
            return False
        info = workflow.info()
        return (
            info.is_continue_as_new_suggested()
            or info.get_current_history_length() >= self._roll_over_at
        )

    async def _roll_over(self) -> None:
        """Continue as new: start nothing, let what runs end, let handlers answer, carry the rest."""
        self.is_rolling = True
        try:
            await workflow.wait_condition(
                lambda: not self.running, timeout=options.DRAIN, timeout_summary="Let attempts end"
            )
        except TimeoutError:
            workflow.logger.warning("rolling over with %d attempts in flight", len(self.running))
        await workflow.wait_condition(workflow.all_handlers_finished)
        carried = Carried(state=snapshot(self.subject), unrecorded=self.unrecorded)
        workflow.continue_as_new(self.next_input(carried))

    @abstractmethod
    def next_input(self, carried: Carried) -> Any:
        """Input of the next run."""

    async def finish(self) -> None:
        """Before completing: every effect settled, every fact recorded, every handler answered."""
        await self.until(
            lambda: (
                not self.subject.effects
                and not self.running
                and not self.unrecorded
                and workflow.all_handlers_finished()
            )
        )


def _key_of(body: Any, update_id: str) -> str:
    """The caller's key: in the body, else the id of the update, else none."""
    key = body.get("key") if isinstance(body, dict) else None
    return key if isinstance(key, str) and key else update_id
