# SPDX-License-Identifier: Apache-2.0
"""Errors fill their templates, and can be sent and pickled."""

import inspect
import pickle
import re

import pytest

from karbor import exception

CLASSES = [
    value
    for _, value in inspect.getmembers(exception, inspect.isclass)
    if issubclass(value, exception.KarborException)
]


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_template_says_what_it_was_given(cls):
    names = re.findall(r"%\((\w+)\)s", str(cls.message))
    error = cls(**{name: f"<{name}>" for name in names})
    for name in names:
        assert f"<{name}>" in str(error)
    assert 400 <= cls.code < 600


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_survives_pickling(cls):
    error = cls("the words")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is cls
    assert str(again) == "the words"


def test_a_missing_argument_is_a_defect_of_the_raiser():
    with pytest.raises(KeyError):
        exception.CheckpointNotFound()
