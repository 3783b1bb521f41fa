"""Every command as an update and as a signal of the same name, from one registry.

The update answers: a validator refuses before anything is written, and the answer is the new state. The
signal is accepted though no worker is up; what cannot be done becomes a fact, and never an exception,
which would end the incident. Handlers take `*args` without annotations: a typed handler drops bad JSON
in silence and parks the workflow for good on a wrong number of arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from domain.access.claims import without_claim
    from domain.errors import CommandError, IncidentError, Problem, TransitionError
    from workflows.converter import Undecodable


MAX_MESSAGE_CHARS = 2_000
MAX_PROBLEMS = 50


class TakesCommands(Protocol):
    """What a workflow offers so that commands can be attached to it."""

    def check_command(self, name: str, args: Sequence[Any], key: str) -> None: ...
    async def answer_command(self, name: str, args: Sequence[Any], key: str) -> dict[str, Any]: ...
    async def take_signal(self, name: str, args: Sequence[Any]) -> None: ...


class Described(Protocol):
    """What a registry knows of a command."""

    description: str


W = TypeVar("W", bound=type)


def accepts(commands: Mapping[str, Any]) -> Callable[[W], W]:
    """Class decorator (below `@workflow.defn`): attach every command of the registry."""

    def attach(cls: W) -> W:
        for name, command in commands.items():
            _attach(cls, name, command.description)
        return cls

    return attach


def _attach(cls: Any, name: str, description: str) -> None:
    async def update(self: TakesCommands, *args) -> dict[str, Any]:  # type: ignore[no-untyped-def]
        return await self.answer_command(name, args, update_key())

    def validate(self: TakesCommands, *args) -> None:  # type: ignore[no-untyped-def]
        self.check_command(name, args, update_key())

    async def signal(self: TakesCommands, *args) -> None:  # type: ignore[no-untyped-def]
        await self.take_signal(name, args)

    update.__name__, update.__qualname__ = f"update_{name}", f"{cls.__name__}.update_{name}"
    signal.__name__, signal.__qualname__ = f"signal_{name}", f"{cls.__name__}.signal_{name}"
    defined = workflow.update(name=name, description=description)(update)
    defined.validator(validate)
    setattr(cls, update.__name__, defined)
    setattr(cls, signal.__name__, workflow.signal(name=name, description=description)(signal))


def update_key() -> str:
    """The caller's id of the update in whose handler we are."""
    info = workflow.current_update_info()
    return info.id if info else ""


def one_object(name: str, args: Sequence[Any]) -> Any:
    """The one JSON object that a command takes.

    Raises:
        CommandError: there are more or fewer arguments, or it is no JSON at all.
    """
    if len(args) != 1:
        problem = Problem(where="", detail=f"expected one JSON object, got {len(args)} arguments")
        raise CommandError(name, [problem])
    if isinstance(args[0], Undecodable):
        raise CommandError(name, [Problem(where="", detail=f"expected JSON, got an {args[0]}")])
    return args[0]


def refusal(error: IncidentError) -> ApplicationError:
    """A domain error as the caller of an update gets it: type by name, the mistakes in the details.

    Raise it `from None`: a cause travels with it, in full length.
    """
    details: dict[str, Any] = {"problems": problems_of(error)}
    if isinstance(error, TransitionError):
        details |= {"status": error.status, "allowed": error.allowed}
    message = str(error)[:MAX_MESSAGE_CHARS]
    return ApplicationError(message, details, type=type(error).__name__, non_retryable=True)


def as_result(error: IncidentError) -> dict[str, Any]:
    """A domain error as the answer that is kept under a key."""
    detail = str(error)[:MAX_MESSAGE_CHARS]
    return {"type": type(error).__name__, "detail": detail, "problems": problems_of(error)}


def problems_of(error: IncidentError) -> list[dict[str, Any]]:
    """The mistakes, shortened: they repeat what was sent, which may be as large as a payload gets."""
    return [
        p.model_copy(update={"where": p.where[:200], "detail": p.detail[:500]}).model_dump(
            mode="json"
        )
        for p in error.problems()[:MAX_PROBLEMS]
    ]


def shown(args: Sequence[Any]) -> str:
    """What was sent, shortened, for the timeline."""
    try:
        return ", ".join(str(without_claim(arg)) for arg in args)[:500]
    except (ValueError, RecursionError):  # an integer of thousands of digits, nesting without end
        return "something that cannot be printed"


def raw_text(args: Sequence[RawValue]) -> str:
    """The bytes of a signal of unknown name, shortened, for the timeline."""
    return ", ".join(a.payload.data[:500].decode(errors="replace") for a in args)[:500]
