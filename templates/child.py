"""The process that fills in an organisation's own templates: one JSON line in, one JSON line out.

It is started by `killable.py`, with no environment, and takes limits upon itself before it reads
anything. Whoever started it kills it when it takes too long; its own alarm is for when nobody is left
to do that.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # started by path and isolated, so that no path of others is searched
    sys.path.insert(0, str(Path(__file__).parent.parent))

from templates.probing import probe
from templates.sandbox import BUILT_IN, Sandbox, TemplateFaultError

MEMORY_BYTES = 256 * 1024 * 1024
ALARM_SECONDS = 10
OUTPUT_CHARS = 200_000
"""Of one file."""
Request = Mapping[str, Any]


def serve(folder: str | None) -> None:
    """Answer until the other side closes or dies."""
    sandbox = Sandbox([*([Path(folder)] if folder else []), BUILT_IN])
    kinds: dict[str, Callable[[Sandbox, Request], Any]] = {
        "files": _files,
        "line": _line,
        "probe": _probe,
    }
    _say({"ready": True})
    for asked in sys.stdin.buffer:
        request = json.loads(asked)
        _alarm(ALARM_SECONDS)
        try:
            _say({"done": kinds[request["kind"]](sandbox, request)})
        except TemplateFaultError as error:
            _say({"fault": str(error)})
        except (MemoryError, RecursionError) as error:
            what = "more memory" if isinstance(error, MemoryError) else "deeper nesting"
            _say({"fault": f"template {request['name']}: takes {what} than it may", "ends": True})
            return
        _alarm(0)


def _files(sandbox: Sandbox, request: Request) -> dict[str, str]:
    names = [*request["needed"], *(name for name in request["optional"] if sandbox.has(name))]
    done: dict[str, str] = {}
    for name in names:
        done[name] = sandbox.fill(name, request["context"])
        if len(done[name]) > OUTPUT_CHARS:
            raise TemplateFaultError(
                f"template {name}: makes {len(done[name])} characters; at most {OUTPUT_CHARS}"
            )
    return done


def _line(sandbox: Sandbox, request: Request) -> str:
    return sandbox.fill_line(request["name"], request["context"])[:OUTPUT_CHARS]


def _probe(sandbox: Sandbox, request: Request) -> list[dict[str, Any]]:
    return probe(sandbox, request["name"], request["source"], request["cases"])


def _say(answer: Mapping[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.flush()


def _alarm(seconds: int) -> None:
    """End this process after so long, whatever it does; 0 takes that back."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


def _limit() -> None:
    """No more memory than a message needs, no file written, no image of a crash."""
    try:
        import resource
    except ImportError:  # where the system knows no such limits, the time still ends it
        return
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    _limit()
    serve(sys.argv[1] if len(sys.argv) > 1 else None)
