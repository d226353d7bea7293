# SPDX-License-Identifier: Apache-2.0
"""Notes of what hooks make."""

import pytest

from karbor import exception
from karbor.services.protection.bank.sections import Bank
from karbor.services.protection.protection_plugins.resumable import (
    Notes,
    delete_notes,
    has_notes,
    noted_restores,
    protect_notes,
    restore_notes,
)
from karbor.tests.fakes.bank import MemoryBankPlugin


@pytest.fixture
def section():
    return Bank(MemoryBankPlugin()).get_sub_section("/checkpoints/c/resource-data/r")


def test_whoever_takes_a_note_again_gets_the_same_token(section):
    first = Notes(section, "restore-1").take("image")
    assert Notes(section, "restore-1").take("image") == first
    assert not first.finished


def test_each_operation_has_its_own_notes(section):
    first = Notes(section, "restore-1").take("image")
    assert Notes(section, "restore-2").find("image") is None
    assert Notes(section, "restore-2").take("image").token != first.token


def test_names_that_begin_alike_are_not_mixed_up(section):
    notes = Notes(section, "restore-1")
    notes.take("image-2")
    assert notes.find("image") is None


def test_a_renewed_note_has_another_token(section):
    notes = Notes(section, "restore-1")
    first = notes.take("image")
    assert notes.renew("image").token != first.token
    assert notes.take("image").token != first.token


def test_a_finished_note_stays_finished(section):
    notes = Notes(section, "restore-1")
    notes.finish(notes.take("image"))
    assert Notes(section, "restore-1").take("image").finished


def test_a_forgotten_note_leaves_nothing(section):
    notes = Notes(section, "restore-1")
    notes.take("image")
    for _twice in range(2):
        notes.forget("image")
    assert section.list_objects() == []


def test_a_note_that_cannot_be_forgotten_is_an_error(section):
    notes = Notes(section, "restore-1")
    notes.take("image")
    plugin = section.bank.plugin

    def refuse(key, context=None):
        raise exception.BankDeleteObjectFailed(key=key, reason="read-only")

    plugin.delete_object = refuse
    with pytest.raises(exception.BankDeleteObjectFailed):
        notes.forget("image")


def test_restores_that_were_cut_off_are_found_by_what_they_noted(section):
    assert not has_notes(section)
    for notes in (protect_notes(section), delete_notes(section)):
        notes.take("thing")
    assert has_notes(section)
    assert noted_restores(section) == []
    tokens = {Notes(section, name).take("volume").token for name in ("r-1", "r-2")}
    found = noted_restores(section)
    assert {notes.find("volume").token for notes in found} == tokens


def test_without_a_record_a_restore_has_notes_of_its_own(section):
    assert restore_notes(section, None).take("volume") == noted_restores(section)[
        0
    ].find("volume")
