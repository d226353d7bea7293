# SPDX-License-Identifier: Apache-2.0
"""A token gets nowhere: no storage of taskflow, no log, no record, no bank."""

import gc
import io
import json
import logging
from concurrent import futures

import pytest
from oslo_config import cfg
from oslo_log import formatters, log
from taskflow import engines
from taskflow import logging as taskflow_logging
from taskflow.persistence import models

from karbor.services.protection.flows import protect
from karbor.services.protection.flows.live import LiveOperation
from karbor.services.protection.flows.storage import VolatileBackend
from karbor.services.protection.protection_plugin import HOOKS
from karbor.tests.fakes.operations import TOKEN, thing

PASSWORD = "sEcReT-1"
ALL = (*HOOKS, "on_revert")


def leak(hook, number, given):
    """A plugin that puts what it should not into its errors."""
    if (hook, number) == ("on_complete", 0) or hook == "on_revert":
        raise RuntimeError(
            f"401 for X-Auth-Token: {given['context'].auth_token}, {PASSWORD}",
            {"password": PASSWORD},
        )


@pytest.fixture
def written():
    """What the daemon's own formatters write of all that is logged."""
    written = io.StringIO()
    handlers = []
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf([], project="karbor", default_config_files=[], default_config_dirs=[])
    for formatter in (
        formatters.ContextFormatter(config=conf),
        formatters.JSONFormatter(),
    ):
        handler = logging.StreamHandler(written)
        # Below, the formatters leave out the exception in flight.
        handler.setLevel(logging.WARNING)
        handler.setFormatter(formatter)
        handlers.append(handler)
        logging.getLogger().addHandler(handler)
    yield written
    for handler in handlers:
        logging.getLogger().removeHandler(handler)


@pytest.fixture
def world(make_world):
    return make_world({0: [1], 1: []}, hooks_of=lambda n: ALL, behaviour=leak)


def test_no_secret_is_logged_or_kept_when_an_operation_fails(world, caplog, written):
    with caplog.at_level(taskflow_logging.TRACE):
        for name in ("taskflow", "karbor"):
            logging.getLogger(name).setLevel(taskflow_logging.TRACE)
        inputs, succeeded, checkpoint = world.protect()
    for name in ("taskflow", "karbor"):
        logging.getLogger(name).setLevel(logging.NOTSET)

    assert not succeeded
    shown = [
        caplog.text,
        written.getvalue(),
        "".join(str(vars(record)) for record in caplog.records),
        str(world.log_of(inputs)),
        checkpoint.status_reason,
        str(checkpoint.resources_status),
        str(world.provider.bank_plugin.objects),
        json.dumps(inputs.to_dict()),
        repr(world.secrets),
    ]
    for text in shown:
        assert TOKEN not in text
        assert PASSWORD not in text
    assert "401 for X-Auth-Token" in checkpoint.status_reason
    assert "on_complete of OS::Test::Thing thing-0 failed" in written.getvalue()
    assert "taskflow" in {record.name.split(".")[0] for record in caplog.records}


def test_no_secret_is_in_what_taskflow_would_persist(world):
    inputs = world.inputs("protect", world.checkpoint([thing(0)]))
    live = LiveOperation(inputs, world.house, world.secrets)
    detail = models.FlowDetail("f", "uuid")
    with futures.ThreadPoolExecutor(2) as executor:
        engine = engines.load(
            protect.build(inputs, world.house, live),
            flow_detail=detail,
            backend=VolatileBackend(),
            engine="karbor-linear",
            executor=executor,
        )
        with pytest.raises(Exception, match="401"):
            engine.run()

    persisted = json.dumps(
        [detail.to_dict(), *(known.to_dict() for known in detail)], default=repr
    )
    assert TOKEN not in persisted
    assert PASSWORD not in persisted
    assert engine.storage.fetch_all() == {}
    assert len(list(detail)) == 2 * len(HOOKS) + 2


def test_the_error_of_a_flow_brings_no_secret_along(world):
    inputs = world.inputs("protect", world.checkpoint([thing(0)]))
    live = LiveOperation(inputs, world.house, world.secrets)
    flow = protect.build(inputs, world.house, live)
    (task,) = (
        t for t in flow if t.name.endswith("on_complete/OS::Test::Thing/thing-0")
    )

    with pytest.raises(Exception, match="401") as caught:
        task.execute()

    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert TOKEN not in str(caught.value)


def test_secrets_are_dropped_when_the_operation_has_ended(world):
    world.protect()
    gc.collect()

    assert world.runner._known == {}
