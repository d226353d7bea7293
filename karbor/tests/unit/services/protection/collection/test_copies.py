# SPDX-License-Identifier: Apache-2.0
"""Copies and collections in one bank: what a dead copy has moved is not collected."""

import pytest

from karbor.services.protection.bank.streams import manifest
from karbor.services.protection.checkpoints import states
from karbor.services.protection.graph import ResourceGraph
from karbor.tests.unit.services.protection.collection.house import (
    House,
    StrongBank,
    data,
)

PAGE = 4
CONTENTS = range(3 * PAGE)


class Killed(BaseException):
    """The process died here."""


class DyingBank(StrongBank):
    """Dies at a put of a chunk."""

    def __init__(self, puts_left=None, **kwargs):
        super().__init__(**kwargs)
        self.puts_left = puts_left

    def update_object(self, key, value, context=None):
        if "/data/" in key and self.puts_left is not None:
            if not self.puts_left:
                raise Killed
            self.puts_left -= 1
        super().update_object(key, value, context)


@pytest.fixture(autouse=True)
def short_pages(monkeypatch):
    monkeypatch.setattr(manifest, "PAGE_CHUNKS", PAGE)


def begin_copy(house):
    plan = {"id": "plan", "name": "n", "resources": []}
    return house.checkpoints.create(
        plan, provider_id="prov", project_id="p1", status=states.COPYING
    )


def fill(copy, source):
    section = source.get_resource_bank_section("r1", is_writable=False)
    section.copy_to(copy.get_resource_bank_section("r1"))


def test_a_copy_goes_on_after_a_collection_with_what_a_dead_one_has_moved():
    source = House().protect(CONTENTS)
    plugin = DyingBank(puts_left=2 * PAGE + 1, owner_id="killed")
    killed = House(plugin)
    dead_copy = begin_copy(killed)
    with pytest.raises(Killed):
        fill(dead_copy, source)

    # While its owner lives, nothing that it may rely on is collected.
    living = House(StrongBank(owner_id="living", shared=plugin))
    assert not living.collector().run().is_done
    assert len(living.chunks()) == 2 * PAGE + 1
    plugin.dead_owners.add("killed")
    living.store.abandon(dead_copy.id, "killed", "it died")
    assert living.collector().run().is_done
    moved = set(living.chunks())
    assert len(moved) == 2 * PAGE

    copy = begin_copy(living)
    fill(copy, source)
    copy.save_graph(ResourceGraph((), ()))
    copy.transition(states.AVAILABLE)
    assert moved < set(living.chunks())
    assert len(living.chunks()) == len(CONTENTS)

    living.delete(dead_copy)
    assert living.collector().run().is_done
    assert living.read(copy) == data(CONTENTS)
    living.delete(copy)
    assert living.collector().run().is_done
    assert not living.rest()
