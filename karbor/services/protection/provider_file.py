# SPDX-License-Identifier: Apache-2.0
"""A provider's file: ``providers.d/<name>.conf``."""

import dataclasses
import difflib
import hashlib
import re
from collections.abc import Iterable
from typing import Any

from oslo_config import cfg
from oslo_log import log as logging
from oslo_utils import uuidutils

from karbor import exception
from karbor.services.protection.checkpoints import lock_policy
from karbor.services.protection.plugin_loading import PluginNotUsable

LOG = logging.getLogger(__name__)

GROUP = "provider"

PROVIDER_OPTS = [
    cfg.StrOpt("name", help="What people call the provider; required."),
    cfg.StrOpt("description", default="", help="What the provider is for."),
    cfg.StrOpt(
        "id",
        help="The provider's id, a UUID; required. Checkpoints are found under it, so "
        "never change it.",
    ),
    cfg.MultiStrOpt(
        "plugin",
        default=[],
        help="Entry point of a protection plugin in karbor.protections; one line for "
        "each plugin, at least one.",
    ),
    cfg.StrOpt(
        "bank",
        help="Entry point of the bank plugin in karbor.protections; required.",
    ),
    cfg.MultiStrOpt(
        "bank_decorator",
        default=[],
        help="Entry point of a decorator of the bank in karbor.bank_decorators, such "
        "as retry; one line for each, the one next to the bank first. Each reads its "
        "own group, such as [bank_retry].",
    ),
    cfg.BoolOpt("enabled", default=False, help="Whether to load the provider."),
]

_KNOWN = [opt.name for opt in PROVIDER_OPTS]
_ID = re.compile(r"[0-9A-Fa-f-]{32,36}")
#: oslo.config's parser quotes the line that it cannot read, which may hold a secret.
_QUOTED_LINE = re.compile(r": '.*'$", re.DOTALL)


class ProviderConf(cfg.ConfigOpts):
    """The service's configuration, overlaid by one provider's file.

    A plugin registers and reads its options here as anywhere. What the file does not
    set has the service's value, also one that was overridden there. The environment
    is not looked at: it would set the same for every provider.

    :param service: the service's configuration, already parsed
    """

    def __init__(self, service: cfg.ConfigOpts) -> None:
        # oslo.config registers options of its own, which stay this object's.
        self._service: cfg.ConfigOpts | None = None
        super().__init__()
        self._service = service

    def register_opt(
        self,
        opt: cfg.Opt,
        group: str | cfg.OptGroup | None = None,
        cli: bool = False,
        **kwargs: Any,
    ) -> bool:
        """Register an option, and take the service's value for its default."""
        added = super().register_opt(opt, group, cli, **kwargs)
        name = group.name if isinstance(group, cfg.OptGroup) else group
        if added and self._service is not None and not cli and name != GROUP:
            value = _value_of(self._service, opt, name)
            self.set_default(opt.dest, value, name)
        return bool(added)


@dataclasses.dataclass(frozen=True)
class ProviderFile:
    """What a provider's file says in its ``[provider]`` group.

    :param path: the file
    :param digest: of the file's bytes; the same bytes make the same provider
    :param conf: where the provider's plugins read their own groups
    """

    path: str
    digest: str
    conf: cfg.ConfigOpts
    id: str
    name: str
    description: str
    plugins: tuple[str, ...]
    bank: str
    bank_decorators: tuple[str, ...]
    enabled: bool

    @classmethod
    def read(cls, path: str, service: cfg.ConfigOpts) -> "ProviderFile":
        """Read a file and check its ``[provider]`` group.

        The file of a disabled provider may lack anything.

        :raises ProviderLoadFailed: naming the file, the option and the reason
        """
        digest = digest_of(path)
        conf = _parse(path, service)
        names = _names_in(path)
        for name in names:
            if name not in _KNOWN:
                LOG.warning(
                    "Provider file %s: option [%s] %s means nothing%s",
                    path,
                    GROUP,
                    name,
                    _meant(name, _KNOWN),
                )
        try:
            section = conf[GROUP]
            values = {opt.dest: section[opt.dest] for opt in PROVIDER_OPTS}
        except ValueError as error:
            raise exception.ProviderLoadFailed(
                path=path, option=f"[{GROUP}]", reason=str(error)
            ) from error
        plugins = tuple(values.pop("plugin"))
        decorators = tuple(name.strip() for name in values.pop("bank_decorator"))
        for name in ("id", "name", "bank"):
            values[name] = (values[name] or "").strip()
        found = cls(
            path=path,
            digest=digest,
            conf=conf,
            plugins=plugins,
            bank_decorators=decorators,
            **values,
        )
        if found.enabled:
            found._check()
        return found

    def failed(self, option: str, reason: str) -> exception.ProviderLoadFailed:
        """The error that this file's option is wrong.

        :param option: the option's name in ``[provider]``
        """
        return exception.ProviderLoadFailed(
            path=self.path, option=f"[{GROUP}] {option}", reason=reason
        )

    def unusable(
        self, option: str, error: PluginNotUsable
    ) -> exception.ProviderLoadFailed:
        """The error that a plugin which this file names cannot be used.

        :param option: the option's name in ``[provider]``; the plugin may name one of
            its own group instead, as ``option`` in the error that it raised
        """
        cause = error.__cause__
        if isinstance(cause, exception.KarborException) and "option" in cause.kwargs:
            return exception.ProviderLoadFailed(
                path=self.path, option=cause.kwargs["option"], reason=str(error)
            )
        return self.failed(option, str(error))

    def options_of(self, group: str) -> list[str]:
        """The names of the options that the file has in a group, known or not."""
        return list(_groups_in(self.path).get(group, {}))

    def check_names(self, group: str, options: Iterable[cfg.Opt]) -> None:
        """For a group where a misspelt option is worse than a provider that does not
        load: a limit would not hold, data not be encrypted or locked.

        :raises ProviderLoadFailed: naming an option that the group does not have
        """
        known = [option.name for option in options]
        for name in self.options_of(group):
            if name.replace("-", "_") in {one.replace("-", "_") for one in known}:
                continue
            close = difflib.get_close_matches(name, known, n=1)
            meant = f"; did you mean '{close[0]}'?" if close else "."
            raise exception.ProviderLoadFailed(
                path=self.path,
                option=f"[{group}] {name}",
                reason=f"there is no such option{meant} The group has "
                f"{', '.join(known)}",
            )

    def _check(self) -> None:
        required = {
            "id": self.id,
            "name": self.name,
            "bank": self.bank,
            "plugin": any(name.strip() for name in self.plugins),
        }
        for option, value in required.items():
            if not value:
                raise self.failed(option, f"it is missing{self._hint(option)}")
        if not _ID.fullmatch(self.id) or not uuidutils.is_uuid_like(self.id):
            raise self.failed(
                "id",
                f"'{self.id}' is no UUID; make one with 'uuidgen' and keep it for as "
                "long as there are checkpoints of this provider",
            )
        if not all(name.strip() for name in self.plugins):
            raise self.failed("plugin", "one of its lines is empty; take it out")
        if not all(self.bank_decorators):
            raise self.failed(
                "bank_decorator", "one of its lines is empty; take it out"
            )
        self.check_names(lock_policy.GROUP, lock_policy.OPTS)

    def _hint(self, option: str) -> str:
        """What the file has in place of an option that it lacks."""
        unknown = [name for name in _names_in(self.path) if name not in _KNOWN]
        close = difflib.get_close_matches(option, unknown, n=1)
        return f"; the file has '{close[0]}' instead" if close else ""


@dataclasses.dataclass(frozen=True)
class ProviderFailure:
    """Why a provider is not there.

    :param path: its file, or the folder of all
    :param option: which option of it is wrong
    :param reason: what is wrong with it, and what to do
    """

    path: str
    option: str
    reason: str

    def __str__(self) -> str:
        return f"Provider file {self.path}: option {self.option}: {self.reason}"


def digest_of(path: str) -> str:
    """A digest of the file's bytes.

    :raises ProviderLoadFailed: when it cannot be read
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise exception.ProviderLoadFailed(
            path=path,
            option="(the file itself)",
            reason=f"it cannot be read: {error.strerror}",
        ) from error


def _names_in(path: str) -> list[str]:
    """The names of the options in the file's ``[provider]`` group."""
    sections = _groups_in(path)
    if GROUP not in sections:
        raise exception.ProviderLoadFailed(
            path=path,
            option=f"[{GROUP}]",
            reason="the file has no such group, but "
            + (", ".join(f"[{name}]" for name in sections) or "none at all"),
        )
    return list(sections[GROUP])


def _groups_in(path: str) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {}
    cfg.ConfigParser(path, sections).parse()
    return sections


def _meant(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _value_of(conf: cfg.ConfigOpts, opt: cfg.Opt, group: str | None) -> Any:
    if group is None:
        if opt.dest not in conf:
            conf.register_opt(opt)
        return conf[opt.dest]
    if group not in conf or opt.dest not in conf[group]:
        conf.register_opt(opt, group)
    return conf[group][opt.dest]


def _parse(path: str, service: cfg.ConfigOpts) -> ProviderConf:
    conf = ProviderConf(service)
    conf.register_opts(PROVIDER_OPTS, GROUP)
    try:
        conf(
            [],
            project="karbor",
            prog="karbor-provider",
            default_config_files=[path],
            default_config_dirs=[],
            use_env=False,
        )
    except (cfg.Error, UnicodeDecodeError) as error:
        reason = _QUOTED_LINE.sub("", str(error))
        raise exception.ProviderLoadFailed(
            path=path,
            option="(the file itself)",
            reason=f"it is no configuration file: {reason}",
        ) from error
    return conf
