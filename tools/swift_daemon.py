# SPDX-License-Identifier: Apache-2.0
"""One of Swift's processes, for ``swift_lab.py``: runs where Swift is installed.

swift_daemon.py MODULE CONFIGURATION NAME
"""

import importlib
import pathlib
import sys
import time


class MemoryCache:
    """What Swift's memcache client does, in the memory of its one proxy process.

    tempauth keeps its tokens there. Greenlets of one thread call it, and it never
    yields to another.
    """

    def __init__(self) -> None:
        self._values: dict[str, tuple[float, object]] = {}

    def get(self, key, raise_on_error=False):
        expires, value = self._values.get(key, (0, None))
        return value if expires > time.time() else None

    def set(self, key, value, serialize=True, time=0, **ignored):
        self._values[key] = (_expiry(time), value)

    def delete(self, key, server_key=None):
        self._values.pop(key, None)

    def incr(self, key, delta=1, time=0):
        value = max(0, int(self.get(key) or 0) + delta)
        self.set(key, value, time=time)
        return value

    def decr(self, key, delta=1, time=0):
        return self.incr(key, -delta, time)

    def set_multi(self, mapping, server_key, serialize=True, time=0, **ignored):
        for key, value in mapping.items():
            self.set(key, value, time=time)

    def get_multi(self, keys, server_key):
        return [self.get(key) for key in keys]


def memory_cache(global_conf, **local_conf):
    """A paste filter in place of Swift's own ``cache``."""
    cache = MemoryCache()

    def make(application):
        def call(environ, start_response):
            environ["swift.cache"] = cache
            return application(environ, start_response)

        return call

    return make


def _expiry(seconds: float) -> float:
    # As memcached: a greater number is a point in time.
    if not seconds:
        return float("inf")
    return seconds if seconds > 30 * 24 * 3600 else time.time() + seconds


def main(module: str, configuration: str, name: str) -> None:
    """Be one of Swift's processes until it is killed."""
    from swift.common import utils

    # Swift reads swift.conf while it is imported, from /etc unless told before.
    utils.set_swift_dir(str(pathlib.Path(configuration).parent))
    sys.argv = [name, configuration, "-v"]
    importlib.import_module(module).main()


if __name__ == "__main__":
    main(*sys.argv[1:])
