# SPDX-License-Identifier: Apache-2.0
"""The provider that a command of karbor-manage is about."""

import glob
import logging
import os
import sys

from oslo_config import cfg

from karbor import exception
from karbor.services.protection.provider import Provider, ProviderRegistry
from karbor.services.protection.provider_file import ProviderFile

#: The filesystem bank's own option, which a provider takes from the configuration.
_FILE_SYSTEM = "file_system_bank_plugin"
_CREATE = cfg.BoolOpt("file_system_bank_create")


def loaded(conf: cfg.ConfigOpts) -> Provider:
    """The provider that ``--provider`` names.

    :raises ProviderNotFound: when it has not loaded; why is on standard error
    """
    # A command must not take a bank that is not mounted for an empty one; and a folder
    # that it made below the mount point, running services would write into.
    conf.register_opt(_CREATE, group=_FILE_SYSTEM)
    conf.set_override(_CREATE.name, False, group=_FILE_SYSTEM)
    if not conf.debug:
        # What does not load is told below, once.
        logging.getLogger(ProviderRegistry.__module__).setLevel(logging.CRITICAL)
    registry = ProviderRegistry(conf)
    registry.load()
    provider = registry.find(conf.command.provider)
    if provider is None:
        for failure in registry.failures:
            print(f"karbor-manage: {failure}", file=sys.stderr)
        raise exception.ProviderNotFound(
            f"No provider {conf.command.provider} has loaded from "
            f"{registry.directory}; those that have are: "
            f"{', '.join(found.id for found in registry.list()) or 'none'}."
        )
    return provider


def file_of(conf: cfg.ConfigOpts) -> ProviderFile:
    """The file of the provider that ``--provider`` names, which need not load.

    :raises ProviderNotFound: when no file has that id
    """
    folder = ProviderRegistry(conf).directory
    for path in sorted(glob.glob(os.path.join(glob.escape(folder), "*.conf"))):
        try:
            file = ProviderFile.read(path, conf)
        except exception.ProviderLoadFailed as error:
            print(f"karbor-manage: {error}", file=sys.stderr)
            continue
        if file.id == conf.command.provider:
            return file
    raise exception.ProviderNotFound(
        f"No provider file *.conf in {folder} has the id {conf.command.provider}."
    )
