# SPDX-License-Identifier: Apache-2.0
"""Providers: a bank, and the plugins that protect into it."""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from oslo_config import cfg
from oslo_log import log as logging

from karbor import exception
from karbor.common.config import config_dir
from karbor.resource import Resource
from karbor.services.protection import parameters as operation_parameters
from karbor.services.protection import plugin_loading, provider_listing
from karbor.services.protection.bank.encryption.loading import load_keyring
from karbor.services.protection.bank.leases import LeaseKeeper
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import GROUP as STREAMS_GROUP
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank_decorators.loading import decorate
from karbor.services.protection.checkpoint import CheckpointCollection
from karbor.services.protection.checkpoints.lock_policy import GROUP as LOCK_GROUP
from karbor.services.protection.checkpoints.lock_policy import LockPolicy
from karbor.services.protection.collection.options import GROUP as GARBAGE_GROUP
from karbor.services.protection.collection.options import GarbageOptions
from karbor.services.protection.provider_file import (
    ProviderFailure,
    ProviderFile,
    digest_of,
)
from karbor.services.protection.schemas import PluginSchemas

LOG = logging.getLogger(__name__)

OPTS = [
    cfg.StrOpt(
        "provider_config_dir",
        default="providers.d",
        help="Folder of the providers' files, *.conf. Absolute, or relative to the "
        "folder of the service's configuration file.",
    ),
]

# For annotations below the method ``list``, which hides the type of that name.
_Failures = list[ProviderFailure]
_Names = list[str]
_Options = TypeVar("_Options")


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of this module."""
    conf.register_opts(OPTS)


class Provider:
    """One provider, as its file describes it; thread-safe once it is made.

    :raises ProviderLoadFailed: naming the file, the option and the reason
    """

    def __init__(self, file: ProviderFile) -> None:
        self.file = file
        self._schemas = PluginSchemas()
        self._plugins: dict[str, Any] = {}
        self._plugin_names: dict[str, str] = {}
        for name in file.plugins:
            self._add_plugin(name)
        # The bank comes last: it is the one that touches something outside.
        bank_plugin = self._make_bank()
        stream_options = self._read(STREAMS_GROUP, StreamOptions.from_conf)
        keyring = load_keyring(file, Bank(bank_plugin, stream_options))
        self.bank = Bank(bank_plugin, stream_options, keyring)
        self.lease = LeaseKeeper(bank_plugin)
        self.checkpoints = CheckpointCollection(
            self.bank,
            self.lease,
            provider_id=file.id,
            lock_policy=self._read(LOCK_GROUP, LockPolicy.from_conf),
        )
        #: When the bank is collected.
        self.garbage = self._read(GARBAGE_GROUP, GarbageOptions.from_conf)

    def __repr__(self) -> str:
        return f"<Provider {self.id} {self.name}>"

    @property
    def id(self) -> str:
        return self.file.id

    @property
    def name(self) -> str:
        return self.file.name

    @property
    def description(self) -> str:
        return self.file.description

    @property
    def owner_id(self) -> str:
        """Under which id this process works on the provider's checkpoints."""
        return self.bank.get_owner_id()

    @property
    def resource_types(self) -> list[str]:
        """The types that the provider protects."""
        return sorted(self._plugins)

    @property
    def extended_info_schema(self) -> dict[str, dict[str, dict[str, Any]]]:
        """``{"options_schema": {type: schema}, "restore_schema": …}``."""
        return self._schemas.extended_info

    def plugin_for(self, resource_type: str) -> Any:
        """The plugin that protects a type; one object for as long as this is.

        :raises ProtectionPluginNotFound: when no plugin of the provider does
        """
        try:
            return self._plugins[resource_type]
        except KeyError:
            raise exception.ProtectionPluginNotFound(type=resource_type) from None

    def validate_parameters(
        self,
        operation: str,
        parameters: Mapping[str, Any] | None,
        resources: Iterable[Resource] | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Check and convert an operation's parameters.

        See :func:`karbor.services.protection.parameters.validate`.

        :raises InvalidInput: naming the key, the path in it and the reason
        """
        return operation_parameters.validate(
            self._schemas, operation, parameters, resources
        )

    def is_alive(self, owner_id: str) -> bool:
        """Whether an owner of this provider's bank, or this process, is alive.

        :raises BankException: when the bank cannot be asked
        """
        return self.checkpoints.store.is_owner_alive(owner_id)

    def to_dict(self) -> dict[str, Any]:
        """``id``, ``name``, ``description`` and ``extended_info_schema``."""
        return {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "extended_info_schema": self.extended_info_schema,
        }

    def _make_bank(self) -> Any:
        name = self.file.bank
        try:
            plugin = plugin_loading.construct(
                name, plugin_loading.bank_class(name), self.file.conf
            )
        except plugin_loading.PluginNotUsable as error:
            raise self.file.unusable("bank", error) from error.__cause__
        return decorate(plugin, self.file)

    def _read(self, group: str, read: Callable[[cfg.ConfigOpts], _Options]) -> _Options:
        """The options of a group of the file."""
        try:
            return read(self.file.conf)
        except (exception.InvalidInput, ValueError) as error:
            raise exception.ProviderLoadFailed(
                path=self.file.path, option=f"[{group}]", reason=str(error)
            ) from error

    def _add_plugin(self, name: str) -> None:
        try:
            plugin = plugin_loading.construct(
                name, plugin_loading.protection_class(name), self.file.conf
            )
            for resource_type in plugin_loading.supported_types(name, plugin):
                other = self._plugin_names.setdefault(resource_type, name)
                if resource_type in self._plugins:
                    raise plugin_loading.PluginNotUsable(
                        f"'{other}' and '{name}' both protect {resource_type}; keep "
                        "one of them"
                    )
                self._plugins[resource_type] = plugin
                try:
                    self._schemas.add(plugin, resource_type)
                except plugin_loading.PluginNotUsable as error:
                    raise plugin_loading.PluginNotUsable(
                        f"'{name}': {error}"
                    ) from error
        except plugin_loading.PluginNotUsable as error:
            raise self.file.failed("plugin", str(error)) from error.__cause__


class ProviderRegistry:
    """The providers of ``provider_config_dir``; thread-safe.

    :param conf: the service's configuration
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        register_opts(conf)
        self._conf = conf
        self._lock = threading.RLock()
        self._providers: dict[str, Provider] = {}
        self._retired: list[Provider] = []
        #: Those that are whole but for a bank that was away.
        self._waiting: list[Provider] = []
        self._failures: list[ProviderFailure] = []
        self._started = False

    @property
    def failures(self) -> list[ProviderFailure]:
        """Why files of the folder are not among the providers."""
        return list(self._failures)

    @property
    def directory(self) -> str:
        """The folder that is read."""
        return os.path.join(config_dir(self._conf), self._conf.provider_config_dir)

    def load(self) -> None:
        """Read all files; a provider that cannot load takes no other with it."""
        with self._lock:
            self._providers, self._failures = self._load(kept={})

    def start(self) -> None:
        """Take each provider's lease, and keep it.

        A provider whose lease cannot be taken is taken out and is among the failures
        until :meth:`start_waiting` succeeds.
        """
        with self._lock:
            self._started = True
            for provider in list(self._providers.values()):
                self._start(provider)

    def start_waiting(self) -> None:
        """Take the leases that could not be taken before: a bank may be back."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            for provider in waiting:
                before = self._failures
                path = provider.file.path
                self._failures = [f for f in before if f.path != path]
                self._providers = {**self._providers, provider.id: provider}
                self._start(provider)
                if provider.id in self._providers:
                    LOG.info("The bank of provider %s is back", provider.id)

    def stop(self) -> None:
        """Give all leases back."""
        with self._lock:
            self._started = False
            for provider in [*self._providers.values(), *self._retired]:
                provider.lease.stop()
            self._retired = []
            self._waiting = []

    def reload(self) -> None:
        """Read all files anew.

        A provider whose file has not changed stays as it is. One whose file now has
        a mistake stays as it was, and the mistake is among the failures. One that is
        replaced or gone keeps its lease until its operations have ended, which go on
        with the provider that they began with.
        """
        with self._lock:
            before = self._providers
            kept = {provider.file.path: provider for provider in before.values()}
            loaded, self._failures = self._load(kept=kept)
            gone = [p for p in before.values() if loaded.get(p.id) is not p]
            fresh = [p for p in loaded.values() if before.get(p.id) is not p]
            self._providers = loaded
            self._waiting = []
            if self._started:
                self._retired.extend(gone)
                for provider in fresh:
                    self._start(provider)

    def release_retired(self, is_busy: Callable[[Provider], bool]) -> None:
        """Give back the leases of replaced providers that have no more work.

        Without a call they are kept until :meth:`stop`.

        :param is_busy: whether an operation still runs with that provider
        """
        with self._lock:
            working = []
            for provider in self._retired:
                if is_busy(provider) or _has_work(provider):
                    working.append(provider)
                else:
                    provider.lease.stop()
            self._retired = working

    def find(self, provider_id: str) -> Provider | None:
        """A provider, or None when none of that id has loaded."""
        return self._providers.get(provider_id)

    def get(self, provider_id: str) -> Provider:
        """A provider.

        :raises ProviderNotFound: when none of that id has loaded
        """
        provider = self.find(provider_id)
        if provider is None:
            raise exception.ProviderNotFound(provider_id=provider_id)
        return provider

    def list(
        self,
        marker: str | None = None,
        limit: int | None = None,
        sort_keys: Sequence[str] | None = None,
        sort_dirs: Sequence[str] | None = None,
        filters: Mapping[str, Any] | None = None,
    ) -> list[Provider]:
        """A page of the providers, by id unless asked otherwise.

        :param marker: the id of the last provider of the page before
        :param sort_keys: ``id``, ``name``, ``description``. Providers have no date
            of creation, so ``created_at``, the API's default, changes nothing.
        :param filters: values that ``id``, ``name`` or ``description`` equal
        :raises InvalidInput: naming what no listing can have
        """
        return provider_listing.page(
            self._providers.values(),
            marker=marker,
            limit=limit,
            sort_keys=sort_keys or (),
            sort_dirs=sort_dirs or (),
            filters=filters or {},
        )

    def _load(
        self, kept: Mapping[str, Provider]
    ) -> tuple[dict[str, Provider], _Failures]:
        """All providers by id, and what failed.

        :param kept: those of before, by path
        """
        loaded: dict[str, Provider] = {}
        failures: _Failures = []
        for path in self._paths(failures):
            try:
                provider = self._load_one(path, kept.get(path), loaded)
            except exception.ProviderLoadFailed as error:
                failure = ProviderFailure(
                    error.kwargs["path"], error.kwargs["option"], error.kwargs["reason"]
                )
                LOG.error("%s", failure)
                if error.__cause__ is not None:
                    LOG.debug("%s", plugin_loading.trace(error.__cause__))
                failures.append(failure)
                provider = kept.get(path)
                if provider is None or provider.id in loaded:
                    continue
                LOG.error("Provider %s stays as it was before", provider.id)
            if provider is not None:
                loaded[provider.id] = provider
        return loaded, failures

    def _load_one(
        self, path: str, before: Provider | None, loaded: Mapping[str, Provider]
    ) -> Provider | None:
        """The provider of a file; None when it is disabled."""
        if before is not None and before.file.digest == digest_of(path):
            file = before.file
        else:
            file = ProviderFile.read(path, self._conf)
            before = None
        if not file.enabled:
            LOG.info("Provider file %s is not enabled", path)
            return None
        if file.id in loaded:
            raise file.failed(
                "id",
                f"{file.id} is already the id of the provider in "
                f"{loaded[file.id].file.path}; give one of them another",
            )
        provider = before or Provider(file)
        LOG.info("Provider %s (%s) is loaded from %s", file.id, file.name, path)
        return provider

    def _paths(self, failures: _Failures) -> _Names:
        folder = self.directory
        try:
            names = sorted(os.listdir(folder))
        except OSError as error:
            failure = ProviderFailure(
                folder,
                "[DEFAULT] provider_config_dir",
                f"the folder cannot be read: {error.strerror}; make it, or name "
                "another",
            )
            LOG.error("%s", failure)
            failures.append(failure)
            return []
        return [os.path.join(folder, name) for name in names if name.endswith(".conf")]

    def _start(self, provider: Provider) -> None:
        try:
            provider.lease.start()
        except exception.BankException as error:
            failure = ProviderFailure(
                provider.file.path,
                "[provider] bank",
                f"the lease cannot be taken: {error}",
            )
            LOG.error("%s", failure)
            self._failures.append(failure)
            self._waiting.append(provider)
            providers = dict(self._providers)
            del providers[provider.id]
            self._providers = providers


def _has_work(provider: Provider) -> bool:
    try:
        return provider.checkpoints.has_work()
    except exception.BankException as error:
        LOG.warning(
            "The bank of the replaced provider %s cannot say now whether it has work: "
            "%s",
            provider.id,
            error,
        )
        return True
