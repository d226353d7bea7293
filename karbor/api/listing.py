# SPDX-License-Identifier: Apache-2.0
"""What the query of a listing asks for, and the links of its answer."""

import dataclasses
import urllib.parse
from collections.abc import Sequence
from typing import Any

import falcon
from oslo_config import cfg
from oslo_utils import strutils

from karbor import exception
from karbor.api.schemas.validation import Schema
from karbor.context import RequestContext
from karbor.db.paging import DEFAULT_SORT_DIR, DEFAULT_SORT_KEY, page_size

_TEXT = {"type": "string", "maxLength": 255}
_PAGING = dict.fromkeys(("marker", "limit", "sort", "sort_key", "sort_dir"), _TEXT)


@dataclasses.dataclass(frozen=True)
class Query:
    """A page that is asked for; ``limit`` is what the answer holds at most."""

    marker: str | None
    limit: int
    sort_keys: list[str]
    sort_dirs: list[str]
    filters: dict[str, Any]
    all_tenants: bool


class QuerySchema:
    """What the query of one listing may say.

    :param filters: names that items can be filtered by; a value of ``"date"``
        wants YYYY-MM-DD
    :param of_projects: whether items belong to projects, so that admins may ask
        for those of others with ``all_tenants`` and ``project_id``
    """

    def __init__(
        self, *filters: str, dates: Sequence[str] = (), of_projects: bool = False
    ) -> None:
        properties: dict[str, Any] = dict(_PAGING)
        properties.update(dict.fromkeys(filters, _TEXT))
        properties.update(
            {name: {"type": "string", "format": "date"} for name in dates}
        )
        if of_projects:
            properties["project_id"] = _TEXT
            properties["all_tenants"] = _TEXT
        self._schema = Schema(
            {"type": "object", "properties": properties, "additionalProperties": False},
            "the query",
        )

    def parse(
        self, req: falcon.Request, context: RequestContext, conf: cfg.ConfigOpts
    ) -> Query:
        """
        :raises ValidationError, InvalidInput: for a query that makes no sense
        :raises AdminRequired: for other projects' items without being admin
        """
        values = parameters(req)
        self._schema.check(values)
        limit = page_size(values.pop("limit", None), conf.osapi_max_limit)
        marker = values.pop("marker", None)
        keys, dirs = _sort_order(values)
        all_tenants = _boolean("all_tenants", values.pop("all_tenants", "0"))
        project_id = values.get("project_id")
        if project_id is not None and project_id != context.project_id:
            all_tenants = True
        if all_tenants and not context.is_admin:
            raise exception.AdminRequired()
        return Query(marker, limit, keys, dirs, values, all_tenants)


def parameters(req: falcon.Request) -> dict[str, Any]:
    """The query's parameters.

    :raises InvalidInput: when one is given twice or holds a NUL
    """
    for name, value in req.params.items():
        if isinstance(value, list):
            raise exception.InvalidInput(
                reason=f"the query says {ascii(name)[:80]} more than once"
            )
        if "\x00" in name + value or "\N{REPLACEMENT CHARACTER}" in name:
            raise exception.InvalidInput(
                reason=f"the query's {ascii(name)[:80]} holds a NUL or is not UTF-8"
            )
    return dict(req.params)


def _boolean(name: str, text: str) -> bool:
    try:
        return bool(strutils.bool_from_string(text, strict=True))
    except ValueError as error:
        raise exception.InvalidInput(reason=f"{name} must be 0 or 1") from error


def _sort_order(values: dict[str, Any]) -> tuple[list[str], list[str]]:
    if "sort" in values and ("sort_key" in values or "sort_dir" in values):
        raise exception.InvalidInput(
            reason="sort cannot be used together with sort_key or sort_dir"
        )
    if "sort" in values:
        pairs = [part.partition(":") for part in values.pop("sort").split(",")]
        keys = [key.strip() for key, _, _ in pairs]
        dirs = [direction.strip() or DEFAULT_SORT_DIR for _, _, direction in pairs]
    else:
        keys = [values.pop("sort_key", DEFAULT_SORT_KEY).strip()]
        dirs = [values.pop("sort_dir", DEFAULT_SORT_DIR).strip()]
    for direction in dirs:
        if direction not in ("asc", "desc"):
            raise exception.InvalidInput(reason="a sort direction is asc or desc")
    return keys, dirs


def base_url(req: falcon.Request, conf: cfg.ConfigOpts) -> str:
    """The URL of this API as callers see it, without a slash at its end."""
    return str(conf.public_endpoint or req.prefix).rstrip("/")


def next_links(
    req: falcon.Request, conf: cfg.ConfigOpts, query: Query, items: Sequence[Any]
) -> list[dict[str, str]]:
    """The link to the page after this one; none when this one is not full."""
    if not items or len(items) < query.limit:
        return []
    asked = {**req.params, "marker": items[-1]["id"]}
    path = urllib.parse.quote(req.path, safe="/:")
    href = f"{base_url(req, conf)}{path}?{urllib.parse.urlencode(asked)}"
    return [{"rel": "next", "href": href}]
