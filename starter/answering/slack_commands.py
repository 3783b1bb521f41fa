"""Commands typed in Slack: for the person behind the account, with that person's roles, in plain words.

The same commands as everybody's: what is possible is judged by the incident, who may by the table of
roles, and both say what else there is to do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from domain.access.people import roles_in_chat
from domain.access.tokens import Principal
from domain.commands import COMMANDS
from domain.commands.base import parse_body
from domain.errors import CommandError, IncidentError, TransitionError, UnknownNameError
from domain.names import nearest
from domain.on_call import resolve_targets
from domain.policy.model import Policy
from records.database import RecordsUnavailableError
from records.rooms import incident_in_room
from starter.access.door import NotAllowedError, require, require_command
from starter.access.signing import acting
from starter.answering.acting import Outcome
from starter.answering.chat_words import COMMAND, NAMES, USAGE, ChatError, Spoken, member_in, read
from starter.answering.slack_modals import window
from starter.answering.slack_screens import card_of, listed, people_of
from starter.api.metrics import Metrics
from starter.api.names import check_command
from starter.gateway import Accepted, Gateway, NoSuchIncidentError, is_incident_id
from starter.temporal_link import GatewayUnavailableError, NotAnsweredError, RefusedError

READS = {"status": "read_incidents", "list": "read_incidents", "who": "read_incidents"}
NOT_KEPT = "NOT done: Tocsin could not keep it. Type it again in a minute, or use the command line."
LISTED = 20
AWAY = (GatewayUnavailableError, NotAnsweredError, RecordsUnavailableError)
Opens = Callable[[dict[str, Any]], Awaitable[bool]]
"""Shows somebody a window; whether it could."""
log = structlog.get_logger(__name__)


class ChatCommands:
    """Carries out what is typed.

    Args:
        policy: the policy in force now.
        clock: the time now, in UTC.
    """

    def __init__(
        self,
        gateway: Gateway,
        policy: Callable[[], Policy],
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._gateway, self._policy = gateway, policy
        self._metrics, self._clock = metrics, clock

    async def answer(self, member: str, channel: str, text: str, key: str) -> str:
        """What only whoever typed it reads. Never raises.

        Args:
            member: Slack's id of the account.
            channel: Slack's id of the room that it was typed in.
            key: the same for the same request.
        """
        room = await self._room(channel)

        def reads(policy: Policy) -> Spoken:
            return read(text, room, lambda name: name in policy.services or name == "unknown")

        return await self._carried_out(member, reads, key)

    async def _carried_out(self, member: str, asked: Callable[[Policy], Spoken], key: str) -> str:
        policy = self._policy()
        person = person_of(policy, member)
        if person is None:
            self._count("unknown_sender")
            return (
                "Tocsin does not know who you are: no one person's contact is "
                f"{{channel: slack, to: {member[:40]}}}. Ask whoever keeps the policy to add it to you."
            )
        try:
            outcome, said = await self._do(policy, person, asked(policy), key)
        except ChatError as error:
            outcome, said = Outcome.REFUSED, str(error)
        except Exception:
            # A chat shows nothing at all of an error: whoever typed would believe it done.
            log.exception("chat command failed", person=person)
            outcome, said = Outcome.UNAVAILABLE, NOT_KEPT
        self._count(outcome.value)
        return said

    async def press(
        self, member: str, incident: str, command: str, key: str, opens: Opens | None = None
    ) -> str:
        """A button of a room's card: done at once, or asked for words. Never raises.

        Args:
            opens: opens a window for the person; None, or where it cannot, they are told what to type.

        Returns:
            What only they read; empty where a window says the rest.
        """
        typed = _TYPED.get(command)
        if typed is None or not is_incident_id(incident):
            return "There is no such action."
        if command in AT_ONCE:
            return await self.answer(member, "", f"{typed} {incident}", key)
        if person_of(self._policy(), member) is None:
            return await self.answer(member, "", "", key)
        try:
            view = await self._gateway.incident(incident)
        except (NoSuchIncidentError, *AWAY):
            view = {}
        if view and view.get("status") not in COMMANDS[command].allowed:
            return f"{incident} is {view.get('status')}: that is not possible any more."
        asks = window(command, incident)
        if opens is not None and asks is not None and await opens(asks):
            return ""
        usage = USAGE[typed].replace("[ID]", incident)
        return f"Type: `{COMMAND} {usage}`"

    async def submit(
        self, member: str, incident: str, command: str, fields: Mapping[str, str], key: str
    ) -> str:
        """What was written into a window: the same as typed. Never raises."""
        typed = _TYPED.get(command)
        if typed is None or not is_incident_id(incident):
            return "There is no such action."
        given = dict(fields)
        spoken = Spoken(typed, incident, command, given, given.pop("to", "").strip())
        return await self._carried_out(member, lambda policy: _given(spoken), key)

    async def _room(self, channel: str) -> str:
        """The incident whose room this is; empty where it is none, or nobody can say."""
        records = self._gateway.records
        if not channel:
            return ""
        try:
            engine = records.reader.engine
            return await records.read_if_up(incident_in_room, engine, channel) or ""
        except RecordsUnavailableError:
            return ""
        except Exception:  # as below: without a room the whole id is asked for
            log.exception("room not looked up")
            return ""

    async def _do(
        self, policy: Policy, person: str, spoken: Spoken, key: str
    ) -> tuple[Outcome, str]:
        if spoken.verb == "help":
            return Outcome.DONE, help_text()
        principal = Principal(
            by="chat command", roles=roles_in_chat(policy, person), owner=person,
            called="your account in Slack",
        )  # fmt: skip
        try:
            if spoken.verb in READS:
                require(principal, READS[spoken.verb])
                return Outcome.DONE, await self._read(policy, spoken)
            return await self._command(policy, principal, person, spoken, key)
        except NotAllowedError as error:
            return Outcome.REFUSED, (
                f"Not allowed: {error}. Roles stand in the policy under `access.people`."
            )
        except NoSuchIncidentError as error:
            near = await self._gateway.near_ids(spoken.incident)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            return Outcome.FOREIGN, f"{error}.{hint} `{COMMAND} list` shows those that are open."
        except (RefusedError, TransitionError) as error:
            return Outcome.REFUSED, f"Not done: {with_what_is_legal(error)}"
        except CommandError as error:
            details = "; ".join(problem.detail for problem in error.problems())
            return Outcome.REFUSED, f"Not done: {details}. Type `{COMMAND} {USAGE[spoken.verb]}`."
        except IncidentError as error:
            return Outcome.REFUSED, f"Not done: {error}"
        except AWAY as error:
            log.warning("a chat command was not kept", command=spoken.verb, why=str(error))
            return Outcome.UNAVAILABLE, NOT_KEPT

    async def _command(
        self, policy: Policy, principal: Principal, person: str, spoken: Spoken, key: str
    ) -> tuple[Outcome, str]:
        fields = dict(spoken.fields)
        if spoken.target:
            fields["to"] = target_of(policy, spoken.target)
        command = COMMANDS[spoken.command]
        asked = parse_body(command, {**fields, "actor": person})
        require_command(principal, spoken.command, fields, person)
        check_command(policy, asked.command, person)
        body = {
            **asked.command.model_dump(mode="json", exclude_unset=True), "actor": person,
        }  # fmt: skip
        with acting(principal):
            answer = await self._gateway.command(spoken.incident, spoken.command, body, key)
        if isinstance(answer, Accepted):
            self._metrics.commands.labels(spoken.command, "accepted").inc()
            return Outcome.ACCEPTED, (
                f"{spoken.incident}: kept, and done as soon as a worker is up."
            )
        self._metrics.commands.labels(spoken.command, "answered").inc()
        return Outcome.DONE, done(spoken, body, answer.view, person)

    async def _read(self, policy: Policy, spoken: Spoken) -> str:
        if spoken.verb == "list":
            records = self._gateway.records
            found, more = await records.read_if_up(
                records.reader.incidents, status="open", limit=LISTED
            )
            return listed(found, is_more=more is not None)
        if spoken.incident:
            view = await self._gateway.incident(spoken.incident)
            return people_of(view) if spoken.verb == "who" else card_of(view)
        return self._on_call(policy)

    def _on_call(self, policy: Policy) -> str:
        """Who is on call now, by schedule."""
        now, lines = self._clock(), list[str]()
        for name in policy.schedules:
            found, _ = resolve_targets(policy, [f"schedule:{name}"], now)
            lines.append(f"{name}: {', '.join(one.person for one in found) or 'nobody'}")
        return "On call now:\n" + "\n".join(lines) if lines else "The policy has no schedules."

    def _count(self, outcome: str) -> None:
        self._metrics.answers.labels("command", outcome).inc()


AT_ONCE = ("acknowledge", "join")
"""Commands that need no words."""
_TYPED = {NAMES[verb]: verb for verb in ("ack", "join", "update", "escalate", "resolve", "reopen")}
"""What is typed for the command of each button."""


def person_of(policy: Policy, member: str) -> str | None:
    """Whose account it is; None where it is nobody's, or not exactly one person's.

    A contact that is switched off still says who acts; one that was never verified does not.
    """
    found = {
        person
        for person, about in policy.people.items()
        for contact in about.contacts
        if contact.channel == "slack" and contact.verified and contact.to.strip() == member
    }
    return found.pop() if len(found) == 1 and member else None


def target_of(policy: Policy, word: str) -> str:
    """Whom an escalation pages: `person:bob`, a mention, or a name that only one of them has.

    Raises:
        UnknownNameError: nobody, with the near matches.
        ChatError: a name that a person and a team share.
    """
    member = member_in(word)
    if member is not None:
        person = person_of(policy, member)
        if person is None:
            raise ChatError(
                "Tocsin does not know who that is: their Slack account is in no contact."
            )
        return f"person:{person}"
    if ":" in word:
        return word
    kinds: Mapping[str, Any] = {
        "person": policy.people, "team": policy.teams, "schedule": policy.schedules,
    }  # fmt: skip
    name = word.removeprefix("@")
    found = [f"{kind}:{name}" for kind, known in kinds.items() if name in known]
    if len(found) > 1:
        raise ChatError(f"{name} is several: type one of {', '.join(found)}.")
    if not found:
        every = [f"{kind}:{known}" for kind, names in kinds.items() for known in names]
        near = nearest(f"person:{name}", every) or nearest(f"team:{name}", every)
        raise UnknownNameError("target", name, near, "to")
    return found[0]


def _given(spoken: Spoken) -> Spoken:
    """What came from a window, complete or not. Raises ChatError."""
    is_escalation = spoken.verb == "escalate"
    if is_escalation and not spoken.target:
        raise ChatError("Whom? Nobody was named, so nobody is paged.")
    return spoken


def with_what_is_legal(error: RefusedError | TransitionError) -> str:
    """Why not, and what can be typed instead."""
    why, _, _ = str(error).partition("; allowed now: ")
    typed = [f"`{verb}`" for verb, name in NAMES.items() if name in error.allowed]
    return f"{why}. Possible now: {', '.join(typed)}." if typed else str(error)


def done(spoken: Spoken, body: Mapping[str, Any], view: Mapping[str, Any], person: str) -> str:
    """What was done, in one sentence."""
    incident = spoken.incident
    match spoken.verb:
        case "ack":
            return f"Acknowledged {incident} {view.get('severity')}: {view.get('summary')}"
        case "update":
            mine = [one for one in view.get("proposals") or [] if one.get("by") == person]
            waiting = [one["id"] for one in mine if one.get("text") == body.get("text")]
            if waiting:
                return (
                    f"{incident}: {waiting[-1]} waits for a second person where an audience asks for "
                    f"one: `tocsin approve {incident} {waiting[-1]}`"
                )
            return f"{incident}: {body.get('audience')} update published."
        case "escalate":
            return f"{incident}: {body.get('to')} is paged."
        case "severity":
            return f"{incident} is {view.get('severity')} now."
        case "resolve":
            return f"{incident} is resolved."
        case "reopen":
            return f"{incident} is open again."
        case "join":
            return f"You work on {incident} now."
        case "leave":
            return f"You do not work on {incident} any more."
        case _:
            return f"{incident}: noted."


def help_text() -> str:
    """Every command."""
    lines = "\n".join(f"{COMMAND} {usage}" for usage in USAGE.values())
    return f"{lines}\nIn the room of an incident its ID may be left out."
