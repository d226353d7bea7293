# SPDX-License-Identifier: Apache-2.0
"""Verifying streams to three depths: whatever happens to an object is found."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oslo_config import cfg

from karbor import exception
from karbor.services.protection.bank.depth import PROPERTIES, Depth, Level
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank_decorators.cache import CachingBank
from karbor.services.protection.progress import OperationProgress, ResourceProgress
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.fakes.file_system_bank import file_system_bank

CHUNK = 64
OPTIONS = StreamOptions(chunk_size=CHUNK, max_bytes_in_flight=4 * CHUNK, inline_limit=0)
OBJECTS = Depth(Level.OBJECTS)
FULL = Depth(Level.FULL)
ALL_OF_A_SAMPLE = Depth(Level.SAMPLE, 100)


class SizingBank(MemoryBankPlugin):
    """Tells sizes, and counts what is read of data."""

    def __init__(self):
        super().__init__()
        self.reads = []

    def get_object(self, key, context=None):
        if "/data/" in key:
            self.reads.append(key)
        return super().get_object(key, context)

    def stored_size(self, key):
        if key not in self.objects:
            raise exception.BankGetObjectFailed(key=key, reason="no such object")
        return len(self.objects[key])


@pytest.fixture(params=[MemoryBankPlugin, SizingBank])
def plugin(request):
    return request.param()


def section_of(plugin):
    return Bank(plugin, OPTIONS).get_sub_section("checkpoints/c", project_id="p")


def data_keys(plugin):
    return sorted(key for key in plugin.objects if "/data/" in key)


def change(plugin, key, what):
    value = plugin.objects[key]
    if what == "lost":
        del plugin.objects[key]
    elif what == "cut":
        plugin.objects[key] = value[:-1]
    elif what == "swapped":
        others = [other for other in data_keys(plugin) if other != key]
        plugin.objects[key] = plugin.objects[others[0]]
    else:
        flipped = bytearray(value)
        flipped[len(value) // 2] ^= 1
        plugin.objects[key] = bytes(flipped)


@pytest.mark.parametrize("depth", [FULL, ALL_OF_A_SAMPLE])
@pytest.mark.parametrize("what", ["flipped", "cut", "lost", "swapped"])
def test_a_change_of_any_object_is_found_and_named(plugin, depth, what):
    section = section_of(plugin)
    section.write_stream("disk", os.urandom(6 * CHUNK))
    section.verify_stream("disk", depth=depth)
    kept = dict(plugin.objects)
    for key in data_keys(plugin):
        change(plugin, key, what)
        with pytest.raises(
            exception.BankDataCorrupted,
            match=r"stream 'disk' of /checkpoints/c/: (chunk|page) \d",
        ):
            section.verify_stream("disk", depth=depth)
        plugin.objects = dict(kept)
    assert section.verify_stream("disk", depth=depth).chunk_count == 6


@pytest.mark.parametrize("what", ["cut", "lost"])
def test_what_is_not_there_is_found_without_reading(plugin, what):
    section = section_of(plugin)
    section.write_stream("disk", os.urandom(6 * CHUNK))
    section.verify_stream("disk", depth=OBJECTS)
    kept = dict(plugin.objects)
    for key in data_keys(plugin):
        change(plugin, key, what)
        with pytest.raises(exception.BankDataCorrupted, match=r"(chunk|page) \d"):
            section.verify_stream("disk", depth=OBJECTS)
        plugin.objects = dict(kept)


def test_a_manifest_that_lists_something_else_is_found_at_any_depth(plugin):
    section = section_of(plugin)
    section.write_stream("disk", os.urandom(6 * CHUNK))
    section.write_stream("other", os.urandom(6 * CHUNK))
    manifests = [key for key in plugin.objects if "/by-name/" in key]
    first, second = (plugin.objects[key] for key in sorted(manifests))
    plugin.objects[sorted(manifests)[0]] = second
    for depth in (OBJECTS, ALL_OF_A_SAMPLE, FULL):
        with pytest.raises(exception.BankDataCorrupted, match="its manifest"):
            section.verify_stream("disk", depth=depth)
    assert first != second


def test_only_the_page_is_read_to_see_what_is_there():
    plugin = SizingBank()
    section = section_of(plugin)
    section.write_stream("disk", os.urandom(6 * CHUNK))
    plugin.reads.clear()
    section.verify_stream("disk", depth=OBJECTS)
    assert len(plugin.reads) == 1


@pytest.mark.parametrize(("percent", "read"), [(0.5, 1), (10, 4), (50, 20), (100, 40)])
def test_a_sample_reads_as_much_as_it_says(percent, read):
    plugin = SizingBank()
    section = section_of(plugin)
    section.write_stream("disk", os.urandom(40 * CHUNK))
    plugin.reads.clear()
    section.verify_stream("disk", depth=Depth(Level.SAMPLE, percent))
    assert len(plugin.reads) == read + 1


def test_other_objects_with_the_same_content_do_not_hide_damage(plugin):
    section = section_of(plugin)
    section.write_stream("disk", os.urandom(2 * CHUNK))
    for key in data_keys(plugin):
        plugin.objects[key[:-12] + "0" * 12] = plugin.objects[key]
        change(plugin, key, "flipped")
    with section.open_stream("disk") as stream:
        assert len(stream.read()) == 2 * CHUNK
    with pytest.raises(exception.BankDataCorrupted):
        section.verify_stream("disk")


@pytest.mark.parametrize("depth", [FULL, OBJECTS, ALL_OF_A_SAMPLE])
def test_no_cache_answers_a_verification(depth, tmp_path):
    files = file_system_bank(tmp_path / "bank")
    plugin = CachingBank(files, cfg.ConfigOpts())
    section = section_of(plugin)
    section.write_stream("disk", os.urandom(3 * CHUNK))
    with section.open_stream("disk") as stream:
        stream.read()
    for key in files.list_objects("/chunks/"):
        files.delete_object(key)
    with section.open_stream("disk") as stream:
        stream.read()
    with pytest.raises(exception.BankDataCorrupted, match="lost"):
        section.verify_stream("disk", depth=depth)


@pytest.mark.parametrize("depth", [FULL, OBJECTS, Depth(Level.SAMPLE, 30)])
def test_progress_goes_to_the_end_at_any_depth(plugin, depth):
    section = section_of(plugin)
    section.write_stream("disk", bytes(3 * CHUNK) + os.urandom(5 * CHUNK + 1))
    progress = OperationProgress()
    section.verify_stream("disk", depth=depth, progress=ResourceProgress(progress))
    assert progress.snapshot()["bytes_done"] == 8 * CHUNK + 1


@pytest.mark.parametrize("depth", [FULL, OBJECTS, ALL_OF_A_SAMPLE])
def test_a_stream_of_karbor_1_is_verified_as_far_as_that_goes(plugin, depth):
    section = section_of(plugin)
    for number in (1, 2, 3):
        section.update_object(f"data_{number}", b"x" * 10)
    assert section.verify_stream("data", depth=depth).chunk_count == 3
    section.delete_object("data_2")
    with pytest.raises(exception.BankDataCorrupted, match="data_2 is lost"):
        section.verify_stream("data", depth=depth)
    with pytest.raises(exception.BankGetObjectFailed):
        section.verify_stream("nothing", depth=depth)


@given(count=st.integers(0, 300), percent=st.floats(0.01, 100))
def test_a_sample_has_its_size_and_at_least_one(count, percent):
    taken = list(Depth(Level.SAMPLE, percent).choose(count))
    assert len(taken) == count
    assert min(count, 1) <= sum(taken) <= count
    assert abs(sum(taken) - count * percent / 100) <= 1
    assert list(OBJECTS.choose(count)) == [False] * count
    assert list(FULL.choose(count)) == [True] * count


def test_parameters_say_how_deep_and_default_to_everything():
    assert Depth.from_parameters({}).is_full
    assert Depth.from_parameters({"depth": "objects"}).level is Level.OBJECTS
    sample = Depth.from_parameters({"depth": "sample", "sample_percent": 5})
    assert (sample.level, sample.percent) == (Level.SAMPLE, 5.0)
    assert set(PROPERTIES["depth"]["enum"]) == set(Level)
    for wrong in (
        {"depth": "deep"},
        {"sample_percent": "x"},
        {"sample_percent": 0},
        {"sample_percent": 101},
    ):
        with pytest.raises(exception.InvalidInput):
            Depth.from_parameters(wrong)
