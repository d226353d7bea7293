# SPDX-License-Identifier: Apache-2.0
"""Damaged chunk objects are marked, and the marks are found again."""

import datetime

import pytest

from karbor import exception
from karbor.services.protection.bank import sealing
from karbor.services.protection.bank.chunks import damaged, names
from karbor.services.protection.bank.sections import Bank
from karbor.tests.fakes.file_system_bank import file_system_bank

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
ONE, OTHER = (names.make(digit * 64, 4096) for digit in "ab")


@pytest.fixture
def bank(tmp_path):
    return Bank(file_system_bank(tmp_path / "bank"))


@pytest.fixture
def space(bank):
    return bank.get_sub_section("chunks/project-1")


def test_marks_are_found_until_they_are_cleared(space):
    assert damaged.load(space) == frozenset()
    damaged.mark(space, OTHER, "two bits are flipped", NOW)
    damaged.mark(space, ONE, "it is cut", NOW)
    damaged.mark(space, ONE, "it is cut", NOW)
    assert damaged.load(space) == {ONE, OTHER}
    assert list(damaged.marked(space)) == [ONE, OTHER]
    damaged.clear(space, ONE)
    damaged.clear(space, ONE)
    assert damaged.load(space) == {OTHER}


def test_a_mark_concerns_one_project(bank, space):
    damaged.mark(space, ONE, "it is cut", NOW)
    assert damaged.load(bank.get_sub_section("chunks/project-10")) == frozenset()


def test_a_mark_says_why_and_is_sealed(space):
    damaged.mark(space, ONE, "it is cut", NOW)
    value = space.get_object(f"damaged/{ONE}")
    assert value["reason"] == "it is cut"
    assert value["found_at"] == "2026-01-02T03:04:05+00:00"
    damaged.check(space, ONE)
    space.update_object(f"damaged/{ONE}", {**value, "reason": "none"})
    with pytest.raises(sealing.SealBroken):
        damaged.check(space, ONE)
    space.update_object(f"damaged/{OTHER}", value)
    with pytest.raises(sealing.SealBroken, match="it is the mark of"):
        damaged.check(space, OTHER)
    assert damaged.load(space) == {ONE, OTHER}


def test_what_is_no_name_of_a_chunk_is_not_marked(space):
    with pytest.raises(names.NameInvalid):
        damaged.mark(space, "../../elsewhere", "", NOW)


def test_a_mark_that_stays_is_an_error(bank, monkeypatch, space):
    damaged.mark(space, ONE, "it is cut", NOW)

    def refuse(key, context=None):
        raise exception.BankDeleteObjectFailed(key=key, reason="read-only")

    monkeypatch.setattr(bank.plugin, "delete_object", refuse)
    with pytest.raises(exception.BankDeleteObjectFailed):
        damaged.clear(space, ONE)
