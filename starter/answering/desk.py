"""Everything that takes answers from outside, put together once per process, with its limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import SecretStr

from domain.policy.model import Policy
from starter.answering.acting import Answering
from starter.answering.limits import Allowance, Seen
from starter.answering.slack import SECONDS
from starter.answering.slack_commands import ChatCommands
from starter.answering.texting import Texting
from starter.api.metrics import Metrics
from starter.gateway import Gateway
from starter.security import ANSWER_SECRET_FILE, AnswerSigner
from starter.settings import Settings


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class AnswerDesk:
    """What the answer routes work with."""

    signer: AnswerSigner
    answering: Answering
    texting: Texting
    commands: ChatCommands
    own_url: str
    """Address under which vendors call this API, as they sign it."""
    twilio_token: SecretStr
    slack_secret: SecretStr
    """Empty: what should be signed with it is refused."""
    clock: Callable[[], datetime] = _now
    looks: Allowance = field(default_factory=lambda: Allowance(120, 60))
    """Opening one page: mail scanners open it dozens of times, and the person after them."""
    presses: Allowance = field(default_factory=lambda: Allowance(20, 60))
    """Pressing its buttons."""
    strangers: Allowance = field(default_factory=lambda: Allowance(60, 60))
    """Links that are not ours, for each address that they come from."""
    numbers: Allowance = field(default_factory=lambda: Allowance(30, 60))
    """Text messages of one number."""
    logged: Allowance = field(default_factory=lambda: Allowance(1, 60))
    texts_seen: Seen = field(default_factory=lambda: Seen(3600))
    slack_seen: Seen = field(default_factory=lambda: Seen(2 * SECONDS))


def build_answer_desk(
    settings: Settings, gateway: Gateway, policy: Callable[[], Policy], metrics: Metrics
) -> AnswerDesk:
    """Put it together."""
    answering = Answering(gateway, policy, metrics)
    return AnswerDesk(
        signer=AnswerSigner(settings.data_dir / ANSWER_SECRET_FILE),
        answering=answering,
        texting=Texting(answering, gateway, policy, _now),
        commands=ChatCommands(gateway, policy, metrics, _now),
        own_url=settings.own_url(),
        twilio_token=settings.twilio_auth_token or SecretStr(""),
        slack_secret=settings.slack_signing_secret or SecretStr(""),
    )
