# SPDX-License-Identifier: Apache-2.0
"""What an S3 bank's options mean."""

import pathlib
import shutil

import pytest

from karbor import exception
from karbor.services.protection.provider import ProviderRegistry
from karbor.services.protection.provider import register_opts as register_provider_opts
from karbor.tests.conformance.configuration import empty_configuration
from karbor.tests.fakes.s3_bank import s3_bank

SAMPLES = pathlib.Path(__file__).resolve().parents[6] / "etc" / "providers.d"


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"s3_access_key": None}, "s3_access_key"),
        ({"s3_secret_key": None}, "s3_secret_key"),
        ({"s3_endpoint": "no url"}, "s3_endpoint"),
    ],
)
def test_a_wrong_option_is_named(options, option):
    with pytest.raises(exception.InvalidInput) as caught:
        s3_bank(**{"endpoint": "http://127.0.0.1:1", **options})

    assert caught.value.kwargs["option"] == f"[s3_client]/{option}"
    assert "testing" not in str(caught.value)


def test_lease_windows_out_of_order_are_refused():
    with pytest.raises(exception.InvalidInput, match="lease_renew_window"):
        s3_bank("http://127.0.0.1:1", lease_expire_window=10, lease_renew_window=10)


def test_nothing_is_asked_before_first_use():
    plugin = s3_bank("http://127.0.0.1:1", s3_retry_attempts=0)

    assert plugin.get_owner_id()
    with pytest.raises(exception.BankListObjectsFailed):
        plugin.list_objects()


def test_the_sample_loads_when_it_is_enabled(tmp_path):
    target = pathlib.Path(shutil.copy(SAMPLES / "openstack-s3-bank.conf", tmp_path))
    target.write_text(target.read_text().replace("enabled = False", "enabled = True"))
    conf = empty_configuration()
    register_provider_opts(conf)
    conf.set_override("provider_config_dir", str(tmp_path))
    registry = ProviderRegistry(conf)

    registry.load()

    assert registry.failures == []
    assert len(registry.list()) == 1
