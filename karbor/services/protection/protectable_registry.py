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
from karbor.resource import Resource
from karbor.services.protection.graph import ResourceGraph
from karbor.services.protection.plugin_loading import describe, trace
from karbor.services.protection.protectable_plugin import ProtectablePlugin

LOG = logging.getLogger(__name__)

NAMESPACE = "karbor.protectables"


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
        found = _ask(
            resource_type, lambda: plugin.list_resources(context, parameters=parameters)
        )
        return _resources(resource_type, found, "list_resources")

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
        found = _ask(
            resource_type,
            lambda: plugin.show_resource(context, resource_id, parameters=parameters),
        )
        if found is None:
            return None
        return _resources(resource_type, [found], "show_resource")[0]

    def dependents(self, context: RequestContext, resource: Resource) -> list[Resource]:
        """What one resource depends on, one level deep, each once.

        :raises ListProtectableResourceFailed: when a plugin fails
        """
        return self._dependents_of(context)([resource])[resource]

    def build_graph(
        self, context: RequestContext, roots: Iterable[Resource]
    ) -> ResourceGraph:
        """The resources, all that they depend on, and how.

        Each resource is asked for once, level by level; each plugin is asked once for
        each level, so the number of questions does not grow with the resources.

        :raises ListProtectableResourceFailed: when a plugin fails, or does not answer
            for each resource: no graph lacks resources silently
        :raises InvalidResourceGraph: when resources depend on each other in a cycle
        """
        return ResourceGraph.build(roots, self._dependents_of(context))

    def _dependents_of(
        self, context: RequestContext
    ) -> Callable[[Sequence[Resource]], dict[Resource, list[Resource]]]:
        plugins: dict[str, Any] = {}

        def dependents_of(level: Sequence[Resource]) -> dict[Resource, list[Resource]]:
            # A dict keeps the order and drops what two plugins both name.
            found: dict[Resource, dict[Resource, None]] = {item: {} for item in level}
            for child_type in self.resource_types():
                parents = [
                    item for item in found if item.type in self._parents[child_type]
                ]
                if not parents:
                    continue
                if child_type not in plugins:
                    plugins[child_type] = self._plugin(context, child_type)
                answers = _children_of(
                    plugins[child_type], child_type, context, parents
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
        return _ask(resource_type, lambda: template.instance(context, self._conf))

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


def _children_of(
    plugin: Any, child_type: str, context: RequestContext, parents: list[Resource]
) -> dict[Resource, list[Resource]]:
    many = getattr(type(plugin), "get_dependent_resources_many", None)
    if many in (None, ProtectablePlugin.get_dependent_resources_many):
        return {
            parent: _resources(
                child_type,
                _ask(
                    child_type,
                    functools.partial(plugin.get_dependent_resources, context, parent),
                ),
                f"get_dependent_resources for {parent}",
            )
            for parent in parents
        }
    asked = "get_dependent_resources_many"
    answers = _ask(
        child_type, lambda: plugin.get_dependent_resources_many(context, parents)
    )
    if not isinstance(answers, Mapping):
        raise _failed(child_type, f"{asked} returned {type(answers).__name__}, no dict")
    missing = [parent for parent in parents if parent not in answers]
    if missing or len(answers) != len(parents):
        example = f", such as {missing[0]}" if missing else ""
        raise _failed(
            child_type,
            f"{asked} was asked for {len(parents)} resources, and {len(missing)} of "
            f"them are not among its {len(answers)} answers{example}",
        )
    return {
        parent: _resources(child_type, answers[parent], f"{asked} for {parent}")
        for parent in parents
    }


def _ask(resource_type: str, question: Callable[[], Any]) -> Any:
    try:
        return question()
    except exception.KarborException:
        raise
    except Exception as error:
        LOG.error(
            "The protectable plugin of %s failed: %s", resource_type, trace(error)
        )
        raise _failed(resource_type, describe(error)) from error


def _resources(resource_type: str, found: Any, asked: str) -> list[Resource]:
    if not isinstance(found, Sequence | Iterable) or isinstance(found, str | Mapping):
        raise _failed(
            resource_type, f"{asked} returned {type(found).__name__}, no list"
        )
    resources = _ask(resource_type, lambda: list(found))
    for item in resources:
        if not isinstance(item, Resource):
            raise _failed(
                resource_type,
                f"{asked} returned a {type(item).__name__} among the resources",
            )
        if item.type != resource_type or not isinstance(item.id, str) or not item.id:
            raise _failed(resource_type, f"{asked} returned {item!r}")
    return resources


def _failed(resource_type: str, reason: str) -> exception.ListProtectableResourceFailed:
    return exception.ListProtectableResourceFailed(type=resource_type, reason=reason)
