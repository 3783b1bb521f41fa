"""Every setting of Tocsin, read from the environment. `.env.example` lists them all.

How Temporal is reached is not among them: those are Temporal's own `TEMPORAL_*`, read by its SDK
(`temporal_link.py`). How a channel uses its variables is its own business (`activities/channels/`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from domain.addresses import Allowed
from domain.errors import Problem, TocsinError

FROM_FILE = "_FILE"


class SettingsError(TocsinError):
    """Settings that cannot be used: carries every mistake, never the value of a secret."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Delivery(StrEnum):
    """Where messages go."""

    OUTBOX = "outbox"
    LIVE = "live"


def _setting(name: str, default: Any, meaning: str, **limits: Any) -> Any:
    return Field(default, validation_alias=name, description=meaning, **limits)


class Settings(BaseSettings):
    """What the environment says."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    policy: Path = _setting(
        "TOCSIN_POLICY",
        Path("policy/example.yaml"),
        "The policy: a YAML file, or a folder of them",
    )
    data_dir: Path = _setting(
        "TOCSIN_DATA_DIR", Path("var"), "Folder for everything that Tocsin keeps"
    )
    templates: Path | None = _setting(
        "TOCSIN_TEMPLATES",
        None,
        "Folder of your own templates: what it holds replaces ours, file by file",
    )
    database_url: SecretStr | None = _setting(
        "TOCSIN_DATABASE_URL",
        None,
        "Records: `sqlite:///path` or `postgresql://…`; without it SQLite in the data folder",
    )
    delivery: Delivery = _setting(
        "TOCSIN_DELIVERY",
        Delivery.OUTBOX,
        "`outbox` writes each message to a file and sends nothing; `live` sends, and writes the file",
    )
    api_host: str = _setting("TOCSIN_API_HOST", "127.0.0.1", "Address that the API listens on")
    api_port: int = _setting(
        "TOCSIN_API_PORT", 8080, "Port that the API listens on; 0 takes a free one", ge=0, le=65535
    )
    api_url: str | None = _setting(
        "TOCSIN_API_URL",
        None,
        "Where the command line finds the API; on the machine of `tocsin up` it finds it by itself",
    )
    api_token: SecretStr | None = _setting(
        "TOCSIN_API_TOKEN",
        None,
        "Token of the API; without it the one in the data folder, made at the first start",
    )
    public_url: str | None = _setting(
        "TOCSIN_PUBLIC_URL",
        None,
        "Address at which people reach this API, for the links in messages; without it the API's own",
        pattern=r"^https?://[^\s/]+",
    )
    sendgrid_api_key: SecretStr | None = _setting(
        "SENDGRID_API_KEY", None, "Key of SendGrid, for mail"
    )
    sendgrid_base_url: str | None = _setting(
        "SENDGRID_BASE_URL", None, "Where SendGrid is; without it the API of the region"
    )
    sendgrid_region: Literal["global", "eu"] = _setting(
        "SENDGRID_REGION", "global", "`eu` for a key of an EU subuser: api.eu.sendgrid.com"
    )
    sendgrid_event_key: str | None = _setting(
        "SENDGRID_EVENT_KEY", None, "Verification key of SendGrid's signed event webhook"
    )
    sendgrid_timeout: float = _setting(
        "SENDGRID_TIMEOUT", 10.0, "Longest wait for SendGrid, in seconds", gt=0, le=60
    )
    smtp_url: SecretStr | None = _setting(
        "SMTP_URL",
        None,
        "Mail server, `smtp://user:password@host:587` or `smtps://…`: instead of SendGrid or after it",
    )
    email_from: str = _setting("EMAIL_FROM", "tocsin@localhost", "Sender of every mail")
    twilio_account_sid: str | None = _setting(
        "TWILIO_ACCOUNT_SID", None, "Account at Twilio, for text messages and calls"
    )
    twilio_auth_token: SecretStr | None = _setting(
        "TWILIO_AUTH_TOKEN",
        None,
        "Token of that account; Twilio's requests are checked with it too",
    )
    twilio_from: str | None = _setting(
        "TWILIO_FROM",
        None,
        "Number that text messages come from; for them a short code or a messaging service will do too",
    )
    twilio_voice_from: str | None = _setting(
        "TWILIO_VOICE_FROM", None, "Number that calls come from; without it `TWILIO_FROM`"
    )
    twilio_base_url: str = _setting("TWILIO_BASE_URL", "https://api.twilio.com", "Where Twilio is")
    twilio_timeout: float = _setting(
        "TWILIO_TIMEOUT", 10.0, "Longest wait for Twilio, in seconds", gt=0, le=60
    )
    ntfy_base_url: str | None = _setting(
        "NTFY_BASE_URL", None, "The ntfy server for push messages, `https://ntfy.example.com`"
    )
    ntfy_token: SecretStr | None = _setting(
        "NTFY_TOKEN", None, "Access token for it, where its topics are protected"
    )
    ntfy_timeout: float = _setting(
        "NTFY_TIMEOUT", 10.0, "Longest wait for ntfy, in seconds", gt=0, le=60
    )
    slack_bot_token: SecretStr | None = _setting(
        "SLACK_BOT_TOKEN", None, "Bot token of your Slack app, `xoxb-…`, with the scope chat:write"
    )
    slack_base_url: str = _setting(
        "SLACK_BASE_URL", "https://slack.com/api", "Where Slack's Web API is"
    )
    slack_timeout: float = _setting(
        "SLACK_TIMEOUT", 10.0, "Longest wait for Slack, in seconds", gt=0, le=60
    )
    slack_signing_secret: SecretStr | None = _setting(
        "SLACK_SIGNING_SECRET",
        None,
        "Signing secret of your Slack app: buttons pressed in Slack are checked with it",
    )
    apprise_schemas: str = _setting(
        "APPRISE_SCHEMAS",
        "",
        "Services that contacts may use by Apprise, by their URL's first word: `discord,tgram`",
    )
    apprise_timeout: float = _setting(
        "APPRISE_TIMEOUT", 10.0, "Longest wait for a service by Apprise, in seconds", gt=0, le=60
    )
    webhook_signing_key: SecretStr | None = _setting(
        "WEBHOOK_SIGNING_KEY",
        None,
        "Key from which the secret of each webhook that we post to is made; 32 characters or more",
    )
    webhook_timeout: float = _setting(
        "WEBHOOK_TIMEOUT", 8.0, "Longest wait for such a receiver, in seconds", gt=0, le=60
    )
    mastodon_base_url: str | None = _setting(
        "MASTODON_BASE_URL", None, "Server of our account at Mastodon, `https://social.example.com`"
    )
    mastodon_token: SecretStr | None = _setting(
        "MASTODON_TOKEN",
        None,
        "Token of an application there: `write:statuses`, `read:statuses`, `read:accounts`",
    )
    mastodon_visibility: str = _setting(
        "MASTODON_VISIBILITY", "public", "Who sees our posts: `public`, `unlisted`, `private`"
    )
    mastodon_language: str | None = _setting(
        "MASTODON_LANGUAGE", None, "Language of our posts there, `en`; without it the account's"
    )
    mastodon_timeout: float = _setting(
        "MASTODON_TIMEOUT", 8.0, "Longest wait for Mastodon, in seconds", gt=0, le=60
    )
    bluesky_base_url: str = _setting(
        "BLUESKY_BASE_URL", "https://bsky.social", "Server of our account at Bluesky"
    )
    bluesky_handle: str | None = _setting(
        "BLUESKY_HANDLE", None, "Our account there, `status.example.com`"
    )
    bluesky_app_password: SecretStr | None = _setting(
        "BLUESKY_APP_PASSWORD", None, "App password of that account, never its own password"
    )
    bluesky_language: str | None = _setting(
        "BLUESKY_LANGUAGE", None, "Language of our posts there, `en`"
    )
    bluesky_timeout: float = _setting(
        "BLUESKY_TIMEOUT", 8.0, "Longest wait for Bluesky, in seconds", gt=0, le=60
    )
    x_consumer_key: SecretStr | None = _setting(
        "X_CONSUMER_KEY", None, "API key of an application at X that may write"
    )
    x_consumer_secret: SecretStr | None = _setting(
        "X_CONSUMER_SECRET", None, "API key secret of that application"
    )
    x_access_token: SecretStr | None = _setting(
        "X_ACCESS_TOKEN", None, "Access token of our account for that application"
    )
    x_access_secret: SecretStr | None = _setting(
        "X_ACCESS_SECRET", None, "Access token secret of our account"
    )
    x_base_url: str = _setting("X_BASE_URL", "https://api.x.com", "Where X's API is")
    x_timeout: float = _setting("X_TIMEOUT", 8.0, "Longest wait for X, in seconds", gt=0, le=60)
    statuspage_api_key: SecretStr | None = _setting(
        "STATUSPAGE_API_KEY", None, "API key of Atlassian Statuspage, of a user who may write there"
    )
    statuspage_base_url: str = _setting(
        "STATUSPAGE_BASE_URL", "https://api.statuspage.io", "Where Atlassian Statuspage's API is"
    )
    statuspage_timeout: float = _setting(
        "STATUSPAGE_TIMEOUT", 6.0, "Longest wait for it, in seconds", gt=0, le=60
    )
    statuspage_pace: float = _setting(
        "STATUSPAGE_PACE", 1.0, "Seconds between two requests with that key", ge=0, le=10
    )
    status_store_access_key_id: str | None = _setting(
        "STATUS_STORE_ACCESS_KEY_ID",
        None,
        "Key of the storages that the status page is written to; without it `AWS_ACCESS_KEY_ID`",
    )
    status_store_secret_access_key: SecretStr | None = _setting(
        "STATUS_STORE_SECRET_ACCESS_KEY",
        None,
        "Its secret; without it `AWS_SECRET_ACCESS_KEY`",
    )
    status_store_timeout: float = _setting(
        "STATUS_STORE_TIMEOUT", 10.0, "Longest wait for such a storage, in seconds", gt=0, le=60
    )
    channel_proxy: SecretStr | None = _setting(
        "TOCSIN_CHANNEL_PROXY",
        None,
        "Proxy to all vendors, `http://proxy:3128`; `HTTPS_PROXY` is not used for them",
    )
    journal_mb: int = _setting(
        "TOCSIN_JOURNAL_MB",
        256,
        "Room for alerts that wait on disk while Temporal is away, in megabytes; full, intake answers 503",
        ge=1,
        le=1_000_000,
    )
    fallback_after: float = _setting(
        "TOCSIN_FALLBACK_AFTER",
        60.0,
        "How long a critical alert waits there before people are paged past Temporal, in seconds",
        gt=0,
        le=3600,
    )
    egress_allow: str = _setting(
        "TOCSIN_EGRESS_ALLOW",
        "",
        "Hosts and networks that addresses from outside may lead to although private: "
        "`idp.internal,10.1.0.0/16`",
    )
    egress_proxy: SecretStr | None = _setting(
        "TOCSIN_EGRESS_PROXY",
        None,
        "Proxy to addresses that come from outside or from the policy, `http://proxy:3128`",
    )

    @field_validator("egress_allow")
    @classmethod
    def _names_hosts(cls, text: str) -> str:
        Allowed(text)
        return text

    @field_validator("egress_proxy")
    @classmethod
    def _is_proxy(cls, url: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(url.get_secret_value()) if url is not None else None
        if parts is not None and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("must look like http://proxy:3128 or http://user:password@proxy:3128")
        return url

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # `load_settings` hands over the environment that it was given, so that nothing else leaks in.
        return (init_settings,)

    def records_url(self) -> str:
        """Where the records are."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{(self.data_dir / 'records.db').absolute()}"

    def delivery_notice(self) -> str | None:
        """Why nobody is really paged; None where somebody can be."""
        if self.delivery is Delivery.OUTBOX:
            return "delivery is outbox: messages are written to files, and nobody is really paged"
        if not self._can_page():
            return (
                "delivery is live, but no channel is set up: nobody is really paged; "
                "set SENDGRID_API_KEY or SMTP_URL, or another channel of the README's table"
            )
        return None

    def _can_page(self) -> bool:
        """Whether any channel that pages has what it needs."""
        twilio = self.twilio_account_sid and self.twilio_auth_token
        number = self.twilio_from or self.twilio_voice_from
        ways = (self.sendgrid_api_key, self.smtp_url, self.ntfy_base_url, self.slack_bot_token)
        return any((*ways, twilio and number, self.apprise_schemas.strip()))

    def own_url(self) -> str:
        """Address for links, without a slash at its end."""
        return (self.public_url or f"http://{self.api_host}:{self.api_port}").rstrip("/")


class Setting(NamedTuple):
    """One setting, as tables show it."""

    name: str
    default: str
    meaning: str
    is_secret: bool


def _described() -> tuple[Setting, ...]:
    found = []
    for field in Settings.model_fields.values():
        default = "" if field.default is None else str(field.default)
        is_secret = "SecretStr" in str(field.annotation)
        name, meaning = str(field.validation_alias), str(field.description)
        found.append(Setting(name, default, meaning, is_secret))
    return tuple(found)


SETTINGS = _described()
"""All of them, in the order of `.env.example`. A secret may also come from the file `<name>_FILE`."""
NAMES = tuple(setting.name for setting in SETTINGS)
SECRETS = tuple(setting.name for setting in SETTINGS if setting.is_secret)


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings.

    Args:
        environ: the environment; left out: that of the process.

    Raises:
        SettingsError: with every mistake, by name.
    """
    found = with_files(os.environ if environ is None else environ)
    try:
        return Settings.model_validate(
            {name: found[name] for name in NAMES if found.get(name, "").strip()}
        )
    except ValidationError as error:
        raise SettingsError(
            Problem(where=str(item["loc"][0]), detail=item["msg"].removeprefix("Value error, "))
            for item in error.errors(include_url=False, include_input=False)
        ) from None


def with_files(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment with each secret filled in whose `<name>_FILE` names a file, as mounted secrets do.

    Raises:
        SettingsError: a file cannot be read, or a secret is given both ways.
    """
    found, problems = dict(environ), []
    for name in SECRETS:
        file = environ.get(name + FROM_FILE, "").strip()
        if not file:
            continue
        if environ.get(name, "").strip():
            problems.append(Problem(where=name, detail=f"is given as {name}{FROM_FILE} as well"))
            continue
        try:
            found[name] = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "it is no text"
            problems.append(Problem(where=name + FROM_FILE, detail=f"cannot be read: {why}"))
    if problems:
        raise SettingsError(problems)
    return found
