# SPDX-License-Identifier: Apache-2.0
"""Checkpoints, their states and their listings.

The parts are in :mod:`karbor.services.protection.checkpoints`; the design is in
``doc/source/contributor/checkpoints.rst``.
"""

from karbor.services.protection.checkpoints.checkpoint import Checkpoint
from karbor.services.protection.checkpoints.collection import CheckpointCollection

__all__ = ["Checkpoint", "CheckpointCollection"]
