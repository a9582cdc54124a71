"""An upload in plain `http.client`: what shows that a server works, without any of the program under test."""

from __future__ import annotations

import base64
import hashlib
import http.client
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from packaging.utils import parse_sdist_filename, parse_wheel_filename

BOUNDARY = "a-boundary-that-is-in-no-archive"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


def fields_for(path: Path) -> list[tuple[str, str]]:
    """Return the form fields that the upload API asks for, taken from the file name and the content."""
    content = path.read_bytes()
    if path.suffix == ".whl":
        name, version, _, tags = parse_wheel_filename(path.name)
        kind, python = "bdist_wheel", ".".join(sorted({tag.interpreter for tag in tags}))
    else:
        (name, version), kind, python = parse_sdist_filename(path.name), "sdist", "source"
    return [
        (":action", "file_upload"),
        ("protocol_version", "1"),
        ("filetype", kind),
        ("pyversion", python),
        ("metadata_version", "2.4"),
        ("name", name),
        ("version", str(version)),
        ("requires_python", ""),
        ("sha256_digest", hashlib.sha256(content).hexdigest()),
        ("blake2_256_digest", hashlib.blake2b(content, digest_size=32).hexdigest()),
    ]


def multipart(fields: Sequence[tuple[str, str]], filename: str | None = None, content: bytes = b"") -> bytes:
    """Return the form as a body; with a `filename`, the file is its last part."""
    lines = []
    for name, value in fields:
        lines.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode())
    if filename is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n'
        lines += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", content, b"\r\n"]
    return b"".join([*lines, f"--{BOUNDARY}--\r\n".encode()])


def connection_to(url: str, ca_file: Path | None = None) -> http.client.HTTPConnection:
    """Return a connection to the origin of `url`; `https` is verified against `ca_file`."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca_file)
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=context)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)


def post(
    connection: http.client.HTTPConnection,
    target: str,
    body: bytes,
    *,
    auth: tuple[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """Post a multipart body on an open connection, which stays open if the server wants that too."""
    sent = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "User-Agent": "plain/1"}
    if auth is not None:
        sent["Authorization"] = "Basic " + base64.b64encode(":".join(auth).encode()).decode()
    connection.request("POST", target, body, sent | (headers or {}))
    response = connection.getresponse()
    return Reply(response.status, response.reason, response.getheaders(), response.read())


def upload(url: str, path: Path, *, auth: tuple[str, str] | None = None, ca_file: Path | None = None) -> Reply:
    """Upload one distribution to the upload URL `url` on a connection of its own."""
    connection = connection_to(url, ca_file)
    try:
        form = multipart(fields_for(path), path.name, path.read_bytes())
        return post(connection, urlsplit(url).path or "/", form, auth=auth)
    finally:
        connection.close()


def get(url: str, *, headers: dict[str, str] | None = None, ca_file: Path | None = None) -> Reply:
    """Read a page of a loopback server."""
    connection, parts = connection_to(url, ca_file), urlsplit(url)
    try:
        connection.request("GET", parts.path or "/", headers=headers or {})
        response = connection.getresponse()
        return Reply(response.status, response.reason, response.getheaders(), response.read())
    finally:
        connection.close()
