# SPDX-License-Identifier: Apache-2.0
"""Images, protected from a Glance that a test can break."""

import os
import uuid

import pytest

from karbor import exception
from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugins.image.image_protection_plugin import (  # noqa: E501
    GlanceProtectionPlugin,
)
from karbor.services.protection.records import RestoreRecord
from karbor.tests.conformance.protection import ProtectionConformance
from karbor.tests.fakes.image_store import ImageServer

DATA = os.urandom(100_000)


class TestImagePlugin(ProtectionConformance):
    @pytest.fixture(autouse=True)
    def glance(self, conf):
        self.glance = ImageServer()
        with self.glance.running():
            self.glance.configure(conf)
            conf.set_override("retries", 0, "glance_client")
            yield self.glance

    @pytest.fixture
    def plugin(self, conf, glance):
        return GlanceProtectionPlugin(conf)

    @pytest.fixture
    def resource(self, glance):
        image = glance.make(
            name="debian",
            disk_format="raw",
            container_format="bare",
            visibility="shared",
            os_distro="debian",
        )
        glance.fill(image["id"], DATA)
        return Resource(constants.IMAGE_RESOURCE_TYPE, image["id"], "debian")

    @pytest.fixture
    def record(self):
        return RestoreRecord(None, {"id": str(uuid.uuid4())})

    def lose(self, resource):
        self.glance.images.pop(resource.id, None)

    def check_restored(self, resource, new_id):
        assert self.glance.data[new_id] == DATA
        image = self.glance.images[new_id]
        assert (image["name"], image["os_distro"]) == ("debian", "debian")
        assert image["visibility"] == "shared"

    def test_an_image_that_only_names_snapshots_is_refused_with_what_helps(
        self, call, new_checkpoint, resource
    ):
        self.glance.fill(resource.id, b"")
        self.glance.images[resource.id]["block_device_mapping"] = "[{}]"
        with pytest.raises(exception.CreateResourceFailed, match="or its volumes"):
            call("protect", new_checkpoint())

    def test_an_image_that_is_empty_is_an_image(self, call, new_checkpoint, resource):
        self.glance.fill(resource.id, b"")
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        assert self.section(checkpoint, resource).list_objects()

    @pytest.fixture
    def half_made(self, protected, restore, resource, record):
        """A restore whose upload has failed."""
        room, self.glance.room = self.glance.room, 10
        with pytest.raises(exception.RestoreResourceFailed, match="store is full"):
            restore(protected, hooks=("on_main",), record=record)
        self.glance.room = room
        assert len(self.glance.images) == 2
        return protected

    def test_reverting_deletes_what_is_half_made(
        self, half_made, restore, resource, record
    ):
        for _twice in range(2):
            restore(half_made, hooks=("on_revert",), record=record)
        assert list(self.glance.images) == [resource.id]

    def test_reverting_asks_again_while_glance_does_not_answer(
        self, half_made, restore, resource, record
    ):
        self.glance.failing["DELETE"] = [503, 500]
        restore(half_made, hooks=("on_revert",), record=record)
        assert list(self.glance.images) == [resource.id]

    def test_reverting_does_not_repeat_what_glance_refuses(
        self, half_made, restore, record
    ):
        self.glance.failing["DELETE"] = [409]
        with pytest.raises(exception.KarborException, match="made to fail"):
            restore(half_made, hooks=("on_revert",), record=record)
        assert self.glance.failing["DELETE"] == [], "it was asked once"

    def test_reverting_keeps_an_image_that_is_whole(self, protected, restore, record):
        new_id = restore(protected, hooks=("on_main",), record=record)
        restore(protected, hooks=("on_revert",), record=record)
        assert new_id in self.glance.images

    def test_deleting_takes_what_a_restore_left_half_made(
        self, call, half_made, resource
    ):
        call("delete", half_made)
        assert list(self.glance.images) == [resource.id]
        assert self.section(half_made, resource).list_objects() == []

    def test_a_visibility_that_glance_refuses_is_told(
        self, protected, restore, resource, record
    ):
        self.glance.failing["PATCH"] = [403]
        assert restore(protected, record=record)
        told = record.resources_reason[f"{resource.type}#{resource.id}"]
        assert "stays private" in told

    def test_a_glance_that_is_away_when_the_visibility_is_set_is_an_error(
        self, protected, restore, record
    ):
        self.glance.failing["PATCH"] = [503]
        with pytest.raises(exception.RestoreResourceFailed, match="made to fail"):
            restore(protected, record=record)
        new_id = restore(protected, record=record)
        assert self.glance.images[new_id]["visibility"] == "shared"
        assert len(self.glance.images) == 2
