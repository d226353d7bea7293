# SPDX-License-Identifier: Apache-2.0
"""Servers are described, and kept still while their volumes are snapshotted."""

import logging

import pytest

from karbor import exception
from karbor.services.protection.bank.sections import BankSection
from karbor.services.protection.protection_plugins.server.description import (
    QUIESCED_FOR,
)
from karbor.services.protection.protection_plugins.server.saved_server import (
    SavedServer,
)
from karbor.tests.fakes.server_cloud import (
    DATA,
    ROOT,
    ServerTests,
)

BEGIN, FINISH = ("on_prepare_begin",), ("on_prepare_finish", "on_main")


class TestDescription(ServerTests):
    def saved(self, checkpoint, resource):
        return SavedServer.load(self.section(checkpoint, resource))

    def test_ports_are_in_the_order_of_the_interfaces(self, protected, resource):
        names = [port["name"] for port in self.saved(protected, resource).ports]
        assert names == ["first interface", "second interface"]

    def test_the_root_volume_comes_first(self, protected, resource):
        saved = self.saved(protected, resource)
        assert saved.volume_ids == [ROOT, DATA]
        assert saved.boot_volume_id == ROOT
        assert [volume["delete_on_termination"] for volume in saved.volumes] == [
            False,
            True,
        ]

    def test_devices_are_in_the_order_of_disks(
        self, call, new_checkpoint, cloud, resource
    ):
        for device in ("/dev/vdaa", "/dev/vdz"):
            cloud.nova.attach(cloud.server_id, device, device, False)
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        assert self.saved(checkpoint, resource).volume_ids == [
            *(ROOT, DATA, "/dev/vdz", "/dev/vdaa")
        ]

    def test_the_device_that_nova_calls_the_root_is(
        self, call, new_checkpoint, cloud, resource
    ):
        cloud.server["OS-EXT-SRV-ATTR:root_device_name"] = "/dev/vdc"
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        assert self.saved(checkpoint, resource).boot_volume_id == DATA

    def test_a_server_from_an_image_boots_from_no_volume(
        self, call, new_checkpoint, cloud, resource
    ):
        cloud.server["image"] = {"id": "image-1", "links": []}
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        saved = self.saved(checkpoint, resource)
        assert (saved.image_id, saved.boot_volume_id) == ("image-1", None)

    def test_the_flavor_has_the_id_and_what_nova_embeds(self, protected, resource):
        flavor = self.saved(protected, resource).flavor
        assert (flavor["id"], flavor["name"]) == ("flavor-1", "m1.tiny")
        assert flavor["extra_specs"] == {"hw:cpu_policy": "shared"}

    def test_flavors_are_listed_once_for_all_servers_of_an_operation(
        self, call, new_checkpoint, cloud
    ):
        call("protect", new_checkpoint())
        once = len(cloud.nova.calls("GET", "flavors"))
        call("protect", new_checkpoint())
        assert len(cloud.nova.calls("GET", "flavors")) == once > 0

    def test_floating_addresses_belong_to_their_ports(self, protected, resource):
        first, second = self.saved(protected, resource).ports
        assert first["floating"] == []
        assert [one["floating_ip_address"] for one in second["floating"]] == [
            "172.24.4.7"
        ]

    def test_user_data_is_kept_and_not_shown(
        self, call, new_checkpoint, cloud, plugin, resource
    ):
        cloud.server["OS-EXT-SRV-ATTR:user_data"] = "c2VjcmV0"
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        section = self.section(checkpoint, resource)
        assert SavedServer.load(section).fields["user_data"] == "c2VjcmV0"
        assert "c2VjcmV0" not in str(plugin.get_saved_info(section, resource))

    @pytest.mark.parametrize(
        "status", ["SHUTOFF", "PAUSED", "SUSPENDED", "SHELVED_OFFLOADED", "ERROR"]
    )
    def test_a_server_that_rests_can_be_protected(
        self, call, new_checkpoint, cloud, resource, status
    ):
        cloud.server["status"] = status
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        assert self.saved(checkpoint, resource).fields["status"] == status

    @pytest.mark.parametrize("status", ["REBOOT", "RESIZE", "ACTIVE"])
    def test_a_server_that_changes_is_waited_for(
        self, call, new_checkpoint, cloud, resource, status
    ):
        cloud.server["status"] = status
        cloud.nova.begin(cloud.server_id, "rebooting", "ACTIVE")
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        assert self.saved(checkpoint, resource).fields["status"] == "ACTIVE"

    def test_one_that_never_settles_names_the_option(
        self, call, new_checkpoint, cloud, conf, plugin
    ):
        conf.set_override("status_timeout", 0.1, "nova_backup_protection_plugin")
        cloud.server["status"] = "MIGRATING"
        plugin.__init__(conf)
        with pytest.raises(exception.CreateResourceFailed, match="status_timeout"):
            call("protect", new_checkpoint())

    @pytest.mark.parametrize(
        ("status", "advice"),
        [
            ("SOFT_DELETED", "Restore it in Nova"),
            ("DELETED", "Leave it out of the plan"),
            ("NEW_IN_NOVA", "Bring it into another"),
        ],
    )
    def test_a_status_that_forbids_it_is_named(
        self, call, new_checkpoint, cloud, status, advice
    ):
        cloud.server["status"] = status
        with pytest.raises(exception.CreateResourceFailed) as caught:
            call("protect", new_checkpoint())
        assert status in str(caught.value)
        assert advice in str(caught.value)

    def test_a_server_that_is_gone_is_named(self, call, new_checkpoint, cloud):
        cloud.lose()
        with pytest.raises(exception.CreateResourceFailed, match="called 'web'"):
            call("protect", new_checkpoint())


class TestQuiesce(ServerTests):
    @pytest.fixture
    def way(self):
        """How the server is kept still, and what it then is."""
        self.parameters["protect"] = {"quiesce": "pause"}
        return "pause", "unpause", "PAUSED"

    @pytest.mark.parametrize(
        "way",
        [("pause", "unpause", "PAUSED"), ("suspend", "resume", "SUSPENDED")],
    )
    def test_it_is_still_from_the_first_hook_to_the_next(
        self, call, new_checkpoint, cloud, way, caplog
    ):
        begin, end, status = way
        self.parameters["protect"] = {"quiesce": begin}
        checkpoint = new_checkpoint()
        with caplog.at_level(logging.INFO):
            call("protect", checkpoint, hooks=BEGIN)
            assert cloud.server["status"] == status
            call("protect", checkpoint, hooks=FINISH)
        assert cloud.server["status"] == "ACTIVE"
        assert cloud.nova.acted == [begin, end]
        told = [record.getMessage() for record in caplog.records]
        assert f"Server {cloud.server_id} is {status.lower()}." in told
        assert f"Server {cloud.server_id} is active again." in told

    def test_nobody_is_paused_who_did_not_ask(self, call, new_checkpoint, cloud):
        call("protect", new_checkpoint())
        assert cloud.nova.acted == []

    @pytest.mark.parametrize("status", ["PAUSED", "SUSPENDED", "SHUTOFF"])
    def test_what_was_still_before_is_left_so(
        self, call, new_checkpoint, cloud, way, status
    ):
        cloud.server["status"] = status
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        call("protect", checkpoint, hooks=("on_revert",))
        assert cloud.nova.acted == []
        assert cloud.server["status"] == status

    def test_each_hook_may_run_twice(self, call, new_checkpoint, cloud, way, resource):
        begin, end, _status = way
        checkpoint = new_checkpoint()
        for hooks in (BEGIN, BEGIN, FINISH, FINISH):
            call("protect", checkpoint, hooks=hooks)
        assert cloud.nova.acted == [begin, end]
        saved = SavedServer.load(self.section(checkpoint, resource))
        assert saved.fields["status"] == "ACTIVE"

    def test_a_crash_before_it_was_paused_is_made_good(
        self, call, new_checkpoint, cloud, way
    ):
        """The note was there, and the call to Nova was not made."""
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        cloud.server["status"] = "ACTIVE"
        call("protect", checkpoint, hooks=BEGIN)
        assert cloud.server["status"] == way[2]

    def test_a_revert_lets_it_run_again(self, call, new_checkpoint, cloud, way):
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        for _twice in range(2):
            call("protect", checkpoint, hooks=("on_revert",))
        assert cloud.server["status"] == "ACTIVE"
        assert cloud.nova.acted == list(way[:2])

    def test_a_revert_waits_for_a_pause_that_is_under_way(
        self, call, new_checkpoint, cloud, way
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        cloud.server["status"] = "ACTIVE"
        cloud.nova.begin(cloud.server_id, "pausing", way[2])
        call("protect", checkpoint, hooks=("on_revert",))
        assert cloud.server["status"] == "ACTIVE"

    def test_a_revert_leaves_a_server_that_somebody_let_run(
        self, call, new_checkpoint, cloud, way
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        cloud.server["status"] = "ACTIVE"
        call("protect", checkpoint, hooks=("on_revert",))
        assert cloud.nova.acted == [way[0]]

    def test_a_server_that_vanishes_while_it_is_still_is_named(
        self, call, new_checkpoint, cloud, way
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        cloud.lose()
        with pytest.raises(exception.CreateResourceFailed, match="deleted while"):
            call("protect", checkpoint, hooks=FINISH)
        call("protect", checkpoint, hooks=("on_revert",))

    def test_a_pause_that_nova_gives_up_fails(self, call, new_checkpoint, cloud, way):
        cloud.nova.breaks.add(way[0])
        with pytest.raises(exception.CreateResourceFailed, match="'active'"):
            call("protect", new_checkpoint(), hooks=BEGIN)

    def test_one_that_does_not_run_again_is_an_error(
        self, call, new_checkpoint, cloud, way
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        cloud.nova.breaks.add(way[1])
        with pytest.raises(exception.CreateResourceFailed, match=way[2].lower()):
            call("protect", checkpoint, hooks=FINISH)
        cloud.nova.breaks.clear()
        call("protect", checkpoint, hooks=("on_revert",))
        assert cloud.server["status"] == "ACTIVE"

    @pytest.mark.parametrize("status", ["ERROR", "RESCUE", "VERIFY_RESIZE"])
    def test_what_cannot_be_paused_says_what_to_do(
        self, call, new_checkpoint, cloud, way, status
    ):
        cloud.server["status"] = status
        with pytest.raises(exception.CreateResourceFailed, match="quiesce=none"):
            call("protect", new_checkpoint())

    def test_a_locked_one_is_not_paused_and_told_what_to_do(
        self, call, new_checkpoint, cloud, way
    ):
        cloud.server["locked"] = True
        with pytest.raises(exception.CreateResourceFailed, match="quiesce=none") as one:
            call("protect", new_checkpoint())
        assert "is locked" in str(one.value)
        assert cloud.server["metadata"] == {"role": "web"}

    @pytest.mark.parametrize("hook", ["on_prepare_finish", "on_revert"])
    def test_a_bank_that_is_away_meanwhile_lets_it_run_again(
        self, call, new_checkpoint, cloud, way, bank, monkeypatch, hook
    ):
        begin = cloud.nova.begin

        def begin_and_lose_the_bank(server_id, task, status):
            begin(server_id, task, status)
            for name in ("list_objects", "get_object", "delete_object"):
                monkeypatch.setattr(BankSection, name, away)

        def away(*args, **kwargs):
            raise exception.BankListObjectsFailed(reason="503", prefix="x")

        monkeypatch.setattr(cloud.nova, "begin", begin_and_lose_the_bank)
        call("protect", new_checkpoint(), hooks=(*BEGIN, hook))
        assert cloud.nova.acted == list(way[:2])
        assert cloud.server["status"] == "ACTIVE"

    @pytest.mark.parametrize("asked", ["POST servers", "GET servers"])
    def test_a_nova_that_is_away_is_asked_again(
        self, call, new_checkpoint, cloud, way, asked
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        cloud.nova.failing[asked] += [503, 503]
        call("protect", checkpoint, hooks=FINISH)
        assert cloud.server["status"] == "ACTIVE"
        assert QUIESCED_FOR not in cloud.server["metadata"]

    def test_a_nova_that_stays_away_fails(
        self, call, new_checkpoint, cloud, conf, plugin, way
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        conf.set_override("status_timeout", 0.1, "nova_backup_protection_plugin")
        plugin.__init__(conf)
        cloud.nova.failing["POST servers"] += [503] * 1000
        with pytest.raises(exception.CreateResourceFailed, match="503"):
            call("protect", checkpoint, hooks=FINISH)

    def test_what_is_kept_has_no_mark_of_it(
        self, call, new_checkpoint, cloud, way, resource
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        assert cloud.server["metadata"][QUIESCED_FOR] == checkpoint.id
        second = new_checkpoint()
        call("protect", second)
        for one in (checkpoint, second):
            saved = SavedServer.load(self.section(one, resource))
            assert saved.fields["metadata"] == {"role": "web"}

    def test_a_mark_that_nova_keeps_fails_nothing(
        self, call, new_checkpoint, cloud, way, caplog
    ):
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        cloud.nova.failing["DELETE servers"].append(403)
        call("protect", checkpoint, hooks=FINISH)
        assert cloud.server["status"] == "ACTIVE"
        assert "still has 'karbor_quiesced'" in caplog.text


class TestLeftStill(ServerTests):
    """Whoever paused the server is not there any more to let it run."""

    @pytest.fixture
    def left(self, call, new_checkpoint):
        """The checkpoint of a protection that was cut off."""
        self.parameters["protect"] = {"quiesce": "pause"}
        checkpoint = new_checkpoint()
        call("protect", checkpoint, hooks=BEGIN)
        return checkpoint

    @pytest.mark.parametrize("quiesce", ["none", "pause", "suspend"])
    def test_the_next_protection_lets_it_run(
        self, call, new_checkpoint, cloud, left, quiesce
    ):
        self.parameters["protect"] = {"quiesce": quiesce}
        call("protect", new_checkpoint())
        assert cloud.server["status"] == "ACTIVE"
        assert cloud.server["metadata"] == {"role": "web"}
        assert cloud.nova.acted == ["pause", "unpause"]

    def test_two_at_once_let_it_run_when_both_are_done(
        self, call, new_checkpoint, cloud, left
    ):
        second = new_checkpoint()
        call("protect", second, hooks=BEGIN)
        call("protect", left, hooks=FINISH)
        assert cloud.server["status"] == "PAUSED"
        call("protect", second, hooks=FINISH)
        assert cloud.server["status"] == "ACTIVE"

    def test_one_that_runs_again_just_now_is_paused_again(
        self, call, new_checkpoint, cloud, left, monkeypatch
    ):
        """The other protection ends between the look and the mark."""
        put = cloud.nova.put_servers

        def put_late(rest, query, body):
            if cloud.server["status"] == "PAUSED":
                cloud.server["status"] = "ACTIVE"
            return put(rest, query, body)

        monkeypatch.setattr(cloud.nova, "put_servers", put_late)
        second = new_checkpoint()
        call("protect", second, hooks=BEGIN)
        assert cloud.server["status"] == "PAUSED"
        call("protect", second, hooks=FINISH)
        assert cloud.server["status"] == "ACTIVE"

    def test_deleting_its_checkpoint_lets_it_run(self, call, cloud, left):
        call("delete", left)
        assert cloud.server["status"] == "ACTIVE"
        assert cloud.server["metadata"] == {"role": "web"}

    def test_deleting_it_leaves_what_somebody_else_has_paused_since(
        self, call, cloud, left
    ):
        del cloud.server["metadata"][QUIESCED_FOR]
        call("delete", left)
        assert cloud.server["status"] == "PAUSED"

    def test_deleting_another_checkpoint_asks_nova_nothing(
        self, call, new_checkpoint, cloud
    ):
        self.parameters["protect"] = {"quiesce": "pause"}
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        before = len(cloud.nova.calls("GET", "servers"))
        call("delete", checkpoint)
        assert len(cloud.nova.calls("GET", "servers")) == before
