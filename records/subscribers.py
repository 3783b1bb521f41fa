"""The status page's subscribers, and the ledger of who was told what.

The ledger is what keeps an update from reaching anybody twice: an entry is noted as `sending` before it
leaves, one that was left so by a crash is uncertain, and two attempts at once never take the same one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from domain.subscribers import (
    LEDGER_LIFE,
    MOST,
    MOST_FAILURES,
    MOST_PENDING,
    PENDING_LIFE,
    Subscriber,
    SubscriberKind,
    SubscriberState,
    Told,
)
from records.database import RecordsUnavailableError, database_errors, writing
from records.tables import subscriber_messages as ledger
from records.tables import subscribers as table

LEFT_AFTER = timedelta(seconds=90)
"""An attempt has 60 s: what was begun earlier than this was left by a worker that died."""
_ACTIVE = SubscriberState.ACTIVE.value
_UNSETTLED = (Told.SENDING.value, Told.UNCERTAIN.value)
"""What an attempt may still say something about; a late answer counts too."""


class TooManySubscribersError(Exception):
    """No room for another one."""


class Outcome(NamedTuple):
    """What became of one update for one subscriber."""

    state: Told
    reason: str = ""


class Begun(NamedTuple):
    """One attempt at telling an update."""

    everybody: int
    """How many hear it, told or not."""
    turn: int
    """Number of the attempt, from 1. Counted and not timed: a clock may run back."""


class Tally(NamedTuple):
    """What became of one update so far."""

    counts: Mapping[str, int]
    """Subscribers by `Told`."""
    reasons: Mapping[str, int]
    """Of those that failed."""


class SubscriberBook:
    """Keeps subscribers. Blocking: call it from a thread.

    Every method raises `RecordsUnavailableError` when the database does not answer.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    # Who they are.

    def ask(
        self,
        id_: str,
        kind: SubscriberKind,
        address: str,
        components: Sequence[str] | None,
        at: datetime,
    ) -> Subscriber:
        """Note that somebody wants to subscribe; answers the entry of that address.

        One that has not confirmed yet gets what was chosen last; others stay as they are.

        Args:
            id_: of the new entry, where there is none.

        Raises:
            TooManySubscribersError: it is full.
        """
        try:
            return self._ask(id_, kind, address, components, at)
        except RecordsUnavailableError as error:
            if not isinstance(error.__cause__, IntegrityError):
                raise
            return self._ask(id_, kind, address, components, at)  # two asked for it at once

    def _ask(
        self,
        id_: str,
        kind: SubscriberKind,
        address: str,
        components: Sequence[str] | None,
        at: datetime,
    ) -> Subscriber:
        chosen = list(components) if components is not None else None
        with self._writing() as connection:
            self._forget_pending(connection, at)
            # Asked before the address is looked for: full is full for known and unknown ones alike.
            counts = _by_state(connection)
            if sum(counts.values()) >= MOST:
                raise TooManySubscribersError(f"{MOST} have subscribed already")
            if counts[SubscriberState.PENDING.value] >= MOST_PENDING:
                raise TooManySubscribersError(f"{MOST_PENDING} have not confirmed yet")
            same = (table.c.kind == kind.value) & (table.c.address == address)
            row = connection.execute(select(table).where(same)).mappings().one_or_none()
            if row is not None and row["state"] != SubscriberState.PENDING.value:
                return Subscriber.model_validate(dict(row))
            if row is not None:
                connection.execute(update(table).where(same).values(components=chosen))
                return Subscriber.model_validate({**row, "components": chosen})
            new = Subscriber(id=id_, kind=kind, address=address, components=chosen, created_at=at)
            connection.execute(insert(table).values(**new.model_dump()))
            return new

    def find(self, id_: str) -> Subscriber | None:
        """The subscriber of that id."""
        with self._reading() as connection:
            row = connection.execute(select(table).where(table.c.id == id_)).mappings().first()
        return Subscriber.model_validate(dict(row)) if row else None

    def note_invite(self, id_: str) -> None:
        """Count a message that asked to confirm, or may have."""
        with self._writing() as connection:
            more = table.c.invites + 1
            connection.execute(update(table).where(table.c.id == id_).values(invites=more))

    def confirm(self, id_: str, at: datetime) -> Subscriber | None:
        """Somebody opened the way that was sent to the address; None where there is none to confirm."""
        known = self.find(id_)
        if known is None or known.state is SubscriberState.GONE or known.is_overdue(at):
            return None
        if known.state is SubscriberState.PENDING:
            values = {"state": _ACTIVE, "confirmed_at": at}
            # Asked once more as it is written: it may have bounced, or been withdrawn, since.
            waiting = (table.c.id == id_) & (table.c.state == SubscriberState.PENDING.value)
            with self._writing() as connection:
                connection.execute(update(table).where(waiting).values(values))
            known = self.find(id_)
        return known if known is not None and known.state is SubscriberState.ACTIVE else None

    def choose(self, id_: str, components: Sequence[str] | None) -> None:
        """Change which components they hear of."""
        chosen = list(components) if components is not None else None
        with self._writing() as connection:
            connection.execute(update(table).where(table.c.id == id_).values(components=chosen))

    def forget(self, id_: str) -> bool:
        """Delete one, and what it was not yet told; whether there was one."""
        with self._writing() as connection:
            gone = connection.execute(delete(table).where(table.c.id == id_)).rowcount
            waiting = (ledger.c.subscriber_id == id_) & (ledger.c.state == Told.WAITING.value)
            connection.execute(update(ledger).where(waiting).values(state=Told.WITHDRAWN.value))
        return bool(gone)

    def suppress(self, kind: SubscriberKind, address: str, reason: str) -> str | None:
        """Never write to an address again; the id of the subscriber, where it is one's.

        Args:
            reason: `bounced`, `complained` or `dead`.
        """
        found = self.id_of(kind, address)
        if found is not None:
            values = {"state": SubscriberState.GONE.value, "reason": reason}
            with self._writing() as connection:
                connection.execute(update(table).where(table.c.id == found).values(values))
        return found

    def id_of(self, kind: SubscriberKind, address: str) -> str | None:
        """The subscriber of an address, in whatever letters a vendor writes it."""
        same = (table.c.kind == kind.value) & (func.lower(table.c.address) == address.lower())
        with self._reading() as connection:
            found: str | None = connection.scalar(select(table.c.id).where(same))
        return found

    def forget_pending(self, at: datetime) -> int:
        """Delete whoever did not confirm in time; how many."""
        with self._writing() as connection:
            return self._forget_pending(connection, at)

    @staticmethod
    def _forget_pending(connection: Connection, at: datetime) -> int:
        overdue = (table.c.state == SubscriberState.PENDING.value) & (
            table.c.created_at <= at - PENDING_LIFE
        )
        return connection.execute(delete(table).where(overdue)).rowcount

    def all(self, limit: int = 500) -> tuple[list[Subscriber], dict[str, int]]:
        """The subscribers, the newest first, and how many there are by state."""
        query = select(table).order_by(table.c.created_at.desc(), table.c.id).limit(limit)
        with self._reading() as connection:
            rows = connection.execute(query).mappings().all()
            counts = _by_state(connection)
        return [Subscriber.model_validate(dict(row)) for row in rows], dict(counts)

    # Who was told.

    def begin(self, key: str, component: str, at: datetime) -> Begun:
        """Note everybody who is to hear an update, for one more attempt. Who left since is withdrawn.

        Args:
            key: of the update, the same at every attempt.
        """
        wanted = select(table).where(table.c.state == _ACTIVE)
        known = select(ledger.c.subscriber_id, ledger.c.attempts).where(ledger.c.update_key == key)
        left = (
            (ledger.c.update_key == key)
            & (ledger.c.state == Told.WAITING.value)
            & ledger.c.subscriber_id.not_in(select(table.c.id).where(table.c.state == _ACTIVE))
        )
        with self._writing() as connection:
            connection.execute(delete(ledger).where(ledger.c.at < at - LEDGER_LIFE))
            connection.execute(update(ledger).where(left).values(state=Told.WITHDRAWN.value))
            rows = connection.execute(known).all()
            told = {row.subscriber_id for row in rows}
            new = [
                {"update_key": key, "subscriber_id": row["id"], "state": Told.WAITING.value,
                 "reason": "", "attempts": 0, "at": at}
                for row in connection.execute(wanted).mappings()
                if row["id"] not in told and Subscriber.model_validate(dict(row)).hears(component)
            ]  # fmt: skip
            if new:
                connection.execute(insert(ledger), new)
        return Begun(len(told) + len(new), 1 + max((row.attempts for row in rows), default=0))

    def claim(self, key: str, limit: int, turn: int, at: datetime) -> list[Subscriber]:
        """The next to be told, noted as being told: nobody else gets them.

        Args:
            turn: of this attempt. Who failed within it has their next one in another.
        """
        waiting = (
            (ledger.c.update_key == key)
            & (ledger.c.state == Told.WAITING.value)
            & (ledger.c.attempts < turn)
        )
        following = (
            select(table)
            .join(ledger, ledger.c.subscriber_id == table.c.id)
            .where(waiting, table.c.state == _ACTIVE)
            .order_by(ledger.c.attempts, table.c.kind, table.c.id)
            .limit(limit)
            .with_for_update(of=ledger, skip_locked=True)
        )
        claimed = []
        with self._writing() as connection:
            for row in connection.execute(following).mappings().all():
                # The state is asked once more: whatever a database makes of locks, nobody is told twice.
                mine = (
                    update(ledger)
                    .where(waiting, ledger.c.subscriber_id == row["id"])
                    .values(state=Told.SENDING.value, at=at, attempts=turn)
                )
                if connection.execute(mine).rowcount:
                    claimed.append(Subscriber.model_validate(dict(row)))
        return claimed

    def settle(self, key: str, outcomes: Mapping[str, Outcome], at: datetime) -> None:
        """Note what became of those that were claimed, by the subscriber's id."""
        with self._writing() as connection:
            for id_, outcome in outcomes.items():
                one = (ledger.c.update_key == key) & (ledger.c.subscriber_id == id_)
                one &= ledger.c.state.in_(_UNSETTLED)  # what the vendor has said since stands
                values = {"state": outcome.state.value, "reason": outcome.reason, "at": at}
                connection.execute(update(ledger).where(one).values(values))
            self._count_failures(connection, outcomes)

    @staticmethod
    def _count_failures(connection: Connection, outcomes: Mapping[str, Outcome]) -> None:
        """A webhook that misses one update after another is dead; mail says so by itself."""
        good = [id_ for id_, one in outcomes.items() if one.state is Told.SENT]
        bad = [id_ for id_, one in outcomes.items() if one.state is Told.FAILED]
        is_webhook = table.c.kind == SubscriberKind.WEBHOOK.value
        if good:
            had = table.c.id.in_(good) & (table.c.failures > 0)
            connection.execute(update(table).where(had).values(failures=0))
        if bad:
            more = {"failures": table.c.failures + 1}
            connection.execute(update(table).where(table.c.id.in_(bad)).values(more))
            dead = table.c.id.in_(bad) & is_webhook & (table.c.failures >= MOST_FAILURES)
            gone = {"state": SubscriberState.GONE.value, "reason": "dead"}
            connection.execute(update(table).where(dead).values(gone))

    def tally(self, key: str, at: datetime) -> Tally:
        """How an update stands. What a dead worker had begun is uncertain from now on."""
        mine = ledger.c.update_key == key
        left = mine & (ledger.c.state == Told.SENDING.value) & (ledger.c.at < at - LEFT_AFTER)
        query = (
            select(ledger.c.state, ledger.c.reason, func.count())
            .where(mine)
            .group_by(ledger.c.state, ledger.c.reason)
        )
        with self._writing() as connection:
            connection.execute(
                update(ledger).where(left).values(state=Told.UNCERTAIN.value, reason="left")
            )
            rows = connection.execute(query).all()
        counts, reasons = Counter[str](), Counter[str]()
        for state, reason, count in rows:
            counts[state] += count
            if state == Told.FAILED.value:
                reasons[reason] += count
        return Tally(counts, reasons)

    def hear(self, key: str, id_: str, outcome: Outcome, at: datetime) -> None:
        """The vendor says what became of one: news of what was sent, or may have been."""
        known = (Told.SENT.value, Told.UNCERTAIN.value, Told.SENDING.value, Told.DELIVERED.value)
        one = (
            (ledger.c.update_key == key)
            & (ledger.c.subscriber_id == id_)
            & ledger.c.state.in_(known)
        )
        values = {"state": outcome.state.value, "reason": outcome.reason, "at": at}
        with self._writing() as connection:
            connection.execute(update(ledger).where(one).values(values))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with database_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with database_errors(), writing(self._engine) as connection:
            yield connection


def _by_state(connection: Connection) -> Counter[str]:
    rows = connection.execute(select(table.c.state, func.count()).group_by(table.c.state)).all()
    return Counter({state: count for state, count in rows})
