"""Tokens over HTTP: make one, see them, revoke one, and whose token this is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from domain.access.roles import AccessRole, expanded
from domain.access.tokens import Principal, Token, TokenWanted
from domain.commands.base import BESIDE
from domain.errors import CommandError, Problem
from domain.names import require_known
from domain.policy.model import Policy
from domain.shape import shape_problems
from domain.timeline import OPERATOR
from starter.access.sessions import Session
from starter.access.store import MadeAlreadyError, TokensUnreadableError, TooManyTokensError
from starter.api.bodies import Body, Key, key_for, no_query
from starter.api.oncall import wire
from starter.api.problems import ProblemError, invalid
from starter.api.schemas import body_of
from starter.api.services import services_of

router = APIRouter(tags=["tokens"], dependencies=[Depends(no_query)])


@router.get("/whoami", summary="Who asks, and what they may do", operation_id="whoami")
async def whoami(request: Request) -> dict[str, Any]:
    principal: Principal = request.state.principal
    session: Session | None = getattr(request.state, "session", None)
    # A page of ours needs it to change anything; pages of others cannot read this answer.
    sessions = services_of(request).sessions
    more = {} if session is None else {"csrf_token": sessions.csrf_token(session)}
    return {
        "token": principal.token_id,
        "name": principal.token_name or principal.by,
        "owner": principal.owner,
        "acts_as": principal.owner or OPERATOR,
        "act_as_any": principal.act_as_any,
        "roles": _words(principal.roles),
        "includes": _words(expanded(principal.roles)),
        "expires_at": wire(principal.expires_at),
        **more,
    }


@router.get("/tokens", summary="Every token, without what it opens with", operation_id="tokens")
async def tokens(request: Request) -> dict[str, Any]:
    now = datetime.now(UTC)
    found = await asyncio.to_thread(services_of(request).door.store.all)
    return {"tokens": [_shown(one, now) for one in found]}


@router.post(
    "/tokens",
    status_code=201,
    summary="Make a token; it is shown in this answer and never again",
    operation_id="create_token",
    openapi_extra=body_of(TokenWanted),
    responses={
        409: {"description": "The same request has made one already"},
        503: {"description": "Not kept: nothing was made"},
    },
)
async def create_token(request: Request, body: Body, header: Key) -> Response:
    services = services_of(request)
    wanted = _read(body, services.policy())
    by = str(body.get("actor") or OPERATOR)
    try:
        secret, token = await asyncio.to_thread(
            services.door.store.create, wanted, by, key_for(body, header)
        )
    except MadeAlreadyError as error:
        raise ProblemError(
            409, "conflict", f"{error}, and it is shown only once: revoke it and make another"
        ) from None
    except TooManyTokensError as error:
        raise ProblemError(409, "conflict", f"{error}: revoke does not free one") from None
    except OSError as error:
        raise _not_kept(error) from error
    shown = {**_shown(token, datetime.now(UTC)), "token": secret}
    return JSONResponse(shown, 201, {"Location": f"{request.url.path}/{token.id}"})


@router.post(
    "/tokens/{token_id}/revoke",
    summary="End a token, at once and for good",
    operation_id="revoke_token",
    responses={404: {"description": "There is no such token"}},
)
async def revoke_token(request: Request, token_id: str, body: Body) -> dict[str, Any]:
    services = services_of(request)
    by = str(body.get("actor") or OPERATOR)
    try:
        token = await asyncio.to_thread(services.door.store.revoke, token_id, by)
    except OSError as error:
        raise _not_kept(error) from error
    if token is None:
        problem = Problem(where="/token_id", detail=f"unknown token {token_id[:40]!r}")
        raise ProblemError(404, "not_found", problem.detail, [problem])
    return _shown(token, datetime.now(UTC))


def _read(body: dict[str, Any], policy: Policy) -> TokenWanted:
    """What is asked for, with names that the policy has. Raises IncidentError, ProblemError."""
    fields = {name: value for name, value in body.items() if name not in BESIDE}
    try:
        wanted = TokenWanted.model_validate(fields)
    except ValidationError as error:
        problems = shape_problems("create_token", TokenWanted, error)
        raise CommandError("create_token", problems) from None
    if wanted.owner is not None:
        require_known("person", wanted.owner, policy.people, "owner")
    if wanted.integration is not None:
        if AccessRole.INGEST not in wanted.roles:
            raise invalid("an integration is for tokens of the role ingest", "/integration")
        require_known("integration", wanted.integration, policy.integrations, "integration")
    if wanted.expires is not None and wanted.never_expires:
        raise invalid("say either `expires` or `never_expires`", "/expires")
    return wanted


def _shown(token: Token, now: datetime) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "owner": token.owner,
        "roles": _words(token.roles),
        "act_as_any": token.act_as_any,
        "integration": token.integration,
        "state": token.state(now).value,
        "created_at": wire(token.created_at),
        "created_by": token.created_by,
        "expires_at": wire(token.expires_at),
        "revoked_at": wire(token.revoked_at),
        "revoked_by": token.revoked_by,
        "used_at": wire(token.used_at),
    }


def _words(roles: Any) -> list[str]:
    return [role.value for role in AccessRole if role in set(roles)]


def _not_kept(error: OSError) -> TokensUnreadableError:
    return TokensUnreadableError(f"the tokens cannot be written: {error.strerror or error}")
