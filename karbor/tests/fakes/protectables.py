# SPDX-License-Identifier: Apache-2.0
"""Protectable plugins of a little cloud: projects have servers, which have volumes."""

import collections
from typing import Any

from karbor import exception
from karbor.resource import Resource
from karbor.services.protection.protectable_plugin import ProtectablePlugin

#: ``(plugin's class, method, ids)`` of each question that was asked.
asked: list[tuple[str, str, tuple[str, ...]]] = []
#: What each parent has: ``{parent id: [child id]}``.
children: dict[str, list[str]] = collections.defaultdict(list)
#: What plugins shared when they were asked for dependents.
scratchpads: list[dict[str, Any]] = []
#: What ``answer`` of a :class:`Strange` plugin gives.
answer: dict[str, Any] = {}


def reset() -> None:
    """Forget everything."""
    asked.clear()
    scratchpads.clear()
    children.clear()
    answer.clear()


class Base(ProtectablePlugin):
    TYPE = ""
    PARENTS: tuple[str, ...] = ()

    def get_resource_type(self):
        return self.TYPE

    def get_parent_resource_types(self):
        return self.PARENTS

    def list_resources(self, context, parameters=None):
        asked.append((type(self).__name__, "list", ()))
        return [Resource(self.TYPE, f"{self.TYPE}-1", str(parameters))]

    def show_resource(self, context, resource_id, parameters=None):
        if resource_id == "none":
            return None
        return Resource(self.TYPE, resource_id, str(parameters))

    def get_dependent_resources(self, context, parent_resource):
        asked.append((type(self).__name__, "one", (parent_resource.id,)))
        return self._of(parent_resource)

    def _of(self, parent):
        return [
            Resource(self.TYPE, name, None)
            for name in children[parent.id]
            if name.startswith(self.TYPE[0].lower())
        ]


class Projects(Base):
    TYPE = "Project"


class Servers(Base):
    """Answers for many at once."""

    TYPE = "Server"
    PARENTS = ("Project",)

    def show_resources(self, context, resource_ids, parameters=None):
        asked.append((type(self).__name__, "show", tuple(resource_ids)))
        return super().show_resources(context, resource_ids, parameters)

    def get_dependent_resources_many(self, context, parents):
        asked.append(
            (type(self).__name__, "many", tuple(parent.id for parent in parents))
        )
        scratchpads.append(self.shared)
        return {parent: self._of(parent) for parent in parents}


class Volumes(Base):
    """Answers for one after another, as 1.x plugins do."""

    TYPE = "Volume"
    PARENTS = ("Project", "Server")

    def get_dependent_resources(self, context, parent_resource):
        scratchpads.append(self.shared)
        return super().get_dependent_resources(context, parent_resource)


class OldVolumes:
    """A plugin that is no subclass of the contract."""

    TYPE = "Volume"

    def __init__(self, context=None, config=None):
        self._context = context

    def instance(self, context=None, config=None):
        return type(self)(context, config)

    def get_resource_type(self):
        return self.TYPE

    def get_parent_resource_types(self):
        return ("Server",)

    def show_resource(self, context, resource_id, parameters=None):
        return Resource(self.TYPE, resource_id, "an old volume")

    def get_dependent_resources(self, context, parent_resource):
        assert self._context is context
        return [Resource("Volume", name, None) for name in children[parent_resource.id]]


class Strange(Base):
    """Answers what a test says."""

    TYPE = "Strange"
    PARENTS = ("Project",)

    def list_resources(self, context, parameters=None):
        return self._answer()

    def show_resource(self, context, resource_id, parameters=None):
        return self._answer()

    def get_dependent_resources(self, context, parent_resource):
        return self._answer()

    def _answer(self):
        value = answer["value"]
        if isinstance(value, Exception):
            raise value
        return value


class StrangeMany(Strange):
    """Answers what a test says, for many."""

    def get_dependent_resources_many(self, context, parents):
        value = self._answer()
        return value(parents) if callable(value) else value


class Declared(Base):
    TYPE = "Declared"

    def show_resource(self, context, resource_id, parameters=None):
        raise exception.ProtectableResourceInvalidStatus(
            id=resource_id, type=self.TYPE, status="killed"
        )


class Broken:
    def __init__(self, context=None, config=None):
        raise RuntimeError("it is broken")


class Nameless(Base):
    """Has no type."""
