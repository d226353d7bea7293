# SPDX-License-Identifier: Apache-2.0
"""A process that writes a filesystem bank is killed, again and again."""

import random
import signal
import subprocess
import sys

from karbor import exception
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.tests.fakes.file_system_bank import file_system_bank

OBJECTS = 4
SIZE = 200_000
OPTIONS = StreamOptions(chunk_size=20_000, max_bytes_in_flight=80_000)

_WRITE_OBJECTS = f"""
import itertools, sys
from karbor.tests.fakes.file_system_bank import file_system_bank
bank = file_system_bank(sys.argv[1])
for number in itertools.count(int(sys.argv[2])):
    value = b"%09d!" % number * {SIZE // 10}
    bank.update_object(f"/objects/{{number % {OBJECTS}}}", value)
    if number % 3 == 0:
        bank.update_object("/comes/and/goes", number)
        bank.delete_object("/comes/and/goes")
    print(number, flush=True)
"""

_WRITE_STREAMS = """
import itertools, sys
from karbor.services.protection.bank.sections import Bank
from karbor.tests.crash.test_file_system_bank import OPTIONS, SIZE
from karbor.tests.fakes.file_system_bank import file_system_bank
section = Bank(file_system_bank(sys.argv[1]), OPTIONS).get_sub_section("/section")
for number in itertools.count(int(sys.argv[2])):
    section.write_stream("disk", b"%09d!" % number * (SIZE // 10))
    print(number, flush=True)
"""


def run_and_kill(program, path, first, chance):
    """Run a writer and kill it at some moment; the last number it had finished."""
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(path), str(first)],
        stdout=subprocess.PIPE,
        text=True,
    )
    finished = first - 1
    for _ in range(chance.randint(1, 12)):
        finished = int(writer.stdout.readline())
    try:
        # A moment somewhere in the next write or two.
        writer.wait(chance.random() * 0.01)
    except subprocess.TimeoutExpired:
        writer.send_signal(signal.SIGKILL)
    rest, _ = writer.communicate()
    assert writer.returncode == -signal.SIGKILL
    return max([finished, *map(int, rest.split())])


def test_every_object_of_a_killed_writer_is_the_old_value_or_the_new_one(tmp_path):
    chance = random.Random(20261120)
    finished = -1
    for _ in range(6):
        finished = run_and_kill(_WRITE_OBJECTS, tmp_path, finished + 1, chance)
        bank = file_system_bank(tmp_path)
        for key in bank.list_objects(prefix="/objects/"):
            value = bank.get_object(key)
            number = int(value[:9])
            assert value == b"%09d!" % number * (SIZE // 10)
            # What was finished is there; only the one in work may be newer.
            slot = int(key.rpartition("/")[2])
            newest = max(n for n in range(finished + 1) if n % OBJECTS == slot)
            assert number in (newest, finished + 1)
        assert bank.list_objects(prefix="/comes/") in ([], ["/comes/and/goes"])
        bank.update_object("/comes/and/goes", "again")
        bank.delete_object("/comes/and/goes")
    assert finished >= OBJECTS


def test_the_stream_of_a_killed_writer_is_the_old_one_or_the_new_one(tmp_path):
    chance = random.Random(20261121)
    finished = -1
    for _ in range(6):
        finished = run_and_kill(_WRITE_STREAMS, tmp_path, finished + 1, chance)
        bank = Bank(file_system_bank(tmp_path), OPTIONS)
        section = bank.get_sub_section("/section")
        try:
            data = section.open_stream("disk").read()
        except exception.BankGetObjectFailed:
            assert finished < 0
            continue
        number = int(data[:9])
        assert data == b"%09d!" % number * (SIZE // 10)
        assert number in (finished, finished + 1)
    section.delete_all()
    assert bank.list_objects() == []
