"""How publish-action itself is released: the logic of `.github/workflows/release.yml`, without anything but Python.

Pure functions, and `git.py` for what needs a repository. `docs/releasing.md` says how they work together.
"""
