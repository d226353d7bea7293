# SPDX-License-Identifier: Apache-2.0
"""The plugins for volumes keep the contract."""

import os

import pytest

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protection_plugins.volume import (
    cinder_protection_plugin,
    volume_glance_plugin,
    volume_snapshot_plugin,
)
from karbor.tests.conformance.protection import ProtectionConformance

DATA = os.urandom(100_000)


class VolumeConformance(ProtectionConformance):
    plugin_class = None

    @pytest.fixture(autouse=True)
    def _cinder(self, cinder):
        self.cinder = cinder

    @pytest.fixture
    def plugin(self, conf, cinder, images):
        cinder.configure(conf)
        images.configure(conf)
        return self.plugin_class(conf)

    @pytest.fixture
    def resource(self, cinder):
        volume_id = cinder.add_volume(DATA, name="data")
        return Resource(constants.VOLUME_RESOURCE_TYPE, volume_id, "data")

    def lose(self, resource):
        self.cinder.drop_volume(resource.id)

    def check_restored(self, resource, new_id):
        assert self.cinder.data[new_id] == DATA


class TestVolumeGlanceProtection(VolumeConformance):
    plugin_class = volume_glance_plugin.VolumeGlanceProtectionPlugin
    parameters = {
        "protect": {"backup_name": "nightly"},
        "restore": {"restore_name": "again"},
    }


class TestCinderBackupProtection(VolumeConformance):
    plugin_class = cinder_protection_plugin.CinderBackupProtectionPlugin
    operations = ("protect", "restore", "verify", "delete")


class TestVolumeSnapshotProtection(VolumeConformance):
    plugin_class = volume_snapshot_plugin.VolumeSnapshotProtectionPlugin
    operations = ("protect", "restore", "verify", "delete")


del VolumeConformance
