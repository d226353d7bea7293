# SPDX-License-Identifier: Apache-2.0
"""A taskflow engine whose cost is linear in tasks and edges.

Stock taskflow (6.5) is quadratic in these places, each replaced here:

* compiling: the graph is composed anew for each task, and the tree of scopes is
  searched for each task: :class:`_LinearCompiler`, :class:`_FlatTree`
* what may run next: all descendants of a finished task are browsed, and for each
  all its ancestors: :class:`_CountingSelector`
* waiting: all outstanding futures are visited at each wake-up:
  :class:`_QueueingTaskExecutor`
* failing: all tasks are marked anew at each failure: ``_LinearRuntime.reset_atoms``

The engine takes flat flows of tasks: no subflows, no retries, no deciders.

**This is the only module that relies on parts of taskflow that are not public**,
namely on the attributes that :meth:`LinearEngine.compile` sets and on the classes
under ``taskflow.engines.action_engine`` that are derived from. The test
``test_engine_internals.py`` fails when a taskflow is installed in which the methods
that are replaced or relied upon differ from those of the version read here.
"""

import functools
import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import Any

from taskflow import exceptions, flow, states, task
from taskflow.engines.action_engine import (
    builder,
    compiler,
    deciders,
    engine,
    executor,
    runtime,
    selector,
)
from taskflow.types import graph, tree
from taskflow.types.failure import Failure
from taskflow.utils import misc

from karbor.services.protection.flows.storage import LinearStorage
from karbor.services.protection.waiting.course import Suspended

_GO_AHEAD = deciders.NoOpDecider()

_UNTOUCHED = frozenset({states.PENDING, states.REVERTED, states.IGNORE})


class _FlatTree(tree.Node):
    """A flow and its tasks, found by dictionary instead of by search."""

    def __init__(self, root: flow.Flow) -> None:
        super().__init__(root, kind=compiler.FLOW, noop=True)
        self._places: dict[Any, int] = {}

    def add(self, child: tree.Node) -> None:
        self._places[child.item] = self.child_count()
        super().add(child)

    def find(
        self, item: Any, only_direct: bool = False, include_self: bool = True
    ) -> tree.Node | None:
        if include_self and item is self.item:
            return self
        place = self._places.get(item)
        return None if place is None else self[place]

    def index(self, item: Any) -> int:
        return self._places[item]


class _LinearCompiler:
    """Puts a flat flow's tasks into one graph, in one pass."""

    def __init__(self, root: flow.Flow) -> None:
        self._root = root

    def compile(self) -> compiler.Compilation:
        """:raises TypeError: when the flow is not a flat one of plain tasks"""
        root = self._root
        if not isinstance(root, flow.Flow) or root.retry is not None:
            raise TypeError(f"{root} is not a flow without retries")
        terminator = compiler.Terminator(root)
        execution = graph.DiGraph(name=root.name)
        execution.add_node(root, kind=compiler.FLOW, noop=True)
        hierarchy = _FlatTree(root)
        for item in root:
            if not isinstance(item, task.Task):
                raise TypeError(f"Flow {root.name} holds {item}, which is no task")
            execution.add_node(item, kind=compiler.TASK)
            hierarchy.add(tree.Node(item, kind=compiler.TASK))
        for before, behind, attributes in root.iter_links():
            if flow.LINK_DECIDER in attributes:
                raise TypeError(f"Flow {root.name} has a decider on a link")
            execution.add_edge(before, behind)
        first = [
            item
            for item, degree in execution.in_degree
            if not degree and item is not root
        ]
        last = [item for item, degree in execution.out_degree if not degree]
        execution.add_edges_from((root, item) for item in first)
        last = [item for item in last if item is not root] or [root]
        execution.add_node(terminator, kind=compiler.FLOW_END, noop=True)
        execution.add_edges_from((item, terminator) for item in last)
        execution.freeze()
        hierarchy.freeze()
        return compiler.Compilation(execution, hierarchy)


class _CountingSelector(selector.Selector):
    """Knows what may run next by counting what each task still waits for.

    Called by the engine's one thread, under the storage's lock. The counts are
    taken from the storage when the engine starts or resumes, and at each failure.
    """

    def __init__(self, of: runtime.Runtime) -> None:
        super().__init__(of)
        self._tasks = list(of.iterate_nodes(compiler.ATOMS))
        self._kinds = self._execution_graph.nodes
        self._waits: dict[task.Task, int] = {}
        self._holds: dict[task.Task, int] = {}
        self._holding: set[task.Task] = set()

    def iter_next_atoms(
        self, atom: task.Task | None = None
    ) -> Iterator[tuple[task.Task, deciders.Decider]]:
        """What may run, or be taken back, now that ``atom`` has finished.

        :param atom: None for all that may
        """
        if atom is None:
            found = [*self._survey_execution(), *self._survey_reversion()]
        else:
            state, intention = self._states([atom])[atom.name]
            if state == states.SUCCESS and intention == states.REVERT:
                found = [atom]
            elif state == states.SUCCESS and intention == states.EXECUTE:
                found = self._released(
                    self._after(atom), self._waits, self._may_execute
                )
            elif state == states.REVERTED and atom in self._holding:
                found = self._released(
                    self._before(atom), self._holds, self._may_revert
                )
            elif state == states.FAILURE:
                found = self._survey_reversion()
            else:
                found = []
        return ((item, _GO_AHEAD) for item in found)

    def _states(self, items: Iterable[task.Task]) -> dict[str, tuple[str, str]]:
        return self._storage.get_atoms_states(item.name for item in items)

    def _before(self, item: task.Task) -> list[task.Task]:
        return [
            other
            for other in self._execution_graph.predecessors(item)
            if self._kinds[other]["kind"] == compiler.TASK
        ]

    def _after(self, item: task.Task) -> list[task.Task]:
        return [
            other
            for other in self._execution_graph.successors(item)
            if self._kinds[other]["kind"] == compiler.TASK
        ]

    def _released(
        self, items: list[task.Task], counts: dict[task.Task, int], may: Any
    ) -> list[task.Task]:
        free = []
        for item in items:
            counts[item] -= 1
            if not counts[item]:
                free.append(item)
        known = self._states(free)
        return [item for item in free if may(item, *known[item.name])]

    def _survey_execution(self) -> list[task.Task]:
        known = self._states(self._tasks)
        succeeded = {
            item
            for item in self._tasks
            if known[item.name][0] == states.SUCCESS
            and known[item.name][1] == states.EXECUTE
        }
        found = []
        for item in self._tasks:
            count = sum(other not in succeeded for other in self._before(item))
            self._waits[item] = count
            if not count and self._may_execute(item, *known[item.name]):
                found.append(item)
        return found

    def _survey_reversion(self) -> list[task.Task]:
        known = self._states(self._tasks)
        # taskflow also takes back a task that was about to start when another one
        # failed. Such a task holds up none, as it has not run.
        self._holding = {
            item for item in self._tasks if known[item.name][0] not in _UNTOUCHED
        }
        found = []
        for item in self._tasks:
            count = sum(other in self._holding for other in self._after(item))
            self._holds[item] = count
            if not count and self._may_revert(item, *known[item.name]):
                found.append(item)
        return found

    def _may_execute(self, item: task.Task, state: str, intention: str) -> bool:
        return intention == states.EXECUTE and self._runtime.check_atom_transition(
            item, state, states.RUNNING
        )

    def _may_revert(self, item: task.Task, state: str, intention: str) -> bool:
        return intention == states.REVERT and self._runtime.check_atom_transition(
            item, state, states.REVERTING
        )


def _begin(func: Callable[..., tuple[str, Any]], *args: Any, **kwargs: Any) -> Any:
    """Call taskflow's function around a task, which may return :class:`Suspended`."""
    return _wait_or_end(*func(*args, **kwargs))


def _go_on(event: str, resume: Callable[[], Any]) -> Any:
    try:
        result = resume()
    except Exception:  # noqa: BLE001 - as taskflow does around a task
        result = Failure()
    return _wait_or_end(event, result)


def _wait_or_end(event: str, result: Any) -> Any:
    """Lift a suspension out of taskflow's ``(event, result)`` for the executor."""
    if isinstance(result, Suspended):
        resume = functools.partial(_go_on, event, result.resume)
        return Suspended(result.future, resume)
    return event, result


class _QueueingTaskExecutor(executor.ParallelThreadTaskExecutor):
    """Hands out finished futures from a queue, instead of looking at all.

    A task that returns :class:`Suspended` goes on later, where the executor that does
    the work knows how (:class:`~karbor.services.protection.flows.lanes.Lane`).
    """

    def __init__(
        self, executor: futures.Executor | None = None, max_workers: int | None = None
    ) -> None:
        super().__init__(executor=executor, max_workers=max_workers)
        self._finished: queue.SimpleQueue[futures.Future] = queue.SimpleQueue()

    def _submit_task(
        self, func: Any, task: task.Task, *args: Any, **kwargs: Any
    ) -> futures.Future:
        begin = functools.partial(_begin, func)
        future = super()._submit_task(begin, task, *args, **kwargs)
        # Only now does the future carry its task, which who takes it needs.
        future.add_done_callback(self._finished.put)
        return future

    def wait(
        self, outstanding: set[futures.Future], timeout: float | None = None
    ) -> tuple[set[futures.Future], set[futures.Future]]:
        """At least one finished future, unless the timeout passes first."""
        done: set[futures.Future] = set()
        try:
            done.add(self._finished.get(timeout=timeout))
            while True:
                done.add(self._finished.get_nowait())
        except queue.Empty:
            outstanding.difference_update(done)
        return done, outstanding


class _LinearRuntime(runtime.Runtime):
    @misc.cachedproperty
    def selector(self) -> selector.Selector:
        return _CountingSelector(self)

    @misc.cachedproperty
    def builder(self) -> builder.MachineBuilder:
        return builder.MachineBuilder(self, self._task_executor.wait)

    def reset_atoms(
        self,
        atoms: Iterable[task.Task],
        state: str | None = states.PENDING,
        intention: str | None = states.EXECUTE,
    ) -> list[tuple[task.Task, str | None, str | None]]:
        """As taskflow's, but looks only at the tasks that it would change."""
        atoms = list(atoms)
        if state is None:
            known = self.storage.get_atoms_states(atom.name for atom in atoms)
            atoms = [atom for atom in atoms if known[atom.name][1] != intention]
        return super().reset_atoms(atoms, state=state, intention=intention)


class LinearEngine(engine.ParallelActionEngine):
    """Runs a flat flow in parallel: taskflow's engine ``karbor-linear``.

    Give it a shared ``executor``: an engine that owns one joins its threads at the
    end of each run.
    """

    _executor_cls_matchers = [
        engine._ExecutorTypeMatch((futures.Executor,), _QueueingTaskExecutor)
    ]
    _executor_str_matchers: list[Any] = []
    _default_executor_cls = _QueueingTaskExecutor

    def __init__(
        self, flow: flow.Flow, flow_detail: Any, backend: Any, options: dict[str, Any]
    ) -> None:
        super().__init__(flow, flow_detail, backend, options)
        self._compiled: bool = False
        self._compiler = _LinearCompiler(flow)

    @misc.cachedproperty
    def storage(self) -> LinearStorage:
        """The states of the tasks; their scopes are known once compiled."""
        return LinearStorage(
            self._flow_detail,
            backend=self._backend,
            scope_fetcher=lambda name: (
                self._runtime.fetch_scopes_for(name) if self._compiled else None
            ),
        )

    def compile(self) -> None:
        with self._lock:
            if self._compiled:
                return
            try:
                compilation = self._compiler.compile()
            except TypeError as error:
                raise exceptions.CompilationFailure(str(error)) from error
            self._compilation = self._check_compilation(compilation)
            self._runtime = _LinearRuntime(
                self._compilation,
                self.storage,
                self.atom_notifier,
                self._task_executor,
                self._retry_executor,
                options=self._options,
            )
            self._runtime.compile()
            self._compiled = True
