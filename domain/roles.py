"""The roles of a major incident and their written duties. Source: Atlassian's incident handbook, roles."""

from __future__ import annotations

from domain.policy.model import Policy, Role

INCIDENT_MANAGER = "incident_manager"
COMMUNICATIONS_MANAGER = "communications_manager"
PROBLEM_MANAGER = "problem_manager"

BUILT_IN: dict[str, Role] = {
    INCIDENT_MANAGER: Role(
        title="Incident manager",
        duties=[
            "Own the incident: decide, keep focus, delegate, and do whatever no one else holds.",
            "Get the assessment answered and confirm or adjust the severity.",
            "See to it that every audience hears on time, and watch who is overtasked or needs a break.",
            "Before leaving, hand over with a briefing; after resolution, name the postmortem's owner.",
        ],
    ),
    "tech_lead": Role(
        title="Tech lead",
        duties=[
            "Find out what is broken and why: build theories, choose the experiments that test them.",
            "Decide on changes and run the technical team.",
            "Tell the incident manager what you need, and what you changed.",
        ],
    ),
    COMMUNICATIONS_MANAGER: Role(
        title="Communications manager",
        duties=[
            "Write and publish the internal and external updates, on time, each saying when the next comes.",
            "Describe the actual impact; state unknowns as unknown; never promise a time of repair.",
        ],
    ),
    "customer_support_lead": Role(
        title="Customer support lead",
        duties=[
            "See to it that tickets, calls and posts about the incident get a timely, fitting answer.",
            "Bring what customers report to the incident manager, with the number of cases.",
        ],
    ),
    "social_media_lead": Role(
        title="Social media lead",
        duties=[
            "Tell people on the social channels what the status page says, and nothing else.",
            "Feed back what is said there.",
        ],
    ),
    PROBLEM_MANAGER: Role(
        title="Problem manager",
        duties=[
            "Go beyond the resolution: find the root cause and what prevents the whole class.",
            "Own the postmortem and its actions until they are done.",
        ],
    ),
    "investigation_board": Role(
        title="Major incident investigation board",
        duties=[
            "Investigate the incident and approve the changes that follow from it.",
        ],
    ),
}


def roles_of(policy: Policy) -> dict[str, Role]:
    """The built-in roles with the policy's own and its changes on top."""
    merged = dict(BUILT_IN)
    for key, role in policy.roles.items():
        base = BUILT_IN.get(key)
        merged[key] = Role(
            title=role.title or (base.title if base else key.replace("_", " ").capitalize()),
            duties=role.duties or (base.duties if base else []),
            many=role.many,
        )
    return merged
