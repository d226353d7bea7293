# SPDX-License-Identifier: Apache-2.0
"""Plugins of a test, installed as a third party's distribution would be."""

import pathlib
from collections.abc import Mapping


def install(
    folder: pathlib.Path,
    entry_points: Mapping[str, Mapping[str, str]],
    name: str = "karbor-test-plugins",
) -> pathlib.Path:
    """Write a distribution's metadata; put the result on ``PYTHONPATH``.

    :param entry_points: ``{group: {name: "module:Class"}}``
    :returns: the folder
    """
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8"
    )
    lines = []
    for group, points in entry_points.items():
        lines.append(f"[{group}]")
        lines.extend(f"{key} = {value}" for key, value in points.items())
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
