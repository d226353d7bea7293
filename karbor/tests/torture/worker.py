# SPDX-License-Identifier: Apache-2.0
"""One process that works on a bank, as a service does, until it is killed.

It does one action at a time, when the parent says so, and tells what the parent must
know: that a checkpoint is committed, after it is; that it is going to be deleted,
before it is. What it has told has been told, also when it is killed just then.
"""

import datetime
import random
import signal
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.resource import Resource
from karbor.services.protection.bank.leases import LeaseKeeper
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.bank.streams.stored import StoredStream
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints import states
from karbor.services.protection.checkpoints.checkpoint import Checkpoint
from karbor.services.protection.collection.collector import Collector
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.zombies import ZombieSweeper
from karbor.tests.torture.banks import Interrupted, Place
from karbor.tests.torture.content import PROJECTS, RESOURCES, blocks_of, content_of

PROVIDER = "provider"
PLAN = {"id": "plan", "name": "torture", "resources": []}
GRAPH = ResourceGraph.build(
    [Resource("T", name, None) for name in RESOURCES], lambda level: {}
)
#: More checkpoints than this are not kept: each is read again after every step.
MOST_CHECKPOINTS = 8
#: Longer than any pause, so that nothing is cleared which somebody will finish.
SAFE_AGE = datetime.timedelta(seconds=20)

WEIGHTS = {"protect": 34, "delete": 28, "collect": 18, "sweep": 8, "restore": 12}


class SourceFailed(Exception):
    """What is protected cannot be read any more."""


class Worker:
    """What one process does.

    :param parent: a connection to the parent
    :param place: the bank
    :param seed: where its random numbers begin
    :param skew: seconds by which its clock is ahead
    """

    def __init__(self, parent: Any, place: Place, seed: str, skew: float) -> None:
        self._parent = parent
        self._place = place
        self._random = random.Random(seed)
        self._skew = datetime.timedelta(seconds=skew)
        self._interrupted = Interrupted(place.plugin(skew))
        self._lease = LeaseKeeper(self._interrupted)
        self._checkpoints = CheckpointCollection(
            place.bank(self._interrupted), self._lease, self._clock
        )

    def run(self) -> None:
        """Do what the parent says until it hangs up."""
        while True:
            try:
                self._lease.start()
                break
            except exception.AcquireLeaseFailed:
                continue
        self._parent.send(("ready",))
        while True:
            try:
                action, interruption = self._parent.recv()
            except EOFError:
                return
            if action == "stop":
                self._lease.stop()
                self._parent.send(("stopped",))
                return
            if interruption is not None:
                calls, after, sent = interruption
                self._interrupted.arm(calls, after=after, sent=signal.Signals(sent))
            outcome = self._perform(action)
            self._interrupted.disarm()
            self._parent.send(("done", action, outcome))

    def _perform(self, action: str) -> str:
        try:
            return getattr(self, f"_{action}")() or "done"
        except exception.KarborException as error:
            return type(error).__name__
        except Exception:  # noqa: BLE001
            self._parent.send(("broken", traceback.format_exc()))
            return "broken"

    def _protect(self) -> str:
        project_id = self._random.choice(PROJECTS)
        checkpoint = self._checkpoints.create(
            PLAN,
            provider_id=PROVIDER,
            project_id=project_id,
            checkpoint_id=str(uuid.UUID(int=self._random.getrandbits(128))),
        )
        try:
            checkpoint.save_graph(GRAPH)
            for name in RESOURCES:
                self._save(checkpoint, name)
            checkpoint.save_resources_status(
                {f"T#{name}": {"status": "available"} for name in RESOURCES}
            )
            checkpoint.transition(states.AVAILABLE)
        except (exception.KarborException, SourceFailed) as error:
            self._give_up(checkpoint)
            return f"failed: {type(error).__name__}"
        self._parent.send(("committed", project_id, checkpoint.id))
        return "done"

    def _save(self, checkpoint: Checkpoint, name: str) -> None:
        section = checkpoint.get_resource_bank_section(name)
        section.update_object("metadata", {"name": name})
        if self._random.random() < 0.15:
            # A hook that runs twice: the first stream is replaced.
            section.write_stream(
                "disk", blocks_of(checkpoint.project_id, str(uuid.uuid4()), name)
            )
            if self._random.random() < 0.3:
                section.delete_stream("disk")
        blocks = blocks_of(checkpoint.project_id, checkpoint.id, name)
        section.write_stream("disk", self._source(blocks))

    def _source(self, blocks: list[bytes]) -> Iterator[bytes]:
        fails_at = self._random.randrange(len(blocks) * 30)
        for number, block in enumerate(blocks):
            if number == fails_at:
                raise SourceFailed
            yield block

    def _give_up(self, checkpoint: Checkpoint) -> None:
        try:
            checkpoint.transition(states.ERROR, "It failed.")
        except exception.KarborException:
            # Left for a sweep.
            return

    def _delete(self) -> str:
        checkpoint = self._any_checkpoint()
        if checkpoint is None:
            return "nothing there"
        self._parent.send(("deleting", checkpoint.project_id, checkpoint.id))
        checkpoint.transition(states.DELETING)
        try:
            checkpoint.purge()
        except exception.KarborException:
            checkpoint.transition(states.ERROR_DELETING, "It failed.")
            raise
        return "done"

    def _restore(self) -> str:
        checkpoint = self._any_checkpoint()
        if checkpoint is None or checkpoint.status != states.AVAILABLE:
            return "nothing there"
        for _attempt in range(self._place.reads):
            try:
                problem = problem_of(checkpoint)
            except exception.KarborException as error:
                problem = f"{type(error).__name__}: {error}"
            if problem is None:
                return "done"
            time.sleep(self._place.bound_seconds)
        self._parent.send(("suspect", checkpoint.project_id, checkpoint.id, problem))
        return "suspect"

    def _sweep(self) -> str:
        sweeper = ZombieSweeper(
            Providers(self._checkpoints),
            is_running=lambda checkpoint_id: False,
            safe_age=SAFE_AGE,
            own_grace=datetime.timedelta(0),
        )
        swept = sweeper.sweep()
        return "failed" if swept.failed else "done"

    def _collect(self) -> str:
        report = collector_of(self._checkpoints, self._place).step()
        if report.findings:
            return "findings"
        return "done" if report.is_done else "to go on"

    def _any_checkpoint(self) -> Checkpoint | None:
        found = self._checkpoints.list(None, provider_id=PROVIDER, all_tenants=True)
        ended = [item for item in found if item.status not in states.WORKING]
        return self._random.choice(ended) if ended else None

    def _clock(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC) + self._skew


class Providers:
    """One provider with these checkpoints, as a sweep needs it."""

    def __init__(self, checkpoints: CheckpointCollection) -> None:
        self.id = PROVIDER
        self.checkpoints = checkpoints

    def list(self) -> Any:
        return [self]


def read_stream(section: BankSection) -> bytes:
    """All of a resource's stream, as a restore reads it."""
    with section.open_stream("disk") as stream:
        return stream.read()


def read_chunks(section: BankSection) -> bytes:
    """The same without threads, four times as fast, and from no other copy of a chunk
    than the one that was referred to."""
    stored = StoredStream(section, "disk")
    return b"".join(
        stored.read(placed, heal=False) for placed in stored.chunks(heal=False)
    )


def problem_of(
    checkpoint: Checkpoint, read: Callable[[BankSection], bytes] = read_stream
) -> str | None:
    """What is not as it was when it was protected; None when all is.

    :raises KarborException: when something cannot be read
    """
    if checkpoint.resource_graph != GRAPH:
        return "its graph is another one"
    for name in RESOURCES:
        section = checkpoint.get_resource_bank_section(name, is_writable=False)
        if section.get_object("metadata") != {"name": name}:
            return f"the metadata of {name} is another one"
        if read(section) != content_of(checkpoint.project_id, checkpoint.id, name):
            return f"the content of {name} is another one"
    return None


def collector_of(checkpoints: CheckpointCollection, place: Place) -> Collector:
    """A collector of garbage; its settle time is that of the bank's lateness."""
    return Collector(
        checkpoints.store,
        settle=datetime.timedelta(seconds=place.settle_seconds),
    )


def bytes_of(checkpoint: Checkpoint) -> int:
    """How many bytes :func:`problem_of` compares."""
    return sum(
        len(content_of(checkpoint.project_id, checkpoint.id, name))
        for name in RESOURCES
    )


def work(parent: Any, place: Place, seed: str, skew: float) -> None:
    """The whole life of a worker's process."""
    # The driver reports; what a worker warns of would only bury it.
    logging.getLogger(None).logger.setLevel("CRITICAL")
    Worker(parent, place, seed, skew).run()
