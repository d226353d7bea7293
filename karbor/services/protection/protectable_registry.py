# SPDX-License-Identifier: Apache-2.0
"""What is installed to find resources, and the graph that it finds."""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging
from stevedore import extension

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.resource import Resource
from karbor.services.protection import protectable_answers
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.plugin_loading import describe, trace
from karbor.services.protection.protectable_plugin import ProtectablePlugin

LOG = logging.getLogger(__name__)

NAMESPACE = "karbor.protectables"

#: How many of a plan's missing resources an error names.
_NAMED = 10


@dataclasses.dataclass(frozen=True)
class ProtectableFailure:
    """Why an installed protectable plugin is not used.

    :param name: its entry point
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"Protectable plugin '{self.name}' in {NAMESPACE}: {self.reason}"


class ProtectableRegistry:
    """The installed protectable plugins, one for each resource type.

    Loaded when it is made, and the same from then on; thread-safe. Each request gets
    plugins of its own.

    :param conf: the service's configuration, for the plugins
    :param namespace: of the entry points; another one for tests
    """

    def __init__(self, conf: cfg.ConfigOpts, namespace: str = NAMESPACE) -> None:
        self._conf = conf
        self._plugins: dict[str, Any] = {}
        self._parents: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, str] = {}
        self._failures: list[ProtectableFailure] = []
        manager: extension.ExtensionManager[Any] = extension.ExtensionManager(
            namespace,
            invoke_on_load=False,
            on_load_failure_callback=lambda _manager, point, error: self._fail(
                point.name, f"it cannot be imported: {describe(error)}", error
            ),
        )
        for found in sorted(manager.extensions, key=lambda item: str(item.name)):
            self._add(found.name, found.plugin)

    @property
    def failures(self) -> list[ProtectableFailure]:
        """The installed plugins that are not used."""
        return list(self._failures)

    def resource_types(self) -> list[str]:
        """The types that can be found."""
        return sorted(self._plugins)

    def parent_types(self, resource_type: str) -> list[str]:
        """The types that may depend on this one, whether they can be found or not.

        :raises ProtectableTypeNotFound: when no plugin finds the type
        """
        self._template(resource_type)
        return sorted(self._parents[resource_type])

    def dependent_types(self, resource_type: str) -> list[str]:
        """The types that one of this type may depend on.

        :raises ProtectableTypeNotFound: when no plugin finds the type
        """
        self._template(resource_type)
        return self._children(resource_type)

    def list_resources(
        self,
        context: RequestContext,
        resource_type: str,
        parameters: Mapping[str, Any] | None = None,
    ) -> list[Resource]:
        """All resources of a type that the context's project has.

        :raises ProtectableTypeNotFound: when no plugin finds the type
        :raises ListProtectableResourceFailed: when the plugin fails
        """
        plugin = self._plugin(context, resource_type)
        found = protectable_answers.ask(
            resource_type, lambda: plugin.list_resources(context, parameters=parameters)
        )
        return protectable_answers.resources(resource_type, found, "list_resources")

    def show_resource(
        self,
        context: RequestContext,
        resource_type: str,
        resource_id: str,
        parameters: Mapping[str, Any] | None = None,
    ) -> Resource | None:
        """One resource; None when the project has none of that id.

        :raises ProtectableTypeNotFound: when no plugin finds the type
        :raises ListProtectableResourceFailed: when the plugin fails
        """
        plugin = self._plugin(context, resource_type)
        found = protectable_answers.ask(
            resource_type,
            lambda: plugin.show_resource(context, resource_id, parameters=parameters),
        )
        if found is None:
            return None
        return protectable_answers.resources(resource_type, [found], "show_resource")[0]

    def dependents(self, context: RequestContext, resource: Resource) -> list[Resource]:
        """What one resource depends on, one level deep, each once.

        :raises ListProtectableResourceFailed: when a plugin fails
        """
        plugins = self._plugins_for(context)
        return self._dependents_of(context, plugins)([resource])[resource]

    def build_graph(
        self, context: RequestContext, roots: Iterable[Resource]
    ) -> ResourceGraph:
        """The resources, all that they depend on, and how.

        Each resource is asked for once, level by level; each plugin is asked once for
        each level, so the number of questions does not grow with the resources.

        :raises ProtectableTypeNotFound: when no plugin finds the type of a root
        :raises ProtectableResourceNotFound: when roots do not exist, or not any more
        :raises ProtectableResourceInvalidStatus: when a root cannot be protected now
        :raises ListProtectableResourceFailed: when a plugin fails, or does not answer
            for each resource: no graph lacks resources silently
        :raises InvalidResourceGraph: when resources depend on each other in a cycle
        """
        plugins = self._plugins_for(context)
        known = self._check_roots(context, list(roots), plugins)
        return ResourceGraph.build(known, self._dependents_of(context, plugins))

    def _plugins_for(self, context: RequestContext) -> Callable[[str], Any]:
        """Gives a plugin for each type, the same each time, with what they share."""
        shared: dict[str, Any] = {}

        @functools.cache
        def plugin_of(resource_type: str) -> Any:
            plugin = self._plugin(context, resource_type)
            if isinstance(plugin, ProtectablePlugin):
                plugin.shared = shared
            return plugin

        return plugin_of

    def _check_roots(
        self,
        context: RequestContext,
        roots: Sequence[Resource],
        plugin_of: Callable[[str], Any],
    ) -> list[Resource]:
        """The roots, with the names and details that a plan left out."""
        ids: dict[str, list[str]] = {}
        for root in roots:
            if root.type not in self._plugins:
                raise self._without_plugin(root)
            ids.setdefault(root.type, []).append(root.id)
        shown: dict[tuple[str, str], Resource | None] = {}
        for resource_type, wanted in ids.items():
            shown.update(
                ((resource_type, resource_id), found)
                for resource_id, found in protectable_answers.shown(
                    plugin_of(resource_type), resource_type, context, wanted
                ).items()
            )
        missing = [root for root in roots if shown[root.key] is None]
        if missing:
            raise _missing(missing)
        return [_completed(root, shown[root.key]) for root in roots]

    def _without_plugin(self, root: Resource) -> exception.ProtectableTypeNotFound:
        return exception.ProtectableTypeNotFound(
            _(
                "Protectable type %(type)s could not be found: no plugin that loads "
                "finds %(resource)s, but only %(types)s. See 'karbor-status "
                "protectables'."
            )
            % {
                "type": root.type,
                "resource": root,
                "types": ", ".join(self.resource_types()),
            }
        )

    def _dependents_of(
        self, context: RequestContext, plugin_of: Callable[[str], Any]
    ) -> Callable[[Sequence[Resource]], dict[Resource, list[Resource]]]:
        def dependents_of(level: Sequence[Resource]) -> dict[Resource, list[Resource]]:
            # A dict keeps the order and drops what two plugins both name.
            found: dict[Resource, dict[Resource, None]] = {item: {} for item in level}
            for child_type in self.resource_types():
                parents = [
                    item for item in found if item.type in self._parents[child_type]
                ]
                if not parents:
                    continue
                answers = protectable_answers.children_of(
                    plugin_of(child_type), child_type, context, parents
                )
                for parent, children in answers.items():
                    found[parent].update(dict.fromkeys(children))
            return {parent: list(children) for parent, children in found.items()}

        return dependents_of

    def _children(self, resource_type: str) -> list[str]:
        return [
            child
            for child in self.resource_types()
            if resource_type in self._parents[child]
        ]

    def _template(self, resource_type: str) -> Any:
        try:
            return self._plugins[resource_type]
        except KeyError:
            raise exception.ProtectableTypeNotFound(
                protectable_type=resource_type
            ) from None

    def _plugin(self, context: RequestContext, resource_type: str) -> Any:
        template = self._template(resource_type)
        return protectable_answers.ask(
            resource_type, lambda: template.instance(context, self._conf)
        )

    def _add(self, name: str, plugin_class: Any) -> None:
        try:
            plugin = plugin_class(None, self._conf)
            resource_type = plugin.get_resource_type()
            parents = tuple(plugin.get_parent_resource_types())
        except Exception as error:  # noqa: BLE001 - recorded, and logged with its trace
            self._fail(name, f"it cannot be made: {describe(error)}", error)
            return
        if not isinstance(resource_type, str) or not resource_type:
            self._fail(name, f"its resource type is {resource_type!r}")
        elif resource_type in self._plugins:
            self._fail(
                name,
                f"'{self._names[resource_type]}' already finds {resource_type}; "
                "uninstall one of them",
            )
        else:
            self._plugins[resource_type] = plugin
            self._parents[resource_type] = parents
            self._names[resource_type] = name

    def _fail(self, name: str, reason: str, cause: BaseException | None = None) -> None:
        failure = ProtectableFailure(name, reason)
        LOG.error("%s", failure)
        if cause is not None:
            LOG.debug("%s", trace(cause))
        self._failures.append(failure)


def _missing(
    resources: Sequence[Resource],
) -> exception.ProtectableResourceNotFound:
    named = ", ".join(str(resource) for resource in resources[:_NAMED])
    if len(resources) > _NAMED:
        named += f" and {len(resources) - _NAMED} more"
    return exception.ProtectableResourceNotFound(
        type=resources[0].type,
        id=resources[0].id,
        reason=_(
            "the plan names what the project does not have, or not any more: "
            "%(named)s. Take it out of the plan."
        )
        % {"named": named},
    )


def _completed(root: Resource, shown: Resource | None) -> Resource:
    if shown is None:
        return root
    return dataclasses.replace(
        root,
        name=root.name or shown.name,
        extra_info=root.extra_info or shown.extra_info,
    )
