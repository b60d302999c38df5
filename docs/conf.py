"""Sphinx: `make docs` builds the pages as HTML."""

project = "rustdl"
author = "the rustdl developers"
extensions = ["myst_nb"]
html_theme = "pydata_sphinx_theme"
html_title = "rustdl"
exclude_patterns = ["_build"]
# The guides run in the test suite; building the pages does not run them again.
nb_execution_mode = "off"
myst_heading_anchors = 3
