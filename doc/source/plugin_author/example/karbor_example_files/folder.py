# SPDX-License-Identifier: Apache-2.0
"""The folder whose files are protected: this example's cloud service.

Each project has a folder of its own below ``[example_files] path``.
"""

import pathlib

from oslo_config import cfg

GROUP = "example_files"

OPTS = [
    cfg.StrOpt("path", help="Folder with one folder of files for each project."),
]


class Folder:
    """One project's files.

    :param conf: for ``[example_files] path``
    :raises OSError: from every method, when the folder cannot be read
    """

    def __init__(self, conf: cfg.ConfigOpts, project_id: str) -> None:
        conf.register_opts(OPTS, group=GROUP)
        base = pathlib.Path(conf[GROUP].path)
        base.stat()
        self.path = base / project_id
        self.path.mkdir(exist_ok=True)

    def names(self) -> list[str]:
        """The files, in order; hidden ones do not count."""
        return sorted(
            entry.name
            for entry in self.path.iterdir()
            if entry.is_file() and not entry.name.startswith(".")
        )
