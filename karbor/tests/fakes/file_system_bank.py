# SPDX-License-Identifier: Apache-2.0
"""A filesystem bank with a configuration made on the spot."""

from pathlib import Path
from typing import Any

from oslo_config import cfg

from karbor.services.protection.bank_plugins.file_system_bank_plugin import (
    GROUP,
    FileSystemBankPlugin,
    register_opts,
)


def file_system_bank(path: Path | str | None, **options: Any) -> FileSystemBankPlugin:
    """A plugin whose bank is at ``path``; other options of its group as keywords."""
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    register_opts(conf)
    if path is not None:
        options["file_system_bank_path"] = str(path)
    for name, value in options.items():
        conf.set_override(name, value, GROUP)
    return FileSystemBankPlugin(conf)
