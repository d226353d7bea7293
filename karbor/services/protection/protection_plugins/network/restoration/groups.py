# SPDX-License-Identifier: Apache-2.0
"""Restoring security groups, which networks of a restore share."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from karbor import exception
from karbor.i18n import _
from karbor.services.protection.clients.faults import ServiceFailed
from karbor.services.protection.clients.neutron_networks import (
    DEFAULT_GROUP,
    OWNER,
    Kind,
    is_over_quota,
)
from karbor.services.protection.protection_plugins.network.restoration.target import (
    Target,
)
from karbor.services.protection.protection_plugins.network.topology import (
    Thing,
    Topology,
    is_default_group,
    title,
)
from karbor.services.protection.protection_plugins.wishes import (
    Wish,
)

#: What tells one rule of a group from another.
_RULE_FIELDS = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "remote_address_group_id",
)
_EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})

_Key = tuple[Any, ...]


def restore_groups(target: Target, topology: Topology) -> None:
    """See to it that there is a group for each that ports of the networks are in.

    Runs alone in its restore. A group that is still there stays as it is. A default
    group becomes the target project's, which gets the rules that it lacks.

    :raises ServiceFailed: when Neutron refuses something
    """
    left = [one for one in topology.security_groups if one["id"] not in target.new_ids]
    found = target.find(Kind.SECURITY_GROUP, left)
    own_default = [
        one
        for one in left
        if is_default_group(one) and topology.owns(one) and one["id"] not in found
    ]
    if own_default:
        default = _default_group(target)
        found.update((one["id"], default) for one in own_default)
    for group in left:
        if group["id"] not in found:
            found[group["id"]] = _make(target, topology, group)
    ids = {name: thing["id"] for name, thing in found.items()}
    rules = _Rules(target, topology, {**target.new_ids, **ids})
    for group in left:
        thing = found[group["id"]]
        if target.is_made(thing):
            rules.make_equal(group, thing)
        elif thing["id"] != group["id"]:
            rules.complete(group, thing)
    target.new_ids.update(ids)


def _make(target: Target, topology: Topology, group: Thing) -> Thing:
    name = group["name"]
    if not topology.owns(group):
        if is_default_group(group):
            # Nobody may have a second one of that name.
            name = f"{name} of {group[OWNER]}"
        target.remarks.add(
            _(
                "The security group %s was another project's, and is no longer shared; "
                "the project now has one of its own"
            )
            % title(group)
        )
    wanted = []
    if group.get("stateful") is False:
        wanted.append(Wish("being stateless", {"stateful": False}))
    return target.make(Kind.SECURITY_GROUP, group, {"name": name}, wanted)


def _default_group(target: Target) -> Thing:
    """The target project's; Neutron makes it when somebody asks for it."""
    mine = {OWNER: target.project_id}
    found = target.neutron.list(Kind.SECURITY_GROUP, name=DEFAULT_GROUP, **mine)
    if not found:
        raise exception.InvalidParameterValue(
            err=_(
                "Neutron shows no security group '%(name)s' of project %(project)s, "
                "which every project has. Let the restore's user see it."
            )
            % {"name": DEFAULT_GROUP, "project": target.project_id}
        )
    return found[0]


class _Rules:
    """The rules of groups, with what they refer to as it is in the target.

    :param ids: of groups, by the original ids
    """

    def __init__(
        self, target: Target, topology: Topology, ids: Mapping[str, str]
    ) -> None:
        self._target = target
        self._ids = ids
        self._address_groups = {one["id"]: one for one in topology.address_groups}
        self._there = target.neutron.by_ids(Kind.ADDRESS_GROUP, self._address_groups)

    def make_equal(self, original: Thing, group: Thing) -> None:
        """Give a group that was made just the rules that the original had."""
        wanted = self._wanted(original)
        there = _by_key(self._rules_of(group["id"]))
        for key, rule in there.items():
            # Neutron gives each new group some.
            if key not in wanted:
                self._target.neutron.delete(Kind.RULE, rule["id"])
        missing = {key: wanted[key] for key in wanted if key not in there}
        self._create(group["id"], missing.values())

    def complete(self, original: Thing, group: Thing) -> None:
        """Add what the project's own default group lacks, marked for a revert."""
        there = _by_key(self._rules_of(group["id"]))
        mark = self._target.marks.mark_description
        missing = [
            {**rule, "description": mark(rule["description"])}
            for key, rule in self._wanted(original).items()
            if key not in there
        ]
        if not missing:
            return
        self._create(group["id"], missing)
        self._target.remarks.add(
            _(
                "The project's own security group '%(name)s' (%(id)s) stands for that "
                "of project %(project)s, and got %(count)d rules that it lacked"
            )
            % {
                "name": group["name"],
                "id": group["id"],
                "project": original[OWNER],
                "count": len(missing),
            }
        )

    def _rules_of(self, group_id: str) -> list[Thing]:
        return self._target.neutron.list(Kind.RULE, security_group_id=group_id)

    def _create(self, group_id: str, rules: Iterable[Thing]) -> None:
        made = [{**rule, "security_group_id": group_id} for rule in rules]
        if not made:
            return
        neutron = self._target.neutron
        try:
            neutron.create_many(Kind.RULE, made)
        except ServiceFailed as error:
            if not error.is_conflict or is_over_quota(error):
                raise
            # Some rule is there, in another spelling.
            for rule in made:
                self._create_one(rule)

    def _create_one(self, rule: Thing) -> None:
        try:
            self._target.neutron.create(Kind.RULE, rule)
        except ServiceFailed as error:
            if not error.is_conflict or is_over_quota(error):
                raise

    def _wanted(self, group: Thing) -> dict[_Key, Thing]:
        rules = (
            new for rule in group["security_group_rules"] for new in self._new(rule)
        )
        return _by_key(rules)

    def _new(self, rule: Thing) -> Iterator[Thing]:
        """A rule as the target has it; none or several where it meant addresses."""
        new = {name: rule.get(name) for name in _RULE_FIELDS}
        new["description"] = rule.get("description") or ""
        remote = rule.get("remote_group_id")
        addresses = rule.get("remote_address_group_id")
        if remote is not None:
            found = self._ids.get(remote)
            if found is None:
                self._leave_out(rule, Kind.SECURITY_GROUP, remote)
                return
            new["remote_group_id"] = found
        elif addresses is not None and addresses not in self._there:
            group = self._address_groups.get(addresses)
            if group is None:
                self._leave_out(rule, Kind.ADDRESS_GROUP, addresses)
                return
            self._target.remarks.add(
                _(
                    "The address group %s is not there; the rules that referred to it "
                    "name its addresses"
                )
                % title(group)
            )
            for prefix in group["addresses"]:
                if (":" in prefix) == (rule["ethertype"] == "IPv6"):
                    yield {
                        **new,
                        "remote_address_group_id": None,
                        "remote_ip_prefix": prefix,
                    }
            return
        yield new

    def _leave_out(self, rule: Thing, kind: Kind, name: str) -> None:
        self._target.remarks.add(
            _(
                "A rule of security group %(group)s was left out: its remote %(kind)s "
                "%(id)s was not visible when it was protected"
            )
            % {"group": rule["security_group_id"], "kind": kind.label, "id": name}
        )


def _by_key(rules: Iterable[Thing]) -> dict[_Key, Thing]:
    return {_key(rule): rule for rule in rules}


def _key(rule: Mapping[str, Any]) -> _Key:
    return tuple(_normal(name, rule.get(name)) for name in _RULE_FIELDS)


def _normal(name: str, value: Any) -> Any:
    """Neutron means the same by several spellings."""
    if name == "protocol" and value is not None:
        text = str(value).lower()
        return None if text == "any" else text
    if name == "remote_ip_prefix" and value in _EVERYWHERE:
        return None
    return value
