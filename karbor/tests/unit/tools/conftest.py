# SPDX-License-Identifier: Apache-2.0
"""What is in ``tools`` is no part of the package: it is found by its folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[4] / "tools"))
