# SPDX-License-Identifier: Apache-2.0
"""How fast a stream goes into a filesystem bank and back, next to ``cp``.

``python -m karbor.tests.perf.stream --data random --bytes 1073741824`` prints one
JSON object. A file of the data is made first. Each round copies it with ``cp`` and
``sync``, writes it as a stream (every byte hashed, every object fsynced), copies
the copy back with ``cp`` and ``sync``, reads the stream (every byte checked, and
dropped), and restores it into a file that is fsynced at the end. The rates are MiB of
the file per second, each of its fastest round: what else the machine does makes a
round slower, never faster. ``write_processor_seconds``, over all cores, tells how much
of them a write needs: the stream uses all, ``cp`` one, so what else runs slows the
stream more.
"""

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from oslo_config import cfg

from karbor.services.protection.bank.sections import Bank, BankSection
from karbor.services.protection.bank.streams.options import StreamOptions
from karbor.services.protection.bank_plugins import file_system_bank_plugin

MIB = 1024 * 1024
_BLOCK = 4 * MIB
_PAGE = 4096


def main(arguments: list[str] | None = None) -> None:
    """Run as the command line says, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", choices=sorted(_MAKERS), default="random")
    parser.add_argument("--bytes", type=int, default=1024 * MIB)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chunk-size", type=int, default=StreamOptions.chunk_size)
    parser.add_argument(
        "--max-bytes-in-flight", type=int, default=StreamOptions.max_bytes_in_flight
    )
    parser.add_argument("--threads", type=int, default=StreamOptions.worker_threads)
    parser.add_argument("--zstd-level", type=int, default=StreamOptions.zstd_level)
    parser.add_argument("--folder", help="where to work; the default is TMPDIR")
    options = parser.parse_args(arguments)
    stream_options = StreamOptions(
        chunk_size=options.chunk_size,
        max_bytes_in_flight=options.max_bytes_in_flight,
        worker_threads=options.threads,
        zstd_level=options.zstd_level,
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = measure(
            Path(folder), options.data, options.bytes, options.rounds, stream_options
        )
    print(json.dumps(result))


def measure(
    folder: Path, data: str, size: int, rounds: int, options: StreamOptions
) -> dict[str, object]:
    """What ``main`` prints.

    :param folder: an empty folder on the filesystem to be measured
    :param data: ``random``, ``zero`` or ``compressible``
    :param size: bytes of the stream
    """
    started = time.monotonic()
    original, copy, back = folder / "original", folder / "copy", folder / "back"
    with original.open("wb") as target:
        for block in _MAKERS[data](size):
            target.write(block)
    os.sync()
    bank = Bank(_plugin(folder / "bank"), options)
    processor_seconds: list[float] = []
    steps = ("cp", "write", "cp_back", "read", "restore")
    seconds: dict[str, list[float]] = {step: [] for step in steps}
    stored = chunks = 0
    for number in range(rounds):
        seconds["cp"].append(_timed(lambda: _copy(original, copy)))
        section = bank.get_sub_section(f"/perf/{number}")
        before = time.process_time()
        seconds["write"].append(_timed(lambda: _write(section, original)))  # noqa: B023
        processor_seconds.append(time.process_time() - before)
        seconds["cp_back"].append(_timed(lambda: _copy(copy, back)))
        back.unlink()
        seconds["read"].append(_timed(lambda: _read(section)))  # noqa: B023
        seconds["restore"].append(_timed(lambda: _restore(section, back)))  # noqa: B023
        subprocess.run(["cmp", original, back], check=True)
        with section.open_stream("data") as stream:
            stored, chunks = stream.info.stored_length, stream.info.chunk_count
        back.unlink()
        copy.unlink()
        section.delete_all()
        os.sync()
    rates = {name: size / MIB / min(values) for name, values in seconds.items()}
    return {
        "benchmark": "stream",
        "data": data,
        "bytes": size,
        "rounds": rounds,
        "chunk_size": options.chunk_size,
        "chunks": chunks,
        "stored_bytes": stored,
        "write_mib_per_second": round(rates["write"], 1),
        "write_processor_seconds": round(min(processor_seconds), 2),
        "cp_sync_mib_per_second": round(rates["cp"], 1),
        "write_to_cp_ratio": round(rates["write"] / rates["cp"], 2),
        "read_mib_per_second": round(rates["read"], 1),
        "cp_back_sync_mib_per_second": round(rates["cp_back"], 1),
        "read_to_cp_ratio": round(rates["read"] / rates["cp_back"], 2),
        "restore_mib_per_second": round(rates["restore"], 1),
        "restore_to_cp_ratio": round(rates["restore"] / rates["cp_back"], 2),
        "peak_rss_mib": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1
        ),
        "cpus": os.cpu_count(),
        "seconds": round(time.monotonic() - started, 2),
    }


def _random(size: int) -> Iterator[bytes]:
    for block in _blocks(size):
        yield os.urandom(block)


def _zero(size: int) -> Iterator[bytes]:
    for block in _blocks(size):
        yield bytes(block)


def _compressible(size: int) -> Iterator[bytes]:
    """Pages half random, half fill, as fio makes with buffer_compress_percentage=50."""
    half = _PAGE // 2
    for block in _blocks(size):
        noise = memoryview(os.urandom(block // 2 + half))
        text = b"".join(
            part
            for start in range(0, block // 2, half)
            for part in (noise[start : start + half], b"\x55" * half)
        )
        yield text[:block].ljust(block, b"\x55")


def _blocks(size: int) -> Iterator[int]:
    for start in range(0, size, _BLOCK):
        yield min(_BLOCK, size - start)


_MAKERS: dict[str, Callable[[int], Iterator[bytes]]] = {
    "random": _random,
    "zero": _zero,
    "compressible": _compressible,
}


def _plugin(path: Path) -> file_system_bank_plugin.FileSystemBankPlugin:
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[])
    file_system_bank_plugin.register_opts(conf)
    conf.set_override("file_system_bank_path", str(path), file_system_bank_plugin.GROUP)
    return file_system_bank_plugin.FileSystemBankPlugin(conf)


def _timed(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--reflink=never", source, target], check=True)
    subprocess.run(["sync", target], check=True)


def _write(section: BankSection, source: Path) -> None:
    with source.open("rb", buffering=0) as reader:
        section.write_stream("data", reader)


def _read(section: BankSection) -> None:
    """Every byte out of the bank, checked, and handed to somebody who drops it."""
    with section.open_stream("data") as stream:
        for _ in stream:
            pass


def _restore(section: BankSection, target: Path) -> None:
    """The same into a file, which is then synchronised, as ``cp`` and ``sync`` do."""
    with section.open_stream("data") as stream, target.open("wb", buffering=0) as file:
        stream.write_to(file)


if __name__ == "__main__":
    main()
