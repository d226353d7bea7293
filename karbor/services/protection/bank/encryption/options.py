# SPDX-License-Identifier: Apache-2.0
"""Whether a provider encrypts its bank, and where its master keys are."""

from oslo_config import cfg

GROUP = "bank_encryption"
KEY_FILE = "key_file"
CASTELLAN = "castellan"

OPTS = [
    cfg.BoolOpt(
        "enabled",
        default=False,
        help="Whether to encrypt what is protected from now on. Without its master "
        "key such data cannot be read by anybody: keep a copy of the key where the "
        "bank is not. Once there is encrypted data, leave it on: a provider without "
        "it reads no encrypted data.",
    ),
    cfg.StrOpt(
        "key_manager",
        default=KEY_FILE,
        choices=[
            (KEY_FILE, "a file on this machine, for a lab"),
            (
                CASTELLAN,
                "Barbican or Vault, by the groups [key_manager], [barbican] and "
                "[vault] of this file, which the castellan library reads",
            ),
        ],
        help="What keeps the master keys.",
    ),
    cfg.StrOpt(
        "key_file",
        help="Absolute path of the file with the master keys; required with "
        "key_manager = key_file. Only the service's user may read it. 'karbor-manage "
        "bank make-key' makes it. With castellan, a file with keys from before; "
        "leave it out once 'karbor-manage bank rotate-key' has run.",
    ),
    cfg.StrOpt(
        "master_key_id",
        help="The master key that wraps new keys of projects: its name in the key "
        "file (default: the first one there), or what the key manager calls it "
        "(required with key_manager = castellan), which is a secret's UUID in "
        "Barbican and its name below kv_path in Vault. Others are used for what they "
        "have wrapped, until 'karbor-manage bank rotate-key' has run.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make a provider's configuration know the group ``bank_encryption``."""
    conf.register_opts(OPTS, group=GROUP)
