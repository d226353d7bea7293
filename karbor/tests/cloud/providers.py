# SPDX-License-Identifier: Apache-2.0
"""Providers for the tests: every installed plugin, in every choice of volume plugin."""

import uuid
from pathlib import Path

from karbor.services.protection import plugin_loading
from karbor.tests.cloud.cloud import Cloud

BANKS = ("fs", "swift")

#: What tests call the plugins of which a provider can have only one.
VOLUME_PLUGINS = {
    "backup": "karbor-volume-protection-plugin",
    "snapshot": "karbor-volume-snapshot-plugin",
    "glance": "karbor-volume-glance-plugin",
    "freezer": "karbor-volume-freezer-plugin",
}

_NOOP = "karbor-noop-protection-plugin"
_NAMESPACE = uuid.UUID("5d3c1f0e-2d5f-4c57-8f5e-3c1d8a6b9b7e")


def provider_id(volume: str | None, bank: str) -> str:
    """The id of the provider with a volume plugin and a bank."""
    return str(uuid.uuid5(_NAMESPACE, f"{volume}/{bank}"))


def installed_choices() -> list[str | None]:
    """The installed volume plugins by the names of tests; ``[None]`` without any."""
    installed = set(plugin_loading.installed())
    return [choice for choice, name in VOLUME_PLUGINS.items() if name in installed] or [
        None
    ]


def plugins_beside(volume: str | None) -> list[str]:
    """A volume plugin, and all plugins that can stand beside it in one provider.

    Freezer's other plugins come with Freezer's for volumes, and only with that.
    """
    first = [VOLUME_PLUGINS[volume]] if volume is not None else []
    others = set(plugin_loading.installed()) - {_NOOP, *VOLUME_PLUGINS.values()}
    freezers = {name for name in others if "freezer" in name}
    chosen: list[str] = []
    taken: set[str] = set()
    for name in (
        *first,
        *(sorted(freezers) if volume == "freezer" else ()),
        *sorted(others - freezers),
    ):
        try:
            plugin = plugin_loading.protection_class(name)
        except plugin_loading.PluginNotUsable:
            continue  # a bank
        types = set(plugin.get_supported_resources_types())
        if not types & taken:
            chosen.append(name)
            taken |= types
    return chosen


def write_providers(folder: Path, banks: Path, container: str, cloud: Cloud) -> None:
    """Write a file for each choice of volume plugin and each bank.

    :param folder: for the files
    :param banks: for the banks that are files
    :param container: how the names of the banks' containers in Swift begin
    """
    folder.mkdir()
    for volume in installed_choices():
        plugins = "".join(f"plugin = {name}\n" for name in plugins_beside(volume))
        for bank in BANKS:
            path = folder / f"{volume}-{bank}.conf"
            path.write_text(
                f"[provider]\nname = {volume} to {bank}\n"
                f"description = volumes by {volume} into a bank on {bank}\n"
                f"id = {provider_id(volume, bank)}\n"
                f"{plugins}bank = karbor-{bank}-bank-plugin\nenabled = True\n\n"
                + _bank_options(
                    bank, banks / str(volume), f"{container}-{volume}", cloud
                )
            )
            path.chmod(0o600)


def _bank_options(bank: str, folder: Path, container: str, cloud: Cloud) -> str:
    if bank == "fs":
        return f"[file_system_bank_plugin]\nfile_system_bank_path = {folder}\n"
    return (
        "[swift_client]\n"
        f"swift_auth_url = {cloud.auth_url}\n"
        "swift_user = karbor\n"
        f"swift_key = {cloud.password}\n"
        "swift_tenant_name = service\n\n"
        "[swift_bank_plugin]\n"
        f"bank_swift_object_container = {container}\n"
    )
