# SPDX-License-Identifier: Apache-2.0
"""The image plugins keep the contracts, on a real Glance."""

import os

import pytest

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protectable_plugins.image import ImageProtectablePlugin
from karbor.services.protection.protection_plugins.image import (
    image_protection_plugin,
)
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.conformance.protectable import ProtectableConformance
from karbor.tests.conformance.protection import ProtectionConformance
from karbor.tests.fakes.nova import NovaServer

pytestmark = pytest.mark.xdist_group("glance")

DATA = os.urandom(100_000)


class TestImageProtectable(ProtectableConformance):
    plugin_class = ImageProtectablePlugin

    @pytest.fixture
    def nova(self, existing):
        with NovaServer().running() as server:
            server.add("booted-from-image", existing[0].id)
            server.add("booted-from-volume", None)
            yield server

    @pytest.fixture
    def conf(self, glance, nova):
        conf = empty_configuration()
        glance.configure(conf)
        nova.configure(conf)
        return conf

    @pytest.fixture
    def existing(self, glance, context):
        images = [glance.upload(context, b"x", name=name) for name in ("one", "two")]
        return [
            Resource(constants.IMAGE_RESOURCE_TYPE, image["id"], image["name"])
            for image in images
        ]

    @pytest.fixture
    def parents(self, context, nova):
        return [
            Resource(constants.PROJECT_RESOURCE_TYPE, context.project_id, None),
            Resource(constants.SERVER_RESOURCE_TYPE, "booted-from-image", None),
            Resource(constants.SERVER_RESOURCE_TYPE, "booted-from-volume", None),
        ]

    @pytest.fixture
    def unreachable(self, conf):
        conf.set_override("glance_endpoint", "http://127.0.0.1:9", "glance_client")
        conf.set_override("nova_endpoint", "http://127.0.0.1:9", "nova_client")
        for group in ("glance_client", "nova_client"):
            conf.set_override("retries", 0, group)


class TestImageProtection(ProtectionConformance):
    @pytest.fixture(autouse=True)
    def _images(self, glance, context):
        self.images = glance.images(context)
        self.data = lambda image_id: glance.data(context, image_id)

    @pytest.fixture
    def plugin(self, conf, glance):
        glance.configure(conf)
        return image_protection_plugin.GlanceProtectionPlugin(conf)

    @pytest.fixture
    def resource(self, glance, context):
        image = glance.upload(context, DATA)
        return Resource(constants.IMAGE_RESOURCE_TYPE, image["id"], image["name"])

    def lose(self, resource):
        self.images.delete(resource.id)

    def check_restored(self, resource, new_id):
        assert self.data(new_id) == DATA
