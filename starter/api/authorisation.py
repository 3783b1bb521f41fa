"""Who asks, and whether they may: before any route runs, and once more where a body decides.

What each route is stands in `starter/access/routes.py`, what each role may do in `domain/access/roles.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from domain.access.claims import FIELD as CLAIM
from domain.access.roles import forbidden, may_some
from domain.access.tokens import Principal
from starter.access.door import NotAdmittedError, NotAllowedError, require_command
from starter.access.routes import OPERATIONS
from starter.access.signing import set_acting
from starter.api.problems import ProblemError, invalid
from starter.api.services import services_of
from starter.api.session_cookies import by_session

_scheme = HTTPBearer(
    auto_error=False, description="A token of `tocsin token create`, or the system's own"
)


async def require_token(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_scheme)],
) -> None:
    """Refuse whoever has neither token nor session, or one whose roles do not allow the route."""
    admit(request, credentials.credentials if credentials else "")


def admit(request: Request, given: str) -> Principal:
    """Who holds a token, or has signed in, and may use this route; from here on it is they who act.

    Raises:
        ProblemError: 401; 403 for what another site may have sent with a session's cookie.
        NotAllowedError: 403, naming the role that is missing.
        TokensUnreadableError, SealsUnreadableError: 503.
    """
    try:
        principal = by_session(request) or services_of(request).door.principal(given)
    except NotAdmittedError as error:
        refused = ProblemError(401, "unauthorised", str(error))
        refused.headers["WWW-Authenticate"] = "Bearer"
        raise refused from None
    verb = OPERATIONS.get(operation_of(request.scope.get("route")), "")
    if not may_some(principal.roles, verb):
        raise NotAllowedError(forbidden(principal.roles, verb or "this", principal.called))
    request.state.principal = principal
    set_acting(principal)
    return principal


def operation_of(route: object) -> str:
    """Under which name a route stands in the table."""
    return str(getattr(route, "operation_id", None) or getattr(route, "name", ""))


def authorise(request: Request, name: str, fields: Mapping[str, Any], actor: str) -> None:
    """Refuse a command whose fields need more than its route does. Raises NotAllowedError."""
    require_command(request.state.principal, name, fields, actor)


def with_actor(request: Request, body: dict[str, Any]) -> dict[str, Any]:
    """The body, done by the token's owner where it names nobody.

    Raises:
        NotAllowedError: 403, it names somebody for whom the token may not act.
        ProblemError: 422, it holds what only the API itself may put there.
    """
    if CLAIM in body:
        raise invalid(f"{CLAIM} is kept for the API's own signature: leave it out", f"/{CLAIM}")
    principal: Principal | None = getattr(request.state, "principal", None)
    asked = body.get("actor")
    if principal is None or not isinstance(asked, str | None):
        return body  # what is no text is refused where the body is read
    named = (asked or "").strip() or None
    try:
        actor = principal.actor_for(named)
    except PermissionError as error:
        raise NotAllowedError(str(error)) from None
    return body if named or principal.owner is None else {**body, "actor": actor}
