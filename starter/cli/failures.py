"""What goes wrong at the command line: exit codes, and the words in which it is said.

`error: what is wrong (where)`, then a line for each field, then what to do. Everything on stderr.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from starter.cli.screen import clean, note

if TYPE_CHECKING:
    from starter.client import AmbiguousIdError, ApiError, ClientError

MAX_CANDIDATES = 10


class ExitCode(IntEnum):
    """A contract with scripts: never renumber."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    CONFLICT = 5
    PARTIAL = 6
    FORBIDDEN = 7
    TIMED_OUT = 8
    INTERRUPTED = 130
    TERMINATED = 143


BY_STATUS = {
    400: ExitCode.USAGE,
    401: ExitCode.FORBIDDEN,
    403: ExitCode.FORBIDDEN,
    404: ExitCode.NOT_FOUND,
    409: ExitCode.CONFLICT,
    413: ExitCode.USAGE,
    422: ExitCode.USAGE,
}
WHAT_TO_DO = {
    401: "give a valid token by --token or TOCSIN_API_TOKEN; `tocsin up` on this machine makes one",
    403: "`tocsin whoami` shows what this token may do; ask an admin for another: "
    "tocsin token create --name NAME --role ROLE --owner PERSON",
    409: "`tocsin show ID` tells how the incident stands",
    413: "send less: a request holds at most 256 KiB",
    422: "correct what is named above and run it again",
    429: "wait a moment and run it again",
}


class CliError(Exception):
    """Something the person at the keyboard can do something about."""

    def __init__(
        self,
        code: ExitCode,
        what: str,
        details: Sequence[str] = (),
        hint: str = "",
    ) -> None:
        self.code, self.what, self.details, self.hint = code, what, list(details), hint
        super().__init__(what)


def usage(what: str, hint: str = "") -> CliError:
    """A wrong argument or a wrong setting."""
    return CliError(ExitCode.USAGE, what, hint=hint)


def report(error: CliError) -> ExitCode:
    """Say it on stderr; the exit code comes back."""
    note(f"error: {error.what}", style="bold red")
    for detail in error.details:
        note(f"  {detail}")
    if error.hint:
        note(f"hint: {error.hint}")
    return error.code


def exit_code_of(status: int) -> ExitCode:
    """The exit code of an HTTP status that is an error."""
    return ExitCode.UNREACHABLE if status >= 500 else BY_STATUS.get(status, ExitCode.FAILED)


def from_client(error: ClientError, key: str | None = None) -> CliError:
    """What the client met, for people.

    Args:
        error: from `starter/client.py`.
        key: the idempotency key of the write, under which it can be repeated without harm.
    """
    from starter.client import AmbiguousIdError, ApiError, TimedOutError

    repeat = f"; repeat it with --idempotency-key {key} and it counts once" if key else ""
    if isinstance(error, ApiError):
        return _from_api(error, repeat)
    if isinstance(error, AmbiguousIdError):
        return _ambiguous(error)
    if isinstance(error, TimedOutError):
        happened = "it may have been carried out" if key else "ask again, or raise --timeout"
        return CliError(ExitCode.TIMED_OUT, str(error), hint=happened + repeat)
    start = "start `tocsin up`, or correct TOCSIN_API_URL; `tocsin doctor` looks closer"
    return CliError(ExitCode.UNREACHABLE, str(error), hint=start + repeat)


def _from_api(error: ApiError, repeat: str) -> CliError:
    problem = error.problem
    what = str(problem.get("detail") or problem.get("title") or "refused")
    items = _items(problem.get("errors"))
    # One conflict says its whole sentence already: nobody has to read it twice.
    is_said = error.status == 409 and len(items) == 1 and items[0].get("detail") == what
    details = [] if is_said else [line for item in items for line in _field_lines(item)]
    allowed = problem.get("allowed")
    if isinstance(allowed, list) and allowed and "allowed" not in what:
        details.append(f"allowed now: {', '.join(map(str, allowed))}")
    hint = _hint(error, repeat)
    where = f"{error.request} answered {error.status}" if error.request else str(error.status)
    return CliError(exit_code_of(error.status), f"{what} ({where})", details, hint)


def _hint(error: ApiError, repeat: str) -> str:
    """What to do about it."""
    if error.status >= 500:
        return f"the system has trouble: `tocsin doctor` looks closer{repeat}"
    if error.status == 404 and "/incidents/" in error.request:
        return "`tocsin list --status all` shows every incident"
    if error.status in (404, 409) and "/maintenance" in error.request:
        return "`tocsin maintenance list` shows every window"
    if error.status == 409 and "/oncall/" in error.request:
        return "`tocsin oncall override list` shows what is there"
    if error.status == 404 and "/oncall/overrides/" in error.request:
        return "`tocsin oncall override list` shows what is there"
    if error.status == 404 and "/oncall/" in error.request:
        return "`tocsin policy show` names every schedule"
    if any(item.get("pointer") == "/actor" for item in _items(error.problem.get("errors"))):
        return "say who does it by --as PERSON, a person of the policy"
    return WHAT_TO_DO.get(error.status, "")


def _items(errors: Any) -> list[dict[str, Any]]:
    return [item for item in errors if isinstance(item, dict)] if isinstance(errors, list) else []


def _field_lines(item: dict[str, Any]) -> list[str]:
    """One field's mistake, and what was probably meant below it."""
    place = str(item.get("pointer") or item.get("where") or "").lstrip("#")
    if item.get("file"):
        place = f"{item['file']}:{item.get('line') or 1}: {place}"
    lines = [f"{place}: {item.get('detail', 'is wrong')}" if place else str(item.get("detail"))]
    near = item.get("near")
    if isinstance(near, list) and near:
        lines.append(f"  did you mean {' or '.join(map(str, near))}?")
    return lines


def _ambiguous(error: AmbiguousIdError) -> CliError:
    shown = error.candidates[:MAX_CANDIDATES]
    details = [
        clean(f"{one['id']}  {one.get('status', '')}  {one.get('summary', '')}") for one in shown
    ]
    if len(error.candidates) > len(shown):
        details.append(f"and {len(error.candidates) - len(shown)} more")
    return CliError(ExitCode.USAGE, str(error), details, hint="give more of the id")
