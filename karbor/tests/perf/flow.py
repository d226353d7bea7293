# SPDX-License-Identifier: Apache-2.0
"""How long an operation over many resources takes, and how much memory.

``python -m karbor.tests.perf.flow --shape star --size 1000`` protects a graph of that
shape, of resources that have all four hooks and do nothing in them, with a bank and
records in memory, and prints one JSON object. Everything else is as in the service:
the graph is discovered and saved, the flow is built, taskflow runs it in the shared
pool of threads, the checkpoint is committed.

``seconds`` is from asking for the operation to its end, ``peak_rss_mib`` the largest
resident memory of the process, libraries and all.
"""

import argparse
import json
import resource
import sys
import time

from karbor.services.protection.protection_plugin import HOOKS
from karbor.services.protection.protection_plugins.noop_plugin import (
    NoopProtectionPlugin,
)
from karbor.tests.fakes.operations import World

#: As by default in the service.
WORKERS = 16


def star(size):
    """One resource that depends on all others; ``size`` in all."""
    return {0: range(1, size), **dict.fromkeys(range(1, size), ())}


def chain(size):
    """Each resource depends on the next; ``size`` in all."""
    return {number: range(number + 1, min(number + 2, size)) for number in range(size)}


def ladder(size):
    """``size`` layers of two, each of the two depending on both of the next layer."""
    last = 2 * (size - 1)
    return {
        number: ()
        if number >= last
        else range(number - number % 2 + 2, number - number % 2 + 4)
        for number in range(2 * size)
    }


SHAPES = {"star": star, "chain": chain, "ladder": ladder}


def measure(shape, size):
    """Protect one graph; gives what is printed."""
    children = SHAPES[shape](size)
    roots = (0, 1) if shape == "ladder" and size else (0,)
    world = World(children, NoopProtectionPlugin(), workers=WORKERS)
    try:
        began = time.perf_counter()
        inputs, succeeded, checkpoint = world.protect(roots)
        seconds = time.perf_counter() - began
    finally:
        world.close()
    hooks = world.log_of(inputs)["extra_info"]["progress"]["hooks_done"]
    if not succeeded or hooks != len(HOOKS) * len(children):
        raise RuntimeError(f"{checkpoint.status}: {checkpoint.status_reason}")
    return {
        "benchmark": "flow",
        "shape": shape,
        "size": size,
        "resources": len(children),
        "tasks": hooks,
        "seconds": round(seconds, 3),
        "peak_rss_mib": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1
        ),
    }


def main(arguments=None):
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="star")
    parser.add_argument("--size", type=int, default=1000)
    options = parser.parse_args(arguments)
    print(json.dumps(measure(options.shape, options.size)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
