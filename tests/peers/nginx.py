"""nginx: the reverse proxy in front of many indexes, with what administrators do to it and what goes wrong in it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tests.peers.process import LOOPBACK, body_of, running

BINARY = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin")
"""Debian keeps it where not every user looks for commands."""


class Server(Protocol):
    """An index that can be put behind nginx."""

    @property
    def upload_url(self) -> str:
        """Where uploads go."""

    @property
    def simple_url(self) -> str:
        """Root of its simple index."""

    @property
    def user(self) -> str:
        """User name."""

    @property
    def password(self) -> str:
        """Password."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What nginx does to requests instead of passing them on; `UPSTREAM` stands for the server behind it."""

    lines: str
    methods: str = "POST"
    """Pattern of the methods that it holds for."""


def redirect(status: int, *, absolute: bool = True) -> Fault:
    """Send uploads to another path of the same origin; nginx itself makes a full URL of it."""
    return Fault(f"absolute_redirect {'on' if absolute else 'off'}; return {status} /moved$request_uri;")


NONE = Fault("proxy_pass UPSTREAM;")
CUT = Fault("return 444;")
"""The connection ends before the upload is passed on."""
CUT_AFTER = Fault("proxy_buffer_size 64; proxy_pass UPSTREAM; error_page 502 = @cut;")
"""The connection ends after the server behind has stored the file: its answer does not fit into nginx's buffer."""
BAD_GATEWAY_AFTER = Fault("proxy_buffer_size 64; proxy_pass UPSTREAM;")
"""The same, and nginx answers 502."""
TIMEOUT_AFTER = Fault("proxy_read_timeout 1ms; proxy_pass UPSTREAM;")
"""nginx does not wait for the server behind, which gets the file all the same: 504, or its answer if it is fast."""
DOWN = Fault(f"proxy_pass http://{LOOPBACK}:1;", ".*")
"""There is no server behind nginx."""
DOWN_FOR_UPLOADS = Fault(DOWN.lines)
AUTH_WALL = Fault("add_header WWW-Authenticate 'Basic realm=wall' always; return 401;", "GET")
LOGIN_PAGE = Fault(
    "default_type text/html; return 200 '<!DOCTYPE html><title>Sign in</title><input type=password name=p>';", "GET"
)
SLOW = Fault("limit_rate 1k; proxy_pass UPSTREAM;", "GET")
"""Pages come with 1 KiB a second."""


@dataclass(frozen=True, slots=True)
class Proxied:
    """A server behind a running nginx."""

    upload_url: str
    simple_url: str
    user: str
    password: str
    broken: Path
    """The fault is there while this file is."""

    def mend(self) -> None:
        """Let the fault end."""
        self.broken.unlink(missing_ok=True)


@contextmanager
def nginx(server: Server, directory: Path, fault: Fault = NONE, *, limit: str = "0") -> Iterator[Proxied]:
    """Run nginx below `directory`, in front of a server; `limit` is the length of a body that it takes, 0 any.

    `/legacy` is redirected to `/legacy/`, with 308; below that and below `/moved/` everything is passed on without a
    fault, as if the path began behind it.
    """
    if BINARY is None:
        raise FileNotFoundError("there is no nginx on this machine")
    directory.mkdir(parents=True, exist_ok=True)
    broken, log, config = directory / "broken", directory / "nginx.log", directory / "nginx.conf"
    broken.touch()
    health = f"/health-{secrets.token_hex(8)}"  # only this process answers here
    upstream = f"http://{urlsplit(server.upload_url).netloc}"

    def command(port: int) -> list[str]:
        text = CONFIG
        for name, value in {
            "@FAULT@": fault.lines,
            "@METHODS@": fault.methods,
            "@LIMIT@": limit,
            "@DIRECTORY@": str(directory),
            "@HEALTH@": health,
            "@PORT@": str(port),
            "UPSTREAM": upstream,
        }.items():
            text = text.replace(name, value)
        config.write_text(text)
        return [str(BINARY), "-p", str(directory), "-e", "stderr", "-c", str(config)]

    with running(command, lambda port: body_of(port, health) is not None, log) as port:
        origin = f"http://{LOOPBACK}:{port}"
        upload_url, simple_url = (origin + urlsplit(url).path for url in (server.upload_url, server.simple_url))
        yield Proxied(upload_url, simple_url, server.user, server.password, broken)


# One process, which keeps its user; named locations keep the method and the body. `418` leads to the fault.
CONFIG = """
daemon off;
master_process off;
pid @DIRECTORY@/nginx.pid;
error_log stderr info;
events { worker_connections 64; }
http {
    access_log @DIRECTORY@/access.log;
    client_body_temp_path @DIRECTORY@/body;
    proxy_temp_path @DIRECTORY@/proxy;
    fastcgi_temp_path @DIRECTORY@/fastcgi;
    uwsgi_temp_path @DIRECTORY@/uwsgi;
    scgi_temp_path @DIRECTORY@/scgi;
    client_max_body_size @LIMIT@;
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    recursive_error_pages on;
    server {
        listen 127.0.0.1:@PORT@;
        location = @HEALTH@ { return 200 "here"; }
        location = /legacy { return 308 /legacy/; }
        location /legacy/ { proxy_pass UPSTREAM/; }
        location /moved/ { proxy_pass UPSTREAM/; }
        location / {
            set $fault "";
            if ($request_method ~ "^(@METHODS@)$") { set $fault "asked"; }
            if (-e @DIRECTORY@/broken) { set $fault "$fault now"; }
            error_page 418 = @fault;
            if ($fault = "asked now") { return 418; }
            proxy_pass UPSTREAM;
        }
        location @fault { @FAULT@ }
        location @cut { return 444; }
    }
}
"""
