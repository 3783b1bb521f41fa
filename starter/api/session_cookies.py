"""The session of a browser: its cookies, and that a request really comes from a page of ours."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from starlette.requests import Request

from domain.access.tokens import Principal
from starter.access.sessions import (
    ABSOLUTE,
    ATTEMPT_LIFE,
    Session,
    SessionEndedError,
    principal_of_session,
)
from starter.api.problems import ProblemError
from starter.api.services import Services, services_of
from starter.settings import Settings

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, and so need no proof of where they come from."""
TOKEN_HEADER = "X-CSRF-Token"
TOKEN_FIELD = "csrf_token"
_PORTS = {"https": 443, "http": 80}


def origin_of(settings: Settings) -> str:
    """Scheme, host and port of the address at which people reach us, as browsers write them."""
    parts = urlsplit(settings.own_url().lower())
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    usual = parts.port in (None, _PORTS.get(parts.scheme))
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{parts.port}"


def is_https(settings: Settings) -> bool:
    return origin_of(settings).startswith("https://")


def cookie_name(settings: Settings, what: str = "session") -> str:
    """`__Host-` keeps neighbouring hosts from planting one, and exists over https only."""
    return f"__Host-tocsin-{what}" if is_https(settings) else f"tocsin-{what}"


def set_cookie(settings: Settings, what: str, value: str, life: timedelta) -> tuple[bytes, bytes]:
    """The header that has a browser keep it; with an empty value, forget it."""
    seconds = int(life.total_seconds()) if value else 0
    text = (
        f"{cookie_name(settings, what)}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax"
    )
    return b"set-cookie", (text + ("; Secure" if is_https(settings) else "")).encode()


def session_cookie(services: Services, session: Session) -> tuple[bytes, bytes]:
    return set_cookie(services.settings, "session", services.sessions.sealed(session), ABSOLUTE)


def attempt_cookie(settings: Settings, value: str) -> tuple[bytes, bytes]:
    return set_cookie(settings, "attempt", value, ATTEMPT_LIFE)


def session_of(request: Request) -> Session | None:
    """The session of a request; None where it brings none.

    Raises:
        SessionEndedError: it brings one that holds no more.
        SealsUnreadableError: nobody can say.
    """
    services = services_of(request)
    text = request.cookies.get(cookie_name(services.settings), "")
    return services.sessions.read(text) if text else None


def by_session(request: Request, csrf_token: str | None = None) -> Principal | None:
    """Who comes in with a cookie; None without one, and where the request brings a token: that counts.

    Args:
        csrf_token: of a form; left out: that of the header.

    Raises:
        ProblemError: 401, it holds no more; 403, the request changes something and may be another site's.
        SealsUnreadableError: 503.
    """
    if "authorization" in request.headers:
        return None
    services = services_of(request)
    try:
        session = session_of(request)
        if session is None:
            return None
        principal = principal_of_session(session, services.policy())
    except SessionEndedError as error:
        raise ProblemError(401, "unauthorised", f"{error}; sign in again at /login") from None
    if request.method not in SAFE:
        require_own_page(request, session, csrf_token)
    request.state.session = session
    fresh = services.sessions.renewed(session)
    if fresh is not None:
        # By way of the frame: what answers may not know of cookies.
        request.state.cookies = [session_cookie(services, fresh)]
    return principal


def require_own_page(request: Request, session: Session, csrf_token: str | None = None) -> None:
    """Refuse what a page of another site may have sent with our visitor's cookie.

    Both have to hold: a token that only our pages know, and the browser's own word of where the
    request comes from. That is `Sec-Fetch-Site` where it is sent (https), and else `Origin`.

    Raises:
        ProblemError: 403, saying what is missing.
    """
    services = services_of(request)
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    own = origin_of(services.settings)
    if site is not None and site != "same-origin":
        raise _foreign(f"it comes from another site (Sec-Fetch-Site: {site[:20]})")
    # A page that gives no referrer says `null`; that it is ours then stands in Sec-Fetch-Site.
    if origin is not None and origin != own and (origin != "null" or site is None):
        raise _foreign(f"its Origin is not {own}")
    if origin is None and site is None:
        raise _foreign("it says neither Origin nor Sec-Fetch-Site")
    given = request.headers.get(TOKEN_HEADER, "") if csrf_token is None else csrf_token
    if not services.sessions.is_csrf_token(session, given):
        what = "the header X-CSRF-Token" if csrf_token is None else "the form's csrf_token"
        raise _foreign(f"{what} is not this session's: load the page again")


def _foreign(why: str) -> ProblemError:
    return ProblemError(
        403, "csrf", f"a request with a session's cookie is taken from our own pages only: {why}"
    )
