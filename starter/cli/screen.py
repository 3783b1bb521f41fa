"""The terminal: colour or not, how wide, and no control characters from other people's text."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

UNLIMITED = 100_000
"""Width where nobody looks: nothing is cut and nothing is wrapped for a program that reads."""

ColorChoice = Literal["auto", "always", "never"]
_choice: ColorChoice = "auto"

# C0, DEL and C1 steer a terminal; the bidirectional controls make text read as what it is not.
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0), 0x061C, 0x200E, 0x200F]
_CONTROLS += [*range(0x2028, 0x202F), *range(0x2066, 0x206A)]
_ESCAPES = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    for code in _CONTROLS
    if chr(code) not in "\n\t"
}
JSON_ESCAPES = {code: f"\\u{code:04x}" for code in _CONTROLS if code >= 0x7F}
"""What JSON lets stand as it is though a terminal would obey it."""


def choose_color(choice: ColorChoice) -> None:
    """Take the person's word over what the environment says."""
    global _choice
    _choice = choice


def has_color(stream: IO[str]) -> bool:
    """--color, then NO_COLOR, FORCE_COLOR, TERM=dumb, and at last whether it is a terminal."""
    if _choice != "auto":
        return _choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return os.environ.get("TERM") != "dumb" and stream.isatty()


def clean(text: object) -> str:
    """Text in several lines, with its control characters written out."""
    return str(text).replace("\r\n", "\n").translate(_ESCAPES)


def one_line(text: object) -> str:
    """Text in one line."""
    return " ⏎ ".join(line.strip() for line in clean(text).strip().split("\n")).replace("\t", " ")


def console(stream: IO[str] | None = None) -> Console:
    """Where to print: as wide as the terminal, or without a limit where there is none."""
    from rich.console import Console

    stream = stream or sys.stdout
    color, is_terminal = has_color(stream), stream.isatty()
    return Console(
        file=stream,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        width=None if is_terminal else UNLIMITED,
        highlight=False,
        markup=False,
        emoji=False,
    )


def show(*renderables: RenderableType) -> None:
    """Print data for people, on stdout; without the spaces that fill a column where nobody looks."""
    screen = console()
    if screen.file.isatty():
        screen.print(*renderables, sep="\n")
        return
    with screen.capture() as captured:
        screen.print(*renderables, sep="\n")
    for line in captured.get().splitlines():
        print(line.rstrip())


def note(text: str, style: str = "") -> None:
    """Say something beside the data, on stderr."""
    text = clean(text)
    if not style or not has_color(sys.stderr):
        print(text, file=sys.stderr)
        return
    console(sys.stderr).print(text, style=style, soft_wrap=True)
