# SPDX-License-Identifier: Apache-2.0
"""Ports and floating addresses of a restored server are as before, or remarked."""

import uuid

import pytest

from karbor import exception
from karbor.services.protection.records import RestoreRecord
from karbor.tests.fakes.server_cloud import DATA, EXTERNAL, NET, ROOT, ServerTests


class InterfaceTests(ServerTests):
    @pytest.fixture
    def ports(self, protected, restore, cloud, resource):
        """Restores the server, and gives its ports by name and the remarks."""

        def ports(parameters=None, lose=True, **new_resources):
            if lose:
                cloud.lose()
            self.parameters["restore"] = parameters or {}
            record = RestoreRecord(None, {"id": str(uuid.uuid4())})
            new_id = restore(
                protected,
                record=record,
                new_resources={ROOT: "new-root", DATA: "new-data", **new_resources},
            )
            found = {port["name"]: port for port in cloud.neutron.ports_of(new_id)}
            return found, record.resources_reason[f"{resource.type}#{resource.id}"]

        return ports

    @pytest.fixture
    def other_network(self, cloud):
        """A network that took the place of the other."""
        return cloud.neutron.add("networks", id="net-2", subnets=["of-net-2"])


class TestPorts(InterfaceTests):
    def test_they_are_as_before(self, ports):
        found, remarks = ports()
        port = found["first interface"]
        assert port["mac_address"] == "fa:16:3e:00:00:02"
        assert port["fixed_ips"] == [
            {"ip_address": "10.0.0.5", "subnet_id": f"of-{NET}"}
        ]
        assert port["security_groups"] == ["web-id"]
        assert port["allowed_address_pairs"] == [{"ip_address": "10.0.0.99"}]
        assert remarks == ""

    def test_they_are_in_the_order_of_before(self, ports, cloud):
        ports()
        names = [
            cloud.neutron.things["ports"][one["port"]]["name"]
            for one in cloud.nova.asked[-1]["server"]["networks"]
        ]
        assert names == ["first interface", "second interface"]

    def test_they_are_on_what_their_network_became(self, ports, other_network, cloud):
        cloud.neutron.add("security_groups", id="new-web", name="web")
        found, _remarks = ports(
            **{NET: other_network, f"of-{NET}": "of-net-2", "web-id": "new-web"}
        )
        port = found["first interface"]
        assert port["network_id"] == other_network
        assert port["fixed_ips"] == [
            {"ip_address": "10.0.0.5", "subnet_id": "of-net-2"}
        ]
        assert port["security_groups"] == ["new-web"]

    @pytest.mark.parametrize(
        "parameters",
        [{"restore_net_id": "net-2"}, {"restore_networks": {NET: "net-2"}}],
        ids=["restore_net_id", "restore_networks"],
    )
    def test_a_restore_may_choose_the_network(self, ports, other_network, parameters):
        found, _remarks = ports(parameters)
        assert {port["network_id"] for port in found.values()} == {"net-2"}
        # Neutron finds the subnet, or refuses.
        assert found["first interface"]["fixed_ips"] == [{"ip_address": "10.0.0.5"}]

    def test_an_address_that_follows_from_the_mac_is_not_asked_for(
        self, call, new_checkpoint, restore, cloud
    ):
        cloud.neutron.things["networks"][NET]["subnets"].append("of-v6")
        cloud.neutron.add("subnets", id="of-v6", ipv6_address_mode="slaac")
        for port in cloud.neutron.ports_of(cloud.server_id):
            address = {"subnet_id": "of-v6", "ip_address": "fd00::1"}
            port["fixed_ips"].append(address)
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        cloud.lose()
        new_id = restore(checkpoint, new_resources={ROOT: "a", DATA: "b"})
        for port in cloud.neutron.ports_of(new_id):
            assert port["fixed_ips"][1] == {
                "subnet_id": "of-v6",
                "ip_address": "automatic",
            }

    def test_addresses_in_use_give_way(self, ports):
        """The original server is still there."""
        found, remarks = ports(lose=False)
        port = found["first interface"]
        assert port["mac_address"] != "fa:16:3e:00:00:02"
        assert port["fixed_ips"][0]["ip_address"] != "10.0.0.5"
        assert "without the MAC address fa:16:3e:00:00:02" in remarks
        assert "without the address 10.0.0.5" in remarks
        assert "is in use" in remarks

    def test_the_mac_stays_when_only_the_address_is_in_use(self, ports, cloud):
        cloud.lose()
        cloud.neutron.add_port(NET, "10.0.0.5", "fa:16:3e:99:99:99")
        found, remarks = ports()
        assert found["first interface"]["mac_address"] == "fa:16:3e:00:00:02"
        assert "without the address 10.0.0.5" in remarks

    @pytest.mark.parametrize(
        ("field", "status", "text", "what"),
        [
            ("mac_address", 409, "fa:16:3e:00:00:02 is in use.", "the MAC address"),
            ("fixed_ips", 403, "create_port:fixed_ips:subnet_id", "its subnets"),
            ("fixed_ips", 400, "10.0.0.5 is not valid on net-1", "the address"),
            (
                "allowed_address_pairs",
                403,
                "create_port:allowed_address_pairs",
                "pairs",
            ),
            ("qos_policy_id", 404, "QoS policy p-1 could not be found.", "its QoS"),
            ("extra_dhcp_opts", 400, "Invalid extra_dhcp_opts", "its DHCP options"),
            ("binding:vnic_type", 403, "create_port:binding:vnic_type", "VNIC type"),
        ],
    )
    def test_only_what_is_refused_gives_way(
        self, call, new_checkpoint, restore, cloud, resource, field, status, text, what
    ):
        fields = {
            "qos_policy_id": "p-1",
            "extra_dhcp_opts": [{"opt_name": "mtu", "opt_value": "1400"}],
            "binding:vnic_type": "direct",
        }
        for port in cloud.neutron.ports_of(cloud.server_id):
            port.update(fields)
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        cloud.lose()

        def refusal(kind, asked):
            # What an address is refused for is the address, not the subnet.
            sign = "10.0.0.5" if "10.0.0.5" in text else field
            is_asked = "first" in asked.get("description", "") and sign in str(asked)
            return (status, text) if is_asked else None

        record = RestoreRecord(None, {"id": str(uuid.uuid4())})
        cloud.neutron.refusals.append(refusal)
        new_id = restore(
            checkpoint, record=record, new_resources={ROOT: "a", DATA: "b"}
        )
        [port] = [
            one
            for one in cloud.neutron.ports_of(new_id)
            if one["name"] == "first interface"
        ]
        wanted = {
            "mac_address": "fa:16:3e:00:00:02",
            "fixed_ips": [{"ip_address": "10.0.0.5", "subnet_id": f"of-{NET}"}],
            "allowed_address_pairs": [{"ip_address": "10.0.0.99"}],
            **fields,
        }
        other = [name for name in wanted if port.get(name) != wanted[name]]
        assert other == [field]
        assert what in record.resources_reason[f"{resource.type}#{resource.id}"]

    def test_what_a_member_may_not_ask_for_gives_way(self, ports, cloud):
        """As on a network that another project shares."""

        def refusal(kind, asked):
            own = {"mac_address", "fixed_ips", "allowed_address_pairs"}
            return (403, "disallowed by policy") if own & set(asked) else None

        cloud.neutron.refusals.append(refusal)
        found, remarks = ports()
        assert set(found) == {"first interface", "second interface"}
        assert "allowed address pairs" in remarks

    def test_a_port_that_cannot_be_had_at_all_is_an_error(self, ports, cloud):
        cloud.neutron.refusals.append(lambda kind, asked: (409, "the net is full"))
        with pytest.raises(exception.RestoreResourceFailed, match="the net is full"):
            ports()

    def test_a_network_that_is_nowhere_is_named(self, ports, cloud):
        del cloud.neutron.things["networks"][NET]
        with pytest.raises(exception.RestoreResourceFailed, match="restore_networks"):
            ports()

    def test_a_group_is_found_by_its_name_in_another_project(self, ports, cloud):
        cloud.neutron.things["security_groups"].clear()
        cloud.neutron.add("security_groups", id="other-web", name="web")
        found, remarks = ports()
        assert found["first interface"]["security_groups"] == ["other-web"]
        assert "default does not exist here" in remarks

    def test_without_any_of_its_groups_it_gets_the_default(self, ports, cloud):
        del cloud.neutron.things["security_groups"]["web-id"]
        found, remarks = ports()
        assert found["first interface"]["security_groups"] == ["default-id"]
        assert "web does not exist here" in remarks

    def test_a_restore_may_choose_the_groups(self, ports):
        found, _remarks = ports({"restore_security_groups": ["web"]})
        assert {tuple(port["security_groups"]) for port in found.values()} == {
            ("web-id",)
        }

    def test_a_chosen_group_that_is_not_there_is_an_error(self, ports):
        with pytest.raises(exception.RestoreResourceFailed, match="'nowhere'"):
            ports({"restore_security_groups": ["nowhere"]})

    def test_port_security_that_was_off_is(self, call, new_checkpoint, restore, cloud):
        for port in cloud.neutron.ports_of(cloud.server_id):
            port.update(port_security_enabled=False, security_groups=[])
        checkpoint = new_checkpoint()
        call("protect", checkpoint)
        cloud.lose()
        new_id = restore(checkpoint, new_resources={ROOT: "a", DATA: "b"})
        for port in cloud.neutron.ports_of(new_id):
            assert port["port_security_enabled"] is False


class TestFloatingAddresses(InterfaceTests):
    def given(self, ports, cloud):
        """The floating addresses of the port that had one."""
        port = ports["second interface"]
        return [
            one
            for one in cloud.neutron.things["floatingips"].values()
            if one["port_id"] == port["id"]
        ]

    def test_an_unused_one_is_given_again(self, ports, cloud):
        before = set(cloud.neutron.things["floatingips"])
        found, remarks = ports()
        [one] = self.given(found, cloud)
        assert one["id"] in before
        assert (one["fixed_ip_address"], one["description"]) == (
            "10.0.0.4",
            "front door",
        )
        assert remarks == ""

    def test_one_that_was_released_is_asked_for(self, ports, cloud):
        cloud.neutron.things["floatingips"].clear()
        found, remarks = ports()
        [one] = self.given(found, cloud)
        assert one["floating_ip_address"] == "172.24.4.7"
        assert one["description"] == "front door"
        assert remarks == ""

    def test_another_takes_its_place_where_members_cannot_choose(self, ports, cloud):
        cloud.neutron.things["floatingips"].clear()
        cloud.neutron.refusals.append(
            lambda kind, asked: (
                (403, "disallowed") if "floating_ip_address" in asked else None
            )
        )
        found, remarks = ports()
        [one] = self.given(found, cloud)
        assert one["floating_ip_address"] != "172.24.4.7"
        assert one["description"] == ""
        assert f"is {one['floating_ip_address']}, as 172.24.4.7" in remarks

    def test_one_in_use_stays_where_it_is(self, ports, cloud):
        [before] = cloud.neutron.things["floatingips"].values()
        port_id = before["port_id"]
        found, remarks = ports(lose=False)
        assert before["port_id"] == port_id
        assert len(self.given(found, cloud)) == 1
        assert "172.24.4.7 cannot be had" in remarks

    def test_none_at_all_is_a_remark(self, ports, cloud):
        cloud.neutron.things["floatingips"].clear()
        cloud.neutron.refusals.append(
            lambda kind, asked: (
                (409, "Quota exceeded") if kind == "floatingips" else None
            )
        )
        found, remarks = ports()
        assert self.given(found, cloud) == []
        assert "no floating address in the place of 172.24.4.7" in remarks
        assert "Quota exceeded" in remarks

    def test_it_comes_from_the_network_that_the_restore_names(self, ports, cloud):
        cloud.neutron.things["floatingips"].clear()
        cloud.neutron.add("networks", id="public-2", subnets=[])
        found, _remarks = ports({"restore_networks": {EXTERNAL: "public-2"}})
        [one] = self.given(found, cloud)
        assert one["floating_network_id"] == "public-2"

    def test_a_cloud_with_one_external_network_has_no_choice(self, ports, cloud):
        cloud.neutron.things["floatingips"].clear()
        things = cloud.neutron.things["networks"]
        del things[EXTERNAL]
        cloud.neutron.add(
            "networks", id="ext", subnets=[], **{"router:external": "True"}
        )
        found, _remarks = ports()
        [one] = self.given(found, cloud)
        assert one["floating_network_id"] == "ext"
