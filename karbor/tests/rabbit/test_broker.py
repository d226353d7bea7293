# SPDX-License-Identifier: Apache-2.0
"""The broker goes away and comes back; the daemon goes on."""

import signal
import uuid

import oslo_messaging as messaging
import pytest

from karbor.tests.rabbit import gate
from karbor.tests.rabbit.daemon import wait_until


def wait_for_answer(caller):
    """Call until a daemon answers: a call on its way while a broker dies is lost."""
    impatient = caller.with_timeout(5)

    def is_answered():
        try:
            return bool(impatient.call("list_protectable_types"))
        except messaging.MessagingTimeout:
            return False

    wait_until(is_answered, "an answer")


@pytest.mark.parametrize("way", ["restarted", "killed"])
def test_a_broker_that_comes_back_finds_the_daemon_and_its_work(
    site, caller, rabbitmq, way
):
    resource = {"type": gate.GATED, "id": str(uuid.uuid4()), "name": "g"}
    name = f"protect-{resource['id']}"
    site.shut_gate(name)
    with site.daemon() as daemon:
        worker = daemon.worker.pid
        checkpoint_id = caller.protect(resource)
        site.wait_at_gate(name)
        rabbitmq.stop() if way == "restarted" else rabbitmq.kill()
        rabbitmq.start()
        wait_for_answer(caller)
        assert caller.show(checkpoint_id)["status"] == "protecting"
        site.open_gate(name)
        assert caller.wait_for_end(checkpoint_id)["status"] == "available"
        caller.delete(checkpoint_id)
        assert daemon.worker.pid == worker


def test_work_ends_well_while_the_broker_is_away(site, caller, rabbitmq):
    resource = {"type": gate.GATED, "id": str(uuid.uuid4()), "name": "g"}
    name = f"protect-{resource['id']}"
    site.shut_gate(name)
    with site.daemon() as daemon:
        checkpoint_id = caller.protect(resource)
        site.wait_at_gate(name)
        rabbitmq.stop()
        try:
            site.open_gate(name)
            daemon.wait_for_log("End protect")
        finally:
            rabbitmq.start()
        wait_for_answer(caller)
        assert caller.show(checkpoint_id)["status"] == "available"


def test_a_daemon_that_starts_before_its_broker_waits_for_it(site, caller, rabbitmq):
    daemon = site.daemon()
    rabbitmq.stop()
    try:
        daemon.launch()
        daemon.wait_for_log("Connection refused")
    finally:
        rabbitmq.start()
    daemon.wait_for_log("serves")
    wait_for_answer(caller)


def test_a_daemon_that_waits_for_its_broker_ends_on_sigterm(site, rabbitmq):
    daemon = site.daemon()
    rabbitmq.stop()
    try:
        daemon.launch()
        daemon.wait_for_log("Connection refused")
        daemon.send(signal.SIGTERM)
        assert daemon.wait() == 0
    finally:
        rabbitmq.start()


def test_a_daemon_that_has_lost_its_broker_ends_on_sigterm(site, rabbitmq):
    with site.daemon() as daemon:
        rabbitmq.stop()
        try:
            daemon.send(signal.SIGTERM)
            assert daemon.wait() == 0
            assert "has stopped" in daemon.log
        finally:
            rabbitmq.start()
