"""Sessions of people who have signed in, and attempts to sign in, in cookies that are sealed.

Neither the records nor Temporal nor the provider is asked: once signed in, only the data folder counts.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.access.people import roles_of_person
from domain.access.tokens import Principal
from domain.policy.model import Policy
from starter.access.ended import Ended
from starter.access.seals import BrokenSealError, Seals
from starter.security import same

ABSOLUTE = timedelta(hours=8)
"""A session ends then, whatever its person does: a shift. Source: ADR 0024."""
IDLE = timedelta(hours=1)
"""It ends after so long without a request."""
RENEW_AFTER = timedelta(minutes=5)
"""How finely it is known when it was used last: so often its cookie is handed out anew."""
ATTEMPT_LIFE = timedelta(minutes=10)
"""How long people have at the provider: a password, a second factor."""
SKEW = 60
"""Seconds by which the clocks of two processes may differ."""
MAX_GROUP_CHARS = 1500
"""Of all groups together that a session remembers: a cookie is small."""


class SessionEndedError(Exception):
    """A session that holds no more, or never did; the text is for its holder."""


class Session(BaseModel):
    """Who has signed in, as the cookie holds it. Roles are not in it: they are the policy's, at any time."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(max_length=40)
    person: str
    issuer: str
    client_id: str
    groups: list[str] = []
    began: int
    seen: int
    """Seconds since 1970."""


class Attempt(BaseModel):
    """Somebody who was sent to the provider and has not come back yet."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    state: str = Field(max_length=60)
    next: str = Field(max_length=600)
    began: int


class Sessions:
    """Begins, reads and ends them.

    Args:
        data_dir: the data folder.
        clock: seconds since 1970.
    """

    def __init__(self, data_dir: Path, clock: Callable[[], float] = time.time) -> None:
        self._seals, self._clock = Seals(data_dir), clock
        self._ended = Ended(data_dir, clock)

    # Every method raises SealsUnreadableError where the data folder does not say.

    def begin(
        self, person: str, issuer: str, client_id: str, groups: Iterable[str] = ()
    ) -> Session:
        """A new one, under an id that nobody has held before."""
        now, kept, size = int(self._clock()), [], 0
        for group in groups:
            size += len(group.encode()) + 3
            if size > MAX_GROUP_CHARS:
                break
            kept.append(group)
        return Session(
            id=secrets.token_urlsafe(16),
            person=person,
            issuer=issuer,
            client_id=client_id,
            groups=kept,
            began=now,
            seen=now,
        )

    def sealed(self, session: Session) -> str:
        """What stands in the cookie."""
        return self._seals.seal("session", session.model_dump_json().encode())

    def read(self, text: str) -> Session:
        """The session of a cookie.

        Raises:
            SessionEndedError: it holds no more, or is none of ours.
        """
        try:
            session = Session.model_validate_json(self._seals.open("session", text))
        except (BrokenSealError, ValidationError, ValueError):
            raise SessionEndedError("this session is not known here") from None
        now = self._clock()
        if session.seen > now + SKEW or now >= session.began + ABSOLUTE.total_seconds():
            raise SessionEndedError("this session is over: one lasts 8 hours")
        if now >= session.seen + IDLE.total_seconds():
            raise SessionEndedError("this session is over: nothing was done in it for an hour")
        if self._ended.has(session.id):
            raise SessionEndedError("this session was signed out of")
        return session

    def renewed(self, session: Session) -> Session | None:
        """The session as used now; None where its cookie is fresh enough."""
        now = int(self._clock())
        if now - session.seen < RENEW_AFTER.total_seconds():
            return None
        return session.model_copy(update={"seen": now})

    def end(self, session: Session) -> None:
        """End it, in every process and for good."""
        self._ended.add(session.id, session.began + int(ABSOLUTE.total_seconds()) + SKEW)

    def csrf_token(self, session: Session) -> str:
        """What a page of ours knows, and a page of others does not."""
        return self._seals.mark("csrf", session.id.encode())

    def is_csrf_token(self, session: Session, given: str) -> bool:
        return same(given, self.csrf_token(session))

    def attempt(self, then: str) -> Attempt:
        """Somebody goes to the provider.

        Args:
            then: path of ours to which they go afterwards.
        """
        return Attempt(state=secrets.token_urlsafe(24), next=then, began=int(self._clock()))

    def sealed_attempt(self, attempt: Attempt) -> str:
        return self._seals.seal("attempt", attempt.model_dump_json().encode())

    def read_attempt(self, text: str, state: str) -> Attempt:
        """Whoever comes back has to be who was sent, with the state that they were sent with.

        Raises:
            SessionEndedError: they are not, or it took too long.
        """
        try:
            attempt = Attempt.model_validate_json(self._seals.open("attempt", text))
        except (BrokenSealError, ValidationError, ValueError):
            raise SessionEndedError("this browser has not begun to sign in here") from None
        if not same(state, attempt.state):
            raise SessionEndedError("this is the answer to another attempt to sign in")
        now = self._clock()
        if not attempt.began - SKEW <= now < attempt.began + ATTEMPT_LIFE.total_seconds():
            raise SessionEndedError("signing in took more than ten minutes")
        if self._ended.has(attempt.state):
            raise SessionEndedError("this attempt to sign in was used already")
        return attempt

    def use(self, attempt: Attempt) -> None:
        """It has served, and serves nobody again. Raises SessionEndedError where it had before."""
        until = attempt.began + int(ATTEMPT_LIFE.total_seconds()) + SKEW
        if not self._ended.add(attempt.state, until):
            raise SessionEndedError("this attempt to sign in was used already")

    def nonce(self, attempt: Attempt) -> str:
        """Binds the ID token to the attempt. It is not in the cookie: nobody has to be shown it."""
        return self._seals.mark("nonce", attempt.state.encode())

    def verifier(self, attempt: Attempt) -> str:
        """PKCE's secret of the attempt, 43 characters. Source: RFC 7636, section 4.1."""
        return self._seals.mark("pkce", attempt.state.encode())


def principal_of_session(session: Session, policy: Policy) -> Principal:
    """Who comes in with a session, with the roles that the policy gives them now.

    Raises:
        SessionEndedError: the policy does not know them any more, or they signed in elsewhere.
    """
    oidc = policy.access.oidc
    if oidc is None or (oidc.issuer, oidc.client_id) != (session.issuer, session.client_id):
        raise SessionEndedError("this session is over: people sign in at another place now")
    if session.person not in policy.people:
        raise SessionEndedError(f"this session is over: {session.person} is not in the policy")
    return Principal(
        by=f"oidc, session {session.id[:8]}",
        roles=roles_of_person(policy, session.person, session.groups),
        owner=session.person,
        called="this session",
    )
