"""Timeouts and retry policies, each with its reason. Nothing else in `workflows/` names a number of seconds.

Endless retry of pages and messages lives in the state (`domain/aggregate.py`), never in a retry policy:
an activity in retry back-off dies silently when its workflow continues as new.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy

from workflows.contract import PAGE_QUEUE, STORM_QUEUE, TASK_QUEUE

ONE_ATTEMPT = RetryPolicy(maximum_attempts=1)

# The channel's own deadline is 10 s; two more for the way there and back. No heartbeat: cutting a send
# in the middle leaves nobody knowing whether it went out.
PAGE_ATTEMPT: dict[str, Any] = {
    "task_queue": PAGE_QUEUE,
    "start_to_close_timeout": timedelta(seconds=12),
    "retry_policy": ONE_ATTEMPT,
}

# As a page, but an announcement may go to many: chunks of messages, each with its own deadline.
MESSAGE_ATTEMPT: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": ONE_ATTEMPT,
}

# Read-only look-ups that the page path needs. Local: a look-up through the queue would cost a round
# trip to the server before anybody is paged. They do not raise; the retries are for a worker's death.
LOOK_UP: dict[str, Any] = {
    "start_to_close_timeout": timedelta(seconds=5),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=200),
        backoff_coefficient=2.0,
        maximum_interval=timedelta(seconds=2),
    ),
}

# Starting an incident and handing alerts to it: the desk can do nothing better meanwhile, and a second
# attempt does nothing twice. In a storm five seconds of it are a question to somebody else.
STARTING: dict[str, Any] = {**LOOK_UP, "start_to_close_timeout": timedelta(seconds=10)}

# The same for somebody who waits for an answer, and for a roll-over that waits for handlers.
ANSWERED_LOOK_UP: dict[str, Any] = {
    **LOOK_UP,
    "schedule_to_close_timeout": timedelta(seconds=10),
}

# A dozen calls to a chat, which has limits of its own, and a deadline inside. One attempt: what it has
# done is in its answer, and the next one goes on from there.
KEEPING_ROOM: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": ONE_ATTEMPT,
}

# Bounded by time, not by number: whoever waits for these goes on without them.
QUICK: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "start_to_close_timeout": timedelta(seconds=15),
    "schedule_to_close_timeout": timedelta(minutes=5),
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=30)),
}

# For ever: the records are a projection that catches up whenever their database is back.
RECORDING: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "start_to_close_timeout": timedelta(seconds=10),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)
    ),
}

# The way to a person's entity and back: two quick calls to Temporal. An incident that hears nothing
# pages by itself, so the hand-over gives up early and the word of what became of it never does.
HAND_OVER: dict[str, Any] = {
    "task_queue": PAGE_QUEUE,
    "start_to_close_timeout": timedelta(seconds=5),
    "schedule_to_close_timeout": timedelta(seconds=15),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=500)),
}
TELLING: dict[str, Any] = {
    "task_queue": PAGE_QUEUE,
    "start_to_close_timeout": timedelta(seconds=10),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(milliseconds=500), maximum_interval=timedelta(seconds=15)
    ),
}

# A storm's incident: those who ask wait seconds and then go on by themselves; the storm is real all the
# same, so that the next attempt is worth it for a while.
RAISING_STORM: dict[str, Any] = {
    "task_queue": STORM_QUEUE,
    "start_to_close_timeout": timedelta(seconds=5),
    "retry_policy": RetryPolicy(maximum_attempts=3),
}
STORM_TRIES = 6
STORM_RAISED_WITHIN = timedelta(seconds=15)
"""After this the desk is asked again to raise a storm's incident, under the same key."""

# A held page waits for this answer: whoever does not get it pages.
CHECKING: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "start_to_close_timeout": timedelta(seconds=5),
    "schedule_to_close_timeout": timedelta(seconds=30),
    "retry_policy": RetryPolicy(maximum_interval=timedelta(seconds=5)),
}

# A few hundred signals, retried for ever: each desk counts the word once.
TELLING_DESKS: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)
    ),
}

PERSON_IDLE = timedelta(days=1)
"""An entity of a person ends when nothing has come for so long."""
SHORTEST_WAIT = timedelta(milliseconds=1)
ABOUT_TO_FIRE = timedelta(seconds=1)
"""A timer with less than this to go is not cancelled: no task is with a worker for so long."""

PAGE_TEXT_FRESH = timedelta(seconds=60)
"""A page that leaves later than this after it was written is written anew."""

# Several feeds, each with its own deadline of seconds; the next look comes in a quarter of an hour.
REFRESH: dict[str, Any] = {
    "task_queue": TASK_QUEUE,
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": RetryPolicy(maximum_attempts=3, maximum_interval=timedelta(seconds=10)),
}

COPY_PATIENCE = timedelta(seconds=1.5)
"""How long whoever changes the roster waits for its copy in the data folder."""

FEED_EVERY = timedelta(minutes=15)
"""How often calendar feeds are read anew."""

REPEATS_EVERY = timedelta(milliseconds=250)
"""In a storm an open incident hears of repeats this often; of what is new at once."""

LOOK_UP_RETRY = timedelta(seconds=5)
"""Before a look-up that failed for good is asked again."""

STORM_EVERY = timedelta(seconds=5)
"""A storm's incident hears of what is no worse this often from each desk: it has hundreds of them."""

FAULT_RETRY = timedelta(seconds=30)
"""Before a rule that raised an exception is tried again."""

DRAIN = timedelta(seconds=12)
"""How long a roll-over waits for attempts in flight; one attempt at a page lasts no longer."""
