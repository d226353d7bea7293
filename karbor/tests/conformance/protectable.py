# SPDX-License-Identifier: Apache-2.0
"""What every protectable plugin must do, as tests to run on one's own.

In a test module of the plugin's package::

    import pytest
    from karbor.resource import Resource
    from karbor.tests.conformance.configuration import empty_configuration
    from karbor.tests.conformance.protectable import ProtectableConformance

    class TestMyProtectable(ProtectableConformance):
        plugin_class = MyProtectablePlugin

        @pytest.fixture
        def conf(self, service):
            conf = empty_configuration()
            conf.register_opts(OPTS, "my_service")
            conf.set_override("url", service.url, "my_service")
            return conf

        @pytest.fixture
        def existing(self, service, context):
            return [service.make("one", context.project_id), service.make("two", …)]

        @pytest.fixture
        def parents(self, context):
            return [Resource("OS::Keystone::Project", context.project_id, None)]

``existing`` are resources that the context's project has; there may be more.
``parents`` are resources of every parent type, some of which depend on ``existing``.
``unreachable`` makes the plugin's service one that cannot be asked; a plugin that asks
none sets ``asks_a_service = False``. Needs pytest.
"""

import uuid

import pytest

from karbor import exception
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.tests.conformance.configuration import empty_configuration


class ProtectableConformance:
    """The contract of ``karbor.services.protection.protectable_plugin``."""

    #: The plugin's class.
    plugin_class: type
    #: Whether finding resources can fail.
    asks_a_service = True

    @pytest.fixture
    def conf(self):
        """The service's configuration; override to set what the plugin reads."""
        return empty_configuration()

    @pytest.fixture
    def context(self):
        """Who asks."""
        return RequestContext(
            user_id="conformance", project_id=uuid.uuid4().hex, overwrite=False
        )

    @pytest.fixture
    def existing(self):
        """Resources that the context's project has; override it."""
        raise NotImplementedError("override the fixture 'existing'")

    @pytest.fixture
    def parents(self):
        """Resources of the parent types; override it when there are parent types."""
        return []

    @pytest.fixture
    def missing_id(self):
        """An id that no resource of the type has."""
        return str(uuid.uuid4())

    @pytest.fixture
    def unreachable(self):
        """Makes the service one that cannot be asked; override it."""
        assert not self.asks_a_service, "override the fixture 'unreachable'"

    @pytest.fixture
    def plugin(self, conf, context):
        """A plugin as the registry makes it for a request."""
        return self.plugin_class(None, conf).instance(context, conf)

    def check(self, plugin, resources):
        """A list of distinct resources of the plugin's type."""
        assert isinstance(resources, list)
        for resource in resources:
            assert isinstance(resource, Resource)
            assert resource.type == plugin.get_resource_type()
            assert isinstance(resource.id, str)
            assert resource.id
        assert len(set(resources)) == len(resources)
        return resources

    def test_it_tells_its_types_without_a_context(self, conf):
        plugin = self.plugin_class(None, conf)
        assert isinstance(plugin.get_resource_type(), str)
        assert plugin.get_resource_type()
        parent_types = list(plugin.get_parent_resource_types())
        assert all(isinstance(name, str) and name for name in parent_types)
        assert len(set(parent_types)) == len(parent_types)

    def test_it_is_not_its_own_parent(self, plugin):
        assert plugin.get_resource_type() not in plugin.get_parent_resource_types()

    def test_each_request_gets_an_instance_of_its_own(self, plugin, context, conf):
        other = plugin.instance(context, conf)
        assert other is not plugin
        assert type(other) is type(plugin)

    def test_it_lists_what_the_project_has(self, plugin, context, existing):
        found = self.check(plugin, plugin.list_resources(context))
        assert set(existing) <= set(found)

    def test_listing_takes_parameters(self, plugin, context, existing):
        found = plugin.list_resources(context, parameters=None)
        assert set(existing) <= set(self.check(plugin, found))

    def test_listing_again_gives_the_same(self, plugin, context, existing):
        first = plugin.list_resources(context)
        assert plugin.list_resources(context) == first

    def test_what_it_lists_it_shows(self, plugin, context, existing):
        for resource in plugin.list_resources(context):
            shown = plugin.show_resource(context, resource.id, parameters=None)
            assert shown == resource
            assert shown.name == resource.name

    def test_what_does_not_exist_is_none(self, plugin, context, missing_id):
        assert plugin.show_resource(context, missing_id) is None

    def test_the_parents_cover_the_parent_types(self, plugin, parents):
        """Not of the plugin, but of what this suite was given."""
        covered = {parent.type for parent in parents}
        assert covered == set(plugin.get_parent_resource_types())

    def test_dependents_are_resources_of_the_type(self, plugin, context, parents):
        for parent in parents:
            self.check(plugin, plugin.get_dependent_resources(context, parent))

    def test_some_parent_depends_on_something(self, plugin, context, parents, existing):
        found = set()
        for parent in parents:
            found.update(plugin.get_dependent_resources(context, parent))
        assert not parents or found & set(existing)

    def test_a_whole_level_is_as_each_by_itself(self, plugin, context, parents):
        many = getattr(plugin, "get_dependent_resources_many", None)
        if many is None:
            return  # written for Karbor 1.x
        found = many(context, parents)
        assert set(found) == set(parents), "an entry for each parent"
        for parent in parents:
            alone = plugin.get_dependent_resources(context, parent)
            assert set(self.check(plugin, found[parent])) == set(alone)

    def test_a_listing_that_fails_says_so(
        self, unreachable, plugin, context, parents, missing_id
    ):
        if not self.asks_a_service:
            return
        failed = pytest.raises(
            exception.ListProtectableResourceFailed, match=plugin.get_resource_type()
        )
        with failed:
            plugin.list_resources(context)
        with failed:
            plugin.show_resource(context, missing_id)
        for parent in parents:
            with failed:
                plugin.get_dependent_resources(context, parent)
