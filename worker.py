"""Where things are put together: settings -> channels -> activities -> workers on both queues.

Nothing else happens here. `tocsin worker` runs it; `--queue` splits pages from the rest.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.worker import Worker, WorkflowRunner

from activities.announcing import Announcer
from activities.answer_links import AnswerLinks
from activities.assess import Assessing
from activities.bridges import BridgeCreator
from activities.channels import ChannelSettingsError, build_channels, read_settings
from activities.channels.outbox import Outbox
from activities.channels.room import RoomPosts
from activities.crossing import LookingForCauses
from activities.delegate import Delegating
from activities.delivery import Postman
from activities.desk import DeskActivities
from activities.egress import Egress
from activities.escalate import OperatorTelling
from activities.fallback import DirectPager
from activities.follow_up import FollowingUp
from activities.heartbeat import Listening
from activities.keeping_published import KeepPublished, Publication
from activities.looking_up import RecordsLookUp
from activities.maintenance import MaintenanceLookUp
from activities.open_comms import Opening
from activities.page import PagedTelling, PageResolving, PageSending
from activities.person import BundleSending, HandingOver
from activities.policy import Pinning
from activities.postmortem import PostmortemActivities
from activities.raising import Raising
from activities.ranking import RankReviewing
from activities.record import HOLD_SECONDS, Recording
from activities.remind import Reminding
from activities.reports import Reporting
from activities.resolve import Resolving
from activities.rooms import KeepingRooms
from activities.roster import RosterActivities
from activities.storm import StormWatch
from activities.subscribing import Subscribing
from domain.addresses import Allowed
from domain.errors import PolicyError
from records.database import open_database
from records.policy_store import PolicyStore
from records.reads import RecordsReader
from records.reporters import Reporters
from records.status_page import StatusPageReader
from records.writes import RecordsWriter
from starter.access.actor_keys import read_actor_keys
from starter.event_loop import with_room
from starter.first_things import adopt_policy, prepare_records
from starter.logs import configure_logs
from starter.security import (
    ANSWER_SECRET_FILE,
    LINK_SECRET_FILE,
    AnswerSigner,
    LinkSigner,
    PageRef,
)
from starter.settings import (
    Settings,
    SettingsError,
    load_settings,
    with_files,
)
from starter.subscriber_links import SubscriberLinks
from starter.temporal_setup import connect_and_prepare, start_what_stands
from starter.unknown_settings import refuse_unknown_settings
from starter.worker_process import calm_the_collector, say_ready
from templates.renderer import Renderer
from workflows.contract import PAGE_QUEUE, STORM_QUEUE, TASK_QUEUE
from workflows.heartbeat import HeartbeatMonitor
from workflows.incident import IncidentWorkflow
from workflows.person import PersonPages
from workflows.postmortem import PostmortemWorkflow
from workflows.report import ReportWorkflow
from workflows.roster import Roster
from workflows.service_desk import ServiceDesk
from workflows.storm import StormWatcher
from workflows.subscription import SubscriptionWorkflow
from workflows.task_marks import MarkingRunner

WORKFLOWS: tuple[type, ...] = (
    ServiceDesk,
    IncidentWorkflow,
    PostmortemWorkflow,
    HeartbeatMonitor,
    Roster,
    PersonPages,
    ReportWorkflow,
    StormWatcher,
    SubscriptionWorkflow,
)
GRACE = timedelta(seconds=5)
"""For what runs when the worker is told to stop; a page attempt that is cut comes again under its key."""
STICKY = timedelta(seconds=2)
"""After a kill, a cached incident's task waits this long for the dead worker; the default costs 10 s."""
RECORDS_HEAD_START = timedelta(seconds=1)
"""How long a starting worker waits for its database before it takes work all the same."""
PAGE_SLOTS = 400
"""A vendor that hangs holds a slot for ten seconds: hundreds of its pages must leave room for the others'."""
CACHED = 5_000
"""Workflows in memory, about 45 kB each. The default of 1,000 has a thousand incidents and their desks read
their histories again at every turn: 102 ms of a worker's time for each incident instead of 33."""
WORKFLOW_SLOTS = 200
"""In a storm hundreds of desks hold one each while they ask; the desk that raises it needs one too."""
SLOTS = 500
"""Recording holds a slot for a second at a time; it waits, it does not work."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Activities:
    """All activities, by the queue that they run on."""

    main: Sequence[Callable[..., Any]]
    pages: Sequence[Callable[..., Any]]
    storms: Sequence[Callable[..., Any]] = ()
    postmen: Sequence[Postman | Subscribing] = ()
    keeper: KeepPublished | None = None
    """Keeps the page published, for as long as a worker runs."""

    async def aclose(self) -> None:
        """Close what the channels keep open: their connections to the vendors."""
        for postman in self.postmen:
            await postman.aclose()


def _now() -> datetime:
    return datetime.now(UTC)


def build_activities(
    client: Client,
    settings: Settings,
    environment: dict[str, str],
    clock: Callable[[], datetime] = _now,
    recording_hold_seconds: float = HOLD_SECONDS,
) -> Activities:
    """Wire the activities to the outside world.

    Args:
        environment: where channels find their own variables.
        clock: the time now, in UTC; scenarios in virtual time bring their own.
    """
    data = settings.data_dir
    policy = PolicyStore(data)
    renderer = Renderer(own_folder=settings.templates)
    outbox = Outbox(data / "outbox")
    room = RoomPosts.from_environment(environment)
    channels = {**build_channels(environment), room.name: room}
    postman = Postman(settings.delivery.value, channels, outbox, clock)
    # Pages have channels and threads of their own: a mail to hundreds must not stand in their way.
    pager = Postman(settings.delivery.value, build_channels(environment), outbox, clock)
    # Readers give up after a second: what they look up is never worth a page's time.
    reader = RecordsReader(open_database(settings.records_url(), limit_seconds=1.0))
    writer = RecordsWriter(open_database(settings.records_url()))
    look_up = RecordsLookUp(reader)
    links = LinkSigner(data / LINK_SECRET_FILE)
    subscribing = Subscribing.build(
        (policy, renderer, outbox, clock),
        settings.delivery.value,
        build_channels(environment),
        Egress(Allowed(settings.egress_allow), proxy=settings.egress_proxy),
        open_database(settings.records_url()),
        SubscriberLinks(links, settings.own_url()),
    )
    shared, url = (policy, renderer, postman, clock), settings.public_url
    pages = StatusPageReader(open_database(settings.records_url(), limit_seconds=5.0))
    site = Publication.build(shared, client, pages, data, environment, url)
    announcer = Announcer(policy, renderer, postman, clock, subscribing.telling, site.publisher)

    link_for = partial(links.url_for, settings.own_url())
    answers = AnswerSigner(data / ANSWER_SECRET_FILE)
    try:
        answers.load()
    except OSError as error:  # a full disk is no reason not to page: the pages go without a link
        log.warning("pages cannot be answered by link", reason=str(error))

    def sign_answer(incident_id: str, person: str, key: str, sent_at: datetime) -> str:
        return answers.sign(PageRef(incident_id, person, key), sent_at)

    answer_for = AnswerLinks(sign_answer, settings.own_url(), settings.public_url)
    resolving = PageResolving(policy, look_up, renderer, pager, clock)
    sending = PageSending(policy, pager, clock, answer_for)
    bridges = BridgeCreator(settings.egress_allow, settings.egress_proxy)
    outside = (room.chats, bridges) if settings.delivery.value == "live" else ()
    following = FollowingUp(policy, renderer, announcer, clock)
    actor_keys = partial(read_actor_keys, data)
    pinning = Pinning(policy, look_up, outbox, link_for, actor_keys)
    windows = MaintenanceLookUp(policy)
    listening = Listening(policy, client)
    roster = RosterActivities(policy, environment, clock, actor_keys=actor_keys)
    desk = DeskActivities(client)
    causes = LookingForCauses(client, look_up, policy)
    storms = StormWatch(client, desk)
    handing = HandingOver(client)
    bundling = BundleSending(sending, look_up, renderer, pager, clock)
    ranking = RankReviewing(handing, look_up, policy, renderer, postman, clock)
    reporting = Reporting(policy, renderer, postman, Reporters(data), reader, clock)
    postmortem = PostmortemActivities(reader, renderer, announcer, data / "postmortems")
    return Activities(
        main=[
            resolving.resolve_page,
            Raising(client, pinning, resolving, windows, causes, storms).start_incident,
            *(causes.check_cause, causes.tell_cause, causes.tell_dependents),
            storms.settle_storm,
            windows.maintenance_windows,
            *(listening.look_up_monitor, listening.timer_fired_at),
            *(pinning.pin_policy, pinning.number_floor),
            Opening(policy, renderer, *outside).open_comms,
            KeepingRooms(policy, renderer, room.chats).keep_room,
            Assessing(look_up).assess,
            *(following.compose_update, following.publish_update),
            Delegating(announcer).delegate,
            Reminding(announcer).remind,
            Resolving(announcer).send_final,
            OperatorTelling(announcer).tell_operator,
            PagedTelling(announcer).tell_paged,
            *(ranking.review_rank, ranking.send_rank_notice),
            Recording(writer, recording_hold_seconds).record,
            roster.judge_roster,
            roster.read_roster,
            roster.write_roster,
            roster.refresh_calendars,
            *(desk.signal_desk, desk.hand_alerts),
            *(reporting.ending_of, reporting.tell_reporter, reporting.tell_of_report),
            *(subscribing.invite, subscribing.forget_unconfirmed),
            *(postmortem.draft_postmortem, postmortem.export_postmortem, postmortem.tell_owner),
        ],
        pages=[
            sending.send_page,
            bundling.send_bundle,
            *(handing.hand_to_person, handing.withdraw_pages, handing.tell_outcomes),
            resolving.resolve_test_page,
        ],
        storms=[storms.raise_storm],
        postmen=(postman, pager, subscribing),
        keeper=site.keeper,
    )


def workflow_runner() -> WorkflowRunner:
    """No sandbox: what workflow code may do is checked by `tests/test_architecture.py`.

    The SDK's costs more than the rest of a first page, see docs/adr/0010; and the marks: docs/adr/0030.
    """
    return MarkingRunner()


def build_workers(
    client: Client, activities: Activities, queue: str = "all", **options: Any
) -> list[Worker]:
    """The workers of this process: `all`, only `pages`, or only `main`."""
    shared: dict[str, Any] = {
        "graceful_shutdown_timeout": GRACE,
        "sticky_queue_schedule_to_start_timeout": STICKY,
        "max_cached_workflows": CACHED,
        **options,
    }
    workers = []
    if queue in ("all", "main"):
        workers.append(
            Worker(
                client,
                task_queue=TASK_QUEUE,
                workflows=WORKFLOWS,
                activities=activities.main,
                workflow_runner=workflow_runner(),
                max_concurrent_activities=SLOTS,
                max_concurrent_workflow_tasks=WORKFLOW_SLOTS,
                max_concurrent_local_activities=SLOTS,
                **shared,
            )
        )
        # Desks that ask whether they are in a storm fill the queue of desks: the answer has one of its own.
        workers.append(
            Worker(
                client,
                task_queue=STORM_QUEUE,
                workflows=[StormWatcher],
                activities=activities.storms,
                workflow_runner=workflow_runner(),
                **shared,
            )
        )
    if queue in ("all", "pages"):
        workers.append(
            Worker(
                client,
                task_queue=PAGE_QUEUE,
                activities=activities.pages,
                max_concurrent_activities=PAGE_SLOTS,
                **{k: v for k, v in shared.items() if k != "max_cached_workflows"},
            )
        )
    return workers


async def run(settings: Settings, environment: dict[str, str], queue: str = "all") -> None:
    """Run until told to stop, waiting for Temporal for as long as it takes."""
    await with_room(_run(settings, environment, queue))


async def _run(settings: Settings, environment: dict[str, str], queue: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sig in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sig, stop.set)
    client = await connect_and_prepare(stop)
    if client is None:
        return
    # A database that hangs must not hold up a page: the tables are made beside the work. The short
    # wait is for the first start, so that its first page knows its rank.
    preparing = asyncio.create_task(prepare_records(settings))
    await asyncio.wait({preparing}, timeout=RECORDS_HEAD_START.total_seconds())
    activities = build_activities(client, settings, environment)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(activities.aclose)
        for worker in build_workers(client, activities, queue):
            await stack.enter_async_context(worker)
        if queue in ("all", "main"):
            data = settings.data_dir
            await start_what_stands(client, *PolicyStore(data).current(), data)
            if activities.keeper is not None:
                keeping = asyncio.create_task(activities.keeper.run())
                stack.callback(keeping.cancel)
        calm_the_collector()
        say_ready(settings.data_dir)
        log.info("worker is ready", queue=queue, delivery=settings.delivery.value)
        await stop.wait()


def main(queue: str = "all", *, adopts_policy: bool = True) -> int:
    """Run the worker process; see `run`.

    Args:
        adopts_policy: False leaves the policy in force alone: `tocsin up` has adopted the file, and a
            worker that is restarted after a crash must not pick up one that is being edited.
    """
    # A page is a few short steps in several threads: with the default of 5 ms each of them may wait that
    # long behind a workflow's task.
    sys.setswitchinterval(0.0005)
    configure_logs()
    try:
        environment = with_files(os.environ)
        settings = load_settings()
        if adopts_policy:
            adopt_policy(settings)
        refuse_unknown_settings(environment, PolicyStore(settings.data_dir).current()[1])
        read_settings(environment)
    except ChannelSettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (PolicyError, SettingsError) as error:
        print("\n".join(f"error: {problem}" for problem in error.problems), file=sys.stderr)
        return 2
    asyncio.run(run(settings, environment, queue))
    return 0


def page_directly() -> int:
    """Page past Temporal, as the API asks for it on stdin (`starter/reception/direct_paging.py`)."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what is logged must not stand in the answer
    configure_logs()
    environment = with_files(os.environ)
    settings = load_settings()
    policies = PolicyStore(settings.data_dir)
    outbox = Outbox(settings.data_dir / "outbox")
    postman = Postman(settings.delivery.value, build_channels(environment), outbox, _now)
    pager = DirectPager(policies, Renderer(own_folder=settings.templates), postman, _now)
    print(asyncio.run(with_room(pager.answer(sys.stdin.read()))), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["page-directly"]:
        os._exit(page_directly())
    code = main(*sys.argv[1:2], adopts_policy="--policy-adopted" not in sys.argv)
    sys.stdout.flush()
    sys.stderr.flush()
    # A process that has held a Temporal client may abort while the interpreter ends, although all is done.
    os._exit(code)
