"""Attestation files that lie beside distributions: `<distribution>.publish.attestation` and the like.

Each holds one PEP 740 object, not a Sigstore bundle. They are never written, and never a reason to fail by themselves.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from entrypoint.distribution import ATTESTATION, Distribution, Found
from entrypoint.errors import DistributionError, Note, PublishError

PUBLISH = f".publish{ATTESTATION}"

LIMIT = 2**20
"""Bytes. Real ones have about ten thousand."""


def paired(files: Iterable[Path], found: Sequence[Found]) -> tuple[dict[Path, list[Path]], list[Path]]:
    """Find the attestations of each distribution in its folder; and those that belong to none."""
    distributions = {each.path for each in found}
    pairs: dict[Path, list[Path]] = {}
    orphans = []
    for file in files:
        owner = file.parent / file.name.removesuffix(ATTESTATION).rpartition(".")[0]
        if owner in distributions:
            pairs.setdefault(owner, []).append(file)
        else:
            orphans.append(file)
    return pairs, orphans


def remarks(orphans: Sequence[Path], unused: Sequence[Path]) -> Iterator[Note]:
    """Yield notices about files that are not sent."""
    if orphans:
        yield Note(
            "notice",
            "Attestations without a distribution",
            f"Not sent: {_listed(orphans)}. The name of an attestation is that of its distribution, with the type and "
            f"`{ATTESTATION}` behind it, in the same folder.",
        )
    if unused:
        yield Note("notice", "Attestations are not sent", f"This run sends none, and leaves out {_listed(unused)}.")


def text(path: Path) -> str:
    """Read an attestation. Raises `DistributionError` when it cannot be one."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DistributionError("", "it is no file.", "")
        if status.st_size > LIMIT:
            raise DistributionError("", f"it is longer than {LIMIT // 2**20} MiB.", "")
        return path.read_bytes().decode()
    except OSError as error:
        raise DistributionError("", f"it cannot be read: {error.strerror}.", "") from error
    except UnicodeDecodeError as error:
        raise DistributionError("", "it is no text in UTF-8.", "") from error


def ours(path: Path) -> bool:
    """Tell whether it is of the kind that is made here anyway."""
    return path.name.endswith(PUBLISH)


def twice(predicate: str) -> DistributionError:
    """Say that there are two of a kind."""
    return DistributionError("", f"there is another one of its kind ({predicate}).", "")


def unusable_and_required(path: Path, error: PublishError) -> DistributionError:
    """Say that an attestation that was given cannot be sent, and that nothing is sent without."""
    return DistributionError(
        "An attestation is not usable",
        f"{path.name}: {error.detail}",
        "Remove it before the step, or make it anew for this very file. `attestations: true` sends the file without.",
    )


def unusable(path: Path, distribution: Distribution, error: PublishError) -> Note:
    """Say why an attestation that was given is not used."""
    instead = "A new one is signed instead." if ours(path) else "The file is sent without it."
    tip = "Remove it before the step, or make it anew for this very file."
    detail = f"{path.name}: {error.detail} {instead}"
    return Note("warning", "An attestation is not usable", detail, distribution.found.shown, tip)


def _listed(paths: Sequence[Path]) -> str:
    names = sorted(path.name for path in paths)
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")  # noqa: PLR2004 - shown
