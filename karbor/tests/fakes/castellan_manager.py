# SPDX-License-Identifier: Apache-2.0
"""castellan's own key manager for tests, with one memory for all who make it."""

from typing import Any, ClassVar

from castellan.tests.unit.key_manager.mock_key_manager import MockKeyManager

BACKEND = f"{__name__}.SharedKeyManager"


class SharedKeyManager(MockKeyManager):
    """As castellan's, but a key outlives the object that stored it, as in a server."""

    shared: ClassVar[dict[str, Any]] = {}

    def __init__(self, configuration: Any = None) -> None:
        super().__init__(configuration)
        self.keys = self.shared
