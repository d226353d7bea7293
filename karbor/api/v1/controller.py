# SPDX-License-Identifier: Apache-2.0
"""What every resource of REST v1 works with."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import falcon
from oslo_config import cfg
from oslo_utils import uuidutils

from karbor import exception
from karbor.api import faults
from karbor.api.listing import Query, next_links
from karbor.api.policy import Authority
from karbor.context import RequestContext
from karbor.db.database import Database
from karbor.services.protection.rpcapi import ProtectionAPI


@dataclasses.dataclass(frozen=True)
class Backend:
    """What is behind the API; all of it may be used from any thread."""

    conf: cfg.ConfigOpts
    protection: ProtectionAPI
    database: Database
    authority: Authority


class Controller:
    """A resource: its methods answer one URL. They run in many threads."""

    def __init__(self, backend: Backend) -> None:
        self.conf = backend.conf
        self.protection = backend.protection
        self.database = backend.database
        self._authority = backend.authority

    def allow(
        self,
        req: falcon.Request,
        action: str,
        target: Mapping[str, Any] | None = None,
    ) -> RequestContext:
        """The request's context, when its caller may do ``action``.

        :param target: the record that it is done to
        :raises PolicyNotAuthorized: else
        """
        context: RequestContext = req.context.karbor
        self._authority.check(context, action, target)
        return context

    def answer(self, resp: falcon.Response, document: Any) -> None:
        """Answer 200 with a JSON document."""
        resp.content_type = falcon.MEDIA_JSON
        resp.data = faults.to_bytes(document)

    def answer_page(
        self,
        req: falcon.Request,
        resp: falcon.Response,
        query: Query,
        name: str,
        views: Sequence[Mapping[str, Any]],
    ) -> None:
        """Answer a listing, with the link to what follows."""
        document: dict[str, Any] = {name: list(views)}
        links = next_links(req, self.conf, query, views)
        if links:
            document[f"{name}_links"] = links
        self.answer(resp, document)


def check_uuid(value: str, what: str) -> None:
    """:raises InvalidInput: when an id in the URL can be nobody's"""
    if not uuidutils.is_uuid_like(value):
        raise exception.InvalidInput(reason=f"the {what} id is no UUID")


def page_arguments(query: Query) -> dict[str, Any]:
    """A query as the arguments of a repository's or the protection service's list."""
    return {
        "marker": query.marker,
        "limit": query.limit,
        "sort_keys": query.sort_keys,
        "sort_dirs": query.sort_dirs,
        "filters": query.filters,
    }


def to_message(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record as the protection service takes it: times as text."""
    return {name: _time(value) for name, value in record.items()}


def pick(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The named fields of a record, as an answer shows them; None when missing."""
    return {name: _time(record.get(name)) for name in names}


def _time(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value
