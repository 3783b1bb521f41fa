"""How data travels to and from Temporal: pydantic JSON, lenient where people may type by hand.

A payload that cannot be decoded is handed to the handler as `Undecodable` instead of being dropped:
the SDK drops an undecodable signal in silence, and nobody would know that somebody tried something.
Leniency holds only where a handler takes `*args`; everything with a type is still decoded strictly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import PydanticPayloadConverter, pydantic_data_converter
from temporalio.converter import DataConverter


class Undecodable:
    """A payload that is not JSON, as it came."""

    def __init__(self, payload: Payload) -> None:
        self.encoding = payload.metadata.get("encoding", b"").decode(errors="replace")
        self.data = payload.data[:2048]

    def __str__(self) -> str:
        text = self.data.decode(errors="replace")
        return f"undecodable payload ({self.encoding or 'no encoding'}): {text}"


class LenientPayloadConverter(PydanticPayloadConverter):
    """Pydantic JSON that hands over what it cannot decode, where no type was asked for."""

    def from_payloads(
        self, payloads: Sequence[Payload], type_hints: list[type] | None = None
    ) -> list[Any]:
        if type_hints is not None and len(type_hints) == len(payloads):
            return super().from_payloads(payloads, type_hints)
        return [self._one(payload) for payload in payloads]

    def _one(self, payload: Payload) -> Any:
        try:
            return super().from_payloads([payload], None)[0]
        except Exception:  # noqa: BLE001 - whatever it is, the handler gets it and says so
            return Undecodable(payload)


data_converter: DataConverter = replace(
    pydantic_data_converter, payload_converter_class=LenientPayloadConverter
)
"""For every client, worker, test environment and replayer."""
