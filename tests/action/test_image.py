"""The image itself: what is in it, and that nothing of a workflow's surroundings gets into the program."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import entrypoint
from bench.served import Served
from bench.served import index as bench_index
from tests.action.machines import Docker
from tests.action.step import run_step
from tests.action.weights import BARE, LINES, Start, compressed, medians, table
from tests.distributions import make_wheel

pytestmark = pytest.mark.image

TRAP = "raise SystemExit('a module of the workspace or the home was run')\n"

PYTHON = "/opt/venv/bin/python"

TEMPORARY = "/tmp"  # noqa: S108 - that of the container

COMPRESSED_LIMIT = 45_000_000
"""Bytes that a runner may have to pull (the goal; 38 MB on amd64 in 2026-11)."""

ENGINES = re.compile(r"(\.dockerenv|dev|proc|sys|etc/(hostname|hosts|resolv\.conf|mtab))(/.*)?")
"""What an engine puts into every container."""

MADE = re.compile(
    r"etc/(passwd|group|nsswitch\.conf)|opt/venv/pyvenv\.cfg|opt/venv/lib/python3\.\d+/site-packages/entrypoint/.*"
    r"|var/lib/dpkg/status\.d/[^/]*|usr/share/doc/[^/]*/copyright|usr/share/sbom/publish-action\.spdx\.json"
)
"""What is in the image and belongs to no package."""

Finished = subprocess.CompletedProcess[str]


def docker_run(
    image: str, *arguments: str, options: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> Finished:
    """Run the image without a network; `options` are those of `docker run`."""
    variables = [part for name, value in (env or {}).items() for part in ("-e", f"{name}={value}")]
    command = ["docker", "run", "--rm", "--network", "none", *options, *variables, image, *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def python(image: str, source: str, options: Sequence[str] = ()) -> Any:
    """Run Python source in the image as the program runs, and give the JSON that it prints."""
    finished = docker_run(image, "-I", "-X", "utf8", "-c", source, options=["--entrypoint", PYTHON, *options])
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


@dataclass(frozen=True, slots=True)
class Content:
    """Everything in the image: members of its file system by their names, and the bytes of those that are files."""

    members: Mapping[str, tarfile.TarInfo]
    files: Mapping[str, bytes]

    def text(self, name: str) -> str:
        """Give a text file."""
        return self.files[name].decode()


@pytest.fixture(scope="session")
def content(image: str) -> Content:
    """Read the whole image."""
    made = subprocess.run(["docker", "create", image], check=True, capture_output=True, text=True).stdout.strip()
    members, files = {}, {}
    try:
        with (
            subprocess.Popen(["docker", "export", made], stdout=subprocess.PIPE) as exporting,
            tarfile.open(fileobj=exporting.stdout, mode="r|") as tar,
        ):
            for member in tar:
                if ENGINES.fullmatch(member.name):
                    continue
                members[member.name] = member
                if member.isfile() and (file := tar.extractfile(member)):
                    files[member.name] = file.read()
    finally:
        subprocess.run(["docker", "rm", made], check=True, capture_output=True)
    return Content(members, files)


@pytest.fixture
def trapped(tmp_path: Path) -> Sequence[str]:
    """Give mounts of a workspace and a home full of modules that must not be imported."""
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    site = home / ".local" / "lib" / "python3.13" / "site-packages"
    site.mkdir(parents=True)
    (workspace / "entrypoint").mkdir(parents=True)
    (workspace / "entrypoint" / "__init__.py").write_text(TRAP)
    for name in ("httpx", "json", "pydantic", "sitecustomize"):
        (workspace / f"{name}.py").write_text(TRAP)
        (site / f"{name}.py").write_text(TRAP)
    (site / "usercustomize.py").write_text(TRAP)
    (site / "trap.pth").write_text(f"import sys; {TRAP}")
    return ["-v", f"{workspace}:/github/workspace", "-v", f"{home}:/github/home", "--workdir", "/github/workspace"]


@pytest.mark.parametrize("options", [[], ["--read-only"], ["--user", "1001:127"]], ids=["plain", "read-only", "user"])
def test_version(image: str, options: list[str]) -> None:
    """`docker run IMAGE --version` prints it, also with a read-only root and as another user."""
    finished = docker_run(image, "--version", options=options)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert entrypoint.__version__ in finished.stdout


def test_help(image: str) -> None:
    """`docker run IMAGE --help` names the inputs."""
    finished = docker_run(image, "--help")
    assert finished.returncode == 0
    assert "--packages-dir" in finished.stdout


@pytest.mark.parametrize(
    "env",
    [
        {},
        {"PATH": "/nonsense"},
        {"PATH": "", "HOME": "/nowhere", "LANG": "xx_XX.nonsense", "LC_ALL": "C"},
        {"HOME": "/github/home", "PYTHONPATH": "/github/workspace", "PYTHONSTARTUP": "/github/workspace/json.py"},
        {"PYTHONHOME": "/nowhere", "PYTHONPLATLIBDIR": "x", "PYTHONUSERBASE": "/github/home/.local"},
        {"PYTHONWARNINGS": "error", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "VIRTUAL_ENV": "/nowhere"},
    ],
    ids=["nothing", "path", "locale", "pythonpath", "pythonhome", "settings"],
)
def test_surroundings(image: str, trapped: Sequence[str], env: Mapping[str, str]) -> None:
    """A workflow's PATH, PYTHON* and HOME, and modules in workspace and home, change nothing."""
    version = docker_run(image, "--version", options=[*trapped, "--read-only"], env=env)
    assert (version.returncode, version.stderr) == (0, "")
    # Without distributions it ends before the network: status 2, by its own message, with everything imported.
    finished = docker_run(image, options=[*trapped, "--read-only"], env={"GITHUB_ACTIONS": "true", **env})
    assert finished.returncode == 2, finished.stderr
    assert "was run" not in finished.stdout + finished.stderr
    assert "Traceback" not in finished.stdout + finished.stderr
    assert "::error" in finished.stdout


def test_a_step_that_finds_nothing(image: str, tmp_path: Path) -> None:
    """As a step of a workflow it fails with an error of its own, sets its outputs, and leaves the workspace alone."""
    (tmp_path / "action.yml").write_text(
        "name: publish\n"
        "inputs: {packages-dir: {default: dist}}\n"
        "outputs: {outcome: {description: what became of it}}\n"
        "runs: {using: docker, image: Dockerfile}\n"
    )
    workspace = tmp_path / "work" / "sample"
    result = run_step(
        tmp_path,
        workspace=workspace,
        runner=Docker(image, network="none", options=["--read-only"]),
        with_={"packages-dir": "${{ github.workspace }}/no-such-folder"},
        env={"PATH": "/nonsense"},
    )
    assert (result.exit_code, result.conclusion) == (2, "failure")
    assert result.environ["INPUT_PACKAGES-DIR"] == "/github/workspace/no-such-folder"
    assert "no-such-folder" in result.messages("error")[0]
    assert result.outputs["outcome"] == "failed"
    assert not list(workspace.iterdir())


def test_configuration(image: str) -> None:
    """The entry point is hardened, and user, folder, command and shell are left to GitHub."""
    answer = subprocess.run(["docker", "image", "inspect", image], check=True, capture_output=True, text=True)
    config = json.loads(answer.stdout)[0]["Config"]
    assert config["Entrypoint"] == [PYTHON, "-I", "-u", "-X", "utf8", "-m", "entrypoint"]
    assert not config.get("User")
    assert config.get("WorkingDir") in ("", "/")
    assert not config.get("Cmd")
    assert not config.get("Volumes")
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert labels == {
        "title": "publish-action",
        "description": "Publish Python distributions to PyPI, Google Artifact Registry or any index",
        "licenses": "Apache-2.0",
    }


def locked() -> Mapping[str, str]:
    """Read what requirements.txt locks: versions by names."""
    found = {}
    for line in (Path(__file__).parents[2] / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            name, _, version = line.partition(" ")[0].partition("==")
            found[name] = version
    return found


def installed(image: str) -> Mapping[str, str]:
    """Ask the image what is installed: versions by normalised names."""
    found: dict[str, str] = python(
        image,
        "import importlib.metadata, json, re\n"
        "all = importlib.metadata.distributions()\n"
        "print(json.dumps({re.sub(r'[-_.]+', '-', each.name).lower(): each.version for each in all}))",
    )
    return found


def test_what_is_installed(image: str) -> None:
    """The image has what requirements.txt locks, and no installer."""
    found = installed(image)
    assert "pip" not in found
    assert found.items() <= locked().items()
    assert {"httpx", "packaging", "sigstore"} <= set(found)


def test_nothing_else_can_be_run(content: Content) -> None:
    """There is one program, Python: no shell, no package manager, no other interpreter, no script that starts."""
    executable = {name for name in content.files if content.members[name].mode & 0o111}
    programs = {name for name in executable if not re.search(r"\.so(\.[\d.]+)?$", name)}
    assert {re.sub(r"[\d.]+$", "", name) for name in programs} == {"usr/bin/python"}
    names = {PurePosixPath(name).name for name, each in content.members.items() if not each.isdir()}
    unwanted = (
        "sh bash dash busybox apt apt-get dpkg pip pip3 perl openssl curl wget git ldconfig gpg docker su sudo mount"
    )
    assert not names & set(unwanted.split())


def test_rights(content: Content) -> None:
    """Everything is root's, nothing runs with the rights of another, and only /tmp may be written by all."""
    assert {(each.uid, each.gid) for each in content.members.values()} == {(0, 0)}
    modes = {name: each.mode & 0o7777 for name, each in content.members.items() if not each.issym()}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o7022} == {"tmp": "0o1777"}
    assert not [name for name, each in content.members.items() if not (each.isfile() or each.isdir() or each.issym())]


def test_every_file_is_accounted_for(content: Content) -> None:
    """A file is Debian's or a wheel's, and unchanged; or byte-code of a module, or one of a few that are made here."""
    known = set()
    for name in content.files:
        if name.startswith("var/lib/dpkg/status.d/") and name.endswith(".md5sums"):
            for line in content.text(name).splitlines():
                checksum, _, path = line.partition("  ")
                assert hashlib.md5(content.files[path], usedforsecurity=False).hexdigest() == checksum
                known.add(path)
        if name.endswith(".dist-info/RECORD"):
            site = PurePosixPath(name).parents[1]
            paths = {str(site / line.partition(",")[0]) for line in content.text(name).splitlines()}
            assert paths <= set(content.files)
            known |= paths
    byte_code = {name for name in content.files if "/__pycache__/" in name}
    assert not [name for name in content.files if name not in known | byte_code and not MADE.fullmatch(name)]
    modules = {PurePosixPath(name) for name in content.members if name.endswith(".py")}  # one is a link
    assert {PurePosixPath(name) for name in byte_code} == {
        each.parent / "__pycache__" / f"{each.stem}.cpython-313.pyc" for each in modules
    }
    links = {name: each.linkname for name, each in content.members.items() if each.issym()}
    assert not [name for name, target in links.items() if not leads(content, name, target)]


def leads(content: Content, name: str, target: str) -> bool:
    """Tell whether a link leads to something in the image."""
    parts: list[str] = [] if target.startswith("/") else list(PurePosixPath(name).parent.parts)
    for part in PurePosixPath(target.lstrip("/")).parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts) in content.members


def test_no_folder_is_empty_or_left_over(content: Content) -> None:
    """No caches, logs, manuals or lists of packages came along: a folder is there for a file in it, but for two."""
    folders = {name for name, each in content.members.items() if each.isdir()}
    filled = {
        str(parent)
        for name, each in content.members.items()
        if not each.isdir()
        for parent in PurePosixPath(name).parents
    }
    assert folders - filled == {"tmp", "root"}
    assert not [
        name
        for name in folders
        if re.search(r"/(tests?|idlelib|tkinter|ensurepip|site-packages/pip|man|locale)$", name)
    ]


def test_everything_imports(image: str) -> None:
    """Every module of what is installed imports, but for those that ask for a package that is not locked."""
    answer = python(
        image,
        "import importlib, importlib.metadata, io, json, pkgutil, sys, warnings\n"
        "warnings.simplefilter('ignore')\n"
        "out, sys.stdout, sys.argv = sys.stdout, io.StringIO(), ['x']\n"
        "files = [file.parts[0] for each in importlib.metadata.distributions() for file in each.files]\n"
        "tops = sorted({'entrypoint'} | {file.split('.')[0] for file in files if '.dist-info' not in file} - {''})\n"
        "failed, imported = {}, 0\n"
        "def take(name):\n"
        "    global imported\n"
        "    try:\n"
        "        module = importlib.import_module(name)\n"
        "    except BaseException as error:\n"
        "        chain = [error, error.__cause__, error.__context__]\n"
        "        missing = [each.name for each in chain if isinstance(each, ModuleNotFoundError)]\n"
        "        failed[name] = [(missing[-1] or '').split('.')[0] if missing else '', repr(error)]\n"
        "    else:\n"
        "        imported += 1\n"
        "        return module\n"
        "for top in tops:\n"
        "    path = getattr(take(top), '__path__', [])\n"
        "    for found in pkgutil.walk_packages(path, top + '.', onerror=lambda name: None):\n"
        "        if not found.name.endswith('__main__'):\n"
        "            take(found.name)\n"
        "stdlib = sorted(sys.stdlib_module_names)\n"
        "print(json.dumps({'tops': tops, 'failed': failed, 'imported': imported, 'stdlib': stdlib}), file=out)",
    )
    assert not set(answer["failed"]) & set(answer["tops"])
    assert not [name for name in answer["failed"] if name.startswith(("entrypoint", "sigstore", "pypi_attestations"))]
    ours = {*answer["stdlib"], *answer["tops"]}
    assert not {
        name: why for name, (missing, why) in answer["failed"].items() if missing in ours or "shared obj" in why
    }
    assert answer["imported"] > 1000
    assert len(answer["failed"]) < answer["imported"] / 20


def test_names_are_resolved(image: str) -> None:
    """Names are looked up in the files of the container, and then asked of its name servers."""
    answer = python(
        image,
        "import json, socket, threading\n"
        "server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "server.bind(('127.0.0.1', 53))\n"
        "def serve():\n"
        "    while True:\n"
        "        asked, peer = server.recvfrom(512)\n"
        "        end = asked.index(b'\\0', 12) + 5\n"  # behind the name: type and class
        "        is_a = asked[end - 4:end - 2] == b'\\0\\1'\n"
        "        head = asked[:2] + b'\\x81\\x80\\0\\1' + bytes([0, is_a]) + bytes(4)\n"
        "        record = b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4' + socket.inet_aton('192.0.2.9')\n"
        "        server.sendto(head + asked[12:end] + record * is_a, peer)\n"
        "threading.Thread(target=serve, daemon=True).start()\n"
        "names = ('localhost', 'listed.example', 'asked.example')\n"
        "print(json.dumps([socket.getaddrinfo(name, 443, socket.AF_INET)[0][4][0] for name in names]))",
        ["--add-host", "listed.example:192.0.2.7", "--dns", "127.0.0.1"],
    )
    assert answer == ["127.0.0.1", "192.0.2.7", "192.0.2.9"]


def test_authorities(image: str) -> None:
    """Mozilla's authorities are trusted, by httpx and by whoever takes OpenSSL's own list."""
    counts = python(
        image,
        "import certifi, json, ssl\n"
        "contexts = [ssl.create_default_context(), ssl.create_default_context(cafile=certifi.where())]\n"
        "print(json.dumps([len(context.get_ca_certs()) for context in contexts]))",
    )
    assert counts[0] == counts[1] > 100


@pytest.mark.parametrize("options", [[], ["--user", "1001:127"]], ids=["root", "unknown"])
@pytest.mark.parametrize("home", ["/github/home", ""])
def test_a_user_without_a_name(image: str, options: Sequence[str], home: str) -> None:
    """Names of users are looked up; a user of whom nobody has heard, or without a home, can do all the same."""
    answer = python(
        image,
        "import json, os, pathlib, pwd, tempfile\n"
        "from entrypoint.attestations import signing\n"
        "try:\n"
        "    name = pwd.getpwuid(os.getuid()).pw_name\n"
        "except KeyError:\n"
        "    name = None\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    print(json.dumps([name, folder.startswith('/tmp/')]))",
        ["--env", f"HOME={home}", *options],
    )
    assert answer == [None if options else "root", True]


def test_a_read_only_root(image: str, tmp_path: Path) -> None:
    """With nothing else to write to, temporary files are in the workspace; without one we do without."""
    source = (
        "import json, tempfile\n"
        "try:\n"
        "    print(json.dumps(tempfile.gettempdir()))\n"
        "except FileNotFoundError as error:\n"
        "    print(json.dumps(str(error)))"
    )
    workspace = ["-v", f"{tmp_path}:/github/workspace", "--workdir", "/github/workspace"]
    assert python(image, source, ["--read-only", *workspace]) == "/github/workspace"
    assert python(image, source, ["--read-only", "--tmpfs", TEMPORARY, *workspace]) == TEMPORARY
    assert "No usable temporary directory" in python(image, source, ["--read-only"])


def test_what_it_is_made_of(image: str, content: Content) -> None:
    """The bill of materials has every package of which something is in the image, and no other."""
    bill = json.loads(content.text("usr/share/sbom/publish-action.spdx.json"))
    parts = {
        (each["externalRefs"][0]["referenceLocator"].split("/")[0], each["name"]): each for each in bill["packages"]
    }
    assert len(parts) == len(bill["packages"])
    assert {name: each["versionInfo"] for (kind, name), each in parts.items() if kind == "pkg:pypi"} == installed(image)
    prefix = "var/lib/dpkg/status.d/"
    status = {name.removeprefix(prefix): content.text(name) for name in content.files if name.startswith(prefix)}
    debian = {name: each["versionInfo"] for (kind, name), each in parts.items() if kind == "pkg:deb"}
    assert debian == {
        name: match[1]
        for name, text in status.items()
        if not name.endswith(".md5sums") and (match := re.search(r"^Version: (.*)$", text, re.MULTILINE))
    }
    assert all(status[f"{name}.md5sums"].strip() for name in debian)
    assert parts["pkg:generic", "publish-action"]["versionInfo"] == entrypoint.__version__
    texts = [each["licenseComments"] for (kind, _), each in parts.items() if kind != "pkg:generic"]
    files = [file.lstrip("/") for text in texts for file in text.split("; ") if not file.startswith("License ::")]
    assert set(files) <= set(content.files)


def test_licences(content: Content) -> None:
    """The licence of everything inside is inside, with the common texts that Debian's refer to."""
    for name, member in content.members.items():
        if name.endswith(".dist-info"):
            texts = [each for each in content.files if each.startswith(f"{name}/") and LICENCE.search(each)]
            assert texts, name
        elif name.startswith("var/lib/dpkg/status.d/") and "." not in name.removeprefix("var/lib/dpkg/status.d/"):
            assert f"usr/share/doc/{PurePosixPath(name).name}/copyright" in content.files, member
    texts = [content.text(name) for name in content.files if name.endswith("/copyright")]
    for referred in {match for text in texts for match in re.findall(r"/(usr/share/common-licenses/[\w.-]*\w)", text)}:
        assert referred in content.members
    assert "Apache License" in content.text("usr/share/doc/publish-action/copyright")


LICENCE = re.compile(r"licen[cs]e|copying", re.IGNORECASE)


def test_what_it_weighs(image: str, peers: Sequence[str], pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """It is small. How small and how fast is printed, beside Python alone and an image like the incumbent's."""
    bare, incumbent = peers
    make_wheel(tmp_path / "dist", filler=30_000)
    with bench_index(latency=0) as served:
        pytestconfig.stash[LINES] = _measured(image, bare, incumbent, served, tmp_path)
    assert compressed(image) <= COMPRESSED_LIMIT


def _measured(image: str, bare: str, incumbent: str, served: Served, workspace: Path) -> list[str]:
    """Measure starts of all three images, and of the two that publish a step with one wheel as the runner runs it."""
    step = ("--network", "host", "-v", f"{workspace}:/github/workspace", "--workdir", "/github/workspace")
    inputs = {
        "GITHUB_ACTIONS": "true",
        "INPUT_REPOSITORY-URL": served.upload_url,
        "INPUT_CHECK-URL": served.simple_url,
        "INPUT_USER": "publisher",
        "INPUT_PASSWORD": "a password",
    }
    ours = (*step, *(part for name, value in inputs.items() for part in ("-e", f"{name}={value}")))
    theirs = ("-c", SEQUENCE.format(url=served.upload_url))
    starts = [
        Start(image, STEP, (), options=ours, before=served.forget),
        Start(incumbent, STEP, theirs, "/bin/sh", options=step, before=served.forget),
        Start(image, "--version", ("--version",)),
        Start(image, "a run that finds no files", (), status=2),
        Start(image, BARE, ("-c", "pass"), "/usr/bin/python3"),
        Start(bare, BARE, ("-c", "pass"), "/usr/bin/python3"),
        Start(incumbent, "twine --version", ("--version",), "/opt/venv/bin/twine"),
        Start(incumbent, "import twine, pypi_attestations", ("-c", IMPORTS), PYTHON),
        Start(incumbent, BARE, ("-c", "pass"), "/usr/bin/python3"),
    ]
    times = medians(starts)
    sizes = {name: compressed(name) for name in (image, bare, incumbent)}
    ratio = times[starts[0]] / times[starts[1]]
    return [
        *table(sizes, dict(sorted(times.items(), key=lambda each: list(sizes).index(each[0].image)))),
        f"A step with one wheel takes {ratio:.2f} of the incumbent's time.",
    ]


STEP = "a step that publishes one wheel"

SEQUENCE = """set -e
python=/opt/venv/bin/python
$python -c 'import id, requests'
$python -c 'import packaging.metadata, packaging.utils'
$python -m twine check dist/*
$python -c 'import pypi_attestations, sigstore.oidc, sigstore.sign'
$python -c 'import hashlib, pathlib'
$python -m twine upload --non-interactive --disable-progress-bar --repository-url {url} -u publisher -p x dist/*
"""
"""The processes of pypa/gh-action-pypi-publish's step (its `twine-upload.sh`, 2026-08), with what each imports:
exchange of identities, names of packages, check, attestations, hashes, upload. Nothing is exchanged or signed here."""

IMPORTS = "import twine.commands.upload, pypi_attestations"


def test_everything_is_compiled(image: str) -> None:
    """No module is compiled at start, when there may be nowhere to write: byte-code is there and never checked."""
    uncompiled = python(
        image,
        "import json, pathlib, sys\n"
        "import entrypoint.__main__, httpx, pydantic\n"
        "specs = [m.__spec__ for m in list(sys.modules.values()) if getattr(m, '__spec__', None)]\n"
        "files = {s.origin: s.cached for s in specs if s.has_location and str(s.origin).endswith('.py')}\n"
        "assert len(files) > 100\n"
        "flags = {f: pathlib.Path(c).read_bytes()[4] if pathlib.Path(c).exists() else None for f, c in files.items()}\n"
        # PEP 552: bit 0 of the flags says that the file is found by its hash, bit 1 that the source is compared
        "print(json.dumps([f for f, flag in flags.items() if flag != 1]))",
    )
    assert uncompiled == []
