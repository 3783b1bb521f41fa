"""What the routes work with, put together once per process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import cast

from starlette.requests import HTTPConnection

from domain.policy.model import Policy
from records.policy_store import PolicyStore
from starter.answering.desk import AnswerDesk, build_answer_desk
from starter.api.feed import Feed
from starter.api.metrics import Metrics
from starter.gateway import Gateway
from starter.heartbeats import Beats
from starter.reception.door import Reception
from starter.reception.group_commit import GroupCommit
from starter.security import LINK_SECRET_FILE, LinkSigner, ensure_token
from starter.settings import Settings
from starter.standing import Standing
from templates.renderer import Renderer

PAGES = Path(__file__).parent / "pages"


@dataclass(frozen=True)
class Services:
    """Everything that a route may need."""

    settings: Settings
    gateway: Gateway
    reception: Reception
    token: str
    signer: LinkSigner
    renderer: Renderer
    feed: Feed
    metrics: Metrics
    answers: AnswerDesk
    standing: Standing
    beats: Beats

    @property
    def policies(self) -> PolicyStore:
        return self.gateway.policies

    def policy(self) -> Policy:
        """The policy in force now."""
        return self.policies.current()[1]


def build_services(settings: Settings, gateway: Gateway, environ: Mapping[str, str]) -> Services:
    """Put them together.

    Args:
        environ: where the keys of integrations are found.
    """
    given = settings.api_token
    standing = Standing(gateway.link)

    async def send_beat(name: str, at: datetime) -> None:
        await standing.beat(gateway.policies.current()[1], name, at)

    token = given.get_secret_value() if given else ensure_token(settings.data_dir)
    metrics = Metrics()
    answers = build_answer_desk(settings, gateway, lambda: gateway.policies.current()[1], metrics)
    return Services(
        settings=settings,
        gateway=gateway,
        reception=Reception(gateway.policies, GroupCommit(gateway.report), token, environ),
        token=token,
        signer=LinkSigner(settings.data_dir / LINK_SECRET_FILE),
        renderer=Renderer([PAGES]),
        feed=Feed(gateway.records),
        metrics=metrics,
        answers=answers,
        standing=standing,
        beats=Beats(send_beat),
    )


def services_of(connection: HTTPConnection) -> Services:
    """Those of the application that serves this request."""
    return cast("Services", connection.app.state.services)
