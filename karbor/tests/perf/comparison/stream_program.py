# SPDX-License-Identifier: Apache-2.0
"""Protect a file as a stream of a checkpoint, or restore it, as the service does.

``python -m karbor.tests.perf.comparison.stream_program protect|restore STORE VOLUME
NUMBER`` prints ``{"seconds": …}``; with ``--encrypted`` the bank is encrypted, with a
master key in a file.
"""

import argparse
import json
import time
from pathlib import Path

from karbor.services.protection.bank.encryption.bank_keyring import BankKeyring
from karbor.services.protection.bank.encryption.key_file import KeyFile
from karbor.services.protection.bank.sections import Bank
from karbor.tests.fakes.file_system_bank import file_system_bank


def main() -> None:
    """Run as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("action", choices=["protect", "restore"])
    parser.add_argument("store", type=Path)
    parser.add_argument("volume", type=Path)
    parser.add_argument("number")
    parser.add_argument("--encrypted", action="store_true")
    options = parser.parse_args()
    plugin = file_system_bank(options.store / "bank")
    bank = Bank(plugin)
    if options.encrypted:
        keys = KeyFile(str(options.store / "master.keys"))
        if not (options.store / "master.keys").exists():
            keys.make("master")
        bank = Bank(plugin, keyring=BankKeyring(bank, keys))
    section = bank.get_sub_section(f"/checkpoints/{options.number}", project_id="one")
    started = time.monotonic()
    if options.action == "protect":
        with options.volume.open("rb", buffering=0) as source:
            section.write_stream("volume", source)
    else:
        with (
            section.open_stream("volume") as stream,
            options.volume.open("wb", buffering=0) as target,
        ):
            stream.write_to(target)
    print(json.dumps({"seconds": time.monotonic() - started}))


if __name__ == "__main__":
    main()
