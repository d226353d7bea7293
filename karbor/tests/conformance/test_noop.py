# SPDX-License-Identifier: Apache-2.0
"""The noop plugin and the project plugin keep the contracts."""

import pytest

from karbor.common import constants
from karbor.resource import Resource
from karbor.services.protection.protectable_plugins.project import (
    ProjectProtectablePlugin,
)
from karbor.services.protection.protection_plugins.noop_plugin import (
    NoopProtectionPlugin,
)
from karbor.tests.conformance.protectable import ProtectableConformance
from karbor.tests.conformance.protection import ProtectionConformance


class TestNoopPlugin(ProtectionConformance):
    keeps_data = False

    @pytest.fixture
    def plugin(self, conf):
        return NoopProtectionPlugin(conf)

    @pytest.fixture(params=constants.RESOURCE_TYPES)
    def resource(self, request):
        return Resource(request.param, "some-id", None)


class TestProjectPlugin(ProtectableConformance):
    plugin_class = ProjectProtectablePlugin
    asks_a_service = False

    @pytest.fixture
    def existing(self, context):
        return [Resource(constants.PROJECT_RESOURCE_TYPE, context.project_id, None)]
