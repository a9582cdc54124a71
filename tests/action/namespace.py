"""A container's view without an engine: a private mount namespace with GitHub's folders, then the command in it.

Run as `python -I -S namespace.py MOUNTS COMMAND…` by root; MOUNTS is a JSON object of folder → place below /github.
The environment goes through untouched: names with hyphens would not survive a shell. An empty folder /github stays
behind, for a mount needs a place. Not as in a container: the root file system, the network, and process number 1.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

# <linux/sched.h> and <linux/mount.h>
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18


def main() -> None:
    """Make the mounts and become the command."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source: str, target: str, kind: str, flags: int) -> None:
        if libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), None):
            raise OSError(ctypes.get_errno(), f"cannot mount {source} at {target}")

    if libc.unshare(CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "cannot make a mount namespace")
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    os.makedirs("/github", exist_ok=True)  # noqa: PTH103 - pathlib is slow to import, and this runs for every step
    mount("tmpfs", "/github", "tmpfs", 0)
    for source, target in json.loads(sys.argv[1]).items():
        os.makedirs(target, exist_ok=True)  # noqa: PTH103 - see above
        mount(source, target, "none", MS_BIND | MS_REC)
    os.chdir("/github/workspace")
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - there is to be no shell


if __name__ == "__main__":
    main()
