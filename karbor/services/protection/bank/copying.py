# SPDX-License-Identifier: Apache-2.0
"""Copying a section, its streams included."""

from typing import TYPE_CHECKING

from karbor import exception
from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.bank.streams.copying import UNFINISHED, copy_stream

if TYPE_CHECKING:
    from karbor.services.protection.bank.sections import BankSection
    from karbor.services.protection.progress import ResourceProgress

_PAGE = 1000
_MANIFESTS = "/" + manifest.MANIFESTS
_DATA = "/" + manifest.DATA
# '0' follows '/' in the order of keys: after this no key of the folder is left.
_AFTER_DATA = _DATA[:-1] + "0"


def copy_section(
    source: "BankSection",
    target: "BankSection",
    progress: "ResourceProgress | None" = None,
) -> None:
    """Copy what a section and the sections in it hold; see :meth:`copy_to`."""
    if source.bank.plugin is target.bank.plugin and target.prefix.startswith(
        source.prefix
    ):
        raise exception.InvalidParameterValue(
            err=f"The section {source.prefix} cannot be copied into itself, to "
            f"{target.prefix}"
        )
    marker: str | None = None
    while page := source.list_objects(limit=_PAGE, marker=marker):
        for key in page:
            marker = key
            # With the section's own '/', streams at any depth look the same.
            path = "/" + key
            if _DATA in path:
                # Streams are copied by their manifests; their objects, which may
                # be millions, are not even listed.
                folder = path[: path.index(_DATA)]
                marker = (folder + _AFTER_DATA)[1:]
                break
            if f"/{UNFINISHED}/" in path:
                continue
            if _MANIFESTS in path:
                folder, _, name = path.partition(_MANIFESTS)
                copy_stream(
                    _descend(source, folder), _descend(target, folder), name, progress
                )
            else:
                target.update_object(key, source.get_object(key))


def _descend(section: "BankSection", folder: str) -> "BankSection":
    if not folder:
        return section
    return section.get_sub_section(folder, is_writable=section.is_writable)
