"""The composition root: joins record, ears and voice into one Starlette application."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from typing import Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.app import build_bot
from bot.settings import BotSettings
from db.database import Database
from db.env import Env
from db.errors import DatabaseReadOnly, RecordError, SchemaError
from db.hosts import Hosts
from db.housekeeping import Housekeeper
from db.migrate import cannot_write, migrate, schema_state
from db.model.alert import Reading
from db.settings import DatabaseSettings
from receiver.bodies import BodyReader, Budget
from receiver.collector import LONE_REQUESTS, WRITERS, Collector
from receiver.health import Health
from receiver.metrics import Metrics, MetricsEndpoint
from receiver.pull.worker import Notices, Reconciler
from receiver.rates import Rates
from receiver.replays import Replays
from receiver.settings import ReceiverSettings
from receiver.severities import UnknownSeverities
from receiver.sources import WEBHOOKS, WebhookSource
from receiver.webhooks import Webhook

_log = logging.getLogger(__name__)

START_SECONDS = 3.0
"""How long the start waits for the database; without it the program serves `/health` and answers webhooks with 503."""

READING_THREADS = 1
"""Large bodies that are read at once, beside the event loop. The interpreter runs one thread at a time, so several
would be no faster, and would each take turns with a writer that holds locks."""

KEEPING_THREADS = 4
"""Bodies at once that are kept although they cannot be read."""

BACKGROUND_THREADS = 11
"""Delivery workers, health, metrics, reconciliation, housekeeping and clicks for many incidents that use the same pool
as the webhooks."""

_SLASHES = re.compile("//+")

SCHEMA_SECONDS = 15.0
"""Between two looks at whether the tables are still those this program knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything the program is told from outside."""

    database: DatabaseSettings
    receiver: ReceiverSettings
    bot: BotSettings
    warnings: tuple[str, ...] = ()  # what should be another way, and prevents nothing

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Settings:
        """Read the environment. Raises `SettingsError` with one message that names everything missing or wrong."""
        env = Env(values)
        database = DatabaseSettings.from_env(env)
        receiver = ReceiverSettings.from_env(env)
        bot = BotSettings.from_env(env)
        env.finish()
        assert receiver is not None  # noqa: S101 - it left a problem otherwise
        assert bot is not None  # noqa: S101 - the same
        return cls(database=database, receiver=receiver, bot=bot, warnings=tuple(env.warnings))


def utc_now() -> datetime:
    """The clock of the program."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Starlette:
    """Build the application; nothing is connected or started before its lifespan begins.

    `clock` is the time of day, `monotonic` seconds by which the pace of calls to Slack is kept.
    """
    # Two pools: a person who clicks is answered within Slack's three seconds or told that it failed; a webhook may
    # wait for a database that restarts, because Grafana comes again only after group_interval (5 minutes).
    hosts = Hosts(settings.database.addresses)
    background = Database(
        settings.database,
        hosts=hosts,
        pool_size=WRITERS + LONE_REQUESTS + KEEPING_THREADS + BACKGROUND_THREADS,
        statement_seconds=10.0,
        lock_seconds=5,
        patience_seconds=8.0,
        connect_seconds=2,
        several_statements=True,
    )
    interactive = Database(
        settings.database,
        pool_size=settings.bot.listener_threads,
        statement_seconds=1.0,  # a last statement may begin just before patience is over: 2.4 seconds in all
        lock_seconds=1,
        patience_seconds=1.4,
        work_seconds=1.4,
        hosts=hosts,
        pioneer=False,  # nobody who waits finds out whether a server is back
        causal=True,  # what one replica answered, a person finds through any other
    )
    policy = replace(settings.receiver.policy, default_channel=settings.bot.channel)
    rates = Rates(time.monotonic, policy.rates.warn_alerts_per_minute)
    replays = Replays()
    unproven = Budget()
    metrics = Metrics(rates)
    # The reconcilers are chores of the bot, and wake it: what it is called is known only once it is built.
    notices = Notices(lambda: bot.wake(), metrics.found_by_reconciliation, metrics.pull_failed)
    reconcilers = [
        Reconciler(source, database=background, policy=policy, notices=notices) for source in settings.receiver.sources
    ]
    for reconciler in reconcilers:
        metrics.expect_source(reconciler.source)
    keeper = Housekeeper(background, policy.retention, clock)
    bot = build_bot(
        settings.bot,
        interactive=interactive,
        background=background,
        policy=policy,
        clock=clock,
        monotonic=monotonic,
        chores={
            **{f"reconcile-{reconciler.source}": reconciler.turn for reconciler in reconcilers},
            **({"retention": keeper.turn} if policy.retention else {}),
        },
        slack_called=metrics.slack_called,
        unproven=unproven,
    )
    sources = [reconciler.source for reconciler in reconcilers]
    health = Health(background, bot.report, _version(), clock, sources, rates, policy.audit.checkpoint_every)
    collector = Collector(background, policy, recorded=bot.wake, batch=metrics.batch.observe)
    metrics.queue.set_function(collector.waiting)
    scrape = MetricsEndpoint(metrics, background, clock)
    readers, keepers = anyio.CapacityLimiter(READING_THREADS), anyio.CapacityLimiter(KEEPING_THREADS)
    bodies = BodyReader(settings.receiver.max_body_bytes, settings.receiver.body_seconds)

    severities = UnknownSeverities(policy.unknown_severity, metrics.severity_unknown)

    def heard(reading: Reading) -> None:
        severities.look(reading)
        for reconciler in reconcilers:
            reconciler.heard(reading)

    def webhook(source: str, row: WebhookSource) -> Webhook:
        auth = settings.receiver.auth[source]
        # Where sources prove themselves in different ways, nobody may choose the easier one by choosing the path.
        own_only = any(other is not auth for other in settings.receiver.auth.values())
        return Webhook(
            source=source,
            read=partial(row.read, own_only=own_only),
            auth=auth,
            database=background,
            collector=collector,
            clock=clock,
            readers=readers,
            keepers=keepers,
            heard=heard,
            meter=metrics.webhook(source),
            bodies=bodies,
            unproven=unproven,
            rates=rates,
            replays=replays,
            masks=policy.masks,
        )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            schema = _Schema(settings.database, hosts, (background, interactive))
            tasks.start_soon(schema.look_after)
            with anyio.move_on_after(START_SECONDS):
                await schema.tried.wait()
            if schema.error is not None:
                raise schema.error
            collector.start()
            await anyio.to_thread.run_sync(bot.start)
            _log.info("observer started", extra={"version": _version()})
            for warning in settings.warnings:
                _log.warning("a setting should be another one", extra={"warning": warning})
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(collector.stop)
                    await anyio.to_thread.run_sync(bot.stop)
        interactive.close()
        background.close()
        _log.info("observer stopped")

    hooks = {source: webhook(source, row) for source, row in WEBHOOKS.items()}
    # also with a slash at the end: a redirect would turn a sender's POST into a GET
    webhooks = {f"/webhook/{source}{slash}": hook for slash in ("", "/") for source, hook in hooks.items()}
    routes = [
        *[Route(path, hook, methods=["POST", "PUT"]) for path, hook in webhooks.items()],
        Route("/health", health.health, methods=["GET"]),
        Route("/ready", health.ready, methods=["GET"]),
        Route("/metrics", scrape.__call__, methods=["GET"]),
        Route("/", health.information, methods=["GET"]),
        *bot.routes,
    ]
    app = _Application(webhooks, routes=routes, lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


class _Application(Starlette):
    """Starlette, with the webhooks in front of its middleware: it does nothing for them, since they answer their errors
    themselves and what nobody expected is a 500 of the server's anyway, and takes a tenth of the time of each.

    Slashes in a row are one: a base address that ends with a slash is often joined with a path that begins with one.
    """

    def __init__(self, webhooks: Mapping[str, Webhook], **named: Any) -> None:
        super().__init__(**named)
        self._webhooks = webhooks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if "//" in path:
            path = _SLASHES.sub("/", path)
            scope = {**scope, "path": path}
        hook = self._webhooks.get(path)
        if hook is not None and scope["type"] == "http" and scope["method"] in ("POST", "PUT"):
            await hook(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class _Schema:
    """Brings the tables up to date, now or as soon as the database is there; meanwhile webhooks answer 503.

    Looks again at intervals: a newer program may have changed the tables, and what this one would write into those
    could be wrong. From then on nothing is read or written any more, and the sources send again to the newer program.
    """

    def __init__(self, settings: DatabaseSettings, hosts: Hosts, users: Sequence[Database]) -> None:
        self._settings = settings
        self._hosts = hosts
        self._users = users
        self._checked = False
        self.tried = anyio.Event()  # set after the first attempt
        self.error: SchemaError | None = None  # of the first attempt: the program must not start on these tables

    async def look_after(self) -> None:
        """Try until it worked, then look at intervals."""
        while True:
            pause = SCHEMA_SECONDS
            try:
                await anyio.to_thread.run_sync(_migrate, self._settings, self._hosts, abandon_on_cancel=True)
                self._use("")
            except SchemaError as error:
                if not self.tried.is_set():
                    self.error = error
                    return
                _log.error("the schema cannot be used", extra={"error": str(error)})
                self._use(str(error))
            except RecordError as error:
                _log.warning("database away, tables not checked", extra={"error": str(error)})
                pause = 2.0 if not self._checked else SCHEMA_SECONDS
            except Exception:  # whatever it is, a program that runs must not end because of it
                _log.exception("tables not checked")
                pause = 2.0
            finally:
                self.tried.set()
            await anyio.sleep(pause)

    def _use(self, problem: str) -> None:
        self._checked = True
        for database in self._users:
            database.refuse(problem)


def _migrate(settings: DatabaseSettings, hosts: Hosts) -> None:
    """Look with short time limits; only if there is something to do, take a connection that may work for minutes."""
    quick = Database(settings, hosts=hosts, pool_size=1, statement_seconds=5, lock_seconds=5, patience_seconds=3)
    try:
        if reason := cannot_write(quick):
            raise DatabaseReadOnly(reason)
        if not schema_state(quick).problem:
            return
    finally:
        quick.close()
    patient = Database(settings, hosts=hosts, pool_size=1, statement_seconds=600, lock_seconds=30, patience_seconds=3)
    try:
        migrate(patient, patience_seconds=20)
    finally:
        patient.close()


def _version() -> str:
    try:
        return version_of("incident-observer")
    except PackageNotFoundError:  # run from a folder without being installed
        return "0"
