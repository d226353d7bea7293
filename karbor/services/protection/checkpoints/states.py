# SPDX-License-Identifier: Apache-2.0
"""The states of a checkpoint, and which may follow which."""

from karbor.common import constants

PROTECTING = constants.CHECKPOINT_STATUS_PROTECTING
WAIT_COPYING = constants.CHECKPOINT_STATUS_WAIT_COPYING
COPYING = constants.CHECKPOINT_STATUS_COPYING
AVAILABLE = constants.CHECKPOINT_STATUS_AVAILABLE
ERROR = constants.CHECKPOINT_STATUS_ERROR
DELETING = constants.CHECKPOINT_STATUS_DELETING
DELETED = constants.CHECKPOINT_STATUS_DELETED
ERROR_DELETING = constants.CHECKPOINT_STATUS_ERROR_DELETING

#: What a new checkpoint may begin as.
INITIAL = frozenset({PROTECTING, WAIT_COPYING, COPYING})

#: An owner works on the checkpoint; nobody else changes it while the owner lives.
WORKING = frozenset({PROTECTING, WAIT_COPYING, COPYING, DELETING})

#: ``wait_copying -> error`` is for a copy that ends before it could begin.
TRANSITIONS = {
    PROTECTING: frozenset({AVAILABLE, ERROR}),
    WAIT_COPYING: frozenset({COPYING, ERROR}),
    COPYING: frozenset({AVAILABLE, ERROR}),
    AVAILABLE: frozenset({DELETING}),
    ERROR: frozenset({DELETING}),
    DELETING: frozenset({DELETED, ERROR_DELETING}),
    ERROR_DELETING: frozenset({DELETING}),
    DELETED: frozenset[str](),
}

#: What an operator may set by hand.
RESET_TARGETS = frozenset({AVAILABLE, ERROR})

#: What an operator may set, from which state. A checkpoint whose deletion has
#: begun has lost data, so it can only be deleted again.
RESETS = {
    AVAILABLE: RESET_TARGETS,
    ERROR: RESET_TARGETS,
    PROTECTING: frozenset({ERROR}),
    WAIT_COPYING: frozenset({ERROR}),
    COPYING: frozenset({ERROR}),
}


def may_become(status: str, target: str) -> bool:
    """Whether the table has this transition."""
    return target in TRANSITIONS.get(status, ())


def abandoned(status: str) -> str:
    """What a working state ends in when its owner is gone."""
    return ERROR_DELETING if status == DELETING else ERROR
