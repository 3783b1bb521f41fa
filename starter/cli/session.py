"""Where the API is and who we are: options, environment, or what `tocsin up` left on this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import typer

from starter.cli.failures import CliError, ExitCode, from_client, usage

if TYPE_CHECKING:
    from starter.client import TocsinClient

ENDPOINT_FILE = "endpoint.json"


@dataclass(frozen=True)
class Session:
    """What was said of the connection, before it is needed.

    Units: `timeout` in seconds.
    """

    api_url: str | None = None
    token: str | None = None
    timeout: float = 30.0

    def endpoint(self) -> tuple[str, str | None]:
        """URL and token; the token of a file goes to the API of that file only.

        Raises:
            CliError: there is none, or it cannot be meant so.
        """
        left = read_endpoint(data_dir())
        url = self.api_url or left.get("api_url")
        if not url:
            raise usage(
                f"no Tocsin API is known: no {data_dir() / ENDPOINT_FILE}, no TOCSIN_API_URL",
                "start `tocsin up` here, or set TOCSIN_API_URL and TOCSIN_API_TOKEN",
            )
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise usage(
                f"the API's URL {url!r} must begin with http:// or https:// and name a host"
            )
        is_ours = url.rstrip("/") == str(left.get("api_url", "")).rstrip("/")
        token = self.token or _mounted_token() or (left.get("token") if is_ours else None)
        if token and not (token.isascii() and token.isprintable()):
            raise usage(
                "the API token holds characters that no token has (TOCSIN_API_TOKEN, --token)"
            )
        return url, token

    @contextmanager
    def client(self, key: str | None = None) -> Iterator[TocsinClient]:
        """The API's client; what it meets becomes a `CliError`.

        Args:
            key: the idempotency key of the write that is done with it.
        """
        from starter.client import ClientError, TocsinClient

        url, token = self.endpoint()
        with TocsinClient(url, token, self.timeout) as client:
            try:
                yield client
            except ClientError as error:
                raise from_client(error, key) from error


def session(ctx: typer.Context) -> Session:
    """The session of this call."""
    found = ctx.find_root().obj
    if not isinstance(found, Session):
        raise CliError(ExitCode.FAILED, "the command line was started without its global options")
    return found


def _mounted_token() -> str | None:
    """The token in the file that TOCSIN_API_TOKEN_FILE names, as mounted secrets are given."""
    path = os.environ.get("TOCSIN_API_TOKEN_FILE", "").strip()
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise usage(f"TOCSIN_API_TOKEN_FILE: {path} cannot be read: {error}") from error


def data_dir() -> Path:
    return Path(os.environ.get("TOCSIN_DATA_DIR") or "var")


def read_endpoint(folder: Path) -> dict[str, Any]:
    """What `tocsin up` wrote of itself; empty where it never ran.

    Raises:
        CliError: the file is there and broken.
    """
    path = folder / ENDPOINT_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise usage(f"{path} cannot be read: {error}", "start `tocsin up` again") from error
    if not isinstance(data, dict) or not isinstance(data.get("api_url"), str):
        raise usage(f"{path} does not say where the API is", "start `tocsin up` again")
    return data
