"""Payloads that a policy names beside itself, to show what each would become: are they there?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domain.errors import Problem
from domain.policy.tolerant import entries, texts

MAX_SAMPLE_BYTES = 1024 * 1024
"""What intake takes at most."""
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


def sample_problems(raw: dict[str, Any], folder: Path) -> Iterator[Problem]:
    """Every sample that cannot be read. Tolerant of broken shape.

    Args:
        folder: where the paths are seen from.
    """
    for where, integration in entries(raw, "integrations"):
        for place, file in texts(integration, "samples", where):
            try:
                read_sample(folder / file)
            except OSError as error:
                detail = f"{file!r} cannot be read: {error.strerror or error}"
                yield Problem(where=place, detail=detail)
            except ValueError as error:
                yield Problem(where=place, detail=f"{file!r} {error}")


def read_sample(file: Path) -> tuple[bytes, dict[str, str]]:
    """A payload with its headers, by name in small letters.

    A file that ends in `.http` begins with the headers of the request, one a line, and an empty line;
    any other is a body, and one that ends in `.json` is sent as JSON.

    Raises:
        OSError: it cannot be read.
        ValueError: it is too large, or not as described.
    """
    if file.exists() and not file.is_file():
        raise ValueError("is not a regular file")
    with file.open("rb") as opened:
        data = opened.read(MAX_SAMPLE_BYTES + 1)
    if len(data) > MAX_SAMPLE_BYTES:
        raise ValueError(f"is larger than the {MAX_SAMPLE_BYTES} bytes that intake takes")
    if file.suffix != ".http":
        return data, {"content-type": "application/json"} if file.suffix == ".json" else {}
    end = _END_OF_HEADERS.search(data)
    if end is None:
        raise ValueError("has no empty line after its headers")
    head, body = data[: end.start()], data[end.end() :]
    headers = {}
    for line in head.decode(errors="replace").splitlines():
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"has a line that is no header: {line[:60]!r}")
        headers[name.strip().lower()] = value.strip()
    return body, headers
