# SPDX-License-Identifier: Apache-2.0
"""A configuration for a plugin under test."""

from oslo_config import cfg


def empty_configuration() -> cfg.ConfigOpts:
    """A configuration of no file: every option has its default.

    Register options on it and set them with ``set_override``.
    """
    made = cfg.ConfigOpts()
    made([], default_config_files=[])
    return made
