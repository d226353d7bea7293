# SPDX-License-Identifier: Apache-2.0
"""Images through the whole service: RPC, flows, plugin, bank, and a real Glance."""

import os
import time
import uuid

import pytest
from oslo_config import cfg

from karbor import rpc
from karbor.common import config
from karbor.db import migration
from karbor.services.protection import service
from karbor.services.protection.rpcapi import ProtectionAPI
from karbor.tests.fakes.identity import IdentityServer, User, catalog_entry
from karbor.tests.functional.glance import project_context

pytestmark = pytest.mark.xdist_group("glance")

PROVIDER = "b766f37c-d011-4026-8228-28730d734a3f"
IMAGE = "OS::Glance::Image"
PROVIDER_FILE = f"""\
[provider]
name = images
id = {PROVIDER}
plugin = karbor-image-protection-plugin
bank = karbor-fs-bank-plugin
enabled = True
[file_system_bank_plugin]
file_system_bank_path = {{base}}/bank
[bank_streams]
chunk_size = 1048576
max_bytes_in_flight = 4194304
[image_backup_plugin]
poll_interval = 0.1
status_timeout = 5
cleanup_timeout = 10
"""


class Karbor:
    """A running service, asked as the REST API asks it."""

    def __init__(self, api, database):
        self._api = api
        self._database = database

    def protect(self, context, images, expected="available"):
        """A checkpoint of images, when its operation has ended."""
        plan = {
            "id": str(uuid.uuid4()),
            "name": "plan",
            "provider_id": PROVIDER,
            "project_id": context.project_id,
            "resources": [
                {"id": image["id"], "type": IMAGE, "name": image["name"]}
                for image in images
            ],
            "parameters": {},
        }
        checkpoint_id = self._api.protect(context, plan, {})
        return self._until(
            lambda: self._api.show_checkpoint(context, PROVIDER, checkpoint_id),
            expected,
        )

    def restore(
        self,
        context,
        checkpoint_id,
        expected="success",
        parameters=None,
        target=None,
        auth=None,
    ):
        """The record of a restore, when it has ended."""
        record = self._record(
            self._database.restores,
            context,
            checkpoint_id,
            parameters or {},
            restore_target=target,
        )
        self._api.restore(context, record, auth)
        return self._until(
            lambda: self._database.restores.get(context, record["id"]), expected
        )

    def verify(self, context, checkpoint_id, expected="success"):
        """The record of a verification, when it has ended."""
        record = self._record(self._database.verifications, context, checkpoint_id, {})
        self._api.verification(context, record)
        return self._until(
            lambda: self._database.verifications.get(context, record["id"]), expected
        )

    def delete(self, context, checkpoint_id):
        """Begin to delete a checkpoint."""
        self._api.delete(context, PROVIDER, checkpoint_id)

    @staticmethod
    def _record(repository, context, checkpoint_id, parameters, **more):
        values = {
            "project_id": context.project_id,
            "provider_id": PROVIDER,
            "checkpoint_id": checkpoint_id,
            "parameters": parameters,
            "status": "in_progress",
            **more,
        }
        return repository.create(context, values)

    @staticmethod
    def _until(show, status):
        deadline = time.monotonic() + 60
        while True:
            shown = show()
            if shown["status"] == status:
                return shown
            ended = shown["status"] in ("available", "error", "success", "fail")
            assert not ended, shown
            assert time.monotonic() < deadline, shown
            time.sleep(0.05)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("karbor")


@pytest.fixture(scope="module")
def karbor(base, glance):
    (base / "providers.d").mkdir()
    (base / "providers.d" / "images.conf").write_text(PROVIDER_FILE.format(base=base))
    (base / "karbor.conf").write_text(
        f"[DEFAULT]\nstate_path = {base}\nrpc_response_timeout = 20\n"
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
    yield Karbor(ProtectionAPI(conf, transport), running.database)
    running.stop()
    conf.reset()


@pytest.fixture
def context():
    return project_context()


def image_ids(glance, context):
    return {
        image["id"] for image in glance.images(context).owned_by(context.project_id)
    }


def test_images_are_protected_verified_lost_and_restored(karbor, glance, context):
    contents = {}
    images = []
    for number in range(3):
        data = os.urandom(1_500_000 + number)
        images.append(glance.upload(context, data, name=f"image {number}"))
        contents[f"image {number}"] = data
    checkpoint = karbor.protect(context, images)
    karbor.verify(context, checkpoint["id"])
    for image in images:
        glance.images(context).delete(image["id"])
    record = karbor.restore(context, checkpoint["id"])
    assert set(record["resources_status"].values()) == {"available"}
    restored = list(glance.images(context).owned_by(context.project_id))
    assert {image["name"] for image in restored} == set(contents)
    for image in restored:
        assert glance.data(context, image["id"]) == contents[image["name"]]


def test_parameters_reach_the_image(karbor, glance, context):
    image = glance.upload(context, b"x", name="old")
    checkpoint = karbor.protect(context, [image])
    parameters = {f"{IMAGE}#{image['id']}": {"restore_name": "new"}}
    karbor.restore(context, checkpoint["id"], parameters=parameters)
    names = {i["name"] for i in glance.images(context).owned_by(context.project_id)}
    assert names == {"old", "new"}


def test_one_refused_image_fails_the_checkpoint_with_its_reason(
    karbor, glance, context
):
    good = glance.upload(context, b"x" * 1000, name="good")
    empty = glance.images(context).create(
        {"name": "empty", "disk_format": "raw", "container_format": "bare"}
    )
    checkpoint = karbor.protect(context, [good, empty], expected="error")
    reason = checkpoint["resources_status"][f"{IMAGE}#{empty['id']}"]["reason"]
    assert "queued" in reason


def test_a_restore_of_a_damaged_checkpoint_leaves_no_half_made_image(
    karbor, glance, context, base
):
    folder = base / "bank" / "karbor" / "chunks"
    before = set(folder.rglob("*"))
    image = glance.upload(context, os.urandom(3_000_000))
    checkpoint = karbor.protect(context, [image])
    chunks = [path for path in set(folder.rglob("*")) - before if path.is_file()]
    largest = max(chunks, key=lambda path: path.stat().st_size)
    data = bytearray(largest.read_bytes())
    data[-1] ^= 1
    largest.write_bytes(data)
    failed = karbor.verify(context, checkpoint["id"], expected="fail")
    assert "chunk" in failed["resources_reason"][f"{IMAGE}#{image['id']}"]
    failed = karbor.restore(context, checkpoint["id"], expected="fail")
    assert failed["resources_status"] == {f"{IMAGE}#{image['id']}": "error"}
    assert image_ids(glance, context) == {image["id"]}


def test_a_deleted_checkpoint_leaves_nothing_in_the_bank(karbor, glance, context, base):
    image = glance.upload(context, os.urandom(3_000_000))
    checkpoint = karbor.protect(context, [image])
    karbor.delete(context, checkpoint["id"])
    deadline = time.monotonic() + 30
    while left := [
        os.path.join(folder, name)
        # Unlike pathlib, it passes over folders that vanish meanwhile.
        for folder, _folders, names in os.walk(base / "bank")
        for name in names
        if checkpoint["id"] in os.path.join(folder, name)
    ]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_an_image_is_restored_into_another_cloud(karbor, glance, context):
    """Another Keystone, whose catalogue and project count; here, the same Glance."""
    image = glance.upload(context, b"moves", name="moving")
    checkpoint = karbor.protect(context, [image])
    # The lab takes a token that it cannot read for one of its own project.
    there = User("bob", "secret", project_id="0123456789abcdef0123456789abcdef")
    catalog = [catalog_entry("image", "glance", glance.url)]
    with IdentityServer([there], catalog).running() as identity:
        karbor.restore(
            context,
            checkpoint["id"],
            target=identity.url,
            auth={"type": "password", "username": "bob", "password": "secret"},
        )
    assert image_ids(glance, context) == {image["id"]}
    theirs = project_context("bob", there.project_id)
    (moved,) = glance.images(theirs).owned_by(there.project_id)
    assert moved["name"] == "moving"
    assert glance.data(theirs, moved["id"]) == b"moves"


def test_a_cloud_that_refuses_the_password_fails_the_restore(karbor, glance, context):
    image = glance.upload(context, b"stays")
    checkpoint = karbor.protect(context, [image])
    with IdentityServer([], []).running() as identity:
        record = karbor.restore(
            context,
            checkpoint["id"],
            "fail",
            target=identity.url,
            auth={"type": "password", "username": "bob", "password": "hunter2"},
        )
        assert identity.logins
    assert image_ids(glance, context) == {image["id"]}
    assert "hunter2" not in str(record)
