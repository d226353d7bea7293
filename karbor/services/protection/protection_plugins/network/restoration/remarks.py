# SPDX-License-Identifier: Apache-2.0
"""What a person should know about a restore that went well."""


class Remarks:
    """Sentences, each once, in the order in which they came up."""

    def __init__(self, earlier: str = "") -> None:
        self._sentences = dict.fromkeys([earlier] if earlier else [])

    def add(self, sentence: str) -> None:
        """Say something, with or without a full stop."""
        text = sentence.rstrip(".") + "."
        if not any(text in earlier for earlier in self._sentences):
            self._sentences[text] = None

    def __str__(self) -> str:
        return " ".join(self._sentences)
