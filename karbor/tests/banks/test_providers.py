# SPDX-License-Identifier: Apache-2.0
"""A whole service on banks in object stores: every operation, and who is alive."""

import contextlib
import copy
import json
import pathlib
import random
import time
import uuid

import pytest
from oslo_config import cfg

import karbor.tests
from karbor import exception, rpc
from karbor.common import config
from karbor.context import RequestContext
from karbor.db import migration
from karbor.services.protection import service
from karbor.services.protection.rpcapi import ProtectionAPI
from karbor.tests.fakes.listing.glance import EveryImage

SAMPLES = json.loads(
    (pathlib.Path(karbor.tests.__file__).parent / "rpc-samples.json").read_text()
)
PLAN = SAMPLES["protect"]["args"]["plan"]["karbor_object.data"]
OWNER = RequestContext("owner", PLAN["project_id"], is_admin=False, overwrite=False)
PROVIDER = PLAN["provider_id"]

PROVIDER_FILE = """\
[provider]
name = object store
description = the noop plugin on a bank in an object store
id = {id}
plugin = karbor-noop-protection-plugin
bank = {bank}
enabled = True

"""

SWIFT = """\
[swift_client]
swift_auth_url = {server.url}
swift_auth_version = 1
swift_user = test:tester
swift_key = testing
[swift_bank_plugin]
bank_swift_object_container = {container}
"""

S3 = """\
[s3_client]
s3_endpoint = {server.endpoint}
s3_access_key = test:tester
s3_secret_key = testing
s3_addressing_style = path
[s3_bank_plugin]
bank_s3_object_bucket = {container}
"""


@contextlib.contextmanager
def running_service(base, glance):
    """A service whose providers are in ``base/providers.d``, and who asks it."""
    (base / "karbor.conf").write_text(
        f"[DEFAULT]\nstate_path = {base}\nrpc_response_timeout = 60\n"
        f"[glance_client]\nglance_endpoint = {glance.url}\n"
    )
    conf = cfg.CONF
    conf.reset()
    service.register_opts(conf)
    config.init(["--config-file", str(base / "karbor.conf")], "test", conf)
    migration.sync(conf)
    transport = rpc.get_transport(conf, "fake://")
    running = service.ProtectionService(conf, transport)
    running.start()
    try:
        yield running, ProtectionAPI(conf, transport)
    finally:
        running.stop()
        conf.reset()


@pytest.fixture(params=["swift", "s3"])
def running(request, swift_server, container, tmp_path):
    folder = tmp_path / "providers.d"
    folder.mkdir()
    bank, group = {
        "swift": ("karbor-swift-bank-plugin", SWIFT),
        "s3": ("karbor-s3-bank-plugin", S3),
    }[request.param]
    text = PROVIDER_FILE.format(id=PROVIDER, bank=bank)
    text += group.format(server=swift_server, container=container)
    (folder / "one.conf").write_text(text)
    with EveryImage().running() as glance, running_service(tmp_path, glance) as found:
        yield found


def until(ask, wanted):
    give_up = time.monotonic() + 120
    while (found := ask()) != wanted:
        assert time.monotonic() < give_up, found
        time.sleep(0.1)


def test_a_checkpoint_lives_and_dies(running):
    service_, api = running
    assert service_.providers.failures == []
    provider = service_.providers.get(PROVIDER)
    assert provider.is_alive(provider.owner_id)
    assert not provider.is_alive(str(uuid.uuid4()))
    plan = {**copy.deepcopy(PLAN), "id": str(uuid.uuid4())}

    def status(checkpoint_id):
        return lambda: api.show_checkpoint(OWNER, PROVIDER, checkpoint_id)["status"]

    made = [api.protect(OWNER, plan, {}) for _ in range(3)]
    for checkpoint_id in made:
        until(status(checkpoint_id), "available")

    def listed(**kwargs):
        found = api.list_checkpoints(OWNER, PROVIDER, filters={}, **kwargs)
        return [checkpoint["id"] for checkpoint in found]

    assert sorted(listed()) == sorted(made)
    page = listed(limit=2)
    assert page + listed(limit=2, marker=page[-1]) == listed()

    pairs = api.copy(OWNER, plan)
    assert [pair["checkpoint_protect_id"] for pair in pairs]
    for pair in pairs:
        until(status(pair["checkpoint_copy_id"]), "available")

    for checkpoint_id in listed():
        api.delete(OWNER, PROVIDER, checkpoint_id)
    until(listed, [])
    for checkpoint_id in made:
        with pytest.raises(exception.CheckpointNotFound):
            api.show_checkpoint(OWNER, PROVIDER, checkpoint_id)

    def left():
        keys = service_.providers.get(PROVIDER).bank.list_objects()
        return [key for key in keys if not key.startswith("/leases/")]

    # A deletion ends after the checkpoint is listed no more.
    until(left, [])


def test_data_of_a_resource_reads_back(running):
    service_, _api = running
    provider = service_.providers.get(PROVIDER)
    checkpoint = provider.checkpoints.create(
        PLAN, provider_id=PROVIDER, project_id=PLAN["project_id"]
    )
    section = checkpoint.get_resource_bank_section(str(uuid.uuid4()))
    data = random.Random(0).randbytes(9_000_000) + bytes(5_000_000)

    info = section.write_stream("disk", iter([data[:7], data[7:]]))

    assert info.length == len(data)
    with section.open_stream("disk") as stream:
        assert stream.read() == data
    section.delete_all()
    assert section.list_objects() == []
