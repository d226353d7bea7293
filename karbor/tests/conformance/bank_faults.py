# SPDX-License-Identifier: Apache-2.0
"""What a bank plugin on an HTTP store must do when the network or the store fails.

In a test module of the plugin's package::

    class TestMyBankFaults(BankFaults):
        @pytest.fixture
        def proxy(self, server):
            with FaultProxy(server.port).running() as proxy:
                yield proxy

        @pytest.fixture
        def bank_plugin(self, proxy):
            return MyBankPlugin(configuration_for(proxy.url))

        @pytest.fixture
        def direct_plugin(self, server):
            return MyBankPlugin(configuration_for(server.url))

``bank_plugin`` goes through the proxy, to the same store as ``direct_plugin``, tries
at least twice and does not wait between attempts. The store is asked by PUT, GET,
HEAD and DELETE. It is spoken to without TLS, so what has no checksum of its own (a
listing) is not asked to notice a bit that was flipped.
"""

import random
import re
import threading

import pytest

from karbor import exception
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.tests.fakes.fault_proxy import Fault

_MISSING = object()

REFUSED = [Fault.UNAVAILABLE, Fault.TOO_MANY, Fault.SERVER_ERROR]
LOST = [Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.UNAVAILABLE_DONE]
ON_WRITE = [*REFUSED, *LOST, Fault.DROP_DURING, Fault.FLIP_REQUEST]
ON_READ = [*REFUSED, *LOST, Fault.CUT_ANSWER, Fault.FLIP_ANSWER]
ON_LIST = [*REFUSED, *LOST, Fault.CUT_ANSWER]
ON_DELETE = [*REFUSED, *LOST]
NOT_DONE = [*REFUSED, Fault.DROP_BEFORE, Fault.DROP_DURING, Fault.FLIP_REQUEST]


class BankFaults:
    """Results are right or a clear error, never a wrong or a partial value."""

    #: Whether the store refuses an upload that was damaged on its way. Of one that
    #: does not, the plugin must notice, and a read must not give out the damage.
    store_checks_uploads = True

    @pytest.fixture
    def proxy(self):
        raise NotImplementedError("override the fixture 'proxy'")

    @pytest.fixture
    def bank_plugin(self):
        raise NotImplementedError("override the fixture 'bank_plugin'")

    @pytest.fixture
    def direct_plugin(self):
        raise NotImplementedError("override the fixture 'direct_plugin'")

    @pytest.fixture
    def bank(self, bank_plugin):
        return Bank(
            bank_plugin,
            StreamOptions(chunk_size=65536, max_bytes_in_flight=4 * 65536),
        )

    @pytest.mark.parametrize("fault", ON_WRITE)
    def test_an_update_survives_one_fault(self, proxy, bank_plugin, fault):
        bank_plugin.update_object("/faults/value", b"old" * 1000)
        proxy.fail(fault, method="PUT", path="faults/value")

        bank_plugin.update_object("/faults/value", b"new" * 1000)

        assert bank_plugin.get_object("/faults/value") == b"new" * 1000

    @pytest.mark.parametrize("fault", ON_WRITE)
    def test_an_update_that_fails_leaves_old_or_new(
        self, proxy, bank_plugin, direct_plugin, fault
    ):
        bank_plugin.update_object("/faults/value", b"old" * 1000)
        proxy.always(fault, method="PUT", path="faults/value")

        with pytest.raises(exception.BankUpdateObjectFailed, match="/faults/value"):
            bank_plugin.update_object("/faults/value", b"new" * 1000)

        if fault is Fault.FLIP_REQUEST and not self.store_checks_uploads:
            with pytest.raises(exception.BankGetObjectFailed, match="damaged"):
                direct_plugin.get_object("/faults/value")
            return
        found = direct_plugin.get_object("/faults/value")
        assert found == (b"old" if fault in NOT_DONE else b"new") * 1000

    @pytest.mark.parametrize("fault", ON_READ)
    def test_a_read_survives_one_fault(self, proxy, bank_plugin, fault):
        bank_plugin.update_object("/faults/value", b"value" * 1000)
        proxy.fail(fault, method="GET", path="faults/value")

        assert bank_plugin.get_object("/faults/value") == b"value" * 1000

    @pytest.mark.parametrize("fault", ON_READ)
    def test_a_read_that_fails_is_an_error(self, proxy, bank_plugin, fault):
        bank_plugin.update_object("/faults/value", b"value" * 1000)
        proxy.always(fault, method="GET", path="faults/value")

        with pytest.raises(exception.BankGetObjectFailed, match="/faults/value"):
            bank_plugin.get_object("/faults/value")

    @pytest.mark.parametrize("sort_dir", ["asc", "desc"])
    @pytest.mark.parametrize("fault", ON_LIST)
    def test_a_listing_survives_one_fault(self, proxy, bank_plugin, fault, sort_dir):
        expected = [f"/faults/{number:02}" for number in range(12)]
        for key in expected:
            bank_plugin.update_object(key, key)
        proxy.fail(fault, method="GET")

        found = bank_plugin.list_objects(prefix="/faults/", sort_dir=sort_dir)

        assert sorted(found) == expected
        assert found == sorted(found, reverse=sort_dir == "desc")

    @pytest.mark.parametrize("fault", ON_LIST)
    def test_a_listing_that_fails_is_an_error(self, proxy, bank_plugin, fault):
        bank_plugin.update_object("/faults/value", "x")
        proxy.always(fault, method="GET")

        with pytest.raises(exception.BankListObjectsFailed):
            bank_plugin.list_objects(prefix="/faults/")

    @pytest.mark.parametrize("fault", ON_DELETE)
    def test_a_deletion_survives_one_fault(
        self, proxy, bank_plugin, direct_plugin, fault
    ):
        bank_plugin.update_object("/faults/value", "x")
        proxy.fail(fault, method="DELETE")

        bank_plugin.delete_object("/faults/value")

        assert direct_plugin.list_objects(prefix="/faults/") == []

    @pytest.mark.parametrize("fault", ON_DELETE)
    def test_a_deletion_that_fails_is_an_error(
        self, proxy, bank_plugin, direct_plugin, fault
    ):
        bank_plugin.update_object("/faults/value", "x")
        proxy.always(fault, method="DELETE")

        with pytest.raises(exception.BankDeleteObjectFailed, match="/faults/value"):
            bank_plugin.delete_object("/faults/value")

        if fault in NOT_DONE:
            assert direct_plugin.get_object("/faults/value") == "x"

    @pytest.mark.parametrize("fault", REFUSED)
    def test_deleting_what_is_not_there_stays_an_error(self, proxy, bank_plugin, fault):
        bank_plugin.update_object("/faults/other", "x")
        proxy.fail(fault)

        if fault is Fault.TOO_MANY:
            with pytest.raises(exception.BankDeleteObjectFailed):
                bank_plugin.delete_object("/faults/value")

    @pytest.mark.parametrize("fault", [*REFUSED, *LOST])
    def test_a_store_that_never_answers_is_an_error(self, proxy, bank_plugin, fault):
        proxy.always(fault)

        with pytest.raises(exception.BankUpdateObjectFailed):
            bank_plugin.update_object("/faults/value", "x")
        with pytest.raises(exception.BankGetObjectFailed):
            bank_plugin.get_object("/faults/value")
        with pytest.raises(exception.BankListObjectsFailed):
            bank_plugin.list_objects(prefix="/faults/")
        with pytest.raises(exception.BankDeleteObjectFailed):
            bank_plugin.delete_object("/faults/value")
        with pytest.raises(exception.AcquireLeaseFailed):
            bank_plugin.acquire_lease()
        with pytest.raises(exception.BankException):
            bank_plugin.check_lease_existence("someone")
        assert not bank_plugin.check_lease_validity()

    def test_nobody_is_listening(self, proxy, bank_plugin):
        with proxy.silent(), pytest.raises(exception.BankGetObjectFailed) as caught:
            bank_plugin.get_object("/faults/value")

        assert re.search("refused|connect", str(caught.value))

    @pytest.mark.parametrize("fault", ON_WRITE)
    def test_a_lease_survives_one_fault(self, proxy, bank_plugin, direct_plugin, fault):
        proxy.fail(fault, method="PUT", path="leases")
        bank_plugin.acquire_lease()
        proxy.fail(fault, method="PUT", path="leases")
        bank_plugin.renew_lease()

        assert bank_plugin.check_lease_validity()
        assert direct_plugin.check_lease_existence(bank_plugin.get_owner_id())

    def test_a_living_owner_is_never_taken_for_dead(self, proxy, bank_plugin):
        bank_plugin.acquire_lease()
        owner_id = bank_plugin.get_owner_id()
        for fault in ON_READ:
            proxy.fail(fault, path="leases")
            assert bank_plugin.check_lease_existence(owner_id)
            proxy.always(fault, path="leases")
            try:
                assert bank_plugin.check_lease_existence(owner_id)
            except exception.BankException:
                continue

    @pytest.mark.parametrize("seed", range(4))
    def test_random_faults_never_give_a_wrong_value(self, proxy, bank_plugin, seed):
        chance = random.Random(seed)
        faults = list(Fault)
        faults.remove(Fault.HELD)
        bank_plugin.list_objects()

        def plan(request):
            if chance.random() > 0.3:
                return None
            fault = chance.choice(faults)
            # A listing has no checksum.
            listing = request.method == "GET" and "prefix=" in request.path
            return None if listing and fault is Fault.FLIP_ANSWER else fault

        proxy.plan = plan
        possible: dict[str, list] = {f"/faults/{n}": [_MISSING] for n in range(3)}
        for number in range(60):
            key = chance.choice(list(possible))
            action = chance.choice(["update", "get", "delete", "list"])
            if action == "update":
                value = {"number": number}
                try:
                    bank_plugin.update_object(key, value)
                    possible[key] = [value]
                except exception.BankUpdateObjectFailed:
                    possible[key].append(value)
            elif action == "delete":
                try:
                    bank_plugin.delete_object(key)
                    possible[key] = [_MISSING]
                except exception.BankDeleteObjectFailed:
                    possible[key].append(_MISSING)
            elif action == "get":
                try:
                    assert bank_plugin.get_object(key) in possible[key]
                except exception.BankGetObjectFailed:
                    continue
            else:
                try:
                    found = bank_plugin.list_objects(prefix="/faults/")
                except exception.BankListObjectsFailed:
                    continue
                for key, values in possible.items():
                    if key in found:
                        assert values != [_MISSING]
                    else:
                        assert _MISSING in values

    @pytest.mark.parametrize("seed", range(3))
    def test_a_stream_survives_faults(self, proxy, bank, seed):
        chance = random.Random(seed)
        data = chance.randbytes(700_001)
        section = bank.get_sub_section("/faults")
        lock = threading.Lock()
        count = 0
        failed = set()

        def plan(request):
            # Chunks are written side by side: only what each of them has met tells
            # that its next attempt must go through.
            nonlocal count
            with lock:
                count += 1
                call = (request.method, request.path)
                if call in failed:
                    failed.remove(call)
                    return None
                if count % 3 or request.method not in ("PUT", "GET"):
                    return None
                failed.add(call)
                faults = ON_WRITE if request.method == "PUT" else ON_LIST
                return chance.choice(faults)

        section.list_objects()
        proxy.plan = plan
        info = section.write_stream("disk", _Pieces(data))
        with section.open_stream("disk") as stream:
            assert stream.read() == data
        assert section.verify_stream("disk") == info

    def test_a_stream_that_fails_leaves_the_one_before(self, proxy, bank):
        section = bank.get_sub_section("/faults")
        section.write_stream("disk", _Pieces(b"first" * 50_000))
        for fault in ON_WRITE:
            proxy.always(fault, method="PUT", path=".streams/data")
            with pytest.raises(exception.BankUpdateObjectFailed):
                section.write_stream(
                    "disk", _Pieces(random.Random(1).randbytes(200_000))
                )
        proxy.plan = lambda request: None

        with section.open_stream("disk") as stream:
            assert stream.read() == b"first" * 50_000

    def test_a_stream_whose_manifest_was_written_unnoticed_is_whole(self, proxy, bank):
        section = bank.get_sub_section("/faults")
        data = random.Random(2).randbytes(200_000)
        proxy.always(Fault.DROP_AFTER, method="PUT", path=".streams/by-name")

        with pytest.raises(exception.BankUpdateObjectFailed):
            section.write_stream("disk", _Pieces(data))

        proxy.plan = lambda request: None
        with section.open_stream("disk") as stream:
            assert stream.read() == data


class _Pieces:
    """A source of a stream."""

    def __init__(self, data: bytes) -> None:
        self._view = memoryview(data)

    def read(self, size: int) -> bytes:
        piece, self._view = bytes(self._view[:size]), self._view[size:]
        return piece
