# SPDX-License-Identifier: Apache-2.0
"""How data streams are cut, compressed and kept in flight."""

import dataclasses

from oslo_config import cfg

from karbor import exception

GROUP = "bank_streams"
MIB = 1024 * 1024
MAX_CHUNK_SIZE = 512 * MIB

OPTS = [
    cfg.IntOpt(
        "chunk_size",
        default=4 * MIB,
        min=64 * 1024,
        max=MAX_CHUNK_SIZE,
        help="Size in bytes of the chunks that a data stream is cut into. Each "
        "chunk is one object of the bank. Larger chunks make fewer objects and "
        "shorter manifests, and need more memory. Streams that are already in the "
        "bank keep the size they were written with.",
    ),
    cfg.IntOpt(
        "max_bytes_in_flight",
        default=32 * MIB,
        min=64 * 1024,
        help="Most bytes of one data stream that are held in memory, in buffers of "
        "chunk_size bytes each; at least chunk_size. Raise it for a bank with a long "
        "way to it; every stream that is written or read at the same time needs as "
        "much, so the service needs up to this times max_parallel_hooks.",
    ),
    cfg.IntOpt(
        "worker_threads",
        default=4,
        min=1,
        max=64,
        help="Threads of one data stream that hash, compress and put chunks, or get "
        "and check them. Raise it for a bank with a long way to it.",
    ),
    cfg.IntOpt(
        "zstd_level",
        default=1,
        min=1,
        max=19,
        help="Zstandard level of the compression of chunks. 1 is the fastest; higher "
        "levels need more processor time and make compressible data smaller.",
    ),
]


@dataclasses.dataclass(frozen=True)
class StreamOptions:
    """The same values, without a configuration.

    :param chunk_size: bytes
    :param max_bytes_in_flight: bytes; at least ``chunk_size``
    :param worker_threads: threads per stream, besides the caller's and one that
        hashes the whole
    :param zstd_level: 1 to 19
    :param inline_limit: bytes; what is not longer when stored is no object of its own
    :raises InvalidInput: when the values do not go together
    """

    chunk_size: int = 4 * MIB
    max_bytes_in_flight: int = 32 * MIB
    worker_threads: int = 4
    zstd_level: int = 1
    inline_limit: int = 4096

    def __post_init__(self) -> None:
        if not 1 <= self.chunk_size <= MAX_CHUNK_SIZE:
            raise exception.InvalidInput(
                reason=f"option [{GROUP}]/chunk_size is {self.chunk_size}; it must "
                f"be from 1 to {MAX_CHUNK_SIZE} bytes"
            )
        if self.max_bytes_in_flight < self.chunk_size:
            raise exception.InvalidInput(
                reason=f"option [{GROUP}]/max_bytes_in_flight is "
                f"{self.max_bytes_in_flight}; it must be at least chunk_size, which "
                f"is {self.chunk_size}"
            )
        if self.worker_threads < 1:
            raise exception.InvalidInput(
                reason=f"option [{GROUP}]/worker_threads is {self.worker_threads}; "
                "it must be 1 or more"
            )

    @property
    def chunks_in_flight(self) -> int:
        """How many chunks may be in memory at once."""
        return self.max_bytes_in_flight // self.chunk_size

    @classmethod
    def from_conf(cls, conf: cfg.ConfigOpts) -> "StreamOptions":
        """The values of a configuration's group ``bank_streams``."""
        register_opts(conf)
        group = conf[GROUP]
        return cls(
            chunk_size=group.chunk_size,
            max_bytes_in_flight=group.max_bytes_in_flight,
            worker_threads=group.worker_threads,
            zstd_level=group.zstd_level,
        )


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Make a configuration know the group ``bank_streams``."""
    conf.register_opts(OPTS, group=GROUP)
