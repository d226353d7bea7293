# SPDX-License-Identifier: Apache-2.0
"""What every bank plugin must do, as tests to run on one's own.

In a test module of the plugin's package::

    import pytest
    from karbor.tests.conformance.bank import BankConformance, LeaseConformance

    class TestMyBank(BankConformance):
        @pytest.fixture
        def bank_plugin(self, tmp_path):
            return MyBankPlugin(configuration_for(tmp_path))

    class TestMyLease(LeaseConformance):
        @pytest.fixture
        def bank_plugin(self, tmp_path):
            return MyBankPlugin(configuration_for(tmp_path))

        @pytest.fixture
        def second_instance(self, tmp_path):
            return MyBankPlugin(configuration_for(tmp_path))

A plugin whose capabilities have ``object_lock`` is tested with
``ObjectLockConformance`` as well, which takes the fixtures of ``LeaseConformance``. It
leaves locked objects behind in the store, for a year and more.

``bank_plugin`` gives a plugin whose store may hold objects of others, but none below
``/conformance``. ``second_instance`` gives another instance on the same store, as
another process would have; a plugin that keeps leases is tested with it. Needs pytest
and hypothesis.
"""

import datetime
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from karbor import exception
from karbor.services.protection.bank.batches import start_batch
from karbor.services.protection.bank_plugin import LeasePlugin

_settings = settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
        HealthCheck.too_slow,
    ],
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
values = (
    st.binary(max_size=500)
    | texts
    | json_values
    | json_values.map(json.dumps)
    | json_values.map(lambda value: json.dumps(value).encode())
)
# Parts whose order differs between folders and names: '-' and '.' sort before '/'.
parts = st.sampled_from(
    ["a", "b", "a-", "a.b", "a0", "B", "é", "日", "\U0001f4be", "-"]
)
sample_keys = st.lists(parts, min_size=1, max_size=4).map("/".join)


def _without_conflicts(keys):
    """No key is another one followed by '/' and more."""
    return [
        key for key in sorted(keys) if not any(o.startswith(key + "/") for o in keys)
    ]


class BankConformance:
    """The contract of :class:`karbor.services.protection.bank_plugin.BankPlugin`."""

    @pytest.fixture
    def bank_plugin(self):
        raise NotImplementedError("override the fixture 'bank_plugin'")

    @pytest.fixture
    def folder(self, bank_plugin):
        """A prefix of keys that nothing else uses; emptied afterwards."""
        folder = f"/conformance/{uuid.uuid4().hex}"
        yield folder
        for key in bank_plugin.list_objects(prefix=folder + "/"):
            bank_plugin.delete_object(key)

    @given(value=values)
    @_settings
    def test_a_value_comes_back_as_what_went_in(self, bank_plugin, folder, value):
        bank_plugin.update_object(f"{folder}/value", value)

        found = bank_plugin.get_object(f"{folder}/value")

        assert found == value
        assert type(found) is type(value)

    @pytest.mark.parametrize(
        "value",
        [
            *(b"", "", {}, [], None, 0, False),
            *("{}", "null", '"quoted"', b"{}", b"\xff\x00"),
            *("[1, 2]", "12", "true", " padded ", "line\r\nend", "\ufeffmark"),
        ],
    )
    def test_a_telling_value_keeps_its_type(self, bank_plugin, folder, value):
        bank_plugin.update_object(f"{folder}/value", value)

        found = bank_plugin.get_object(f"{folder}/value")

        assert (type(found), found) == (type(value), value)

    @pytest.mark.parametrize("kind", [bytearray, memoryview])
    def test_anything_bytes_like_comes_back_as_bytes(self, bank_plugin, folder, kind):
        bank_plugin.update_object(f"{folder}/value", kind(b"some bytes"))

        assert bank_plugin.get_object(f"{folder}/value") == b"some bytes"

    def test_a_buffer_may_be_reused_after_the_update(self, bank_plugin, folder):
        buffer = bytearray(b"first")
        bank_plugin.update_object(f"{folder}/value", memoryview(buffer))
        buffer[:] = b"other"

        assert bank_plugin.get_object(f"{folder}/value") == b"first"

    def test_a_big_value_comes_back_whole(self, bank_plugin, folder):
        value = bytes(range(256)) * (16 * 1024 * 1024 // 256) + b"end"
        bank_plugin.update_object(f"{folder}/big", value)

        assert bank_plugin.get_object(f"{folder}/big") == value

    def test_an_update_replaces_the_value(self, bank_plugin, folder):
        bank_plugin.update_object(f"{folder}/value", b"a long first value")
        bank_plugin.update_object(f"{folder}/value", {"second": 2})

        assert bank_plugin.get_object(f"{folder}/value") == {"second": 2}
        assert bank_plugin.list_objects(prefix=folder + "/") == [f"{folder}/value"]

    def test_a_flushed_batch_is_there(self, bank_plugin, folder):
        values = {f"{folder}/{number % 5}/{number}": number for number in range(70)}
        values[f"{folder}/bytes"] = b"some bytes"
        with start_batch(bank_plugin) as batch:
            with ThreadPoolExecutor(4) as pool:
                for _ in pool.map(batch.update_object, values, values.values()):
                    pass
            batch.flush()

            found = bank_plugin.list_objects(prefix=folder + "/")
            assert found == sorted(values)
            assert {key: bank_plugin.get_object(key) for key in found} == values

    def test_a_batch_is_flushed_again(self, bank_plugin, folder):
        with start_batch(bank_plugin) as batch:
            for number in range(3):
                batch.update_object(f"{folder}/{number}", number)
                batch.flush()

                assert bank_plugin.get_object(f"{folder}/{number}") == number

    def test_a_buffer_may_be_reused_before_the_flush(self, bank_plugin, folder):
        buffer = bytearray(b"first")
        with start_batch(bank_plugin) as batch:
            batch.update_object(f"{folder}/value", memoryview(buffer))
            buffer[:] = b"other"
            batch.flush()

        assert bank_plugin.get_object(f"{folder}/value") == b"first"

    def test_what_a_batch_did_not_flush_is_whole_or_not_there(
        self, bank_plugin, folder
    ):
        with start_batch(bank_plugin) as batch:
            for number in range(70):
                batch.update_object(f"{folder}/{number:02}", b"x" * 1000)

        for key in bank_plugin.list_objects(prefix=folder + "/"):
            assert bank_plugin.get_object(key) == b"x" * 1000

    def test_a_batch_relies_on_what_another_has_put(self, bank_plugin, folder):
        with start_batch(bank_plugin) as other, start_batch(bank_plugin) as batch:
            other.update_object(f"{folder}/value", "x")
            other.flush()

            batch.rely_on(f"{folder}/value")
            batch.flush()

        assert bank_plugin.get_object(f"{folder}/value") == "x"

    def test_getting_what_is_not_there_is_an_error(self, bank_plugin, folder):
        with pytest.raises(exception.BankGetObjectFailed, match="nothing-here"):
            bank_plugin.get_object(f"{folder}/nothing-here")

    def test_deleting_what_is_not_there_is_an_error(self, bank_plugin, folder):
        with pytest.raises(exception.BankDeleteObjectFailed, match="nothing-here"):
            bank_plugin.delete_object(f"{folder}/nothing-here")

    def test_a_deleted_object_is_gone(self, bank_plugin, folder):
        bank_plugin.update_object(f"{folder}/deep/er/value", "x")
        bank_plugin.update_object(f"{folder}/deep/other", "x")

        bank_plugin.delete_object(f"{folder}/deep/er/value")

        assert bank_plugin.list_objects(prefix=folder + "/") == [f"{folder}/deep/other"]
        with pytest.raises(exception.BankGetObjectFailed):
            bank_plugin.get_object(f"{folder}/deep/er/value")

    def test_a_key_may_take_the_place_of_a_deleted_folder(self, bank_plugin, folder):
        bank_plugin.update_object(f"{folder}/place/value", "x")
        bank_plugin.delete_object(f"{folder}/place/value")

        bank_plugin.update_object(f"{folder}/place", "y")

        assert bank_plugin.get_object(f"{folder}/place") == "y"

    def test_what_begins_with_nothing_lists_nothing(self, bank_plugin, folder):
        assert bank_plugin.list_objects(prefix=f"{folder}/none") == []

    @given(data=st.data())
    @_settings
    def test_a_listing_is_a_sorted_page(self, bank_plugin, data):
        root = f"/conformance/{uuid.uuid4().hex}/"
        names = _without_conflicts(data.draw(st.sets(sample_keys, max_size=12)))
        for name in names:
            bank_plugin.update_object(root + name, name)
        prefix = root + data.draw(
            st.just("") | sample_keys | sample_keys.map(lambda key: key[:-1])
        )
        marker = data.draw(
            st.none()
            | sample_keys.map(root.__add__)
            | sample_keys.map(lambda key: root + key + "/")
            | st.sampled_from([root, "/", "/conformance", "/zzz", root[:-1] + "0"])
        )
        sort_dir = data.draw(st.sampled_from([None, "asc", "desc"]))
        limit = data.draw(st.none() | st.integers(1, 5))
        expected = sorted(
            (root + name for name in names if (root + name).startswith(prefix)),
            reverse=sort_dir == "desc",
        )
        if marker is not None:
            expected = [
                key
                for key in expected
                if (key < marker if sort_dir == "desc" else key > marker)
            ]

        found = bank_plugin.list_objects(
            prefix=prefix, limit=limit, marker=marker, sort_dir=sort_dir
        )

        assert found == expected[:limit]
        for name in names:
            bank_plugin.delete_object(root + name)

    @pytest.mark.parametrize("sort_dir", ["asc", "desc"])
    def test_pages_put_together_are_the_listing(self, bank_plugin, folder, sort_dir):
        for number in range(23):
            bank_plugin.update_object(f"{folder}/{number % 3}/{number:02}", number)
        found, marker = [], None
        while page := bank_plugin.list_objects(
            prefix=folder + "/", limit=5, marker=marker, sort_dir=sort_dir
        ):
            found += page
            marker = page[-1]

        assert found == bank_plugin.list_objects(prefix=folder + "/", sort_dir=sort_dir)
        assert len(found) == 23

    def test_a_reader_sees_the_old_value_or_the_new_one(self, bank_plugin, folder):
        candidates = [bytes([number]) * 300_000 for number in range(8)]
        bank_plugin.update_object(f"{folder}/value", candidates[0])
        written = threading.Event()

        def write():
            try:
                for number in range(40):
                    bank_plugin.update_object(f"{folder}/value", candidates[number % 8])
            finally:
                written.set()

        def read():
            seen = 0
            while not written.is_set() or not seen:
                assert bank_plugin.get_object(f"{folder}/value") in candidates
                assert bank_plugin.list_objects(prefix=folder) == [f"{folder}/value"]
                seen += 1

        with ThreadPoolExecutor(3) as pool:
            for task in [pool.submit(write), pool.submit(read), pool.submit(read)]:
                task.result()

    def test_writers_and_deleters_do_not_disturb_each_other(self, bank_plugin, folder):
        def churn(worker):
            for number in range(25):
                key = f"{folder}/shared/deep/{worker}"
                bank_plugin.update_object(key, number)
                assert bank_plugin.get_object(key) == number
                bank_plugin.delete_object(key)

        with ThreadPoolExecutor(6) as pool:
            for task in [pool.submit(churn, worker) for worker in range(6)]:
                task.result()

        assert bank_plugin.list_objects(prefix=folder + "/") == []

    def test_a_bank_that_cannot_lock_says_so(self, bank_plugin, folder):
        bank_plugin.update_object(f"{folder}/value", b"value")
        if bank_plugin.capabilities.object_lock:
            pytest.skip("it can: run ObjectLockConformance")

        with pytest.raises(exception.BankLockNotSupported, match=f"{folder}/value"):
            bank_plugin.lock_object(f"{folder}/value", _in_an_hour())

        assert bank_plugin.locked_until(f"{folder}/value") is None

    def test_an_owner_keeps_its_id(self, bank_plugin):
        owner_id = bank_plugin.get_owner_id()

        assert isinstance(owner_id, str)
        assert owner_id
        assert bank_plugin.get_owner_id() == owner_id


class LeaseConformance:
    """The contract of :class:`karbor.services.protection.bank_plugin.LeasePlugin`."""

    @pytest.fixture
    def bank_plugin(self):
        raise NotImplementedError("override the fixture 'bank_plugin'")

    @pytest.fixture
    def second_instance(self):
        raise NotImplementedError("override the fixture 'second_instance'")

    def test_it_is_a_lease_plugin(self, bank_plugin):
        assert isinstance(bank_plugin, LeasePlugin)

    def test_instances_are_different_owners(self, bank_plugin, second_instance):
        assert bank_plugin.get_owner_id() != second_instance.get_owner_id()

    def test_an_acquired_lease_is_valid_and_seen(self, bank_plugin, second_instance):
        bank_plugin.acquire_lease()

        assert bank_plugin.check_lease_validity()
        assert second_instance.check_lease_existence(bank_plugin.get_owner_id())

    def test_a_renewed_lease_is_valid_and_seen(self, bank_plugin, second_instance):
        bank_plugin.acquire_lease()
        bank_plugin.renew_lease()

        assert bank_plugin.check_lease_validity()
        assert second_instance.check_lease_existence(bank_plugin.get_owner_id())

    def test_an_owner_without_a_lease_is_not_alive(self, bank_plugin, second_instance):
        assert not bank_plugin.check_lease_existence(str(uuid.uuid4()))
        assert not bank_plugin.check_lease_existence(second_instance.get_owner_id())

    def test_leases_do_not_disturb_each_other(self, bank_plugin, second_instance):
        bank_plugin.acquire_lease()
        second_instance.acquire_lease()

        assert bank_plugin.check_lease_existence(second_instance.get_owner_id())
        assert second_instance.check_lease_existence(bank_plugin.get_owner_id())

    def test_a_released_lease_is_gone_at_once(self, bank_plugin, second_instance):
        if not hasattr(bank_plugin, "release_lease"):
            pytest.skip("release_lease is optional, and this plugin has none")
        bank_plugin.acquire_lease()

        bank_plugin.release_lease()

        assert not bank_plugin.check_lease_validity()
        assert not second_instance.check_lease_existence(bank_plugin.get_owner_id())


def _in_an_hour(seconds=0):
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(
        hours=1, seconds=seconds
    )


class ObjectLockConformance:
    """What a bank plugin whose capabilities have ``object_lock`` must do."""

    @pytest.fixture
    def bank_plugin(self):
        raise NotImplementedError("override the fixture 'bank_plugin'")

    @pytest.fixture
    def second_instance(self):
        raise NotImplementedError("override the fixture 'second_instance'")

    @pytest.fixture
    def key(self, bank_plugin):
        """An object that is not locked yet."""
        key = f"/conformance/locks/{uuid.uuid4().hex}/value"
        bank_plugin.update_object(key, b"kept")
        return key

    @pytest.fixture
    def until(self):
        # Whole seconds: what any store can say.
        return _in_an_hour().replace(microsecond=0)

    @staticmethod
    def assert_kept(plugin, key, until):
        """Nobody can change the object, and what is refused says why."""
        with pytest.raises(exception.BankObjectLocked) as refused:
            plugin.delete_object(key)
        assert key in str(refused.value)
        assert str(until.year) in str(refused.value)
        assert not refused.value.retryable
        with pytest.raises(exception.BankObjectLocked):
            plugin.update_object(key, b"other")
        assert plugin.get_object(key) == b"kept"
        assert plugin.list_objects(prefix=key) == [key]

    def test_it_says_that_it_can(self, bank_plugin):
        assert bank_plugin.capabilities.object_lock

    def test_an_object_is_not_locked_by_itself(self, bank_plugin, key):
        assert bank_plugin.locked_until(key) is None
        bank_plugin.update_object(key, b"other")
        bank_plugin.delete_object(key)

    def test_a_locked_object_tells_until_when(self, bank_plugin, key, until):
        bank_plugin.lock_object(key, until)

        assert bank_plugin.locked_until(key) == until

    def test_a_locked_object_stays_as_it_is(self, bank_plugin, key, until):
        bank_plugin.lock_object(key, until)

        self.assert_kept(bank_plugin, key, until)

    def test_a_lock_counts_for_every_instance(
        self, bank_plugin, second_instance, key, until
    ):
        bank_plugin.lock_object(key, until)

        assert second_instance.locked_until(key) == until
        self.assert_kept(second_instance, key, until)

    def test_a_lock_ends_no_earlier_than_it_was_asked_for(self, bank_plugin, key):
        until = _in_an_hour().replace(microsecond=250_000)

        bank_plugin.lock_object(key, until)

        locked = bank_plugin.locked_until(key)
        assert until <= locked < until + datetime.timedelta(seconds=1)

    def test_any_zone_says_the_same_moment(self, bank_plugin, key, until):
        zone = datetime.timezone(datetime.timedelta(hours=-11))

        bank_plugin.lock_object(key, until.astimezone(zone))

        assert bank_plugin.locked_until(key) == until

    def test_a_lock_is_extended(self, bank_plugin, key, until):
        later = until + datetime.timedelta(days=400)
        bank_plugin.lock_object(key, until)

        bank_plugin.lock_object(key, later)

        assert bank_plugin.locked_until(key) == later
        self.assert_kept(bank_plugin, key, later)

    def test_a_lock_is_never_shortened(self, bank_plugin, key, until):
        bank_plugin.lock_object(key, until)

        for earlier in (
            until - datetime.timedelta(minutes=30),
            until - datetime.timedelta(days=1),
            until,
        ):
            bank_plugin.lock_object(key, earlier)

        assert bank_plugin.locked_until(key) == until
        self.assert_kept(bank_plugin, key, until)

    def test_a_date_that_has_passed_locks_nothing(self, bank_plugin, key, until):
        bank_plugin.lock_object(key, until - datetime.timedelta(days=1))

        bank_plugin.update_object(key, b"other")
        bank_plugin.delete_object(key)
        assert bank_plugin.list_objects(prefix=key) == []

    def test_a_lock_is_of_one_object(self, bank_plugin, key, until):
        beside = [key + "2", key.replace("/value", "/a"), key.replace("/value", "/w/x")]
        for other in beside:
            bank_plugin.update_object(other, b"other")

        bank_plugin.lock_object(key, until)

        for other in beside:
            assert bank_plugin.locked_until(other) is None
            bank_plugin.update_object(other, b"changed")
            bank_plugin.delete_object(other)
        self.assert_kept(bank_plugin, key, until)

    def test_a_lock_has_an_end(self, bank_plugin, key):
        bank_plugin.lock_object(key, _in_an_hour(seconds=-3598))

        while True:
            try:
                bank_plugin.update_object(key, b"other")
                break
            except exception.BankObjectLocked:
                time.sleep(0.2)
        bank_plugin.delete_object(key)

        assert bank_plugin.list_objects(prefix=key) == []
        bank_plugin.update_object(key, b"new")
        bank_plugin.delete_object(key)

    def test_what_is_not_there_is_not_locked(self, bank_plugin, key, until):
        missing = key.replace("/value", "/nothing-here")

        with pytest.raises(exception.BankLockObjectFailed, match="nothing-here"):
            bank_plugin.lock_object(missing, until)
        with pytest.raises(exception.BankGetObjectFailed, match="nothing-here"):
            bank_plugin.locked_until(missing)
        bank_plugin.update_object(missing, b"new")
        bank_plugin.delete_object(missing)

    def test_a_moment_without_a_zone_is_refused(self, bank_plugin, key, until):
        with pytest.raises(exception.InvalidParameterValue):
            bank_plugin.lock_object(key, until.replace(tzinfo=None))

        assert bank_plugin.locked_until(key) is None

    def test_of_many_who_lock_the_latest_date_counts(self, bank_plugin, key, until):
        dates = [until + datetime.timedelta(seconds=60 * n) for n in range(12)]

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda date: bank_plugin.lock_object(key, date), dates))

        assert bank_plugin.locked_until(key) == dates[-1]
