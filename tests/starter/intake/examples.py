"""The example payloads of every format as requests: what the senders' own documentation shows.

`<format>/<name>.json` is a body; `headers/<name>.json` beside it has its headers. A `<name>.form.json`
holds the fields of a form. `integrations.json` has what a policy would say of such a sender.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from domain.policy.model import Policy
from starter.intake.mapping import Sender
from starter.intake.received import Received

DATA = Path(__file__).parents[2] / "data" / "intake"
AT = datetime(2026, 11, 23, 14, 8, tzinfo=UTC)
BOUNDARY = "xYzZY"
SERVICES = {"checkout": {}, "search": {}}


class Example(NamedTuple):
    """One request of a sender."""

    format: str
    name: str
    received: Received


def multipart(fields: Mapping[str, str], files: Mapping[str, bytes] | None = None) -> Received:
    """A form as SendGrid posts it."""
    body = b""
    for name, value in fields.items():
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        body += head.encode() + value.encode(errors="surrogatepass") + b"\r\n"
    for number, (name, data) in enumerate((files or {}).items(), start=1):
        head = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="attachment{number}"; '
            f'filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        body += head.encode() + data + b"\r\n"
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return Received(body + f"--{BOUNDARY}--\r\n".encode(), {"content-type": kind})


def example(format_name: str, name: str) -> Received:
    """One of them by name, without its suffixes."""
    return next(one.received for one in examples() if (one.format, one.name) == (format_name, name))


def payload(format_name: str, name: str) -> Any:
    """Its JSON, to be changed."""
    return json.loads((DATA / format_name / f"{name}.json").read_text(encoding="utf-8"))


@cache
def examples() -> tuple[Example, ...]:
    """All of them."""
    return tuple(
        Example(folder.name, file.name.removesuffix(".json").removesuffix(".form"), _read(file))
        for folder in sorted(DATA.iterdir())
        if folder.is_dir()
        for file in sorted(folder.glob("*.json"))
    )


def _read(file: Path) -> Received:
    if file.name.endswith(".form.json"):
        fields = json.loads(file.read_text(encoding="utf-8"))
        count = int(fields.get("attachments", "0"))
        return multipart(fields, {f"file-{number}.pem": b"\x00\xff" for number in range(count)})
    headers = file.parent / "headers" / file.name
    named = json.loads(headers.read_text(encoding="utf-8")) if headers.exists() else {}
    return Received(file.read_bytes(), {"content-type": "application/json", **named})


def policy(**integration: Any) -> Policy:
    """A policy with two services, and an integration `test` of what is given."""
    raw: dict[str, Any] = {"services": SERVICES}
    if integration:
        raw["integrations"] = {"test": {"format": "generic", "key": "env:KEY", **integration}}
    return Policy.model_validate(raw)


def sender(**integration: Any) -> Sender:
    """Whoever sends through the integration `test`."""
    if not integration:
        return Sender("test", policy(), AT)
    found = policy(**integration)
    return Sender.of("test", found.integrations["test"], found, AT)


def usual_sender(format_name: str) -> Sender:
    """Whoever sends the examples of a format."""
    usual = json.loads((DATA / "integrations.json").read_text(encoding="utf-8"))
    return sender(format=format_name, **usual.get(format_name, {}))
