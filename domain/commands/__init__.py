"""Everything a responder can ask of an incident. One class per command, one line here.

From the line follow the update and the signal (`workflows/handlers.py`), the HTTP route
(`starter/api/`) and the CLI verb (`starter/cli/`); tests fail where one is missing.
"""

from __future__ import annotations

from domain.commands.approval import ApproveUpdate, WithdrawUpdate
from domain.commands.base import Command
from domain.commands.communication import PublishUpdate
from domain.commands.holding import ReleaseMessage
from domain.commands.judgement import Assess, SetPriority, SetSeverity
from domain.commands.lifecycle import ApplyPolicy, Cancel, Reopen, Resolve
from domain.commands.paging import Acknowledge, Escalate
from domain.commands.people import AcceptRole, DeclineRole, Delegate, HandOver, Join, Leave
from domain.commands.work import (
    AddExperiment,
    AddTheory,
    LinkTarget,
    Note,
    Observe,
    RecordResult,
    ResolveTheory,
)

COMMANDS: dict[str, type[Command]] = {
    command.name: command
    for command in (
        Acknowledge,
        Assess,
        SetSeverity,
        SetPriority,
        Escalate,
        Delegate,
        AcceptRole,
        DeclineRole,
        HandOver,
        Join,
        Leave,
        PublishUpdate,
        ApproveUpdate,
        WithdrawUpdate,
        ReleaseMessage,
        Note,
        Observe,
        AddTheory,
        ResolveTheory,
        AddExperiment,
        RecordResult,
        LinkTarget,
        ApplyPolicy,
        Resolve,
        Reopen,
        Cancel,
    )
}
