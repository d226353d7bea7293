# SPDX-License-Identifier: Apache-2.0
"""A flow given in bulk is a taskflow flow like any other."""

import pytest
from taskflow import engines, exceptions, task

from karbor.services.protection.flows.pattern import BulkFlow


class Noting(task.Task):
    def __init__(self, name, notes=None, **kwargs):
        super().__init__(name, **kwargs)
        self.notes = notes

    def execute(self):
        self.notes.append(self.name)


class Needy(task.Task):
    def execute(self, thing):
        return thing


def test_tasks_come_after_those_they_wait_for():
    tasks = [Noting(name) for name in "abc"]

    flow = BulkFlow("f", tasks, [(2, 1), (1, 0)])

    assert [item.name for item in flow] == ["c", "b", "a"]
    assert [item.name for item, _ in flow.iter_nodes()] == ["c", "b", "a"]
    assert [(u.name, v.name) for u, v, _ in flow.iter_links()] == [
        ("c", "b"),
        ("b", "a"),
    ]
    assert len(flow) == 3


def test_a_circle_is_refused():
    tasks = [Noting(name) for name in "abc"]

    with pytest.raises(exceptions.DependencyFailure, match="2 tasks wait"):
        BulkFlow("f", tasks, [(0, 1), (1, 2), (2, 1)])


def test_nothing_can_be_added_later():
    with pytest.raises(TypeError, match="f is complete"):
        BulkFlow("f", [], []).add(Noting("a"))


def test_it_tells_what_its_tasks_need_and_give():
    flow = BulkFlow("f", [Needy("a", provides="other"), Needy("b")], [(0, 1)])

    assert flow.requires == {"thing"}
    assert flow.provides == {"other"}


@pytest.mark.parametrize("engine", ["serial", "karbor-linear"])
def test_any_engine_of_taskflow_runs_it(engine):
    notes = []
    tasks = [Noting(name, notes) for name in "abcd"]

    engines.run(BulkFlow("f", tasks, [(3, 2), (2, 1), (1, 0)]), engine=engine)

    assert notes == ["d", "c", "b", "a"]
