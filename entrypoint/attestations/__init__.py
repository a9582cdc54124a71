"""Attestations: statements, signed and logged in public, that a workflow has published a file (PEP 740).

They are made and verified before anything is sent, in memory, and must never break a release: where one cannot be had,
the release goes on without and says so, unless the user asked for a stop (`attestations: required`).
"""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from entrypoint.attestations import given, policy
from entrypoint.attestations.policy import NONE, Decision, decide, shortcoming
from entrypoint.credentials import Context, ambient, github
from entrypoint.distribution import Attested, Collection, Distribution
from entrypoint.errors import InputError, Note, PublishError
from entrypoint.plan import files_shown
from entrypoint.threads import both, side_by_side

if TYPE_CHECKING:
    from entrypoint.attestations.signing import Signed, Sigstore

SIGNERS = 8
"""Files that are signed side by side: a log takes some tenths of a second for each."""


class Attesting(NamedTuple):
    """Whether and how files are attested, as decided before anything is asked."""

    context: Context
    decision: Decision = NONE
    refusal: PublishError | None = None
    """Why nothing can be published: attestations are required, and cannot be had."""
    notes: tuple[Note, ...] = ()
    beside: Mapping[Path, Sequence[Path]] = {}
    """Attestation files of each distribution."""
    trust_config: str | None = None
    id_token: Callable[[str], str] | None = None

    def attest(self, distributions: Sequence[Distribution]) -> tuple[dict[Path, Attested], list[Note]]:
        """Attest all files, or none. Raises `PublishError` where attestations are required and cannot be had."""
        if not (self.decision.sign and distributions):
            return {}, []
        over = threading.Event()
        notes: list[Note] = []
        try:
            answers, _ = both(lambda: self._all(distributions, over, notes), lambda: _in_time(over))
        except PublishError as error:
            return {}, [*notes, shortcoming(self.decision, error)]
        except Exception as error:  # noqa: BLE001 - whatever it is, no release fails for it unless that is asked for
            return {}, [*notes, shortcoming(self.decision, policy.broken(error))]
        finally:
            over.set()
        attested = {each.found.path: one for each, (one, _) in zip(distributions, answers, strict=True)}
        self._say(list(attested.values()))
        return attested, [*notes, *(note for _, said in answers for note in said)]

    def _all(
        self, distributions: Sequence[Distribution], over: threading.Event, notes: list[Note]
    ) -> list[tuple[Attested, list[Note]]]:
        from entrypoint.attestations.signing import Sigstore  # noqa: PLC0415 - half a second: see `choose`

        if self.id_token is None:
            raise AssertionError  # nobody decides to sign without
        sigstore = Sigstore(self.context.exchange, self.id_token, self.trust_config, over)
        try:
            return side_by_side(partial(self._of, sigstore), distributions, SIGNERS)
        finally:
            notes += sigstore.notes
            over.set()

    def _say(self, attested: Sequence[Attested]) -> None:
        first, *more = [log for each in attested for log in each.logs]
        others = f" and {len(more)} more" if more else ""
        self.context.exchange.say(f"Attested: {files_shown(len(attested))}, log {first}{others}.")

    def _of(self, sigstore: Sigstore, distribution: Distribution) -> tuple[Attested, list[Note]]:
        """Take what lies beside a file and is right, and sign what is missing."""
        notes: list[Note] = []
        by_type: dict[str, Signed] = {}
        for path in self.beside.get(distribution.found.path, ()):
            try:
                signed = sigstore.checked(given.text(path), distribution)
                if signed.predicate in by_type:
                    raise given.twice(signed.predicate)
                by_type[signed.predicate] = signed
            except PublishError as error:
                if self.decision.required and not given.ours(path):
                    raise given.unusable_and_required(path, error) from error
                notes.append(given.unusable(path, distribution, error))
        if sigstore.publish not in by_type:
            by_type[sigstore.publish] = sigstore.signed(distribution)
        all_of_it = [by_type[predicate] for predicate in sorted(by_type)]
        text = f"[{','.join(each.text for each in all_of_it)}]"
        logs = tuple(each.log for each in all_of_it)
        return Attested(text, logs, frozenset(each.signature for each in all_of_it)), notes


def choose(context: Context, collection: Collection, *, publisher: bool) -> Attesting:
    """Decide by index, credential and job; `publisher`: whether we sign in as a trusted publisher."""
    inputs = context.inputs
    beside, orphans = given.paired(collection.attestations, collection.found)
    id_token = _identity(context)
    try:
        named = None if inputs.attestations == "false" else inputs.sigstore_trust_config
        text = _trust_config(named, context.around.workspace)
        decision = decide(context.index, inputs.attestations, publisher=publisher, identity=id_token is not None)
    except PublishError as error:
        return Attesting(context, refusal=error)
    if decision.sign and not inputs.dry_run:
        # While files are read, import what signs them.
        threading.Thread(target=_imported, daemon=True).start()
    unused = [] if decision.sign else [path for paths in beside.values() for path in paths]
    notes = (*filter(None, [decision.note]), *given.remarks(orphans, unused))
    return Attesting(context, decision, None, notes, beside, text, id_token)


def _imported() -> None:
    with suppress(Exception):  # it is imported again where it is used
        importlib.import_module("entrypoint.attestations.signing")


def _in_time(over: threading.Event) -> None:
    """Wait until signing is over. Raises `Unavailable` if that takes too long, whatever it is that hangs."""
    if not over.wait(policy.SECONDS):
        raise policy.too_long()


def _identity(context: Context) -> Callable[[str], str] | None:
    """Find who gives this job ID tokens, if anybody does."""
    environ = context.around.environ
    if github.available(environ):
        return partial(github.id_token, context.exchange, environ)
    if not github.here(environ) and ambient.system(environ):
        return partial(ambient.id_token, context.exchange)
    return None


def _trust_config(name: str | None, workspace: Path) -> str | None:
    """Read the file of `sigstore-trust-config`. Raises `InputError` when it is none."""
    if name is None:
        return None
    seen = "it is no JSON object"
    try:
        text = (workspace / name).read_text(encoding="utf-8")
        if isinstance(json.loads(text), dict):
            return text
    except OSError as error:
        seen = error.strerror or "it cannot be read"
    except (ValueError, RecursionError):
        pass
    raise InputError(
        "Input `sigstore-trust-config` is not usable",
        f"`sigstore-trust-config` is {name!r}: {seen}.",
        "Name a file of the workspace that holds a Sigstore `ClientTrustConfig` as JSON.",
    )
