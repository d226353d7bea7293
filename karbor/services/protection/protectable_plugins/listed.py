# SPDX-License-Identifier: Apache-2.0
"""What the plugins have in common whose service lists things by project."""

import abc
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from oslo_config import cfg
from oslo_log import log as logging

from karbor import exception
from karbor.common import constants
from karbor.context import RequestContext
from karbor.resource import Resource
from karbor.services.protection.client_factory import ClientFactory
from karbor.services.protection.protectable_plugin import ProtectablePlugin
from karbor.services.protection.protectable_plugins.listing import (
    Listing,
    Thing,
    kept,
)

LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class States:
    """What the status of a thing means for its protection.

    A thing in any other state cannot be protected now, but may have data: it is not
    offered for a plan, and what depends on it does not lose it silently.

    :param protectable: it can be protected, or can in a moment
    :param absent: it is not there yet, or on its way out: nothing is lost without it
    """

    protectable: frozenset[str]
    absent: frozenset[str]


class ListedProtectablePlugin(ProtectablePlugin):
    """A project depends on what it owns; what else does is the subclass's to say."""

    #: Which service has the resources, as :class:`ClientFactory` knows it.
    service: ClassVar[str]
    resource_type: ClassVar[str]
    parent_types: ClassVar[tuple[str, ...]] = (constants.PROJECT_RESOURCE_TYPE,)
    #: None: a thing can be protected whatever its state.
    states: ClassVar[States | None] = None

    @abc.abstractmethod
    def _open(self, context: RequestContext) -> Listing:
        """The service's things."""

    def _status(self, thing: Thing) -> str:
        """The status of a thing, as ``states`` has it."""
        return str(thing["status"])

    def _extra_info(self, thing: Thing) -> dict[str, Any] | None:
        """What a resource tells of itself beside its name."""
        return None

    def _of_servers(
        self, context: RequestContext, servers: Sequence[Resource]
    ) -> dict[Resource, list[Resource]]:
        """What servers depend on; for plugins whose parents may be servers."""
        raise NotImplementedError

    def get_resource_type(self) -> str:
        return self.resource_type

    def get_parent_resource_types(self) -> Sequence[str]:
        return self.parent_types

    def list_resources(
        self, context: RequestContext, parameters: Mapping[str, Any] | None = None
    ) -> list[Resource]:
        if not context.project_id:
            return []
        with self._asking():
            found = self._listing(context).of_project(context.project_id)
        return [self._resource(thing) for thing in found if self._is_protectable(thing)]

    def show_resource(
        self,
        context: RequestContext,
        resource_id: str,
        parameters: Mapping[str, Any] | None = None,
    ) -> Resource | None:
        return self.show_resources(context, [resource_id], parameters)[resource_id]

    def show_resources(
        self,
        context: RequestContext,
        resource_ids: Sequence[str],
        parameters: Mapping[str, Any] | None = None,
    ) -> dict[str, Resource | None]:
        with self._asking():
            found = self._listing(context).by_ids(resource_ids)
        shown: dict[str, Resource | None] = dict.fromkeys(resource_ids)
        for resource_id, thing in found.items():
            if not self._is_protectable(thing):
                raise exception.ProtectableResourceInvalidStatus(
                    id=f"{resource_id} ({thing.get('name')})",
                    type=self.resource_type,
                    status=self._status(thing),
                )
            shown[resource_id] = self._resource(thing)
        return shown

    def get_dependent_resources(
        self, context: RequestContext, parent_resource: Resource
    ) -> list[Resource]:
        found = self.get_dependent_resources_many(context, [parent_resource])
        return found[parent_resource]

    def get_dependent_resources_many(
        self, context: RequestContext, parents: Sequence[Resource]
    ) -> dict[Resource, list[Resource]]:
        found: dict[Resource, list[Resource]] = {}
        servers = []
        for parent in parents:
            if parent.type == constants.SERVER_RESOURCE_TYPE:
                servers.append(parent)
            else:
                found[parent] = self._of_project(context, parent.id)
        if servers:
            with self._asking():
                found.update(self._of_servers(context, servers))
        return found

    def _of_project(self, context: RequestContext, project_id: str) -> list[Resource]:
        if not ClientFactory.is_offered(self.service, context, self._configuration):
            LOG.info(
                "Project %s has no %s: neither the catalogue nor [%s_client] names a "
                "service that has them.",
                project_id,
                self.resource_type,
                self.service,
            )
            return []
        with self._asking():
            found = self._listing(context).of_project(project_id)
        return [self._resource(thing) for thing in self._present(found)]

    def _present(self, things: Iterable[Thing]) -> Iterator[Thing]:
        """Without those that are not there yet or on their way out."""
        for thing in things:
            status = self._status(thing)
            if self.states is not None and status in self.states.absent:
                LOG.info(
                    "%s %s (%s) is left out, because its status is '%s'.",
                    self.resource_type,
                    thing["id"],
                    thing.get("name"),
                    status,
                )
            else:
                yield thing

    def _is_protectable(self, thing: Thing) -> bool:
        return self.states is None or self._status(thing) in self.states.protectable

    def _resource(self, thing: Thing) -> Resource:
        return Resource(
            self.resource_type,
            thing["id"],
            thing.get("name") or None,
            self._extra_info(thing),
        )

    def _listing(self, context: RequestContext) -> Listing:
        """The service's things, asked for once for one graph."""
        return kept(self.shared, self.resource_type, lambda: self._open(context))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        try:
            yield
        except exception.ListProtectableResourceFailed:
            raise
        except exception.KarborException as error:
            raise exception.ListProtectableResourceFailed(
                type=self.resource_type, reason=error
            ) from error

    @property
    def _configuration(self) -> cfg.ConfigOpts:
        return self._conf if self._conf is not None else cfg.CONF
