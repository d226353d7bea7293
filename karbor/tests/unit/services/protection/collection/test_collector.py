# SPDX-License-Identifier: Apache-2.0
"""What nothing refers to is deleted, and nothing else."""

import dataclasses
import datetime
import tempfile

import pytest

from karbor import exception
from karbor.services.protection.bank.chunks import condemned, damaged, names
from karbor.services.protection.bank.streams import writer
from karbor.services.protection.bank_plugin import BankCapabilities
from karbor.services.protection.collection import project as project_module
from karbor.services.protection.collection import spill
from karbor.services.protection.collection.marking import Marks
from karbor.tests.fakes.bank import MemoryBankPlugin
from karbor.tests.unit.services.protection.collection.house import (
    OPTIONS,
    House,
    StrongBank,
    data,
)


@pytest.fixture
def house():
    return House()


@pytest.fixture(params=[1000, 3], ids=["one-file", "split"])
def spilled(request, monkeypatch):
    """With names on disk, as in a large bank."""
    monkeypatch.setattr(spill, "BUFFERED", 2)
    monkeypatch.setattr(spill, "SMALL", request.param)


def test_nothing_of_an_empty_bank_is_collected(house):
    report = house.collector().run()

    assert report.is_done
    assert not house.rest()


def test_what_is_referred_to_stays(house, spilled):
    checkpoints = [house.protect(range(n, n + 3)) for n in range(4)]
    before = house.rest()

    report = house.collector().run()

    assert report.is_done
    assert house.rest() == before
    for n, checkpoint in enumerate(checkpoints):
        assert house.read(checkpoint) == data(range(n, n + 3))


def test_a_deleted_checkpoint_s_own_chunks_go_and_shared_ones_stay(house, spilled):
    kept, gone = house.protect("abcd"), house.protect("cdef")
    house.delete(gone)

    report = house.collector().run()

    assert report.is_done
    assert report.projects["p1"].deleted == 2
    assert house.read(kept) == data("abcd")
    assert len(house.chunks()) == 4


def test_nothing_is_left_when_all_is_deleted_and_collected(house, spilled):
    for project in ("p1", "p2"):
        for checkpoint in [
            house.protect("abcd", project),
            house.protect("ad", project),
        ]:
            house.delete(checkpoint)

    assert house.collector().run().is_done
    assert not house.rest()


def test_pages_of_chunks_are_kept_and_collected_as_chunks_are(monkeypatch):
    monkeypatch.setattr(writer.manifest, "PAGE_CHUNKS", 2)
    house = House(options=dataclasses.replace(OPTIONS, inline_limit=16))
    kept, gone = house.protect("abcdef"), house.protect("abcxyz")
    before = len(house.chunks())
    house.delete(gone)

    assert house.collector().run().is_done
    assert house.read(kept) == data("abcdef")
    assert len(house.chunks()) < before
    house.delete(kept)
    assert house.collector().run().is_done
    assert not house.rest()


def test_another_project_s_chunks_of_the_same_content_stay(house):
    kept, gone = house.protect("ab", "p1"), house.protect("ab", "p2")
    house.delete(gone)

    house.collector().run()

    assert house.read(kept) == data("ab")
    assert not house.chunks("p2")


def test_only_the_project_that_was_asked_for_is_collected(house):
    for project in ("p1", "p2"):
        house.delete(house.protect("ab", project))

    report = house.collector(only_project="p1").run()

    assert list(report.projects) == ["p1"]
    assert not house.chunks("p1")
    assert house.chunks("p2")


def test_chunks_of_a_stream_that_is_being_written_stay(house):
    working = house.begin()
    house.write(working, "ab", "first")
    house.delete(house.protect("abcd"))

    first = house.collector().run()
    assert not first.is_done
    assert working.id in first.projects["p1"].waits_for[0]
    house.write(working, "cd", "second")
    house.end(working)

    assert house.collector().run().is_done
    assert house.read(working, "first") == data("ab")
    assert house.read(working, "second") == data("cd")


def test_another_project_s_operations_are_not_waited_for(house):
    house.begin("p2")
    house.delete(house.protect("ab", "p1"))

    assert house.collector().run().is_done
    assert not house.chunks("p1")


def test_an_operation_that_cannot_be_read_is_waited_for(house):
    house.delete(house.protect("ab"))
    house.plugin.objects["/indices/in-work/owner-9/c9"] = "?"

    report = house.collector().run()

    assert report.is_waiting
    assert "c9" in report.projects["p1"].waits_for[0]
    del house.plugin.objects["/indices/in-work/owner-9/c9"]
    assert house.collector().run().is_done


def _step_to(house, phase):
    for _ in range(20):
        if house.collector().step().of("p1").phase == phase:
            return
    raise AssertionError


def test_what_is_condemned_is_not_used_again(house):
    house.delete(house.protect("ab"))
    _step_to(house, "condemned")
    old = set(house.chunks())

    checkpoint = house.protect("ab")

    assert len(set(house.chunks()) - old) == 2
    assert house.collector().run().is_done
    assert house.read(checkpoint) == data("ab")
    assert not old & set(house.chunks())


def test_who_began_before_keeps_what_it_relies_on(house):
    house.delete(house.protect("abcd"))
    assert house.collector().step().of("p1").phase == "condemned"
    late = house.begin()
    # As one that loaded the condemned names before there were any.
    house.bank.condemned_names.load = lambda space: condemned.NOTHING
    house.write(late, "ab")
    del house.bank.condemned_names.load
    report = house.collector().run()
    assert report.projects["p1"].phase == "waiting"
    house.end(late)

    report = house.collector().run()

    assert report.is_done
    assert (report.projects["p1"].deleted, report.projects["p1"].kept) == (2, 2)
    assert house.read(late) == data("ab")
    # They stay condemned, and go with the checkpoint.
    assert len(condemned.load(house.bank.chunk_space("p1").section)) == 2
    house.delete(late)
    assert house.collector().run().is_done
    assert not house.rest()


def test_a_second_collector_goes_on_where_the_first_was_stopped(house):
    house.delete(house.protect("abcd"))
    for _ in range(20):
        if House(house.plugin, house.clock).collector().step().is_done:
            break

    assert not house.rest()


def test_two_collectors_at_once_delete_the_same_once(house):
    kept = house.protect("ab")
    house.delete(house.protect("abcd"))
    one, other = house.collector(), House(StrongBank("2", house.plugin)).collector()
    for _ in range(10):
        one.step()
        other.step()

    assert house.read(kept) == data("ab")
    assert len(house.chunks()) == 2
    assert house.collector().run().is_done


def test_a_project_with_a_stream_that_cannot_be_read_is_not_collected(house):
    for project in ("p1", "p2"):
        damaged_one, gone = house.protect("ab", project), house.protect("cd", project)
        house.delete(gone)
        if project == "p1":
            broken = damaged_one
    key = f"/checkpoints/{broken.id}/resource-data/r1/.streams/by-name/disk"
    house.plugin.objects[key]["digest"] = "0" * 64

    report = house.collector().run()

    assert not report.is_done
    assert len(report.findings) == 1
    assert "p1" in report.findings[0]
    assert broken.id in report.findings[0]
    assert len(house.chunks("p1")) == 4
    assert len(house.chunks("p2")) == 2
    house.delete(broken)
    assert house.collector().run().is_done
    assert not house.chunks("p1")


def test_a_damaged_stream_of_a_checkpoint_that_was_given_up_is_in_nobody_s_way(house):
    broken = house.begin()
    house.write(broken, "ab")
    house.delete(house.protect("cd"))
    house.store.abandon(broken.id, "owner-1", "it died")
    key = f"/checkpoints/{broken.id}/resource-data/r1/.streams/by-name/disk"
    house.plugin.objects[key]["digest"] = "0" * 64

    assert house.collector().run().is_done
    assert not house.chunks()


def test_a_damaged_index_hides_no_stream(house):
    kept = house.protect("ab")
    house.delete(house.protect("cd"))
    index = house.plugin.objects[f"/checkpoints/{kept.id}/index.json"]
    house.plugin.objects[f"/checkpoints/{kept.id}/index.json"] = "?"

    report = house.collector().run()

    assert report.is_done
    house.plugin.objects[f"/checkpoints/{kept.id}/index.json"] = index
    assert house.read(kept) == data("ab")
    assert len(house.chunks()) == 2


def test_the_content_of_a_lost_or_damaged_chunk_is_not_deleted(house):
    kept = house.protect("ab")
    space = house.bank.chunk_space("p1").section
    lost, spoilt = house.chunks()
    twins = []
    for name in (lost, spoilt):
        twins.append(name[:-12] + "0123456789ab")
        space.update_object(names.key(twins[-1]), space.get_object(names.key(name)))
    space.delete_object(names.key(lost))
    space.update_object(names.key(spoilt), b"?")
    damaged.mark(space, spoilt, "it is spoilt", house.clock())

    assert house.collector().run().is_done
    assert set(house.chunks()) == {*twins, spoilt}
    assert house.read(kept) == data("ab")


@pytest.mark.parametrize("few", [0, 16])
def test_the_content_of_a_chunk_that_is_lost_after_it_was_condemned_stays(
    house, monkeypatch, few
):
    monkeypatch.setattr(project_module, "_FEW", few)
    kept = house.protect("a")
    space = house.bank.chunk_space("p1").section
    (name,) = house.chunks()
    twin = name[:-12] + "0123456789ab"
    space.update_object(names.key(twin), space.get_object(names.key(name)))
    assert house.collector().step().of("p1").condemned == 1
    space.delete_object(names.key(name))

    assert house.collector().run().is_done
    assert house.chunks() == [twin]
    assert house.read(kept) == data("a")


def test_a_twin_of_a_sound_chunk_is_collected(house):
    kept = house.protect("a")
    space = house.bank.chunk_space("p1").section
    (name,) = house.chunks()
    twin = names.key(name[:-12] + "0123456789ab")
    space.update_object(twin, space.get_object(names.key(name)))

    assert house.collector().run().is_done
    assert house.chunks() == [name]
    assert house.read(kept) == data("a")


def test_more_garbage_than_may_be_condemned_takes_several_rounds(house):
    house.delete(house.protect(range(10)))

    report = house.collector(max_names=3).run()

    assert report.is_done
    assert report.projects["p1"].deleted == 10
    assert not house.rest()


class Refusing(StrongBank):
    """Has a lock on some objects."""

    locked = ()

    def delete_object(self, key, context=None):
        if key.rpartition("/")[2] in self.locked:
            raise exception.BankObjectLocked(key=key, until="2030-01-01")
        super().delete_object(key)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_object_that_the_bank_refuses_to_delete_is_told_and_stays(threads):
    house = House(Refusing())
    house.delete(house.protect("abcd"))
    house.plugin.locked = house.chunks()[:1]

    report = house.collector(threads=threads).run()

    assert not report.is_done
    assert (report.projects["p1"].deleted, report.projects["p1"].refused) == (3, 1)
    assert "locked until 2030-01-01" in report.refusals[0]
    assert house.chunks() == house.plugin.locked
    assert house.collector().run().projects["p1"].refused == 1
    house.plugin.locked = ()
    assert house.collector().run().is_done
    assert not house.rest()


def test_refused_deletions_do_not_keep_others_from_being_collected():
    house = House(Refusing())
    house.delete(house.protect("ab"))
    house.plugin.locked = house.chunks()
    collector = house.collector(max_names=3)
    collector.run()
    house.delete(house.protect("cdefg"))

    report = collector.run()

    assert report.projects["p1"].deleted == 5
    assert len(house.chunks()) == 2


@pytest.mark.parametrize("calls", range(9))
def test_a_cancelled_collection_is_gone_on_with(house, calls):
    house.delete(house.protect("abcd"))
    calls = iter([False] * calls + [True] * 100)

    report = house.collector(is_cancelled=lambda: next(calls)).run()

    assert report.is_cancelled
    assert not report.is_done
    assert house.collector().run().is_done
    assert not house.rest()


def test_nothing_is_deleted_without_the_lease(house):
    house.delete(house.protect("abcd"))
    before = house.chunks()

    class Lost:
        def check(self):
            raise exception.LeaseLost(owner_id="owner-1", reason="it slept")

    house.store._lease = Lost()

    with pytest.raises(exception.LeaseLost):
        house.collector().run()
    assert house.chunks() == before


def test_a_bank_that_promises_nothing_is_given_time_between_the_phases():
    house = House(MemoryBankPlugin())
    gone = house.protect("ab")
    house.clock.advance(hours=2)
    house.delete(gone)
    waited = []

    for _ in range(10):
        report = house.collector().run()
        if report.is_done:
            break
        waited.append(report.of("p1").phase)
        assert report.until == house.clock() + datetime.timedelta(hours=1)
        house.clock.advance(minutes=59)
        assert house.collector().run().of("p1").phase == waited[-1]
        house.clock.advance(minutes=1)

    assert waited == ["condemned", "quiet", "deleted"]
    assert not house.rest()


def test_a_bank_where_a_late_request_may_be_done_is_given_less_time():
    house = House()
    house.plugin.capabilities = BankCapabilities(strong_read=True)
    house.delete(house.protect("ab"))

    report = house.collector().run()

    assert report.until == house.clock() + datetime.timedelta(minutes=3)
    for _ in range(3):
        house.clock.advance(minutes=3)
        report = house.collector().run()
    assert report.is_done
    assert not house.rest()


def test_a_run_that_waits_goes_on_by_itself(house):
    working = house.begin()
    house.delete(house.protect("ab"))

    def wait(report):
        assert report.is_waiting
        house.end(working)

    assert house.collector().run(wait).is_done
    assert not house.chunks()


def test_a_damaged_page_of_condemned_names_is_replaced(house):
    house.delete(house.protect("abcd"))
    _step_to(house, "condemned")
    (page,) = condemned.pages(house.bank.chunk_space("p1").section)
    house.plugin.objects[f"/chunks/p1/{page}"]["names"] = []
    kept = house.protect("ab")

    house.collector().run()
    assert house.collector().run().is_done
    assert house.read(kept) == data("ab")
    house.delete(kept)
    house.collector().run()
    assert house.collector().run().is_done
    assert not house.rest()


def test_a_page_that_is_damaged_before_the_deletion_goes_on_to_condemn(house):
    house.delete(house.protect("abcd"))
    _step_to(house, "quiet")
    space = house.bank.chunk_space("p1").section
    (page,) = condemned.pages(space)
    house.plugin.objects[f"/chunks/p1/{page}"]["names"] = []

    assert house.collector().step().of("p1").phase == "deleted"
    house.collector().step()
    assert condemned.pages(space) == [page]
    assert len(house.chunks()) == 4
    house.collector().run()
    assert not house.rest()


def test_a_damaged_state_of_a_collection_is_made_anew(house):
    house.delete(house.protect("abcd"))
    _step_to(house, "waiting")
    (key,) = [key for key in house.rest() if "/collections/" in key]
    house.plugin.objects[key]["phase"] = "quiet"

    assert house.collector().run().is_done
    assert not house.rest()


def test_progress_is_told(house):
    house.delete(house.protect("ab"))
    phases = []

    house.collector(
        on_progress=lambda report: phases.append(report.of("p1").phase)
    ).run()

    assert phases == ["condemned", "waiting", "quiet", "deleted", None, None]


def test_time_that_comes_while_others_are_looked_at_deletes_nothing(monkeypatch):
    house = House()
    collector = house.collector(settle=datetime.timedelta(hours=1))
    house.delete(house.protect("ab"))
    assert collector.step().projects["p1"].phase == "condemned"
    working = house.begin()
    with monkeypatch.context() as patch:
        # As a writer that began before.
        patch.setattr(house.bank.condemned_names, "load", lambda _: condemned.NOTHING)
        house.write(working, "ab")
    house.clock.advance(hours=1)
    assert collector.step().projects["p1"].phase == "waiting"
    house.end(working)
    assert collector.step().projects["p1"].phase == "quiet"
    house.protect("xy", "p2")
    take = Marks.take

    def slow_take(self, go_on):
        take(self, go_on)
        house.clock.advance(hours=1)

    monkeypatch.setattr(Marks, "take", slow_take)
    collector.step()

    assert house.read(working) == data("ab")


def test_marks_that_were_not_taken_say_nothing(house):
    with Marks(house.store, {"p1"}) as marks:
        with pytest.raises(LookupError, match="p1"):
            marks.part("p1", "ab")
        marks.take(lambda: None)
        assert "ab" not in marks.part("p1", "ab")
        with pytest.raises(LookupError, match="p2"):
            marks.part("p2", "ab")


@pytest.mark.parametrize("is_cut", [False, True], ids=["deleted", "cut"])
def test_what_was_marked_and_is_lost_is_no_garbage(tmp_path, monkeypatch, is_cut):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with spill.NameSpill() as names_seen:
        names_seen.add("p1", "ab")
        assert "ab" in names_seen.part("p1", "ab")
        names_seen.add("p1", "cd")
        (file,) = (path for path in tmp_path.rglob("*") if path.is_file())
        if is_cut:
            file.write_bytes(b"")
        else:
            file.unlink()
        with pytest.raises(OSError, match=r"instead of 2|No such file"):
            names_seen.part("p1", "ab")


def test_operations_that_always_begin_do_not_keep_garbage_for_ever(monkeypatch):
    house = House()
    house.delete(house.protect("ab"))
    take = Marks.take
    begun = []

    def take_slowly(marks, go_on):
        take(marks, go_on)
        begun.append(house.begin())

    monkeypatch.setattr(Marks, "take", take_slowly)
    left = []
    for _ in range(9):
        house.collector().run()
        left.append(len(house.chunks()))
        while begun:
            house.end(begun.pop())
        house.clock.advance(hours=1)

    assert left[4] > 0
    assert left[-1] == 0


def test_what_a_protect_puts_while_all_is_read_is_not_condemned(monkeypatch):
    house = House()
    house.delete(house.protect("ab"))
    take = Marks.take
    begun = []

    def take_slowly(marks, go_on):
        take(marks, go_on)
        if not begun:
            begun.append(house.begin())
            house.write(begun[0], "wxyz")

    monkeypatch.setattr(Marks, "take", take_slowly)
    house.collector().run()
    house.end(begun[0])
    house.collector().run()

    stored = len(house.chunks())
    house.protect("wxyz")
    assert len(house.chunks()) == stored
    assert house.read(begun[0]) == data("wxyz")
