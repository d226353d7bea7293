# SPDX-License-Identifier: Apache-2.0
"""What protectable plugins answer, checked before anything relies on it.

A plugin is foreign code: it may raise anything, or give what is no answer. Either is a
``ListProtectableResourceFailed`` that names its type. Errors of Karbor's own pass.
"""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from oslo_log import log as logging

from karbor import exception
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.plugin_loading import describe, trace
from karbor.services.protection.protectable_plugin import ProtectablePlugin

LOG = logging.getLogger(__name__)


def children_of(
    plugin: Any, child_type: str, context: RequestContext, parents: list[Resource]
) -> dict[Resource, list[Resource]]:
    many = getattr(type(plugin), "get_dependent_resources_many", None)
    if many in (None, ProtectablePlugin.get_dependent_resources_many):
        return {
            parent: resources(
                child_type,
                ask(
                    child_type,
                    functools.partial(plugin.get_dependent_resources, context, parent),
                ),
                f"get_dependent_resources for {parent}",
            )
            for parent in parents
        }
    asked = "get_dependent_resources_many"
    answers = ask(
        child_type, lambda: plugin.get_dependent_resources_many(context, parents)
    )
    if not isinstance(answers, Mapping):
        raise failed(child_type, f"{asked} returned {type(answers).__name__}, no dict")
    missing = [parent for parent in parents if parent not in answers]
    if missing or len(answers) != len(parents):
        example = f", such as {missing[0]}" if missing else ""
        raise failed(
            child_type,
            f"{asked} was asked for {len(parents)} resources, and {len(missing)} of "
            f"them are not among its {len(answers)} answers{example}",
        )
    return {
        parent: resources(child_type, answers[parent], f"{asked} for {parent}")
        for parent in parents
    }


def shown(
    plugin: Any, resource_type: str, context: RequestContext, ids: list[str]
) -> dict[str, Resource | None]:
    """What a plugin shows, also one that cannot show many at once."""
    if isinstance(plugin, ProtectablePlugin):
        found = ask(resource_type, lambda: plugin.show_resources(context, ids))
    else:
        found = {
            resource_id: ask(
                resource_type,
                functools.partial(
                    plugin.show_resource, context, resource_id, parameters=None
                ),
            )
            for resource_id in ids
        }
    asked = "show_resources"
    if not isinstance(found, Mapping) or any(name not in found for name in ids):
        raise failed(resource_type, f"{asked} did not answer for each resource")
    present = [found[name] for name in ids if found[name] is not None]
    resources(resource_type, present, asked)
    return {name: found[name] for name in ids}


def ask(resource_type: str, question: Callable[[], Any]) -> Any:
    try:
        return question()
    except exception.KarborException:
        raise
    except Exception as error:
        LOG.error(
            "The protectable plugin of %s failed: %s", resource_type, trace(error)
        )
        raise failed(resource_type, describe(error)) from error


def resources(resource_type: str, found: Any, asked: str) -> list[Resource]:
    if not isinstance(found, Iterable) or isinstance(found, str | Mapping):
        raise failed(resource_type, f"{asked} returned {type(found).__name__}, no list")
    resources = ask(resource_type, lambda: list(found))
    for item in resources:
        if not isinstance(item, Resource):
            raise failed(
                resource_type,
                f"{asked} returned a {type(item).__name__} among the resources",
            )
        if item.type != resource_type or not isinstance(item.id, str) or not item.id:
            raise failed(resource_type, f"{asked} returned {item!r}")
    return resources


def failed(resource_type: str, reason: str) -> exception.ListProtectableResourceFailed:
    return exception.ListProtectableResourceFailed(type=resource_type, reason=reason)
