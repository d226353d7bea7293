# SPDX-License-Identifier: Apache-2.0
"""Where a service listens: by configuration or by a catalogue."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import os_service_types
from oslo_config import cfg

from karbor import exception
from karbor.context import RequestContext
from karbor.i18n import _
from karbor.services.protection.clients.options import ServiceOptions

#: ``v3`` and ``v2.1``, at the end of a type or as a part of a path.
_VERSION = re.compile(r"v\d+(\.\d+)?$")


def parse_catalog_info(option: str, value: str) -> tuple[str, str, str]:
    """The three parts of a ``<service>_catalog_info`` option.

    :raises KarborException: when there are not three
    """
    parts = value.split(":")
    if len(parts) != 3 or not all(parts):
        raise exception.KarborException(
            _(
                "Option %(option)s is '%(value)s', and must be "
                "<service_type>:<service_name>:<endpoint_type>, for example "
                "image:glance:publicURL."
            )
            % {"option": option, "value": value}
        )
    return parts[0], parts[1], parts[2]


def configured_endpoint(
    described: ServiceOptions, group: cfg.ConfigOpts.GroupAttr, project_id: str | None
) -> str | None:
    """The endpoint that the configuration names, or None."""
    url = group[f"{described.service}_endpoint"]
    if not url:
        return None
    url = url.rstrip("/")
    if described.appends_project and project_id and not url.endswith(project_id):
        url = f"{with_version(url, described.version)}/{project_id}"
    return str(url)


def catalog_of(context: RequestContext) -> list[Mapping[str, Any]]:
    """The catalogue that came with a context, in either of Keystone's shapes."""
    if context.service_catalog:
        return list(context.service_catalog)
    token = (context.auth_token_info or {}).get("token") or {}
    return list(token.get("catalog") or ())


def names_service(catalog: Iterable[Mapping[str, Any]], service_type: str) -> bool:
    """Whether a catalogue has any endpoint of a service, in whatever region."""
    types = {service_type, *os_service_types.ServiceTypes().get_all_types(service_type)}
    return any(
        entry.get("type") in types and entry.get("endpoints") for entry in catalog
    )


def catalog_endpoint(
    catalog: Iterable[Mapping[str, Any]],
    service_type: str,
    service_name: str,
    endpoint_type: str,
    region: str | None = None,
) -> str | None:
    """The URL of a service in a catalogue, or None.

    An entry of the exact type comes before one of another name of it (``volumev3`` and
    ``block-storage``), the given name before others.

    :param endpoint_type: ``publicURL`` or ``public``, and so on
    :param region: only endpoints of this region; None takes the first
    """
    interface = endpoint_type.removesuffix("URL")
    types = _names_of(service_type)
    entries = [entry for entry in catalog if entry.get("type") in types]
    entries.sort(
        key=lambda entry: (
            types.index(entry["type"]),
            entry.get("name") != service_name,
        )
    )
    for entry in entries:
        for endpoint in entry.get("endpoints") or ():
            regions = (endpoint.get("region_id"), endpoint.get("region"))
            if region and region not in regions:
                continue
            if endpoint.get("interface") == interface and endpoint.get("url"):
                return str(endpoint["url"])
            if endpoint.get(f"{interface}URL"):
                return str(endpoint[f"{interface}URL"])
    return None


def with_version(url: str, version: str) -> str:
    """An endpoint with the version of its API, where a catalogue leaves that out.

    :param version: and what follows it, such as ``v3``
    """
    if any(_VERSION.fullmatch(part) for part in urlsplit(url).path.split("/")):
        return url
    return f"{url.rstrip('/')}/{version}"


def _names_of(service_type: str) -> list[str]:
    """A type and the other names of it, without those of another version of its API.

    https://specs.openstack.org/openstack/service-types-authority/
    """
    version = _VERSION.search(service_type)
    others = [
        name
        for name in os_service_types.ServiceTypes().get_all_types(service_type)
        if not (version and (found := _VERSION.search(name)))
        or found.group() == version.group()
    ]
    return [service_type, *(name for name in others if name != service_type)]
