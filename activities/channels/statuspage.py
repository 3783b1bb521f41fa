"""Incidents on an Atlassian Statuspage: made at the first external update, changed at each later one.

Which one is ours stands in its metadata, with the numbers of the updates that it has, so that nothing is
said twice whatever became of an attempt. Source: https://developer.statuspage.io/
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote
from weakref import WeakValueDictionary

from pydantic import Field, SecretStr

from activities.channels.base import BaseUrl, Capabilities, HttpSettings, Outgoing, Receipt, Seconds
from activities.channels.pace import LONGEST_WAIT_SECONDS, pace_of
from activities.channels.posts import published
from activities.channels.vendor_client import VendorClient
from domain.errors import DeliveryError, DeliveryReason
from domain.spoken_update import SpokenUpdate
from domain.status_page.ids import public_id
from domain.status_page.states import ComponentStatus, worst
from domain.updates import UpdateStatus
from templates.filters import plain, short, when
from templates.markdown import public_text

OURS = "tocsin"
"""Our part of an incident's metadata; each part is an object."""
NAME_CHARS, BODY_CHARS = 255, 25_000
_PAGE, _PAGES = 100, 3
"""Incidents that are read at once, the most that Statuspage gives, and how often."""
_MOST_BYTES = 16 * 1024 * 1024
"""Of a list: each incident comes with all of its updates."""
_SKEW = timedelta(minutes=5)
"""By which Statuspage's clock may be behind ours."""
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


class StatuspageSettings(HttpSettings):
    """Settings of the channel."""

    statuspage_api_key: SecretStr | None = None
    """Of a user who may write to the page."""
    statuspage_base_url: BaseUrl = "https://api.statuspage.io"
    statuspage_timeout: Seconds = 6.0
    statuspage_pace: float = Field(1.0, ge=0, le=10)
    """Seconds between two requests with the key: Statuspage allows one in a second."""


class _Incident(NamedTuple):
    """One of ours at Statuspage."""

    id: str
    numbers: tuple[int, ...]
    """Of the updates that it has."""


class _Others(NamedTuple):
    """What else holds our component down."""

    states: tuple[ComponentStatus, ...]
    """As other incidents of ours say."""
    is_somebody_elses: bool
    """Whether an incident that people made by hand names the component."""


class StatuspageChannel:
    """Keeps the incidents of one page; a contact's address is the page's id."""

    name: ClassVar[str] = "statuspage"
    capabilities: ClassVar[Capabilities] = Capabilities(pages=False)

    def __init__(self, settings: StatuspageSettings) -> None:
        self._client: VendorClient | None = None
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        key = settings.statuspage_api_key
        if key is not None:
            secret = key.get_secret_value()
            self._pace = pace_of(
                f"{settings.statuspage_base_url} {secret}", settings.statuspage_pace
            )
            self._client = VendorClient(
                "Statuspage",
                settings.statuspage_base_url,
                settings.statuspage_timeout,
                headers={"Authorization": f"OAuth {secret}"},
                proxy=settings.proxy,
                explain=_explained,
            )

    @property
    def is_configured(self) -> bool:
        return self._client is not None

    async def send(self, message: Outgoing) -> Receipt:
        """Make the incident, or add the update to it."""
        client, update = self._ready(), published(message, "Statuspage")
        async with self._turn(message.to, update):
            unresolved = await self._read(client, message.to, "/unresolved", 1)
            ours = await self._ours(client, message.to, update, unresolved)
            numbers = ours.numbers if ours is not None else ()
            if ours is not None and update.number in numbers:
                return Receipt(vendor_id=ours.id, detail="it stood there already")
            if numbers and update.number < max(numbers):
                detail = "Statuspage shows a newer update already; an older one would contradict it"
                raise DeliveryError(DeliveryReason.REJECTED, detail, retryable=False)
            others = _others(unresolved, update)
            incident = _written(update, numbers, others)
            if ours is None:
                incident["name"] = short(update.title, NAME_CHARS) or short(update.service_name)
            place = _place(message.to) + (f"/{quote(ours.id, safe='')}" if ours else "")
            await self._pace.turn("Statuspage")
            answer = await client.change(
                "PATCH" if ours else "POST", place, _MOST_BYTES, json={"incident": incident}
            )
        made = answer.get("id")
        if not isinstance(made, str) or not made:
            raise client.without_id()
        is_held = others.is_somebody_elses and update.status is UpdateStatus.RESOLVED
        return Receipt(
            vendor_id=made,
            detail="the component stays as it is: another incident names it" if is_held else "",
        )

    async def find(self, message: Outgoing) -> Receipt | None:
        """The incident with this update in it."""
        client, update = self._ready(), published(message, "Statuspage")
        unresolved = await self._read(client, message.to, "/unresolved", 1)
        ours = await self._ours(client, message.to, update, unresolved)
        if ours is None or update.number not in ours.numbers:
            return None
        return Receipt(vendor_id=ours.id, detail="found on Statuspage")

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()

    def _ready(self) -> VendorClient:
        if self._client is None:
            detail = "STATUSPAGE_API_KEY is not set"
            raise DeliveryError(DeliveryReason.NOT_CONFIGURED, detail, retryable=False)
        return self._client

    @asynccontextmanager
    async def _turn(self, page: str, update: SpokenUpdate) -> AsyncIterator[None]:
        """Two updates of one incident at once would each make an incident of their own."""
        turn = self._turns.setdefault(f"{page} {update.incident}", asyncio.Lock())
        try:
            await asyncio.wait_for(turn.acquire(), LONGEST_WAIT_SECONDS)
        except TimeoutError:
            detail = "another update of the incident is on its way to Statuspage"
            raise DeliveryError(DeliveryReason.RATE_LIMITED, detail, retryable=True) from None
        try:
            yield
        finally:
            turn.release()

    async def _ours(
        self,
        client: VendorClient,
        page: str,
        update: SpokenUpdate,
        unresolved: list[Mapping[str, Any]],
    ) -> _Incident | None:
        """The incident that stands for ours; None: it is certain that there is none.

        Raises:
            DeliveryError: it cannot be told.
        """
        if found := _find(unresolved, update):
            return found
        since = (update.started_at or update.at) - _SKEW
        for number in range(1, _PAGES + 1):
            some = await self._read(client, page, "", number)
            if found := _find(some, update):
                return found
            if len(some) < _PAGE or _made_at(some[-1]) < since:
                return None
        raise _unreadable(f"has more than {_PAGE * _PAGES} incidents since the first update")

    async def _read(
        self, client: VendorClient, page: str, which: str, number: int
    ) -> list[Mapping[str, Any]]:
        """Some incidents, the newest first."""
        size = {"per_page": _PAGE} if which else {"limit": _PAGE}
        await self._pace.turn("Statuspage")
        answer = await client.get(
            _place(page) + which, _MOST_BYTES, params={"page": number, **size}
        )
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise _unreadable("does not list its incidents")
        return answer


def _place(page: str) -> str:
    return f"/v1/pages/{quote(page, safe='')}/incidents"


def _find(incidents: list[Mapping[str, Any]], update: SpokenUpdate) -> _Incident | None:
    wanted = public_id("incident", update.incident)
    for one in incidents:
        ours = _metadata(one)
        if ours.get("incident") == wanted:
            said = str(ours.get("updates") or "").split()
            numbers = tuple(int(word) for word in said if word.isdecimal())
            return _Incident(str(one.get("id")), numbers)
    return None


def _metadata(incident: Mapping[str, Any]) -> Mapping[str, Any]:
    found = incident.get("metadata")
    ours = found.get(OURS) if isinstance(found, dict) else None
    return ours if isinstance(ours, dict) else {}


def _made_at(incident: Mapping[str, Any]) -> datetime:
    try:
        return datetime.fromisoformat(str(incident["created_at"]))
    except (KeyError, ValueError):
        raise _unreadable("lists incidents that cannot be read") from None


def _others(unresolved: list[Mapping[str, Any]], update: SpokenUpdate) -> _Others:
    """The other open incidents that name our component."""
    ours = public_id("incident", update.incident)
    states: list[ComponentStatus] = []
    is_somebody_elses = False
    for one in unresolved:
        named = [part.get("id") for part in one.get("components") or [] if isinstance(part, dict)]
        said = _metadata(one)
        if update.component not in named or said.get("incident") == ours:
            continue
        if said.get("state") in list(ComponentStatus):
            states.append(ComponentStatus(said["state"]))
        else:
            is_somebody_elses = True
    return _Others(tuple(states), is_somebody_elses)


def _written(update: SpokenUpdate, numbers: tuple[int, ...], others: _Others) -> dict[str, Any]:
    """The incident as it is to be, without its name: that is given once."""
    status = update.status or UpdateStatus.INVESTIGATING
    is_over = status is UpdateStatus.RESOLVED
    own = ComponentStatus(update.component_status or ComponentStatus.OPERATIONAL)
    own = ComponentStatus.OPERATIONAL if is_over else own
    ours = {
        "incident": public_id("incident", update.incident),
        "updates": " ".join(map(str, sorted({*numbers, update.number}))),
        "state": own.value,
    }
    written: dict[str, Any] = {
        "status": status.value,
        "body": _body(update),
        "metadata": {OURS: ours},
        "deliver_notifications": True,
    }
    if update.component:
        written["component_ids"] = [update.component]
        if not (is_over and others.is_somebody_elses):
            state = worst([own, *others.states])
            written["components"] = {update.component: state.value}
    return written


def _body(update: SpokenUpdate) -> str:
    """Plain text; what Statuspage would read as a tag is none any more."""
    following = f"\n\nNext update: {when(update.next_update_at)}" if update.next_update_at else ""
    text = _TAG.sub("‹", plain(public_text(update.text))).strip() or short(update.title)
    return text[: BODY_CHARS - len(following)] + following


def _explained(answer: Mapping[str, Any]) -> str:
    error = answer.get("error") or answer.get("message") or ""
    return ", ".join(map(str, error)) if isinstance(error, list) else str(error)


def _unreadable(what: str) -> DeliveryError:
    return DeliveryError(DeliveryReason.SERVER_ERROR, f"Statuspage {what}", retryable=True)
