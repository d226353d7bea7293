# SPDX-License-Identifier: Apache-2.0
"""The daemon's life: large plans, several of it, signals."""

import json
import signal
import sys
import time
import uuid

import pytest

from karbor import exception
from karbor.context import get_admin_context
from karbor.tests.rabbit import gate
from karbor.tests.rabbit.client import CONTEXT
from karbor.tests.rabbit.daemon import PROVIDER, wait_until

THIRD_PROVIDER = "33333333-d011-4026-8228-28730d734a3f"


def image():
    return {"type": "OS::Glance::Image", "id": str(uuid.uuid4()), "name": "i"}


def gated():
    return {"type": gate.GATED, "id": str(uuid.uuid4()), "name": "g"}


@pytest.fixture
def busy(site, caller):
    """``busy()`` begins to protect a resource, and stands there.

    Gives the checkpoint's id and what ends the standing.
    """

    def begin():
        resource = gated()
        name = f"protect-{resource['id']}"
        site.shut_gate(name)
        checkpoint_id = caller.protect(resource)
        site.wait_at_gate(name)
        return checkpoint_id, lambda: site.open_gate(name)

    return begin


def test_a_plan_of_ten_thousand_resources_is_answered_before_its_graph_is_built(
    shared_site, shared_caller, capsys
):
    shared_site.shut_gate("graph")
    resources = [image() for _ in range(9_999)]
    began = time.monotonic()
    checkpoint_id = shared_caller.protect(gated(), *resources)
    seconds = time.monotonic() - began
    shown = shared_caller.show(checkpoint_id)
    shared_site.wait_at_gate("graph")
    assert (shown["status"], shown["resource_graph"]) == ("protecting", None)
    with capsys.disabled():
        line = {"call": "protect", "resources": 10_000, "seconds": round(seconds, 3)}
        sys.stdout.write(f"\n{json.dumps(line)}\n")
    shared_site.open_gate("graph")
    shown = shared_caller.wait_for_end(checkpoint_id, 150)
    assert shown["status"] == "available"
    nodes, edges = json.loads(shown["resource_graph"])
    assert (len(nodes), len(edges)) == (10_001, 1)
    shared_caller.delete(checkpoint_id)


def test_two_daemons_on_one_broker_share_the_work(site, caller, rabbitmq):
    with site.daemon() as one, site.daemon() as other:
        wait_until(lambda: rabbitmq.consumers(site.topic) == 2, "two that listen")
        checkpoints = [caller.protect(image()) for _ in range(20)]
        for checkpoint_id in checkpoints:
            assert caller.wait_for_end(checkpoint_id)["status"] == "available"
        listed = caller.call("list_checkpoints", provider_id=PROVIDER)
        assert {item["id"] for item in listed} == set(checkpoints)
        for checkpoint_id in checkpoints:
            caller.delete(checkpoint_id)
        for daemon in (one, other):
            assert "Begin protect" in daemon.log
            assert "Traceback" not in daemon.log


def test_a_checkpoint_can_be_asked_for_at_the_daemon_that_does_not_make_it(
    site, caller, busy
):
    with site.daemon(), site.daemon():
        checkpoint_id, go_on = busy()
        # Calls go to the daemons in turn.
        for _ in range(4):
            assert caller.show(checkpoint_id)["status"] == "protecting"
            with pytest.raises(exception.CheckpointNotBeDeleted):
                caller.call("delete", provider_id=PROVIDER, checkpoint_id=checkpoint_id)
            with pytest.raises(exception.CheckpointNotBeReset):
                caller.call(
                    "reset_state",
                    provider_id=PROVIDER,
                    checkpoint_id=checkpoint_id,
                    state="error",
                )
        go_on()
        assert caller.wait_for_end(checkpoint_id)["status"] == "available"


def test_sigterm_lets_what_runs_end_and_leaves_new_work_to_others(
    site, caller, rabbitmq, busy
):
    with site.daemon() as leaving:
        checkpoint_id, go_on = busy()
        with site.daemon() as staying:
            wait_until(lambda: rabbitmq.consumers(site.topic) == 2, "two that listen")
            leaving.send(signal.SIGTERM)
            # Asked from the first moment on, and no call is lost.
            while rabbitmq.consumers(site.topic) == 2:
                assert caller.show(checkpoint_id)["status"] == "protecting"
            wait_until(
                lambda: rabbitmq.consumers(site.topic) == 1, "one that listens no more"
            )
            for _ in range(6):
                other = caller.protect(image())
                assert caller.wait_for_end(other)["status"] == "available"
            assert leaving.log.count("Begin protect") == 1
            assert staying.log.count("Begin protect") == 6
            assert leaving.process.poll() is None
            go_on()
            assert leaving.wait() == 0
            assert caller.show(checkpoint_id)["status"] == "available"
    leases = site.folder / f"bank-{PROVIDER}" / "karbor" / "leases"
    assert len(list(leases.iterdir())) == 1, "the drained daemon gave its lease back"


def test_an_idle_daemon_ends_at_once_on_sigterm(site, caller):
    # Nobody waits for it that long.
    with site.daemon(drain_timeout=3600) as daemon:
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0
        assert "has stopped" in daemon.log


def test_work_that_does_not_end_in_time_is_left_to_another_daemon(site, caller, busy):
    with site.daemon(drain_timeout=1) as leaving:
        checkpoint_id, go_on = busy()
        leaving.send(signal.SIGTERM)
        leaving.wait()
    with site.daemon():
        shown = caller.wait_for_end(checkpoint_id)
        assert shown["status"] == "error"
        assert shown["status_reason"]
        go_on()
        caller.delete(checkpoint_id)


def test_sighup_reads_the_providers_anew_and_disturbs_no_work(site, caller, busy):
    with site.daemon() as daemon:
        checkpoint_id, go_on = busy()
        worker = daemon.worker.pid
        added = site.add_provider(THIRD_PROVIDER, "Third")

        def names():
            return {item["id"]: item["name"] for item in caller.call("list_providers")}

        def hang_up_until(condition, what):
            def hang_up():
                # Again, as the manager hears nothing while it passes one on.
                daemon.send(signal.SIGHUP)
                time.sleep(0.5)
                return condition()

            wait_until(hang_up, what)

        hang_up_until(lambda: names().get(THIRD_PROVIDER) == "Third", "a provider")
        site.add_provider(THIRD_PROVIDER, "Renamed")
        hang_up_until(lambda: names()[THIRD_PROVIDER] == "Renamed", "its new name")

        # With a mistake it stays as it was, and the others too.
        good = added.read_text()
        added.write_text(good.replace("karbor-noop-", "karbor-nope-"))
        hang_up_until(
            lambda: "karbor-nope-protection-plugin" in daemon.log, "the mistake"
        )
        assert names()[THIRD_PROVIDER] == "Renamed"
        assert len(names()) == 3

        added.unlink()
        hang_up_until(lambda: THIRD_PROVIDER not in names(), "its end")
        with pytest.raises(exception.ProviderNotFound):
            caller.call("show_provider", provider_id=THIRD_PROVIDER)
        assert daemon.worker.pid == worker
        go_on()
        assert caller.wait_for_end(checkpoint_id)["status"] == "available"


def test_a_provider_that_is_taken_away_ends_what_it_has_begun(site, caller, busy):
    path = site.folder / "providers.d" / f"{PROVIDER}.conf"
    with site.daemon() as daemon:
        checkpoint_id, go_on = busy()
        content = path.read_text()
        path.unlink()
        daemon.send(signal.SIGHUP)

        def is_gone():
            found = caller.call("list_providers")
            return PROVIDER not in {item["id"] for item in found}

        wait_until(is_gone, "the provider's end")
        go_on()
        daemon.wait_for_log("End protect")
        path.write_text(content)
        daemon.send(signal.SIGHUP)
        wait_until(lambda: not is_gone(), "the provider's return")
        assert caller.show(checkpoint_id)["status"] == "available"


def test_sighup_changes_the_log_level(site, caller):
    with site.daemon(debug=False) as daemon:
        caller.call("list_providers")
        assert " DEBUG " not in daemon.log
        site.config(daemon.host, debug=True)
        daemon.send(signal.SIGHUP)

        def is_verbose():
            caller.call("list_providers")
            return " DEBUG " in daemon.log

        wait_until(is_verbose, "lines of the level DEBUG")


def test_a_daemon_reports_that_it_is_up(site, caller):
    """Its host in the services' table, as the API's service-list shows it."""
    with site.daemon() as daemon:
        listed = site.manage(daemon.host, "service", "list")
        assert daemon.host in listed
        assert "up" in listed


def test_a_daemon_without_its_tables_says_what_to_do_and_ends(site, caller):
    (site.folder / "karbor.sqlite").unlink()
    daemon = site.daemon()
    daemon.launch()
    daemon.wait_for_log("karbor-manage db sync")
    assert daemon.wait() == 1
    site.manage("manage", "db", "sync")
    with site.daemon():
        assert caller.call("list_providers")


def test_a_disabled_service_takes_no_new_work(site, caller, rabbitmq, database):
    context = get_admin_context()
    with site.daemon() as disabled:
        checkpoint_id = caller.protect(image())
        assert caller.wait_for_end(checkpoint_id)["status"] == "available"
        [row] = database.services.list(context)
        with site.daemon() as enabled:
            wait_until(lambda: rabbitmq.consumers(site.topic) == 2, "two that listen")
            database.services.update(context, row["id"], {"disabled": True})
            wait_until(
                lambda: rabbitmq.consumers(site.topic) == 1, "one that listens no more"
            )
            before = disabled.log.count("Begin protect")
            for _ in range(6):
                caller.wait_for_end(caller.protect(image()))
            assert enabled.log.count("Begin protect") == 6
            assert disabled.log.count("Begin protect") == before
        database.services.update(context, row["id"], {"disabled": False})
        wait_until(lambda: rabbitmq.consumers(site.topic) == 1, "one that listens")
        caller.wait_for_end(caller.protect(image()))
        assert disabled.log.count("Begin protect") == before + 1


def test_the_context_of_a_request_is_in_the_log(site, caller):
    with site.daemon() as daemon:
        checkpoint_id = caller.protect(image())
        caller.wait_for_end(checkpoint_id)
        [line] = [
            line
            for line in daemon.log.splitlines()
            if "Begin protect" in line and checkpoint_id in line
        ]
        assert CONTEXT["request_id"] in line
