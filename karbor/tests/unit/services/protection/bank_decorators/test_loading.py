# SPDX-License-Identifier: Apache-2.0
"""Decorators as a provider's file names them."""

import pytest
from oslo_config import cfg
from stevedore import extension

from karbor import exception
from karbor.services.protection.bank_decorators.cache import CachingBank
from karbor.services.protection.bank_decorators.decorator import BankDecorator
from karbor.services.protection.bank_decorators.metrics import MeasuredBank
from karbor.services.protection.bank_decorators.rate_limit import RateLimitedBank
from karbor.services.protection.bank_decorators.retry import RetryingBank
from karbor.services.protection.bank_plugins.file_system_bank_plugin import (
    FileSystemBankPlugin,
)
from karbor.services.protection.provider import ProviderRegistry
from karbor.tests.fakes import distribution

ID = "6659007d-6f66-4a0f-9cb4-17d6aded0bb9"
FILE = """\
[provider]
name = Decorated
id = {id}
plugin = karbor-noop-protection-plugin
bank = karbor-fs-bank-plugin
enabled = True
{decorators}
[file_system_bank_plugin]
file_system_bank_path = {bank}
{groups}
"""


class GreetingBank(BankDecorator):
    """A third party's decorator."""

    group = "greeting"
    opts = [cfg.StrOpt("word", default="hello"), cfg.IntOpt("times", min=1, default=1)]


@pytest.fixture(autouse=True)
def plugins(tmp_path, monkeypatch):
    folder = distribution.install(
        tmp_path / "dist",
        {
            "karbor.bank_decorators": {
                "greeting": f"{__name__}:GreetingBank",
                "no-decorator": f"{FileSystemBankPlugin.__module__}:"
                "FileSystemBankPlugin",
                "unimportable": "karbor.no_such_module:Bank",
            }
        },
    )
    monkeypatch.syspath_prepend(str(folder))
    # stevedore remembers for as long as the process lives.
    monkeypatch.setattr(extension.ExtensionManager, "ENTRY_POINT_CACHE", {})


@pytest.fixture
def load(tmp_path):
    """Load a provider with these decorators and groups; gives the registry."""
    loaded = []

    def load(decorators, groups=""):
        (tmp_path / "providers.d").mkdir()
        (tmp_path / "karbor.conf").write_text("[DEFAULT]\n")
        (tmp_path / "providers.d" / "one.conf").write_text(
            FILE.format(
                id=ID,
                bank=tmp_path / "bank",
                decorators="\n".join(f"bank_decorator = {name}" for name in decorators),
                groups=groups,
            )
        )
        conf = cfg.ConfigOpts()
        conf([], default_config_files=[str(tmp_path / "karbor.conf")])
        registry = ProviderRegistry(conf)
        registry.load()
        loaded.append(registry)
        return registry

    yield load
    for registry in loaded:
        registry.stop()


def layers(plugin):
    """Classes from the outside in; that of a decorator may be a subclass."""
    found = [type(plugin).__name__]
    while isinstance(plugin, BankDecorator):
        plugin = plugin.wrapped
        found.append(type(plugin).__name__)
    return found


def test_a_provider_without_decorators_has_its_bank_bare(load):
    registry = load([])
    assert registry.failures == []
    assert layers(registry.get(ID).bank.plugin) == ["FileSystemBankPlugin"]


def test_decorators_are_put_around_from_the_inside_out(load):
    registry = load(
        ["rate_limit", "retry", "metrics", "cache", "greeting"],
        "[bank_retry]\nattempts = 7\n"
        "[bank_rate_limit]\nrequests_per_second = 12.5\n"
        "[bank_cache]\nprefixes = /chunks/, /packs/\n"
        "[greeting]\nword = hi\n",
    )
    assert registry.failures == []
    plugin = registry.get(ID).bank.plugin
    assert layers(plugin) == [
        "GreetingBank",
        "CachingBank",
        "MeasuredBank",
        "RetryingBank",
        "RateLimitedBank",
        "FileSystemBankPlugin",
    ]
    assert plugin.options == {"word": "hi", "times": 1}
    cache = plugin.wrapped
    assert isinstance(cache, CachingBank)
    assert cache.options["prefixes"] == ["/chunks/", "/packs/"]
    assert isinstance(cache.wrapped, MeasuredBank)
    retry = cache.wrapped.wrapped
    assert isinstance(retry, RetryingBank)
    assert retry.options["attempts"] == 7
    assert isinstance(retry.wrapped, RateLimitedBank)
    assert retry.wrapped.options["requests_per_second"] == 12.5


def test_a_decorated_bank_holds_its_lease(load):
    registry = load(["retry", "metrics"])
    registry.start()
    assert registry.failures == []
    provider = registry.get(ID)
    assert provider.lease.is_valid()
    assert provider.bank.plugin.check_lease_existence(provider.owner_id)
    registry.stop()
    assert not provider.bank.plugin.check_lease_existence(provider.owner_id)


def test_a_read_only_provider_starts_and_takes_no_lease(load):
    registry = load(["read_only"])
    registry.start()
    assert registry.failures == []
    provider = registry.get(ID)
    with pytest.raises(exception.BankReadonlyViolation):
        provider.bank.update_object("/a", 1)
    assert provider.bank.list_objects() == []


def test_faults_are_chosen_by_options(load):
    registry = load(
        ["fault_injection"],
        "[bank_fault_injection]\nseed = 3\n"
        "fail_before = update_object:1.0,every:0.5\nold_value = 0.5\n",
    )
    assert registry.failures == []
    with pytest.raises(exception.BankUpdateObjectFailed, match="injected"):
        registry.get(ID).bank.update_object("/a", 1)


@pytest.mark.parametrize(
    ("decorators", "groups", "option", "reasons"),
    [
        (
            ["retri"],
            "",
            "[provider] bank_decorator",
            ["'retri'", "Did you mean 'retry'?", "cache", "rate_limit", "greeting"],
        ),
        (["unimportable"], "", "[provider] bank_decorator", ["no_such_module"]),
        (
            ["no-decorator"],
            "",
            "[provider] bank_decorator",
            ["FileSystemBankPlugin", "no BankDecorator"],
        ),
        ([""], "", "[provider] bank_decorator", ["empty"]),
        (
            ["retry"],
            "[bank_retry]\nattempts = many\n",
            "[bank_retry]/attempts",
            ["'many'"],
        ),
        (["retry"], "[bank_retry]\nattempts = 0\n", "[bank_retry]/attempts", ["1"]),
        (
            ["retry"],
            "[bank_retry]\nfirst_wait = 5\nmax_wait = 2\n",
            "[bank_retry]/max_wait",
            ["first_wait"],
        ),
        (
            ["rate_limit"],
            "[bank_rate_limit]\nwrite_byte_per_second = 5\n",
            "[bank_rate_limit] write_byte_per_second",
            ["no such option", "did you mean 'write_bytes_per_second'?"],
        ),
        (
            ["fault_injection"],
            "[bank_fault_injection]\nfail_after = update_object:1.5\n",
            "[bank_fault_injection]/fail_after",
            ["less than or equal to 1"],
        ),
        (
            ["fault_injection"],
            "[bank_fault_injection]\nfail_after = put:0.5\n",
            "[bank_fault_injection]/fail_after",
            ["'put'", "update_object"],
        ),
        (
            ["cache"],
            "[bank_cache]\nmax_object_bytes = 100\nmax_bytes = 10\n",
            "[bank_cache]/max_object_bytes",
            ["max_bytes"],
        ),
        (
            ["metrics", "greeting"],
            "[greeting]\ntimes = 0\n",
            "[greeting]/times",
            ["greater than or equal to 1"],
        ),
    ],
)
def test_a_mistake_is_named(load, tmp_path, decorators, groups, option, reasons):
    registry = load(decorators, groups)
    assert registry.find(ID) is None
    [failure] = registry.failures
    assert failure.path == str(tmp_path / "providers.d" / "one.conf")
    assert failure.option == option
    for reason in reasons:
        assert reason in failure.reason
