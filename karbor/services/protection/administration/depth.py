# SPDX-License-Identifier: Apache-2.0
"""How deep a check goes: as deep as a verification can."""

from karbor.services.protection.bank.depth import Depth, Level

__all__ = ["Depth", "Level"]
