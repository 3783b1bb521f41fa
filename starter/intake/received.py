"""A request as it came through the door: its bytes and headers, before anybody has understood it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.errors import IntakeError

MAX_NUMBER_CHARS = 300


class TooDeepError(Exception):
    """JSON that is nested too deeply to be read."""


class NotAFormError(IntakeError):
    """What should be a form is none."""


class WrongMediaTypeError(IntakeError):
    """The Content-Type is none that the format has; the sender gets a 415."""


@dataclass(frozen=True)
class Received:
    """What a sender sent."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in small letters."""

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Any JSON value. A number with thousands of digits stays text instead of stopping the reader.

        Raises:
            IntakeError: it is not JSON.
            TooDeepError: it cannot be read.
        """

        def whole(digits: str) -> int | str:
            return int(digits) if len(digits) <= MAX_NUMBER_CHARS else digits

        try:
            return json.loads(self.text, parse_int=whole)
        except RecursionError:
            raise TooDeepError from None
        except ValueError as error:
            raise IntakeError(f"not JSON: {error}") from None
