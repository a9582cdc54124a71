"""An index that is not PyPI and says where its trusted publishing is (PEP 807, draft of 2025-11). None is known yet.

Discovery, endpoints and errors are the draft's. Publishers, uploads and the simple index are PyPI's, for the draft says
nothing about them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pydantic import BaseModel, StrictStr, ValidationError

from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world.proxy import Stage, target
from tests.peers.world.pypi import UNAVAILABLE, Index, MintRefusedError

HOST = "index.example"
TYPE = "application/vnd.pypi.pytp.v1+json"
SINGLE, MULTI = "single-use-token", "multi-use-token"


class _Payload(BaseModel):
    token: StrictStr
    features: list[StrictStr] | None = None


class Discovery(Index):
    """The index at `index.example`, with uploads at `/upload/`.

    Its faults: `discovery`, `discovery-audience`, `discovery-mint` (503), `discovery-mint-lost` (minted, then the
    connection is cut), `discovery-host` (endpoints on another host), `discovery-http` (endpoints without TLS); and with
    `discovery-` before their names, those of every index.
    """

    location = HOST
    upload_url = f"https://{HOST}/upload/"
    simple_url = f"https://{HOST}/simple/"

    def __init__(self, stage: Stage, issuers: Mapping[str, Mapping[str, RSAPublicKey]]) -> None:
        super().__init__(stage, issuers, (HOST,), audience=HOST, faults="discovery-")
        self.offered = True
        """Whether there is trusted publishing for the upload URL."""
        self.features: list[str] | None = None
        """As told; None: nothing is told about features."""
        self.default_features: list[str] | None = None
        """As told; None: nothing, which means a token for many uploads."""
        self.tells_expiry = True
        """Whether mints say until when the token lives."""

    def __call__(self, request: Request) -> Answer:
        """Answer a request, by its path."""
        path, _ = target(request)
        if path.startswith("/simple/"):
            return self.simple(request)
        found: dict[str, tuple[str, Callable[[Request], Answer]]] = {
            "/.well-known/pytp": ("GET", self._discover),
            "/trusted/audience": ("GET", self._audience),
            "/trusted/mint": ("POST", self._mint),
            "/upload/": ("POST", self.upload),
        }
        method, play = found.get(path, ("", None))
        if play is None:
            return problem(404, "Not found", f"There is nothing at {path}.")
        if request.method != method:
            return problem(405, "Method not allowed", f"{path} takes {method}.")
        return play(request)

    def _discover(self, request: Request) -> Answer:
        return self._stage.faults.play("discovery", UNAVAILABLE, lambda: self._endpoints(request))

    def _endpoints(self, request: Request) -> Answer:
        _, query = target(request)
        accepted = [each.partition(";")[0].strip() for each in (request.header("Accept") or "").split(",")]
        if TYPE not in accepted:
            return problem(406, "Not acceptable", f"This is served as {TYPE} only.")
        if "discover" not in query:
            return problem(400, "No key", "The parameter `discover` is missing.")
        if query["discover"] != "/upload/" or not self.offered:
            return problem(404, "No trusted publishing", f"There is none for the path {query['discover']!r}.")
        scheme = "http" if self._happens("http") else "https"
        host = f"elsewhere.{HOST}" if self._happens("host") else HOST
        told = {
            "audience-endpoint": f"{scheme}://{host}/trusted/audience",
            "token-mint-endpoint": f"{scheme}://{host}/trusted/mint",
            "features": self.features,
            "default-features": self.default_features,
        }
        return json_answer({name: value for name, value in told.items() if value is not None}, content_type=TYPE)

    def _audience(self, _: Request) -> Answer:
        return self._fault("audience", lambda: json_answer({"audience": self.audience}))

    def _mint(self, request: Request) -> Answer:
        return self._fault("mint", lambda: self._minted(request))

    def _minted(self, request: Request) -> Answer:
        if request.header("Authorization") is not None:
            self._note(request, "a credential was sent with a mint")
        try:
            payload = _Payload.model_validate_json(request.body)
        except ValidationError as error:
            return problem(400, "Invalid payload", "; ".join(each["msg"] for each in error.errors()))
        asked, defaults = payload.features, self.default_features or [MULTI]
        unknown = set(asked or ()) - {*(self.features or ()), *defaults}
        if unknown:
            self._note(request, f"features were asked for that are not offered: {sorted(unknown)}")
            return problem(400, "Unsupported feature", f"Not offered: {', '.join(sorted(unknown))}.")
        chosen = defaults if asked is None else asked
        if {SINGLE, MULTI} <= set(chosen):
            return problem(400, "Contradictory features", f"Choose {SINGLE} or {MULTI}.")
        try:
            token = self.exchange(payload.token, single_use=SINGLE in chosen)
        except MintRefusedError as error:
            self.refused += [f"{error.code}: {each}" for each in error.descriptions]
            return problem(422, error.code.replace("-", " ").capitalize(), "; ".join(error.descriptions))
        if self._happens("mint-lost"):
            return Answer(cut="after-body")
        expires = {"expires": token.expires} if self.tells_expiry else {}
        return json_answer({"token": token.value} | expires)


def problem(status: int, title: str, detail: str) -> Answer:
    """Return an error as RFC 9457 has it."""
    body = {"type": "about:blank", "status": status, "title": title, "detail": detail}
    return Answer(status, headers={"Content-Type": "application/problem+json"}, body=json.dumps(body).encode())
