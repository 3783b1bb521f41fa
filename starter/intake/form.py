"""Forms as mail services post them: the fields of `multipart/form-data`, and the names of its files.

What a file holds is passed over: nobody is paged by an attachment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from email.message import Message
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from starter.intake.received import NotAFormError, Received

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MAX_PARTS = 200
MAX_HEADER_CHARS = 1_000
MAX_FILES = 50
"""Whose names are kept."""
MULTIPART = "multipart/form-data"
URLENCODED = "application/x-www-form-urlencoded"


@dataclass
class Form:
    """What a form holds."""

    fields: dict[str, str] = field(default_factory=dict)
    """Of several of one name the first."""
    files: list[str] = field(default_factory=list)
    """Names, as the sender gives them."""


def read_form(received: Received) -> Form:
    """The form of a request.

    Raises:
        NotAFormError: it is none.
    """
    header = _header("Content-Type", received.headers.get("content-type", ""))
    kind = header.get_content_type()
    if kind == URLENCODED:
        pairs = parse_qsl(received.text, keep_blank_values=True, max_num_fields=None)[:MAX_PARTS]
        return Form({name: value for name, value in reversed(pairs)})
    boundary = header.get_param("boundary")
    if kind != MULTIPART or not isinstance(boundary, str) or not boundary:
        raise NotAFormError(f"not a form: the Content-Type is {kind[:100]}, and not {MULTIPART}")
    reader = _Reader()
    try:
        parser = MultipartParser(boundary.encode(errors="replace"), reader.callbacks())
        parser.write(received.body)
        parser.finalize()
    except FormParserError as error:
        raise NotAFormError(f"not a form: {error}") from None
    return reader.form


def _header(name: str, value: str) -> Message:
    """A header with its parameters, as mail programs read them."""
    message = Message()
    message[name] = " ".join(value[:MAX_HEADER_CHARS].split())
    return message


class _Reader:
    """Puts the parts together that the parser tells of piece by piece."""

    def __init__(self) -> None:
        self.form = Form()
        self._parts = 0
        self._name = self._value = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_name,
            "on_header_value": self._on_value,
            "on_header_end": self._on_header_end,
            "on_part_data": self._on_data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._parts += 1
        self._headers, self._body = {}, bytearray()

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[self._name.decode(errors="replace").lower()] = self._value.decode(
            errors="replace"
        )
        self._name = self._value = b""

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._body += data[start:end]

    def _end(self) -> None:
        if self._parts > MAX_PARTS:
            return
        said = _header("Content-Disposition", self._headers.get("content-disposition", ""))
        name = said.get_param("name", header="content-disposition")
        file = said.get_filename()
        if file is not None:
            if len(self.form.files) < MAX_FILES:
                self.form.files.append(file)
        elif isinstance(name, str):
            kind = _header("Content-Type", self._headers.get("content-type", "text/plain"))
            charset = kind.get_content_charset() or "utf-8"
            self.form.fields.setdefault(name, decoded(bytes(self._body), charset))


def decoded(data: bytes, charset: str) -> str:
    """Bytes as text, whatever they claim to be written in."""
    try:
        return data.decode(charset, errors="replace")
    except (LookupError, ValueError):
        return data.decode(errors="replace")
