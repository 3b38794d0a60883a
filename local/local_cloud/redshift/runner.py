"""Runs submitted statements on the databases: states, transactions, cancelling, events."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Final

from local.local_cloud.events.service_events import OnEvent
from local.local_cloud.redshift.database import Database
from local.local_cloud.redshift.load import LoadError
from local.local_cloud.redshift.objects import Objects
from local.local_cloud.redshift.session import Session
from local.local_cloud.redshift.sql import reads_only, translate
from local.local_cloud.redshift.statements import Part, Status, Submitted, Target
from local.local_cloud.redshift.tokens import SqlError

LOGGER: Final = logging.getLogger(__name__)
_WORKERS: Final = 8
_INTERRUPT_SECONDS: Final = 0.05
_CANCELLED: Final = "Query cancelled on user's request"


class StatementRunner:
    """Worker threads, and the databases that they run statements on.

    Attributes:
        changed: the lock under which statements are changed and read; notified at each end.
    """

    def __init__(self, work_dir: Path, objects: Objects, on_event: OnEvent) -> None:
        self.changed = threading.Condition()
        self._work_dir = work_dir
        self._objects = objects
        self._on_event = on_event
        self._opening = threading.Lock()
        self._databases: dict[Target, Database] = {}
        self.open_database: Callable[[Path], Database] = Database  # tests use one again
        self._workers: ThreadPoolExecutor | None = None

    @property
    def running(self) -> bool:
        return self._workers is not None

    def start(self) -> None:
        self._work_dir.mkdir(parents=True, exist_ok=True)
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="redshift")

    def stop(self) -> None:
        """Wait for what runs (the caller has cancelled it), and close the databases."""
        if self._workers is not None:
            self._workers.shutdown(wait=True)
            self._workers = None
        with self._opening:
            for database in self._databases.values():
                database.close()
            self._databases.clear()

    def submit(self, submitted: Submitted) -> None:
        """Have a statement run as soon as a worker is free."""
        if self._workers is None:
            raise RuntimeError("the runner has not been started")
        self._workers.submit(self._work, submitted)

    def cancel(self, submitted: Submitted) -> None:
        """Cancel one that has not ended; `changed` is held."""
        submitted.cancelled = True
        if submitted.session is None:
            self._end(submitted, Status.ABORTED)
        else:
            threading.Thread(target=self._interrupt, args=(submitted,), daemon=True).start()

    def database(self, target: Target) -> Database:
        """The database of a target, opened (and made) when first asked for."""
        with self._opening:
            if target not in self._databases:
                self._databases[target] = self.open_database(self._work_dir / target.file)
            return self._databases[target]

    def _work(self, submitted: Submitted) -> None:
        try:
            self._run(submitted)
        except Exception as error:  # the statement must end whatever happens
            LOGGER.exception("Redshift statement %s could not be run", submitted.id)
            self._end(submitted, Status.FAILED, f"ERROR: internal error: {error}")
        if submitted.request.get("WithEvent"):
            try:
                self._on_event(submitted.ended_event())
            except Exception:  # the statement has ended all the same
                LOGGER.exception("event of statement %s was not delivered", submitted.id)

    def _run(self, submitted: Submitted) -> None:
        with self.changed:
            if submitted.cancelled:
                return
            submitted.whole.change(Status.PICKED)
        parameters = submitted.parameters
        try:
            statements = [translate(part.sql, parameters) for part in submitted.parts]
            alone = len(statements) == 1 and reads_only(statements[0])
        except SqlError:
            alone = False  # raised again in the statement's turn, after those before it
        database = self.database(submitted.target)
        with nullcontext() if alone else database.writing:
            session = Session(database, self._objects)
            try:
                self._run_in(session, submitted, database)
            finally:
                with self.changed:
                    submitted.session = None
                session.close()

    def _run_in(self, session: Session, submitted: Submitted, database: Database) -> None:
        with self.changed:
            if submitted.cancelled:
                return
            submitted.session = session
            submitted.whole.change(Status.STARTED)
        session.begin()
        number = 0
        try:
            for part in submitted.parts:
                number += 1
                self._run_part(session, submitted, part)
            if submitted.cancelled:
                raise SqlError(_CANCELLED)
            session.commit()
        except SqlError as error:
            session.rollback()
            if isinstance(error, LoadError):
                database.note_load_error(error.file, error.line, error.column, error.reason)
            status = Status.ABORTED if submitted.cancelled else Status.FAILED
            part = submitted.parts[number - 1]
            with self.changed:
                part.error = f"ERROR: {error}"
                part.change(status)
            message = (
                f"Query #{number} failed with {part.error}" if submitted.is_batch else part.error
            )
            self._end(submitted, status, message)
        else:
            self._end(submitted, Status.FINISHED)

    def _run_part(self, session: Session, submitted: Submitted, part: Part) -> None:
        with self.changed:
            if submitted.cancelled:
                raise SqlError(_CANCELLED)
            part.change(Status.STARTED)
        statement = translate(part.sql, submitted.parameters)
        outcome = session.run(statement, in_batch=submitted.is_batch)
        with self.changed:
            part.outcome = outcome
            if submitted.is_batch:
                part.change(Status.FINISHED)
                submitted.whole.outcome = outcome

    def _end(self, submitted: Submitted, status: Status, error: str | None = None) -> None:
        with self.changed:
            for part in submitted.parts:
                if not part.status.ended and part is not submitted.whole:
                    part.change(Status.ABORTED)
            submitted.whole.error = error
            submitted.whole.change(status)
            self.changed.notify_all()

    def _interrupt(self, submitted: Submitted) -> None:
        """Interrupt until it has ended: an interrupt between two queries does nothing."""
        with self.changed:
            while submitted.session is not None:
                submitted.session.interrupt()
                self.changed.wait(_INTERRUPT_SECONDS)
