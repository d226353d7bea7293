# SPDX-License-Identifier: Apache-2.0
"""Every option is in the sample files, with a meaning."""

import pathlib

import pytest

import karbor
from karbor.cmd import opts

ETC = pathlib.Path(karbor.__file__).parent.parent / "etc"

SAMPLES = {
    "karbor.conf.sample": opts.list_opts,
    "providers.d/provider.conf.sample": opts.list_provider_opts,
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_sample_file_has_every_option(name):
    text = (ETC / name).read_text(encoding="utf-8")
    for group, options in SAMPLES[name]():
        section = text.partition(f"[{group or 'DEFAULT'}]\n")[2].partition("\n[")[0]
        for option in options:
            assert f"\n#{option.dest} =" in section, (
                f"{name} lacks [{group or 'DEFAULT'}] {option.dest}; run: "
                "tox -e genconfig"
            )


@pytest.mark.parametrize("name", SAMPLES)
def test_every_option_says_what_it_means(name):
    for group, options in SAMPLES[name]():
        for option in options:
            assert len(option.help or "") > 20, (group, option.dest)


def test_plugins_bring_their_options_into_the_sample():
    groups = [group for group, _ in opts.list_provider_opts()]
    assert {"provider", "file_system_bank_plugin", "image_backup_plugin"} <= set(groups)
