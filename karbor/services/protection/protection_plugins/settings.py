# SPDX-License-Identifier: Apache-2.0
"""What the operations of a plugin are configured with."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Self

from oslo_config import cfg

from karbor.services.protection.waiting.patience import Patience


@dataclasses.dataclass(frozen=True)
class Settings:
    """A plugin's options as values: a subclass has a field for each, named as it is.

    :cvar group: of the options, in a provider's file
    :cvar opts: all of them
    :param conf: the provider's configuration
    """

    group: ClassVar[str]
    opts: ClassVar[Sequence[cfg.Opt]]

    conf: cfg.ConfigOpts

    @classmethod
    def register(cls, conf: cfg.ConfigOpts) -> None:
        """Make the options known to a configuration; again does no harm."""
        conf.register_opts(cls.opts, group=cls.group)

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> Self:
        """Read the plugin's group of a provider's configuration."""
        cls.register(conf)
        options = conf[cls.group]
        names = [one.name for one in dataclasses.fields(cls) if one.name != "conf"]
        return cls(conf=conf, **{name: options[name] for name in names})


@dataclasses.dataclass(frozen=True)
class WaitingSettings(Settings):
    """Those of a plugin that waits for what a service does.

    :cvar service: as people call it
    :param poll_interval: seconds between two looks at most
    :param status_timeout: seconds to wait for one thing
    """

    service: ClassVar[str]

    poll_interval: float
    status_timeout: float

    @property
    def patience(self) -> Patience:
        """For what ``status_timeout`` is for."""
        return self.patience_of("status_timeout")

    def patience_of(self, option: str) -> Patience:
        """For what another of the plugin's options bounds, in seconds.

        :param option: its name
        """
        return Patience(
            timeout=getattr(self, option),
            interval=self.poll_interval,
            hint=f"Raise [{self.group}] {option} where {self.service} takes longer",
        )
