# SPDX-License-Identifier: Apache-2.0
"""The linear engine runs, fails, takes back and resumes as taskflow promises."""

import threading
from concurrent import futures

import pytest
from taskflow import engines, exceptions, states, task
from taskflow.patterns import graph_flow, linear_flow
from taskflow.persistence import models
from taskflow.types import failure

from karbor.services.protection.flows.pattern import BulkFlow
from karbor.services.protection.flows.storage import VolatileBackend


class Noting(task.Task):
    """Notes that it ran, and that it was taken back."""

    def __init__(self, name, notes, *, fails=False, **kwargs):
        super().__init__(name, **kwargs)
        self.notes = notes
        self.fails = fails

    def execute(self):
        self.notes.append(self.name)
        if self.fails:
            raise ValueError(self.name)

    def revert(self, *args, **kwargs):
        self.notes.append(f"-{self.name}")


class Giving(task.Task):
    default_provides = "thing"

    def execute(self):
        return 7


class Taking(task.Task):
    default_provides = "double"

    def execute(self, thing):
        return 2 * thing


@pytest.fixture
def executor():
    with futures.ThreadPoolExecutor(4) as pool:
        yield pool


def load(flow, executor, detail=None):
    return engines.load(
        flow,
        flow_detail=detail or models.FlowDetail("f", "uuid"),
        backend=VolatileBackend(),
        engine="karbor-linear",
        executor=executor,
    )


def test_a_failed_flow_is_taken_back_in_reverse(executor):
    notes = []
    tasks = [Noting(name, notes, fails=name == "c") for name in "abcd"]
    engine = load(BulkFlow("f", tasks, [(0, 1), (1, 2), (2, 3)]), executor)

    with pytest.raises(ValueError, match="c"):
        engine.run()

    assert notes == ["a", "b", "c", "-c", "-b", "-a"]
    assert engine.storage.get_flow_state() == states.REVERTED


def test_all_failures_are_told(executor):
    notes = []
    met = threading.Barrier(2, timeout=30)

    class Meeting(Noting):
        def execute(self):
            met.wait()
            super().execute()

    tasks = [Meeting(name, notes, fails=True) for name in "ab"]
    engine = load(BulkFlow("f", tasks, []), executor)

    with pytest.raises(exceptions.WrappedFailure) as caught:
        engine.run()

    assert sorted(str(failed.exception) for failed in caught.value) == ["a", "b"]


def test_a_flow_goes_on_from_the_tasks_that_had_not_finished(executor):
    notes = []
    tasks = [Noting(name, notes) for name in "abcd"]
    detail = models.FlowDetail("f", "uuid")
    for name, state in (("a", states.SUCCESS), ("b", states.RUNNING)):
        known = models.TaskDetail(name, f"uuid-{name}")
        known.state = state
        known.intention = states.EXECUTE
        detail.add(known)

    load(BulkFlow("f", tasks, [(0, 1), (1, 2), (2, 3)]), executor, detail).run()

    assert notes == ["b", "c", "d"]


def test_a_flow_that_had_failed_goes_on_being_taken_back(executor):
    notes = []
    tasks = [Noting(name, notes) for name in "abc"]
    detail = models.FlowDetail("f", "uuid")
    for name, state in (("a", states.SUCCESS), ("b", states.REVERTING)):
        known = models.TaskDetail(name, f"uuid-{name}")
        known.state = state
        known.intention = states.REVERT
        detail.add(known)

    load(BulkFlow("f", tasks, [(0, 1), (1, 2)]), executor, detail).run()

    assert notes == ["-b", "-a"]


def test_a_failure_without_its_tasks_end_is_taken_back(executor):
    notes = []
    tasks = [Noting(name, notes) for name in "ab"]
    detail = models.FlowDetail("f", "uuid")
    for name, state in (("a", states.SUCCESS), ("b", states.FAILURE)):
        known = models.TaskDetail(name, f"uuid-{name}")
        known.state = state
        known.intention = states.EXECUTE
        if state == states.FAILURE:
            known.failure = failure.Failure.from_exception(ValueError("b"))
        detail.add(known)

    with pytest.raises(ValueError, match="b"):
        load(BulkFlow("f", tasks, [(0, 1)]), executor, detail).run()

    assert notes == ["-b", "-a"]


def test_what_one_task_gives_another_takes(executor):
    engine = load(BulkFlow("f", [Taking("t"), Giving("g")], [(1, 0)]), executor)

    engine.run()

    assert engine.storage.fetch("double") == 14


def test_what_no_task_gives_is_missed_before_anything_runs(executor):
    engine = load(BulkFlow("f", [Taking("t")], []), executor)

    with pytest.raises(exceptions.MissingDependencies):
        engine.run()


def test_a_flat_flow_of_taskflow_itself_runs_too(executor):
    notes = []
    flow = graph_flow.Flow("f")
    first, second = Noting("a", notes), Noting("b", notes)
    flow.add(first, second)
    flow.link(second, first)

    load(flow, executor).run()

    assert notes == ["b", "a"]


def test_an_empty_flow_succeeds(executor):
    engine = load(BulkFlow("f", [], []), executor)

    engine.run()

    assert engine.storage.get_flow_state() == states.SUCCESS


def test_a_flow_within_a_flow_is_refused(executor):
    flow = linear_flow.Flow("outer").add(linear_flow.Flow("inner"))

    with pytest.raises(exceptions.CompilationFailure, match="is no task"):
        load(flow, executor).compile()


def test_a_decider_is_refused(executor):
    flow = graph_flow.Flow("f")
    first, second = Noting("a", []), Noting("b", [])
    flow.add(first, second)
    flow.link(first, second, decider=lambda history: True)

    with pytest.raises(exceptions.CompilationFailure, match="decider"):
        load(flow, executor).compile()


def test_two_tasks_of_one_name_are_refused(executor):
    with pytest.raises(exceptions.Duplicate):
        load(BulkFlow("f", [Noting("a", []), Noting("a", [])], []), executor).run()


def test_the_graph_that_runs_has_the_edges_that_were_given_and_few_more(executor):
    count = 2000
    tasks = [Noting(f"t{n}", []) for n in range(count)]
    edges = [(0, n) for n in range(1, count)]
    engine = load(BulkFlow("f", tasks, edges), executor)

    engine.compile()

    compiled = engine.compilation.execution_graph
    assert compiled.number_of_nodes() == count + 2
    # One from the flow to the first, one from each last to the flow's end.
    assert compiled.number_of_edges() == len(edges) + 1 + (count - 1)


def test_a_task_looks_at_its_neighbours_only(executor):
    """Counts what the engine asks the storage, which is what took the time."""
    asked = {}
    for count in (200, 400):
        engine = load(
            BulkFlow(
                "f",
                [Noting(f"t{n}", []) for n in range(count)],
                [(n, n + 1) for n in range(count - 1)],
            ),
            executor,
        )
        known = engine.storage.get_atoms_states
        looked_at = []

        def counting(names, known=known, looked_at=looked_at):
            names = list(names)
            looked_at.extend(names)
            return known(names)

        engine.storage.get_atoms_states = counting
        engine.run()
        asked[count] = len(looked_at)

    assert asked[400] <= 2 * asked[200] + 10
    assert asked[400] < 10 * 400
