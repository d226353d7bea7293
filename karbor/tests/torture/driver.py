# SPDX-License-Identifier: Apache-2.0
"""The parent: starts the workers, kills and pauses them, and reads everything back.

It knows what every committed checkpoint must hold. After each action of a worker it
reads all of them, byte for byte, before that worker goes on; the other workers go on
meanwhile. At the end it deletes everything, collects, and looks that nothing is left.
"""

import collections
import contextlib
import dataclasses
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import random
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

from karbor import exception
from karbor.services.protection.bank.encryption.key_file import KeyFile
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints import states
from karbor.services.protection.checkpoints.checkpoint import Checkpoint
from karbor.tests.torture import banks, endgame, store_server, worker
from karbor.tests.torture.banks import Place

#: A worker that does not end an action for so long, paused or not, hangs.
HANGS_SECONDS = 300.0


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is done to a bank.

    :param seed: where the random numbers begin; with an odd one data is encrypted
    :param actions: of all workers together, interrupted ones among them
    :param crash: how often an action is given to a worker that will kill itself at
        some call of the bank
    :param kill: how often a worker is killed from outside at some moment of an action
    :param pause: how often one is paused at some call
    :param skews: seconds by which a worker's clock is ahead, one of them by chance
    """

    seed: int
    actions: int
    kind: str = banks.FILE_SYSTEM
    workers: int = 4
    crash: float = 0.02
    kill: float = 0.01
    pause: float = 0.02
    restart: float = 0.01
    skews: tuple[float, ...] = (0.0, 0.0, 0.0, 0.1, -0.1)


@dataclasses.dataclass
class Summary:
    """What was done, and what was found."""

    seed: int
    kind: str
    actions: int = 0
    outcomes: collections.Counter[str] = dataclasses.field(
        default_factory=collections.Counter
    )
    committed: int = 0
    killed: int = 0
    paused: int = 0
    restarted: int = 0
    checks: int = 0
    checked_checkpoints: int = 0
    checked_bytes: int = 0
    seconds: float = 0.0
    failures: list[str] = dataclasses.field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For a person or a program to read."""
        return {
            **dataclasses.asdict(self),
            "outcomes": dict(sorted(self.outcomes.items())),
            "seconds": round(self.seconds, 1),
        }


class Child:
    """A worker's process, as the parent sees it."""

    def __init__(self, process: Any, connection: Any) -> None:
        self.process = process
        self.connection = connection
        self.action: str | None = "begin"
        self.since = time.monotonic()
        self.kill_at: float | None = None
        self.resume_at: float | None = None
        self.may_die = False
        self.is_killed = False

    def send(self, sent: signal.Signals) -> None:
        """Send it a signal; nothing when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, sent)

    def kill(self) -> None:
        """Kill it, paused or not."""
        self.is_killed = self.may_die = True
        self.kill_at = None
        self.send(signal.SIGKILL)


class Torture:
    """One run with one seed.

    :param folder: an empty one, for the bank
    :param report: told the summary now and then
    """

    def __init__(
        self,
        plan: Plan,
        folder: pathlib.Path,
        report: Callable[[Summary], None] = lambda summary: None,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._report = report
        self._random = random.Random(plan.seed)
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([worker.__name__])
        self._children: list[Child] = []
        self._spawned = 0
        self._is_ending = False
        #: Committed, and nobody has said that it will delete it: id to project.
        self._expected: dict[str, str] = {}
        # Who deletes one may be heard before who has committed it.
        self._doomed: set[str] = set()
        self.summary = Summary(plan.seed, plan.kind)

    def run(self) -> Summary:
        """Do it; failures are in the summary."""
        began = time.monotonic()
        with self._place() as place:
            self._place_of_bank = place
            self._checkpoints = CheckpointCollection(place.bank(place.exact_plugin()))
            try:
                while len(self._children) < self._plan.workers:
                    self._spawn()
                while self._goes_on():
                    self._step()
                self._end_children()
                if not self.summary.failures:
                    self._check()
                if not self.summary.failures:
                    self.summary.failures += endgame.play(place)
            finally:
                self._end_children()
        self.summary.seconds = time.monotonic() - began
        return self.summary

    @property
    def _is_encrypted(self) -> bool:
        return self._plan.seed % 2 == 1

    def _master_keys(self) -> str | None:
        if not self._is_encrypted:
            return None
        path = str(self._folder / "master-keys")
        KeyFile(path).make("torture")
        return path

    def _goes_on(self) -> bool:
        return not self.summary.failures and self.summary.actions < self._plan.actions

    @contextlib.contextmanager
    def _place(self) -> Iterator[Place]:
        master_keys = self._master_keys()
        if self._plan.kind == banks.FILE_SYSTEM:
            path = str(self._folder / "bank")
            yield Place(self._plan.kind, path, master_keys=master_keys)
            return
        address = self._folder / "store"
        server = self._processes.Process(
            target=store_server.serve,
            args=(str(address), banks.LATENESS, self._plan.seed),
            daemon=True,
        )
        server.start()
        try:
            while not address.exists():
                if not server.is_alive():
                    raise RuntimeError("The store's server does not start.")
                time.sleep(0.01)
            yield Place(
                self._plan.kind,
                str(address),
                settle_seconds=4 * banks.LATENESS.bound,
                master_keys=master_keys,
            )
        finally:
            server.kill()
            server.join()

    def _spawn(self) -> None:
        self._spawned += 1
        ours, theirs = self._processes.Pipe()
        process = self._processes.Process(
            target=worker.work,
            args=(
                theirs,
                self._place_of_bank,
                f"{self._plan.seed}/{self._spawned}",
                self._random.choice(self._plan.skews),
            ),
            daemon=True,
        )
        process.start()
        theirs.close()
        self._children.append(Child(process, ours))

    def _step(self) -> None:
        by_connection = {child.connection: child for child in self._children}
        for connection in multiprocessing.connection.wait(
            list(by_connection), timeout=0.02
        ):
            self._hear(by_connection[connection])
        self._disturb()
        idle = [child for child in self._children if child.action is None]
        if not idle:
            return
        self._check()
        for child in idle:
            if self._goes_on():
                self._give_work(child)

    def _hear(self, child: Child) -> None:
        """Take everything that a worker has said; notice when it is dead."""
        while not child.connection.closed and child.connection.poll():
            try:
                message = child.connection.recv()
            except ConnectionResetError:
                # It was killed before it read what it was told. That is reported
                # once, and then come the messages that it had sent.
                continue
            except EOFError:
                self._bury(child)
            else:
                self._take(child, message)

    def _take(self, child: Child, message: tuple[Any, ...]) -> None:
        match message:
            case ("ready",):
                child.action = None
            case ("done", action, outcome):
                self.summary.actions += 1
                self.summary.outcomes[f"{action}: {outcome}"] += 1
                # A signal may stop it a moment later: it goes on being resumed.
                child.kill_at = None
                child.action = "end" if child.is_killed else None
                child.may_die = child.is_killed
                if self.summary.actions % 1000 == 0:
                    self._report(self.summary)
            case ("committed", project_id, checkpoint_id):
                self.summary.committed += 1
                if checkpoint_id not in self._doomed:
                    self._expected[checkpoint_id] = project_id
            case ("deleting", _, checkpoint_id):
                self._doomed.add(checkpoint_id)
                self._expected.pop(checkpoint_id, None)
            case ("suspect", _, checkpoint_id, problem):
                self._suspect(checkpoint_id, problem)
            case ("stopped",):
                child.may_die = True
            case ("broken", text):
                self.summary.failures.append(text)

    def _bury(self, child: Child) -> None:
        child.process.join()
        child.connection.close()
        self._children.remove(child)
        if not child.may_die:
            self.summary.failures.append(
                f"A worker died of itself ({child.process.exitcode}) in {child.action}."
            )
        elif child.action not in (None, "begin", "stop", "end"):
            self.summary.actions += 1
            self.summary.outcomes[f"{child.action}: killed"] += 1
        if self._is_ending:
            return
        if child.process.exitcode == -signal.SIGKILL:
            self.summary.killed += 1
        else:
            self.summary.restarted += 1
        self._spawn()

    def _disturb(self) -> None:
        now = time.monotonic()
        for child in list(self._children):
            if child.kill_at is not None and now >= child.kill_at:
                child.kill()
            elif child.resume_at is not None and now >= child.resume_at:
                child.send(signal.SIGCONT)
                # Perhaps it has not yet come to the call at which it pauses.
                child.resume_at = now + self._pause()
            if child.action is not None and now - child.since > HANGS_SECONDS:
                self.summary.failures.append(f"A worker hangs in {child.action}.")

    def _give_work(self, child: Child) -> None:
        plan, chance = self._plan, self._random
        child.since = now = time.monotonic()
        if chance.random() < plan.restart:
            child.action = "stop"
            child.connection.send(("stop", None))
            return
        child.action = self._choose_action()
        interruption = None
        draw = chance.random()
        if draw < plan.crash:
            child.may_die = True
            interruption = (self._calls(), chance.random() < 0.5, int(signal.SIGKILL))
        elif draw < plan.crash + plan.pause:
            self.summary.paused += 1
            child.resume_at = now + self._pause()
            interruption = (self._calls(), chance.random() < 0.5, int(signal.SIGSTOP))
        elif draw < plan.crash + plan.pause + plan.kill:
            child.kill_at = now + chance.random() * 0.1
        with contextlib.suppress(BrokenPipeError):
            child.connection.send((child.action, interruption))

    def _choose_action(self) -> str:
        weights = dict(worker.WEIGHTS)
        if len(self._expected) >= worker.MOST_CHECKPOINTS:
            weights["protect"] = 0
        return self._random.choices(list(weights), list(weights.values()))[0]

    def _calls(self) -> int:
        """At which call of the bank something happens; mostly early ones."""
        return 1 + int(self._random.expovariate(1 / 12))

    def _pause(self) -> float:
        lease = self._place_of_bank.lease_seconds
        # Most of them short, some longer than a lease lasts.
        return self._random.choice((0.05, 0.2, 0.5, 1.5 * lease, 3 * lease))

    def _check(self) -> None:
        """Read every committed checkpoint, byte for byte."""
        self.summary.checks += 1
        for checkpoint_id, project_id in list(self._expected.items()):
            try:
                checkpoint = self._checkpoints.get(checkpoint_id)
                problem = self._problem_of(checkpoint, project_id)
            except exception.KarborException as error:
                problem = f"{type(error).__name__}: {error}"
            if problem is not None:
                self._suspect(checkpoint_id, problem)

    def _problem_of(self, checkpoint: Checkpoint, project_id: str) -> str | None:
        if checkpoint.status != states.AVAILABLE:
            return f"it is '{checkpoint.status}': {checkpoint.status_reason}"
        if checkpoint.project_id != project_id:
            return f"it belongs to {checkpoint.project_id}"
        problem = worker.problem_of(checkpoint, worker.read_chunks)
        self.summary.checked_checkpoints += 1
        self.summary.checked_bytes += worker.bytes_of(checkpoint)
        return problem

    def _suspect(self, checkpoint_id: str, problem: str) -> None:
        """A failure, unless somebody has said that he deletes the checkpoint."""
        for child in list(self._children):
            self._hear(child)
        if checkpoint_id in self._expected:
            self.summary.failures.append(
                f"Checkpoint {checkpoint_id}, which is committed: {problem}"
            )

    def _end_children(self) -> None:
        """Kill all, and hear what they have said before."""
        self._is_ending = True
        for child in list(self._children):
            child.kill()
            while child in self._children:
                child.process.join()
                self._hear(child)
