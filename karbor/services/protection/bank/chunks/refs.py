# SPDX-License-Identifier: Apache-2.0
"""How a page or a manifest names a chunk."""

import base64
import binascii
import dataclasses
from typing import Any

from karbor.services.protection.bank.chunks import names


class RefError(ValueError):
    """What should name a chunk does not; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class ChunkRef:
    """One chunk: what it holds, and where that is.

    A chunk of zeros is nowhere, a small one is in the reference itself, any other is
    an object.

    :param digest: hex, of its bytes before they were compressed and encrypted
    :param length: bytes, likewise
    :param name: of its object in the chunk space
    :param inline: what would be the object's bytes
    """

    digest: str
    length: int
    name: str | None = None
    inline: bytes | None = None

    @property
    def is_zero(self) -> bool:
        """Whether all bytes are zero and none is kept."""
        return self.name is None and self.inline is None

    @property
    def stored_length(self) -> int:
        """Bytes that are kept in the bank."""
        if self.name is not None:
            return names.parse(self.name).stored_length
        return len(self.inline or b"")

    def to_json(self) -> dict[str, Any]:
        """As it is written in the bank."""
        value: dict[str, Any] = {"digest": self.digest, "length": self.length}
        if self.name is not None:
            value["object"] = self.name.removeprefix(self.digest)
        elif self.inline is not None:
            value["inline"] = base64.b64encode(self.inline).decode("ascii")
        else:
            value["zero"] = True
        return value

    @classmethod
    def from_json(cls, value: Any) -> "ChunkRef":
        """As it was written in the bank.

        :raises RefError: when it was not
        """
        try:
            digest, length = value["digest"], value["length"]
            if not isinstance(digest, str) or type(length) is not int or length < 0:
                raise RefError(f"a chunk's digest or length is mistyped: {value!r:.80}")
            if value.get("zero") is True:
                return cls(digest, length)
            if "inline" in value:
                inline = base64.b64decode(value["inline"], validate=True)
                # Only one text stands for these bytes, so any change is a change.
                if base64.b64encode(inline).decode("ascii") != value["inline"]:
                    raise RefError("a chunk's bytes are not as they were written")
                return cls(digest, length, inline=inline)
            name = digest + value["object"]
            names.parse(name)
            return cls(digest, length, name=name)
        except (AttributeError, KeyError, TypeError) as error:
            raise RefError(f"a chunk lacks or mistypes {error}") from error
        except (names.NameInvalid, binascii.Error) as error:
            raise RefError(f"a chunk's object is mistyped: {error}") from error
