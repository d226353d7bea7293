# SPDX-License-Identifier: Apache-2.0
"""Configuration of the documentation's builder."""

from importlib import metadata

project = "Karbor"
copyright = "The Karbor contributors"
version = release = metadata.version("karbor")
extensions = ["sphinx.ext.autodoc", "reno.sphinxext"]
html_theme = "alabaster"
exclude_patterns = ["plugin_author/example"]
nitpicky = False
autodoc_member_order = "bysource"
