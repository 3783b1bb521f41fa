"""Subscribing on the status page: asking, confirming, choosing, leaving. For everybody, without a script.

Opening a link changes nothing: mail programs and scanners open every link that they see. Only a button does,
or the one-click request that mail programs send when somebody presses theirs (RFC 8058).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from domain.subscribers import Subscriber, SubscriberKind, SubscriberState, clean_address
from records.subscribers import TooManySubscribersError
from starter.answering.twilio import read_form
from starter.api.bodies import TooLargeError, read_body
from starter.api.looks import looks
from starter.api.problems import UNAVAILABLE, ProblemError
from starter.api.services import Services, services_of
from starter.reports.form import FASTEST, LONGEST, TRAP
from starter.subscriptions import NAMES, WRONG, components_offered

router = APIRouter(prefix="/status/subscribe", include_in_schema=False)
BYTES = 32 * 1024
STYLE, HEADERS = looks("report.css", has_form=True, has_secret_address=True)
Fields = list[tuple[str, str]]


@router.api_route("", methods=["GET", "HEAD"])
async def subscribe_form(request: Request) -> Response:
    services = services_of(request)
    return _form(services, {}, {}, 200)


@router.post("")
async def subscribe(request: Request) -> Response:
    """The same answer for every address."""
    services = services_of(request)
    fields = await _fields(request)
    if not services.policy().status_page.subscribe:
        return _form(services, {}, {}, 404)
    given = dict(fields)
    kind, address, problems = _wanted(services, given)
    chosen, wrong = _chosen(services, fields)
    problems |= wrong
    if problems:
        return _form(services, given, problems, 422)
    if not _within_limits(request, services, kind):
        problems = {"form": "There were many requests. Wait a few minutes, and send it once more."}
        return _form(services, given, problems, 429)
    try:
        await services.subscriptions.ask(kind, address, chosen)
    except TooManySubscribersError:
        problems = {"form": "Nobody can subscribe just now. Try again tomorrow."}
        return _form(services, given, problems, 503)
    except UNAVAILABLE:
        problems = {"form": "This could not be kept just now: send it once more."}
        return _form(services, given, problems, 503)
    return _page(services, "message", 202, kind="asked", by=kind.value)


@router.api_route("/confirm/{token}", methods=["GET", "HEAD"])
async def confirm_form(request: Request, token: str) -> Response:
    services = services_of(request)
    if not services.subscriptions.limits.looks.take(token[:100]):
        return _page(services, "message", 429, kind="limited")
    id_ = services.subscriber_links.read_confirm(token, datetime.now(UTC))
    found = await services.subscriptions.find(id_) if id_ else None
    if found is None or found.state is SubscriberState.GONE:
        return _page(services, "message", 410, kind="expired")
    return _page(services, "message", 200, kind="confirm", address=found.masked)


@router.post("/confirm/{token}")
async def confirm(request: Request, token: str) -> Response:
    services = services_of(request)
    await _fields(request)
    if not services.subscriptions.limits.looks.take(token[:100]):
        return _page(services, "message", 429, kind="limited")
    id_ = services.subscriber_links.read_confirm(token, datetime.now(UTC))
    found = await services.subscriptions.confirm(id_) if id_ else None
    if found is None:
        return _page(services, "message", 410, kind="expired")
    manage = services.subscriber_links.manage(found.id)
    return _page(services, "message", 200, kind="confirmed", manage=manage)


@router.api_route("/manage/{token}", methods=["GET", "HEAD"])
async def manage_form(request: Request, token: str) -> Response:
    services = services_of(request)
    found = await _mine(request, services, token)
    if isinstance(found, Response):
        return found
    return _choice(services, found, token, {}, 200)


@router.post("/manage/{token}")
async def manage(request: Request, token: str) -> Response:
    services = services_of(request)
    fields = await _fields(request)
    found = await _mine(request, services, token)
    if isinstance(found, Response):
        return found
    chosen, problems = _chosen(services, fields)
    if problems:
        return _choice(services, found, token, problems, 422)
    await services.subscriptions.choose(found.id, chosen)
    changed = found.model_copy(update={"components": chosen})
    return _choice(services, changed, token, {}, 200, is_saved=True)


@router.api_route("/leave/{token}", methods=["GET", "HEAD"])
async def leave_form(request: Request, token: str) -> Response:
    services = services_of(request)
    if services.subscriber_links.read(token) is None:
        return _page(services, "message", 403, kind="unknown")
    return _page(services, "message", 200, kind="leave")


@router.post("/leave/{token}")
async def leave(request: Request, token: str) -> Response:
    """A button of ours, or a mail program's one-click request; twice is once."""
    services = services_of(request)
    await _fields(request)
    id_ = services.subscriber_links.read(token)
    if id_ is None:
        return _page(services, "message", 403, kind="unknown")
    await services.subscriptions.forget(id_)
    return _page(services, "message", 200, kind="left")


async def _mine(request: Request, services: Services, token: str) -> Subscriber | Response:
    """The subscriber whose link this is, or the page that says why not."""
    if not services.subscriptions.limits.looks.take(token[:100]):
        return _page(services, "message", 429, kind="limited")
    id_ = services.subscriber_links.read(token)
    if id_ is None:
        return _page(services, "message", 403, kind="unknown")
    found = await services.subscriptions.find(id_)
    if found is None or found.state is not SubscriberState.ACTIVE:
        return _page(services, "message", 410, kind="gone")
    return found


def _kinds(services: Services) -> list[SubscriberKind]:
    return [SubscriberKind(kind) for kind in services.policy().status_page.subscribe_by]


def _wanted(
    services: Services, given: dict[str, str]
) -> tuple[SubscriberKind, str, dict[str, str]]:
    """By which way and where, and what is wrong with it."""
    problems: dict[str, str] = {}
    kinds = {one.value: one for one in _kinds(services)}
    kind = kinds.get(given.get("kind", ""))
    if kind is None:
        problems["kind"] = "Choose how you want to be told."
        kind = SubscriberKind.EMAIL
    address = clean_address(kind, given.get("address", ""))
    if address is None:
        problems["address"] = WRONG[kind]
    age = services.form_tokens.age(given.get("token", ""), datetime.now(UTC))
    if given.get(TRAP):
        problems["form"] = "A field that must stay empty was filled in. Send the form once more."
    elif age is None or age > LONGEST:
        problems["form"] = "This form is too old: send it once more."
    elif age < FASTEST:
        problems["form"] = "That was faster than anybody writes. Send the form once more."
    return kind, address or "", problems


def _chosen(services: Services, fields: Fields) -> tuple[list[str] | None, dict[str, str]]:
    """The components that were chosen, None for every one; and what is wrong with that."""
    given = dict(fields)
    if given.get("which", "all") != "some":
        return None, {}
    offered = components_offered(services.policy())
    chosen = [value for name, value in fields if name == "component" and value in offered]
    if not chosen:
        return None, {"which": "Choose at least one, or everything."}
    return list(dict.fromkeys(chosen)), {}


def _within_limits(request: Request, services: Services, kind: SubscriberKind) -> bool:
    limits = services.subscriptions.limits
    client = request.client.host if request.client else "unknown"
    if not limits.from_one.take(client) or not limits.from_all.take("all"):
        return False
    return kind is not SubscriberKind.SMS or limits.texts.take("all")


async def _fields(request: Request) -> Fields:
    try:
        return read_form(await read_body(request, BYTES))
    except TooLargeError:
        raise ProblemError(413, "too_large", f"the form takes at most {BYTES} bytes") from None
    except ValueError:
        raise ProblemError(422, "invalid", "the body is no form in UTF-8") from None


def _form(
    services: Services, given: dict[str, str], problems: dict[str, str], status: int
) -> Response:
    if not services.policy().status_page.subscribe:
        return _page(services, "message", 404, kind="closed")
    names = {kind.value: NAMES[kind] for kind in _kinds(services)}
    answer = _page(
        services,
        "form",
        status,
        kinds=names,
        values=given,
        problems=problems,
        offered=components_offered(services.policy()),
        chosen=None,
        token=services.form_tokens.make(datetime.now(UTC)),
        trap=TRAP,
    )
    if status == 429:
        answer.headers["Retry-After"] = "300"
    return answer


def _choice(
    services: Services,
    found: Subscriber,
    token: str,
    problems: dict[str, str],
    status: int,
    *,
    is_saved: bool = False,
) -> Response:
    return _page(
        services,
        "manage",
        status,
        address=found.masked,
        token=token,
        offered=components_offered(services.policy()),
        chosen=found.components,
        problems=problems,
        is_saved=is_saved,
    )


def _page(services: Services, name: str, status: int, **context: Any) -> HTMLResponse:
    shown = {
        "organisation": services.policy().organisation.name,
        "style": Markup(STYLE),
        "problems": {},
        "values": {},
        "address": "",
        "manage": "",
        "by": "",
        **context,
    }
    html = services.renderer.render_file(f"subscribe_page/{name}.html.j2", shown)
    return HTMLResponse(html, status, headers=HEADERS)
