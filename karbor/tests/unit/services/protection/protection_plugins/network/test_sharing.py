# SPDX-License-Identifier: Apache-2.0
"""Networks of one restore whose hooks run at the same time."""

import functools
import threading
import time
from concurrent import futures

import pytest

from karbor.services.protection.protection_plugins.network.restoration.locks import (
    alone,
)
from karbor.tests.unit.services.protection.protection_plugins.network.picture import (
    picture,
    wipe,
)
from karbor.tests.unit.services.protection.protection_plugins.network.rig import (
    HOME,
    RestoreRun,
)


def together(run, hook):
    """One hook of all networks at once, in threads of their own."""
    barrier = threading.Barrier(len(run.resources))

    def call(resource):
        barrier.wait()
        run.hook(hook, resource)

    with futures.ThreadPoolExecutor() as pool:
        list(pool.map(call, run.resources))


@pytest.fixture
def run(rig, town):
    before = picture(rig.state, HOME)
    checkpoint = rig.protect(*town.networks)
    wipe(rig, HOME)
    rig.before = {
        **before,
        "groups": [one for one in before["groups"] if one["name"] != "unused"],
    }
    return RestoreRun(rig, checkpoint, *town.networks)


def test_what_they_share_is_made_once(rig, run):
    together(run, "on_main")
    together(run, "on_complete")
    assert picture(rig.state, HOME) == rig.before


def test_the_order_of_the_networks_does_not_matter(rig, run):
    run.resources.reverse()
    run.run()
    assert picture(rig.state, HOME) == rig.before


def test_one_may_be_complete_before_another_begins(rig, run):
    for resource in run.resources:
        run.hook("on_main", resource)
        run.hook("on_complete", resource)
    assert picture(rig.state, HOME) == rig.before


def test_another_process_goes_on_with_the_second_network(rig, run):
    first, second = run.resources
    run.hook("on_main", first)
    run.hook("on_complete", first)
    run.forget()
    run.hook("on_main", second)
    run.hook("on_complete", second)
    assert picture(rig.state, HOME) == rig.before


def test_reverts_at_once_leave_nothing(rig, run):
    empty = picture(rig.state, HOME)
    run.run()
    together(run, "on_revert")
    assert picture(rig.state, HOME) == empty


def test_only_one_block_of_a_restore_runs_at_a_time():
    inside = []

    def enter(operation_id):
        with alone(operation_id):
            inside.append(operation_id)
            assert inside.count(operation_id) == 1
            time.sleep(0.01)
            inside.remove(operation_id)
            return operation_id

    with futures.ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(functools.partial(enter, name)) for name in "ababab"]
        assert [call.result() for call in calls] == list("ababab")
