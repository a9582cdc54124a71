"""Archives: what is inside a wheel or sdist, read once and within bounds.

Nothing in an archive is trusted: neither its sizes nor its names, nor that it ends. Everything that is wrong comes out
at once, as notes; an error is raised only where there is no metadata to go on with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from entrypoint.archive import rules
from entrypoint.archive.contents import Contents
from entrypoint.errors import DistributionError
from entrypoint.index import Index

__all__ = ["Contents", "read"]


def read(
    source: BinaryIO, size: int, filename: str, index: Index, wanted: Callable[[], bool] = lambda: True
) -> Contents:
    """Read an archive of `size` bytes as far as rules need it; what is wrong with it depends on who would refuse it.

    The members of a wheel are only unpacked, after all else, if that is `wanted`.

    Raises `DistributionError` when there is no metadata to be had from it, and `OSError` when the file cannot be read.
    """
    source.seek(0)
    try:
        return _read(source, size, filename, index, wanted)
    except DistributionError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # by the file system; `gzip.BadGzipFile` is an OSError too, and has no number
        # zipfile, tarfile and zlib answer broken archives with a dozen kinds of exception.
        raise _broken(filename, f"{type(error).__name__}: {error}") from error


def _read(source: BinaryIO, size: int, filename: str, index: Index, wanted: Callable[[], bool]) -> Contents:
    if filename.endswith(".whl"):
        from entrypoint.archive import wheels  # noqa: PLC0415 - zipfile is not needed where there are only sdists

        return wheels.read(source, size, filename, index, wanted)
    from entrypoint.archive import sdists  # noqa: PLC0415 - tarfile is not needed where there are only wheels

    return sdists.read_zip(source, size, index) if filename.endswith(".zip") else sdists.read_tar(source, size, index)


def _broken(filename: str, seen: str) -> DistributionError:
    archive = "gzipped tar file" if filename.endswith(".tar.gz") else "zip file"
    return DistributionError(
        f"The file is not a readable {archive}",
        f"{seen}.",
        "It may be cut short, or not what its name says. Build it again, and look at how it came here: "
        "uploaded whole, downloaded whole, not stored by Git LFS as a pointer.",
        rule=rules.UNREADABLE.name,
    )
