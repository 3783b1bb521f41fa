"""Filling in templates of others in a process that can be killed: warm, without secrets, with limits.

A template that runs too long costs its message one wait, once: it is not tried again until a file of it
changes. What such a process cannot do is a fault of the template, never of the message.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from templates.filters import short
from templates.sandbox import TemplateFaultError

START_SECONDS = 3.0
"""For the interpreter and jinja2, on a machine that is busy."""
ANSWER_BYTES = 8 * 1024 * 1024
_PROGRAM = Path(__file__).parent / "child.py"
_SHARED = "_shared"
Stamp = tuple[tuple[str, int, int], ...]


class Child:
    """One warm process, replaced when it dies or has to be killed. Calls from threads take turns.

    Args:
        folder: the organisation's own templates; None where only lines are filled in.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._process: _Process | None = None
        self._given_up: dict[str, tuple[Stamp, str]] = {}
        if folder is not None and folder.is_dir():
            self._process = _Process(folder)

    def fill(
        self,
        folder: str,
        needed: Sequence[str],
        optional: Sequence[str],
        context: Mapping[str, Any],
        seconds: float,
    ) -> dict[str, str]:
        """Files of one folder, by name; of the optional ones those that there are.

        Raises:
            TemplateFaultError: one is missing or broken, too large, or not done in time.
        """
        stamp = self._stamp(folder)
        before = self._given_up.get(folder)
        if before is not None and before[0] == stamp:
            raise TemplateFaultError(f"{before[1]}; not tried again until it changes")
        asked = {
            "kind": "files",
            "name": f"{folder}/",
            "needed": list(needed),
            "optional": list(optional),
            "context": context,
        }
        try:
            found: dict[str, str] = self._ask(asked, seconds)
        except _GaveUpError as error:
            self._given_up[folder] = (stamp, str(error))
            raise TemplateFaultError(str(error)) from error
        self._given_up.pop(folder, None)
        return found

    def fill_line(self, source: str, context: Mapping[str, Any], seconds: float) -> str:
        """A text that is a template.

        Raises:
            TemplateFaultError: as `fill`.
        """
        filled: str = self._ask({"kind": "line", "name": source, "context": context}, seconds)
        return filled

    def probe(
        self, name: str, source: str, cases: Sequence[Mapping[str, Any]], seconds: float
    ) -> list[dict[str, Any]]:
        """What is wrong with a template: `line`, `detail`, and the name that nobody knows (see probing.py).

        Raises:
            TemplateFaultError: it cannot be tried, within the limits.
        """
        asked = {"kind": "probe", "name": name, "source": source, "cases": list(cases)}
        found: list[dict[str, Any]] = self._ask(asked, seconds)
        return found

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _ask(self, request: Mapping[str, Any], seconds: float) -> Any:
        name = short(request["name"], 80)
        if not self._lock.acquire(timeout=seconds):
            raise TemplateFaultError(f"template {name}: another one is still being filled in")
        try:
            if self._process is None or not self._process.is_alive():
                self._end()
                self._process = _Process(self._folder)
            process = self._process
            # A process that is still starting says nothing about the template.
            if not process.is_ready(START_SECONDS if seconds > 1 else seconds):
                raise TemplateFaultError(f"template {name}: its process has not started in time")
            answer = process.ask(request, seconds)
            if answer is None:
                is_alive = process.is_alive()
                self._replace()
                what = f"is not done within {seconds:g} s" if is_alive else "has ended its process"
                raise _GaveUpError(f"template {name}: {what}")
            if answer.get("ends"):
                self._replace()
                raise _GaveUpError(str(answer["fault"]))
            if "fault" in answer:
                raise TemplateFaultError(str(answer["fault"]))
            return answer["done"]
        finally:
            self._lock.release()

    def _replace(self) -> None:
        """A new one at once, so that it is warm for the next message."""
        self._end()
        self._process = _Process(self._folder)

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _stamp(self, folder: str) -> Stamp:
        """What the files look like, cheaply."""
        found = []
        for name in (folder, _SHARED):
            try:
                entries = list(os.scandir(self._folder / name)) if self._folder else []
                for entry in entries:
                    seen = entry.stat()
                    found.append((entry.path, seen.st_mtime_ns, seen.st_size))
            except OSError:
                continue
        return tuple(sorted(found))


class _GaveUpError(TemplateFaultError):
    """It took more than it may: trying again would take as much again."""


class _Process:
    """The process and its two pipes."""

    def __init__(self, folder: Path | None) -> None:
        own = [str(folder.absolute())] if folder is not None else []
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-B", str(_PROGRAM), *own],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={},
            start_new_session=True,  # a Ctrl-C for us is not one for it
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._input, self._output = self._popen.stdin.fileno(), self._popen.stdout.fileno()
        os.set_blocking(self._input, False)
        os.set_blocking(self._output, False)
        self._read = b""
        self._is_ready = False
        # It ends by itself when its input closes; this is for whoever forgets to close.
        self._finalizer = weakref.finalize(self, _kill, self._popen)

    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def is_ready(self, seconds: float) -> bool:
        """Whether it has started, after a wait of at most so long."""
        if not self._is_ready:
            self._is_ready = self._answer(time.monotonic() + seconds) is not None
        return self._is_ready

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any] | None:
        """Its answer; None where there is none in time."""
        until = time.monotonic() + seconds
        waiting = memoryview(json.dumps(request, default=_as_json).encode() + b"\n")
        while waiting:
            left = until - time.monotonic()
            if left <= 0 or not select.select([], [self._input], [], left)[1]:
                return None
            try:
                waiting = waiting[os.write(self._input, waiting) :]
            except BlockingIOError:
                continue
            except OSError:
                return None
        return self._answer(until)

    def kill(self) -> None:
        self._finalizer()

    def _answer(self, until: float) -> dict[str, Any] | None:
        while b"\n" not in self._read:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._output], [], [], left)[0]:
                return None
            part = os.read(self._output, 65536)
            self._read += part
            if not part or len(self._read) > ANSWER_BYTES:
                return None
        said, _, self._read = self._read.partition(b"\n")
        try:
            answer = json.loads(said)
        except ValueError:
            return None
        return answer if isinstance(answer, dict) else None


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    process.wait()


def _as_json(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
