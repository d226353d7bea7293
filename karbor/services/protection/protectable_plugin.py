# SPDX-License-Identifier: Apache-2.0
"""The contract of a protectable plugin: find resources of one type."""

import abc
from collections.abc import Mapping, Sequence
from typing import Any

from oslo_config import cfg

from karbor.context import RequestContext
from karbor.resource import Resource


class ProtectablePlugin(abc.ABC):
    """Finds the resources of one type, and which of them a parent depends on.

    Registered under the ``karbor.protectables`` entry point namespace. One
    instance serves one request: the registry makes it with :meth:`instance`, uses
    it from one thread, and drops it.

    :param context: whose resources to look at; None for what needs no cloud
        (types, schemas)
    :param config: the service's configuration
    """

    #: What the plugins that build one graph have in common, so that two of them need
    #: not ask a service the same: each keeps there what it likes, under a name of its
    #: own. The registry gives all of them the same dict, new for each graph.
    shared: dict[str, Any]

    def __init__(
        self,
        context: RequestContext | None = None,
        config: cfg.ConfigOpts | None = None,
    ) -> None:
        self._context = context
        self._conf = config
        self.shared = {}

    def instance(
        self,
        context: RequestContext | None = None,
        config: cfg.ConfigOpts | None = None,
    ) -> "ProtectablePlugin":
        """A fresh plugin of this class for another request."""
        return type(self)(context, config)

    @abc.abstractmethod
    def get_resource_type(self) -> str:
        """The type of the resources that this plugin finds."""

    @abc.abstractmethod
    def get_parent_resource_types(self) -> Sequence[str]:
        """The types of the resources that may depend on those of this plugin."""

    @abc.abstractmethod
    def list_resources(
        self, context: RequestContext, parameters: Mapping[str, Any] | None = None
    ) -> list[Resource]:
        """All resources of the type that the context's project has.

        :param parameters: what the caller passes on to the plugin, such as a region
        :raises ListProtectableResourceFailed: when the service cannot be asked.
            Never an incomplete list.
        """

    @abc.abstractmethod
    def show_resource(
        self,
        context: RequestContext,
        resource_id: str,
        parameters: Mapping[str, Any] | None = None,
    ) -> Resource | None:
        """One resource by its id; None when it does not exist.

        :raises ProtectableResourceInvalidStatus: when it is in a state in which it
            cannot be protected
        :raises ListProtectableResourceFailed: when the service cannot be asked
        """

    def show_resources(
        self,
        context: RequestContext,
        resource_ids: Sequence[str],
        parameters: Mapping[str, Any] | None = None,
    ) -> dict[str, Resource | None]:
        """Several resources by their ids, as :meth:`show_resource` shows each.

        Asked for the resources that a plan names. Override it where the service lists
        in bulk.

        :returns: an entry for each id, None where it does not exist
        :raises ProtectableResourceInvalidStatus: for any of them
        """
        return {
            resource_id: self.show_resource(context, resource_id, parameters=parameters)
            for resource_id in resource_ids
        }

    @abc.abstractmethod
    def get_dependent_resources(
        self, context: RequestContext, parent_resource: Resource
    ) -> list[Resource]:
        """The resources of this plugin's type that the parent depends on.

        Asked once for each parent whose type :meth:`get_parent_resource_types`
        names, unless :meth:`get_dependent_resources_many` is overridden.

        :raises ListProtectableResourceFailed: when the service cannot be asked;
            the operation fails, because a checkpoint that silently lacks resources
            must not exist
        """

    def get_dependent_resources_many(
        self, context: RequestContext, parents: Sequence[Resource]
    ) -> dict[Resource, list[Resource]]:
        """The dependents of a whole level of the graph at once.

        Override it where the service lists in bulk: the cost of a project with N
        servers is then a number of calls that does not grow with N.

        :param parents: distinct resources, each of a parent type
        :returns: an entry for each parent, an empty list where it has none
        """
        return {
            parent: list(self.get_dependent_resources(context, parent) or ())
            for parent in parents
        }
