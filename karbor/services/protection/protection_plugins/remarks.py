# SPDX-License-Identifier: Apache-2.0
"""What a person should know about a restore or verification that went well."""

from typing import Any, Self

from karbor.common import constants
from karbor.resource import Resource


class Remarks:
    """Sentences about one resource, each once, in the order in which they came up."""

    def __init__(self, earlier: str = "") -> None:
        self._sentences = dict.fromkeys([earlier] if earlier else [])

    @classmethod
    def of(cls, record: Any, resource: Resource) -> Self:
        """Beginning with what earlier hooks, and earlier runs of them, have remarked.

        :param record: the ``restore`` of a hook's kwargs; None outside an operation
        """
        if record is None:
            return cls()
        status = record.resource_status(resource.type, resource.id)
        if status == constants.RESOURCE_STATUS_ERROR:
            return cls()
        reasons = record.resources_reason
        return cls(str(reasons.get(f"{resource.type}#{resource.id}") or ""))

    def add(self, sentence: str) -> None:
        """Say something, with or without a full stop."""
        text = sentence.rstrip(".") + "."
        if not any(text in earlier for earlier in self._sentences):
            self._sentences[text] = None

    def __str__(self) -> str:
        return " ".join(self._sentences)
