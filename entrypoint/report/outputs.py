"""Step outputs and the JSON report: what later steps and machines read."""

from __future__ import annotations

import json

from entrypoint import __version__
from entrypoint.report import Report

FILES_LIMIT = 400_000
"""Characters of the output `files`. All outputs of a job hold 1 MB, counted as UTF-16 (GitHub's documentation)."""
RELEASES_LIMIT = 50_000
"""Characters of the output `releases`, for the same reason."""

SCHEMA = 1
"""Version of the report's form; raised when a field changes its meaning or goes away."""


def outputs(report: Report) -> tuple[dict[str, str], list[str]]:
    """Give the step outputs, and a sentence for each that had to be cut."""
    first = min(report.releases, key=lambda release: release["name"].lower(), default=None)
    files, cut = _files(report)
    releases = _json(report.releases)
    if len(releases) >= RELEASES_LIMIT:
        releases = "[]"
        cut.append(f"Output `releases` is empty: {len(report.releases)} releases do not fit into a step output.")
    return {
        "outcome": report.outcome,
        "url": first["url"] if first else "",
        "name": first["name"] if first else "",
        "version": first["version"] if first else "",
        "releases": releases,
        "files": files,
        "uploaded": str(report.number("uploaded", "accepted")),
        "already-present": str(report.number("already-present")),
        "skipped": str(report.number("skipped")),
        "failed": str(report.number("failed", "conflict", "not-attempted")),
        "index": report.index_name,
    }, cut


def document(report: Report) -> str:
    """Write `publish-report.json`: everything, always."""
    return json.dumps(
        {
            "schema": SCHEMA,
            "program": f"publish-action {__version__}",
            "outcome": report.outcome,
            "exit_status": report.exit_status,
            "stopped_by": report.stopped_by,
            "index": report.index_name,
            "upload_url": report.upload_url,
            "releases": report.releases,
            "files": report.files,
            "remarks": report.remarks,
        },
        indent=2,
    )


def _files(report: Report) -> tuple[str, list[str]]:
    full = _json(report.files)
    if len(full) < FILES_LIMIT:
        return full, []
    short = _json([{key: file[key] for key in ("filename", "state", "sha256")} for file in report.files])
    if len(short) < FILES_LIMIT:
        return short, []
    return "[]", [f"Output `files` is empty: {len(report.files)} records do not fit into a step output."]


def _json(value: object) -> str:
    """Write JSON in ASCII: one line, one UTF-16 unit for each character."""
    return json.dumps(value, separators=(",", ":"))
