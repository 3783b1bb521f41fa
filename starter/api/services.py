"""What the routes work with, put together once per process."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from pydantic import SecretStr
from starlette.requests import HTTPConnection

from domain.addresses import Allowed
from domain.policy.model import Policy
from records.database import RecordsUnavailableError
from records.policy_store import PolicyStore
from records.reporters import Reporters
from starter.access.door import Door
from starter.access.oidc import Provider
from starter.access.sessions import Sessions
from starter.access.store import TokenStore
from starter.answering.desk import AnswerDesk, build_answer_desk
from starter.answering.limits import Allowance
from starter.answering.mail_desk import MailEventDesk
from starter.api.feed import Feed
from starter.api.live_status import LiveStatus
from starter.api.metrics import Metrics
from starter.egress import Egress
from starter.gateway import Gateway
from starter.heartbeats import Beats
from starter.reception.admission import Admission
from starter.reception.door import Reception
from starter.reception.durable import Durable
from starter.reception.journal import open_journal
from starter.reception.limits import Limits
from starter.reception.opsgenie_book import OpsgenieBook
from starter.reception.refusals import Refusals
from starter.reception.replays import FILE as DELIVERIES_FILE
from starter.reception.replays import Replays
from starter.reception.where_keys_live import KeyHomes
from starter.reports.desk import ReportDesk
from starter.reports.form import FormTokens
from starter.security import LINK_SECRET_FILE, LinkSigner, ensure_token
from starter.settings import Settings
from starter.standing import Standing
from starter.subscriber_links import SubscriberLinks
from starter.subscriptions import SubscriptionDesk
from templates.renderer import Renderer

PAGES = Path(__file__).parent / "pages"


class ReportLimits:
    """How much may come in by the report form. In memory, of each process."""

    def __init__(self) -> None:
        self.from_one = Allowance(5, 600)
        self.from_all = Allowance(120, 600)
        """A flood from many addresses must not hide what somebody reports."""
        self.looks = Allowance(60, 600)


@dataclass(frozen=True)
class Services:
    """Everything that a route may need."""

    settings: Settings
    gateway: Gateway
    reception: Reception
    durable: Durable
    homes: KeyHomes
    opsgenie: OpsgenieBook
    token: SecretStr
    door: Door
    sessions: Sessions
    provider: Provider
    sign_in_limit: Allowance
    signer: LinkSigner
    renderer: Renderer
    feed: Feed
    status: LiveStatus
    metrics: Metrics
    answers: AnswerDesk
    standing: Standing
    beats: Beats
    egress: Egress
    refusals: Refusals
    reports: ReportDesk
    form_tokens: FormTokens
    report_limits: ReportLimits
    limits: Limits
    mail_events: MailEventDesk
    subscriptions: SubscriptionDesk
    subscriber_links: SubscriberLinks
    environ: Mapping[str, str] = field(repr=False)
    """Variables of channels and storages, secrets among them."""

    @property
    def policies(self) -> PolicyStore:
        return self.gateway.policies

    def policy(self) -> Policy:
        """The policy in force now."""
        return self.policies.current()[1]


def build_services(settings: Settings, gateway: Gateway, environ: Mapping[str, str]) -> Services:
    """Put them together.

    Args:
        environ: where the keys of integrations, channels and storages are found.
    """
    given = settings.api_token
    standing = Standing(gateway.link)

    async def send_beat(name: str, at: datetime) -> None:
        await standing.beat(gateway.policies.current()[1], name, at)

    async def open_services() -> Collection[str]:
        try:
            return await gateway.records.read_if_up(gateway.records.reader.services_with_open)
        except RecordsUnavailableError:
            return list(gateway.policies.current()[1].services)  # each may have one

    token = given.get_secret_value() if given else ensure_token(settings.data_dir)
    metrics = Metrics()
    files = open_journal(settings.data_dir, settings.journal_mb)
    durable = Durable(gateway.report, gateway.policies, files, settings.fallback_after)
    metrics.watch_journal(durable)
    limits = Limits()
    admission = Admission(
        environ,
        Replays(settings.data_dir / "intake" / DELIVERIES_FILE),
        limits,
        on_skew=lambda name: metrics.skewed.labels(name).inc(),
        on_repeat=lambda name: metrics.repeated.labels(name).inc(),
    )
    door = Door(token, TokenStore(settings.data_dir))
    answers = build_answer_desk(settings, gateway, lambda: gateway.policies.current()[1], metrics)
    signer = LinkSigner(settings.data_dir / LINK_SECRET_FILE)
    renderer = Renderer([PAGES], own_folder=settings.templates)
    egress = Egress(Allowed(settings.egress_allow), proxy=settings.egress_proxy)
    return Services(
        settings=settings,
        environ=environ,
        gateway=gateway,
        reception=Reception(
            gateway.policies,
            durable,
            token,
            environ,
            admission=admission,
            tokens=door.integration_of,
        ),
        limits=limits,
        durable=durable,
        homes=KeyHomes(settings.data_dir / "intake" / "keys.jsonl", open_services),
        opsgenie=OpsgenieBook(settings.data_dir / "intake" / "opsgenie.jsonl"),
        token=SecretStr(token),
        door=door,
        sessions=Sessions(settings.data_dir),
        provider=Provider(egress, environ),
        sign_in_limit=Allowance(60, 60),
        signer=signer,
        reports=ReportDesk(
            gateway, Reporters(settings.data_dir), lambda: gateway.policies.current()[1]
        ),
        form_tokens=FormTokens(signer),
        report_limits=ReportLimits(),
        mail_events=MailEventDesk(settings.sendgrid_event_key),
        subscriptions=SubscriptionDesk(gateway),
        subscriber_links=SubscriberLinks(signer, settings.own_url()),
        renderer=renderer,
        feed=Feed(gateway.records),
        status=LiveStatus(
            gateway.records, standing, gateway.policies.current, renderer, settings.own_url()
        ),
        metrics=metrics,
        answers=answers,
        standing=standing,
        beats=Beats(send_beat),
        refusals=Refusals(),
        egress=egress,
    )


def services_of(connection: HTTPConnection) -> Services:
    """Those of the application that serves this request."""
    return cast("Services", connection.app.state.services)
