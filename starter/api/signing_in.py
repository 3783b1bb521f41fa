"""Pages by which people sign in, see who they are, and sign out. No script; a form needs the session's token.

How the provider is asked is `starter/access/oidc.py`; what a session is, `starter/access/sessions.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import structlog
from fastapi import APIRouter, Depends, Query
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from domain.access.people import NobodyError, groups_of, person_of
from domain.access.roles import AccessRole, may
from domain.policy.access import SignIn
from starter.access.oidc import Answer, ProviderAwayError, SignInRefusedError
from starter.access.seals import SealsUnreadableError
from starter.access.sessions import ABSOLUTE, Session, SessionEndedError, principal_of_session
from starter.answering.twilio import read_form
from starter.api.bodies import NoQuery, TooLargeError, no_query, read_body
from starter.api.looks import looks
from starter.api.oncall import wire
from starter.api.problems import ProblemError
from starter.api.services import Services, services_of
from starter.api.session_cookies import (
    TOKEN_FIELD,
    TOKEN_HEADER,
    attempt_cookie,
    cookie_name,
    require_own_page,
    session_cookie,
    session_of,
    set_cookie,
)

router = APIRouter(include_in_schema=False)
FORM_BYTES = 4096
MAX_NEXT_CHARS = 500
AFTERWARDS = "/me"
STYLE, HEADERS = looks("sign_in.css", has_form=True)
ROLES: Mapping[AccessRole, str] = {
    AccessRole.INGEST: "sends alerts and heartbeats",
    AccessRole.VIEWER: "reads incidents, postmortems and who is on call",
    AccessRole.RESPONDER: "takes incidents, writes down what is found, calls others in",
    AccessRole.MANAGER: "leads: severity, roles, resolving",
    AccessRole.COMMS: "speaks to the outside",
    AccessRole.ADMIN: "keeps policy and tokens",
}
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")
"""A path of ours in plain characters. Browsers read `//host` and `/\\host` as another site."""
log = structlog.get_logger(__name__)


class LoginQuery(NoQuery):
    next: str = ""


class CallbackQuery(BaseModel):
    """What a provider adds; some add more, which is passed over."""

    model_config = ConfigDict(extra="ignore")

    state: str = ""
    code: str = ""
    iss: str = ""
    error: str = ""


class _FailedError(Exception):
    """Signing in came to nothing; carries the page that says why."""

    def __init__(self, answer: Response) -> None:
        self.answer = answer


@router.get("/login")
async def login(request: Request, query: Annotated[LoginQuery, Query()]) -> Response:
    """Send somebody to the provider."""
    services = services_of(request)
    try:
        oidc = _configured(request)
        attempt = services.sessions.attempt(own_path(query.next))
        url = await services.provider.authorization_url(
            oidc,
            attempt,
            services.sessions.nonce(attempt),
            services.sessions.verifier(attempt),
            _redirect_uri(services),
        )
        cookie = attempt_cookie(services.settings, services.sessions.sealed_attempt(attempt))
    except _FailedError as failed:
        return failed.answer
    except (ProviderAwayError, SealsUnreadableError) as error:
        return _away(request, error)
    answer = RedirectResponse(url, 303)
    answer.raw_headers.append(cookie)
    return answer


@router.get("/login/callback")
async def callback(request: Request, query: Annotated[CallbackQuery, Query()]) -> Response:
    """Take somebody back from the provider."""
    services = services_of(request)
    settings = services.settings
    try:
        _limit(request)
        session, then = await _signed_in(request, _configured(request), query)
    except _FailedError as failed:
        answer = failed.answer
    except SessionEndedError as error:
        text = f"{_sentence(error)} Begin again from {settings.own_url()}/login"
        answer = _page(request, 400, "This did not work", text, again="/login")
    except SignInRefusedError as error:
        answer = _page(request, 403, "You are not signed in", str(error), again="/login")
    except (ProviderAwayError, SealsUnreadableError) as error:
        answer = _away(request, error)
    else:
        answer = RedirectResponse(then, 303)
        answer.raw_headers.append(session_cookie(services, session))
    # Whatever came of it, the attempt is over.
    answer.raw_headers.append(attempt_cookie(settings, ""))
    return answer


async def _signed_in(request: Request, oidc: SignIn, query: CallbackQuery) -> tuple[Session, str]:
    """The session of whoever came back, and where they go.

    Raises:
        SessionEndedError: they were not sent by us, or were before.
        SignInRefusedError, ProviderAwayError, SealsUnreadableError, _FailedError.
    """
    services, sessions = services_of(request), services_of(request).sessions
    held = request.cookies.get(cookie_name(services.settings, "attempt"), "")
    attempt = sessions.read_attempt(held, query.state)
    claims = await services.provider.identify(
        oidc,
        Answer(query.code, query.iss, query.error),
        sessions.nonce(attempt),
        sessions.verifier(attempt),
        _redirect_uri(services),
    )
    person = _person(request, oidc, claims)
    await asyncio.to_thread(sessions.use, attempt)
    old = _held(request)
    if old is not None:
        await asyncio.to_thread(sessions.end, old)
    session = sessions.begin(person, oidc.issuer, oidc.client_id, groups_of(oidc, claims))
    log.info("sign_in.done", person=person, session=session.id[:8])
    return session, attempt.next


def _person(request: Request, oidc: SignIn, claims: Mapping[str, Any]) -> str:
    """Who it is in the policy. Raises _FailedError."""
    try:
        return person_of(services_of(request).policy(), oidc, claims)
    except NobodyError as error:
        log.warning("sign_in.nobody", claim=oidc.person_claim)
        text = _sentence(error)
        page = _page(request, 403, "You are not known here", text, error.hint, again="/login")
        raise _FailedError(page) from None


@router.post("/logout", dependencies=[Depends(no_query)])
async def logout(request: Request) -> Response:
    """End the session, in every process."""
    services = services_of(request)
    token = await _token_of(request)
    text = "This browser is not signed in here any more."
    try:
        session = session_of(request)
        if session is not None:
            require_own_page(request, session, token)
            await asyncio.to_thread(services.sessions.end, session)
            log.info("sign_in.ended", person=session.person, session=session.id[:8])
            text = "At the identity provider you may still be: sign out there as well on a shared computer."
    except SessionEndedError:
        pass  # it is as they want it
    except ProblemError as error:
        return _page(
            request, error.status, "You are still signed in", f"{error.detail}.", again="/me"
        )
    except SealsUnreadableError as error:
        return _away(request, error)
    answer = _page(request, 200, "You are signed out", text, again="/login", is_good=True)
    answer.raw_headers.append(set_cookie(services.settings, "session", "", ABSOLUTE))
    return answer


@router.get("/me", dependencies=[Depends(no_query)])
async def me(request: Request) -> Response:
    """Who somebody is here."""
    services = services_of(request)
    policy = services.policy()
    try:
        session = session_of(request)
        if session is None:
            return _first(request, "Nobody is signed in in this browser.")
        principal = principal_of_session(session, policy)
        fresh = services.sessions.renewed(session)
    except SessionEndedError as error:
        return _first(request, _sentence(error))
    except SealsUnreadableError as error:
        return _away(request, error)
    began = datetime.fromtimestamp(session.began, UTC)
    answer = _render(
        services,
        "me",
        200,
        heading=f"You are {policy.people[session.person].name or session.person}",
        person=session.person,
        provider=urlsplit(session.issuer).hostname or "",
        began=wire(began),
        ends=wire(began + ABSOLUTE),
        roles={role.value: ROLES[role] for role in AccessRole if role in principal.roles},
        may_read=may(principal.roles, "read_incidents"),
        csrf_token=services.sessions.csrf_token(session),
    )
    # Without a referrer browsers hide, over http, that the form is ours.
    answer.headers["Referrer-Policy"] = "same-origin"
    if fresh is not None:
        answer.raw_headers.append(session_cookie(services, fresh))
    return answer


def _first(request: Request, why: str) -> Response:
    again = f"/login?next={quote(AFTERWARDS, safe='')}"
    return _page(request, 401, "Sign in first", why, again=again)


def own_path(text: str) -> str:
    """Where somebody wants to go after signing in, if it is a page of ours; else the usual one."""
    is_fine = len(text) <= MAX_NEXT_CHARS and _PATH.fullmatch(text) is not None
    return text if is_fine and not re.match(r"/log(in|out)\b", text) else AFTERWARDS


def _held(request: Request) -> Session | None:
    """The session that a browser had before, if it had one."""
    try:
        return session_of(request)
    except SessionEndedError:
        return None


def _configured(request: Request) -> SignIn:
    """Where people sign in. Raises _FailedError."""
    oidc = services_of(request).policy().access.oidc
    if oidc is None:
        text = "The policy names no identity provider (access.oidc), so nobody can sign in here."
        hint = "Programs and the command line use tokens: tocsin token create"
        raise _FailedError(_page(request, 404, "Signing in is not set up", text, hint))
    return oidc


def _redirect_uri(services: Services) -> str:
    return f"{services.settings.own_url()}/login/callback"


async def _token_of(request: Request) -> str:
    """The token that a form or a script of ours sends with it. Raises ProblemError."""
    header = request.headers.get(TOKEN_HEADER)
    if header is not None:
        return header
    try:
        fields = read_form(await read_body(request, FORM_BYTES))
    except TooLargeError:
        raise ProblemError(413, "too_large", f"the form takes at most {FORM_BYTES} bytes") from None
    except ValueError:
        raise ProblemError(422, "invalid", "the body is no form in UTF-8") from None
    return dict(fields).get(TOKEN_FIELD, "")


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _away(request: Request, error: Exception) -> Response:
    """503, which leaves the reason to the log: it names hosts and files."""
    log.warning("sign_in.away", why=str(error))
    text = "Nobody can sign in at the moment. Who is signed in already stays so, and tokens go on working."
    hint = "Try again in a minute. Whoever runs Tocsin finds the reason in its log, under this request."
    answer = _page(request, 503, "Signing in does not work right now", text, hint, again="/login")
    answer.headers["Retry-After"] = "10"
    return answer


def _limit(request: Request) -> None:
    """Refuse what would have us ask the provider over and over. Raises _FailedError."""
    if services_of(request).sign_in_limit.take(request.client.host if request.client else ""):
        return
    text = "From your address many people have signed in within a minute. Wait one, and try again."
    answer = _page(request, 429, "Too many at once", text, again="/login")
    answer.headers["Retry-After"] = "60"
    raise _FailedError(answer)


def _page(
    request: Request,
    status: int,
    heading: str,
    text: str,
    hint: str = "",
    again: str = "",
    is_good: bool = False,
) -> Response:
    request_id = "" if status < 500 else request.scope.get("state", {}).get("request_id", "")
    return _render(
        services_of(request),
        "message",
        status,
        heading=heading,
        text=text,
        hint=hint,
        again=again,
        is_good=is_good,
        request_id=request_id,
    )


def _render(services: Services, name: str, status: int, **context: Any) -> HTMLResponse:
    shown = {
        "organisation": services.policy().organisation.name,
        "style": Markup(STYLE),
        **context,
    }
    html = services.renderer.render_file(f"sign_in_page/{name}.html.j2", shown)
    return HTMLResponse(html, status, headers=HEADERS)
