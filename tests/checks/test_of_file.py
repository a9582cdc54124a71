"""Rules of one file: each is broken by a file that breaks nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from entrypoint import checks, metadata
from entrypoint.archive import Contents, rules
from entrypoint.checks import wheel
from entrypoint.distribution import Distribution, Found
from entrypoint.errors import DistributionError
from entrypoint.index import Index
from entrypoint.threads import Once
from tests.checks import GENERIC, PYPI, of_files, render_here
from tests.distributions import Headers, core_metadata, make_sdist, make_wheel

INFO = "demo_pkg-1.0.dist-info"
WHEEL = "demo_pkg-1.0-py3-none-any.whl"


@dataclass(frozen=True)
class Case:
    """A file that breaks one rule."""

    rule: str
    pypi: str | None
    elsewhere: str | None
    make: Callable[[Path], object]
    seen: str
    """Words of the detail."""
    prevents: str = ""
    """PyPI's answer, whole."""


def wheel_with(*headers: tuple[str, str], **more: Any) -> Callable[[Path], object]:
    return lambda folder: make_wheel(folder, headers=headers, **more)


def sdist_with(*headers: tuple[str, str], **more: Any) -> Callable[[Path], object]:
    return lambda folder: make_sdist(folder, headers=headers, **more)


def wheel_named(name: str, **more: Any) -> Callable[[Path], object]:
    return lambda folder: make_wheel(folder, **more).rename(folder / name)


def sdist_named(name: str, **more: Any) -> Callable[[Path], object]:
    return lambda folder: make_sdist(folder, **more).rename(folder / name)


def tagged(tag: str) -> Callable[[Path], object]:
    return lambda folder: make_wheel(folder, tag=f"cp313-cp313-{tag}")


def described(text: str, kind: str | None = "text/x-rst") -> Callable[[Path], object]:
    headers: Headers = [("Description-Content-Type", kind)] if kind else []
    return lambda folder: make_wheel(folder, headers=headers, description=text)


LONG = ".".join(f"manylinux_2_{minor}_x86_64" for minor in range(10, 20))
FUTURE = "Programming Language :: Python :: 99"
NONSENSE = "Nonsense"

CASES = [
    Case(
        "name",
        "error",
        "error",
        sdist_named("other-1.0.tar.gz"),
        "The file name says 'other', the metadata inside 'demo-pkg'",
        "Start filename for 'demo-pkg' with 'demo_pkg'.",
    ),
    Case(
        "version",
        "error",
        "error",
        sdist_named("demo_pkg-2.0.tar.gz"),
        "The file name says '2.0', the metadata inside '1.0'",
        "Filename 'demo_pkg-2.0.tar.gz' is invalid, should be 'demo_pkg-1.0.tar.gz'.",
    ),
    Case(
        "file-name",
        "error",
        "warning",
        sdist_named("demo-pkg-1.0.tar.gz"),
        "It is demo-pkg-1.0.tar.gz, and would be demo_pkg-1.0.tar.gz",
        "Filename 'demo-pkg-1.0.tar.gz' is invalid, should be 'demo_pkg-1.0.tar.gz'.",
    ),
    Case(
        "file-name",
        "error",
        "warning",
        sdist_named("demo_pkg-1.0.RC1.tar.gz", version="1.0rc1"),
        "would be demo_pkg-1.0rc1.tar.gz",
        "Filename 'demo_pkg-1.0.RC1.tar.gz' is invalid, should be 'demo_pkg-1.0rc1.tar.gz'.",
    ),
    Case(
        "sdist-zip",
        "error",
        "warning",
        sdist_with(form="zip"),
        "It is demo_pkg-1.0.zip",
        "Filename 'demo_pkg-1.0.zip' is invalid, should be 'demo_pkg-1.0.tar.gz'.",
    ),
    Case(
        "metadata-version",
        "warning",
        None,
        lambda folder: make_wheel(folder, metadata_version="2.5"),
        "Metadata-Version 2.5; PyPI was known to take 2.4 at most when this program was written",
        "'2.5' is not a valid metadata version.",
    ),
    Case(
        "local-version",
        "error",
        None,
        lambda folder: make_sdist(folder, version="1.0+local.1"),
        "1.0+local.1",
        "The use of local versions in '1.0+local.1' is not allowed.",
    ),
    Case(
        "summary",
        "error",
        None,
        wheel_with(("Summary", "x" * 513)),
        "513 characters",
        "'summary' field must be 512 characters or less.",
    ),
    Case(
        "direct-dependency",
        "error",
        None,
        wheel_with(*[("Requires-Dist", f"a{number}[x] @ https://example.com/a.zip") for number in range(5)]),
        "a2[x] @ https://example.com/a.zip' and 2 more",
        "Can't have direct dependency: a0[x] @ https://example.com/a.zip",
    ),
    Case(
        "license",
        "error",
        None,
        wheel_with(("License", "MIT License"), ("License-Expression", "MIT")),
        "License-Expression is 'MIT'",
        "License is deprecated when License-Expression is present. Only License-Expression should be present.",
    ),
    Case(
        "project-url",
        "error",
        None,
        wheel_with(("Home-page", "example.com")),
        "Home-Page is 'example.com'",
        "'example.com' is not a valid url.",
    ),
    Case(
        "project-url",
        "error",
        None,
        wheel_with(("Download-URL", "ftp://example.com/x")),
        "Download-Url is 'ftp://example.com/x'",
        "'ftp://example.com/x' is not a valid url.",
    ),
    Case(
        "project-url",
        "error",
        None,
        wheel_with(("Project-URL", f"{'x' * 33}, https://example.com/")),
        "33 characters",
        f"'{'x' * 33}' must be 32 characters or less.",
    ),
    Case(
        "project-url",
        "error",
        None,
        wheel_with(("Project-URL", ", https://example.com/")),
        "has no label",
        "Must have a label",
    ),
    Case("project-url", "error", None, wheel_with(("Project-URL", "Home")), "'Home' has no URL", "Must have a URL"),
    Case(
        "project-url",
        "error",
        None,
        wheel_with(("Project-URL", "Code, git@example.com:x"), ("Project-URL", "Web, www.example.com")),
        "Project-URL Code is 'git@example.com:x', Project-URL Web is 'www.example.com'",
        "'git@example.com:x' is not a valid url",
    ),
    Case(
        "e-mail",
        "warning",
        None,
        wheel_with(("Author-email", "Ann <ann@localhost>, Bob <bob@example.com>")),
        "Author-Email: 'ann@localhost'",
        "'ann@localhost' is not a valid email address: The part after the @-sign is not valid. "
        "It should have a period.",
    ),
    Case(
        "e-mail",
        "warning",
        None,
        wheel_with(("Maintainer-email", "somebody")),
        "Maintainer-Email: 'somebody'",
        "'somebody' is not a valid email address: An email address must have an @-sign.",
    ),
    Case(
        "private",
        "error",
        None,
        wheel_with(("Classifier", "Private :: Do Not Upload")),
        "Private :: Do Not Upload",
        "'Private :: Do Not Upload' is not a valid classifier.",
    ),
    Case(
        "classifier",
        "warning",
        None,
        wheel_with(("Classifier", FUTURE), ("Classifier", NONSENSE)),
        f"'{FUTURE}', '{NONSENSE}': not in PyPI's list of 20",
        f"'{FUTURE}' is not a valid classifier.",
    ),
    Case(
        "classifier-deprecated",
        "warning",
        None,
        wheel_with(("Classifier", "Natural Language :: Ukranian")),
        "use one of ['Natural Language :: Ukrainian'] instead",
        "The classifier 'Natural Language :: Ukranian' has been deprecated, "
        "use one of ['Natural Language :: Ukrainian'] instead.",
    ),
    Case(
        "description",
        "error",
        "warning",
        described("Text\n\nTitle\n====\n"),
        "Line 4: Title underline too short.",
        "The description failed to render for 'text/x-rst'.",
    ),
    Case(
        "description",
        "error",
        "warning",
        described("x" * 20_000, "text/x-rst; charset=UTF-8"),
        "Line 1 exceeds the line-length-limit.",
        "The description failed to render for 'text/x-rst; charset=UTF-8'.",
    ),
    Case(
        "description",
        "error",
        "warning",
        described(".. a comment\n"),
        "No content rendered from RST source.",
        "The description failed to render for 'text/x-rst'.",
    ),
    Case(
        "description",
        "error",
        "warning",
        described(".. image:: a.png\n   :target: b\n\n   content\n\n.. raw:: html\n\n   <b>bold</b>\n"),
        'Error in "image" directive: no content permitted.',
        "The description failed to render for 'text/x-rst'.",
    ),
    Case("content-type", "warning", "warning", described("Some text\n", None), "9 characters and no Description-"),
    Case(
        "not-rendered",
        "warning",
        "warning",
        described("a\n\n" * 100_000),
        "300000 characters; up to 262144 are rendered",
    ),
    Case(
        "not-rendered",
        "warning",
        "warning",
        described("".join(f"{'  ' * depth}* a\n\n" for depth in range(400))),
        "docutils fails with it: RecursionError",
    ),
    Case(
        "linux-tag",
        "error",
        "warning",
        tagged("linux_x86_64"),
        "The platform tag is linux_x86_64.",
        "Binary wheel 'demo_pkg-1.0-cp313-cp313-linux_x86_64.whl' has an unsupported platform tag 'linux_x86_64'.",
    ),
    Case(
        "platform-tag",
        "warning",
        None,
        tagged("macosx_27_0_arm64"),
        "The platform tag macosx_27_0_arm64 was not in PyPI's list of 2026-08",
        "Binary wheel 'demo_pkg-1.0-cp313-cp313-macosx_27_0_arm64.whl' has an unsupported platform tag "
        "'macosx_27_0_arm64'.",
    ),
    Case(
        "file-name-length",
        "warning",
        None,
        tagged(LONG),
        "Up to 246 are safe",
        f"Filename is too long: 'demo_pkg-1.0-cp313-cp313-{LONG}.whl'",
    ),
    Case(
        "license-file",
        "error",
        "warning",
        wheel_with(("License-File", "LICENSE"), omit=["LICENSE"]),
        f"There is no {INFO}/licenses/LICENSE.",
        f"License-File LICENSE does not exist in distribution file {WHEEL} at {INFO}/licenses/LICENSE",
    ),
    Case(
        "license-file",
        "error",
        "warning",
        sdist_with(*[("License-File", f"L/{number}") for number in range(5)], omit=["0", "1", "2", "3"]),
        "There is no demo_pkg-1.0/L/0, demo_pkg-1.0/L/1, demo_pkg-1.0/L/2 and 1 more.",
        "License-File L/0 does not exist in distribution file demo_pkg-1.0.tar.gz at demo_pkg-1.0/L/0",
    ),
    *(
        Case(
            "entry-points",
            "error",
            "warning",
            wheel_with(entry_points=text),
            seen,
            f"Wheel '{WHEEL}' has invalid entry points defined in the entry_points.txt file",
        )
        for text, seen in {
            "demo = demo:main\n": "no section headers",
            "[console_scripts]\ndemo: demo:main\n": "parsing errors: 'entry_points.txt' [line 2]: 'demo: demo:main\\n'",
            "[console_scripts]\na = b:c\na = b:d\n": "option 'a' in section 'console_scripts' already exists",
            "[console_scripts]\na/b = c:d\n[gui_scripts]\nc d = e:f\n": "names of scripts: 'a/b', 'c d'.",
        }.items()
    ),
    Case(
        "entry-points",
        "error",
        "warning",
        wheel_with(extra={f"{INFO}/entry_points.txt": b"[a]\nb = \xff\n"}),
        "can't decode byte 0xff",
        f"Wheel '{WHEEL}' has invalid entry points defined in the entry_points.txt file",
    ),
    *(
        Case(
            "entry-points-size", "warning", "warning", wheel_with(entry_points=text), "more than 20000 lines or 1048576"
        )
        for text in ("[a]\n" + "b\n" * 20_000, "[a]\nb = " + "c" * 2**20)
    ),
    Case(
        "wheel-version",
        "warning",
        "warning",
        wheel_with(extra={f"{INFO}/WHEEL": b"Wheel-Version: 2.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}),
        "The major version in WHEEL is 2",
    ),
    Case(
        "wheel-version",
        "warning",
        "warning",
        wheel_with(extra={f"{INFO}/RECORD.jws": b"{}"}),
        f"There is {INFO}/RECORD.jws.",
    ),
]


def old_pypi(case: Case) -> Index:
    """Give PyPI as it was before a Metadata-Version that this program knows."""
    return PYPI._replace(newest_metadata="2.4") if case.rule == "metadata-version" else PYPI


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}-{number}" for number, case in enumerate(CASES)])
def test_rule(case: Case, tmp_path: Path) -> None:
    """A file that breaks one rule gets one note: what was seen, what to do, and what PyPI would answer."""
    case.make(tmp_path)
    notes = of_files(tmp_path, old_pypi(case))
    assert [(note.rule, note.level) for note in notes] == ([(case.rule, case.pypi)] if case.pypi else [])
    for note in notes:
        assert case.seen in note.detail
        assert note.prevents == case.prevents
        assert note.title
        assert note.tip
        assert note.path is None
    elsewhere = of_files(tmp_path, GENERIC)
    assert [(note.rule, note.level) for note in elsewhere] == ([(case.rule, case.elsewhere)] if case.elsewhere else [])
    for note in elsewhere:
        assert case.seen in note.detail
        assert note.prevents == ""


GOOD: Headers = [
    ("Summary", "x" * 512),
    ("Author-email", '"Author, Ann" <ann@example.com>, Bob <bob@localhost>'),
    ("Maintainer-email", "mary@example.com"),
    ("License-Expression", "MIT"),
    ("License-File", "LICENSE"),
    ("License-File", "LICENSES/MIT.txt"),
    ("Classifier", "Programming Language :: Python :: 3"),
    ("Home-page", "HTTPS://example.com"),
    ("Download-URL", "UNKNOWN"),
    ("Project-URL", f"{'x' * 32}, http://example.com/a,b"),
    ("Requires-Python", ">=3.11"),
    ("Requires-Dist", "a[b]>=1; python_version < '3.14' and extra == '@'"),
    ("Provides-Extra", "fast"),
    ("Description-Content-Type", "text/x-rst"),
]


@pytest.mark.parametrize("index", [PYPI, GENERIC], ids=["pypi", "generic"])
def test_nothing_to_say(index: Index, tmp_path: Path) -> None:
    """Of files that are all right nothing is said, on any index."""
    make_wheel(
        tmp_path,
        headers=GOOD,
        description="Title\n=====\n\n:code:`text`\n",
        entry_points="[console_scripts]\n  Demo-1.x = demo:main [fast]\n\n# a comment\n[other.group]\na b/c = d\n",
    )
    make_sdist(tmp_path, headers=GOOD, description="Title\n=====\n\n:code:`text`\n")
    assert of_files(tmp_path, index) == []


@pytest.mark.parametrize(
    "tag",
    [
        "win_amd64",
        "manylinux1_i686.manylinux_2_5_i686",
        "manylinux2014_s390x",
        "manylinux_2_39_riscv64",
        "musllinux_1_2_ppc64le",
        "linux_armv7l",
        "macosx_10_9_universal2",
        "macosx_26_0_arm64",
        "ios_13_0_arm64_iphonesimulator",
        "android_24_arm64_v8a",
        "pyemscripten_2026_0_wasm32",
    ],
)
def test_platforms_that_pypi_takes(tag: str, tmp_path: Path) -> None:
    """A wheel for a platform of PyPI's list gets no note."""
    tagged(tag)(tmp_path)
    assert of_files(tmp_path, PYPI) == []


def test_size(tmp_path: Path) -> None:
    """A file over the limit of its index gets a warning, for the project may have a higher one."""
    make_wheel(tmp_path, filler=2**20)
    for index, said in ((PYPI, "File too large. Limit for project 'demo-pkg' is 1 MB."), (GENERIC, "")):
        (note,) = of_files(tmp_path, index._replace(file_limit=2**20))
        assert (note.rule, note.level, note.prevents) == ("file-size", "warning", said)
        assert "1 MiB are usual" in note.detail


@pytest.mark.parametrize("text", ["**never closed\n", "<b>", ".. foo::\n"])
@pytest.mark.parametrize("kind", ["text/markdown", "text/plain", "text/markdown; charset=UTF-8; variant=GFM"])
def test_descriptions_that_cannot_fail(text: str, kind: str, tmp_path: Path) -> None:
    """Markdown and plain text always render."""
    described(text, kind)(tmp_path)
    assert of_files(tmp_path, PYPI) == []


def test_description_without_content_type(tmp_path: Path) -> None:
    """PyPI takes a description of unknown type for reStructuredText, and it fails as such."""
    described("*never closed\n", None)(tmp_path)
    notes = {note.rule: note for note in of_files(tmp_path, PYPI)}
    assert set(notes) == {"content-type", "description"}
    default = "The description failed to render in the default format of reStructuredText."
    assert notes["description"].prevents == default


def test_license_file_before_its_time(tmp_path: Path) -> None:
    """Licence files are looked for from Metadata 2.4 on: before, the field meant nothing."""
    make_wheel(tmp_path, headers=[("License-File", "LICENSE")], metadata_version="2.1", omit=["LICENSE"])
    assert [(note.rule, note.level) for note in of_files(tmp_path, PYPI)] == [("metadata", "notice")]


def examined(data: bytes, name: str = WHEEL, **texts: bytes) -> tuple[Distribution, Contents]:
    """Give what is read of a file with this metadata, without a file."""
    core, _ = metadata.parse(data)
    kind: metadata.Kind = "wheel" if name.endswith(".whl") else "sdist"
    found = Found(Path(name), name, kind, "demo-pkg", "1.0", "py3", 1)
    names = {name.replace("_txt", ".txt"): text for name, text in texts.items()}
    return Distribution(found, core, "", "", Once.of("")), Contents(data, INFO, (), names, ())


def test_unread_sdist() -> None:
    """Where an sdist could not be read to its end, nobody knows whether a file is missing."""
    data = core_metadata(headers=[("License-File", "LICENSE")])
    distribution, contents = examined(data, "demo_pkg-1.0.tar.gz")
    assert [note.rule for note in wheel.license_files(distribution, contents, PYPI)] == ["license-file"]
    (note,) = rules.NOT_READ.broken(PYPI, "")
    assert list(wheel.license_files(distribution, contents._replace(notes=(note,)), PYPI)) == []


FIELDS = st.sampled_from(
    [
        "Metadata-Version",
        "Name",
        "Version",
        "Summary",
        "Author-email",
        "Maintainer-email",
        "Classifier",
        "Project-URL",
        "Home-page",
        "Requires-Dist",
        "License",
        "License-Expression",
        "License-File",
        "Description-Content-Type",
        "Dynamic",
    ]
)
PIECES = st.sampled_from(["a@b.org", "<", ">", "(", "Private ::", "https://[", "text/x-rst", ",", "@", "\n ", "2.4"])
VALUES = st.text(max_size=12) | st.lists(PIECES, max_size=4).map("".join)
HEADERS = st.lists(st.tuples(FIELDS, VALUES), max_size=8)
INDEXES = st.sampled_from([PYPI, GENERIC])


@pytest.fixture
def rendered_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start no process for a description."""
    render_here(monkeypatch)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("rendered_here")
@given(HEADERS, st.text(max_size=40), st.sampled_from([WHEEL, "demo_pkg-1.0.tar.gz"]), INDEXES)
@example([("Author-email", "(" * 5000)], "", WHEEL, PYPI)
@example([("Project-URL", "a, https://[")], "`", WHEEL, PYPI)
def test_any_metadata(headers: list[tuple[str, str]], description: str, name: str, index: Index) -> None:
    """Whatever the metadata says, the rules say something sensible to it or nothing."""
    data = core_metadata(headers=headers, description=description)
    try:
        distribution, contents = examined(data, name)
    except DistributionError:
        return
    for note in checks.of_file(distribution, contents, index):
        assert note.rule
        assert note.tip
    list(checks.of_set([distribution, distribution._replace(sha256="1")], index))


LINES = st.sampled_from(
    ["[console_scripts]", "[DEFAULT]", "[", "]", "=", " = a", "a = b", "a:b", "  indented", "%(x)s", "#"]
)


@settings(deadline=None, max_examples=300)
@given(st.lists(LINES | st.text(max_size=8), max_size=8).map("\n".join).map(str.encode) | st.binary(max_size=30))
def test_any_entry_points(text: bytes) -> None:
    """Whatever entry_points.txt holds, there is at most one note about it."""
    distribution, contents = examined(core_metadata(), entry_points_txt=text, WHEEL=text)
    assert len(list(wheel.entry_points(distribution, contents, PYPI))) <= 1
    assert len(list(wheel.format_version(distribution, contents, PYPI))) <= 1


LONG_LINE = 2**18
MANY = 19_000


@pytest.mark.parametrize("piece", ["a", " ", "(", "<", "@", "a@", ",", "[", "a.", '"', "\\", "a =", "a\n "])
def test_long_values(piece: str) -> None:
    """A very long value costs time in proportion, in whatever field it is."""
    value = f"a{piece * (LONG_LINE // len(piece))}b"
    fields = ("author-email", "home-page", "project-url", "requires-dist", "classifier", "license-file", "summary")
    distribution, contents = examined(core_metadata())
    core = distribution.metadata._replace(fields={**distribution.metadata.fields, **dict.fromkeys(fields, (value,))})
    began = time.monotonic()
    list(checks.of_file(distribution._replace(metadata=core), contents, PYPI))
    text = f"[a]\n{value}".encode()[: wheel.ENTRY_POINTS_LIMIT]
    list(wheel.entry_points(distribution, contents._replace(texts={"entry_points.txt": text}), PYPI))
    assert time.monotonic() - began < 5


def test_many_values() -> None:
    """Very many values cost time in proportion, and each rule says what is wrong with them in one note."""
    values = {
        "classifier": tuple(f"Nonsense :: {number}" for number in range(MANY)),
        "project-url": tuple(f"Label {number}, nowhere" for number in range(MANY)),
        "requires-dist": tuple(f"a{number} @ https://example.com/" for number in range(MANY)),
        "license-file": tuple(f"L{number}" for number in range(MANY)),
    }
    distribution, contents = examined(core_metadata())
    core = distribution.metadata._replace(fields={**distribution.metadata.fields, **values})
    hostile = distribution._replace(metadata=core)
    began = time.monotonic()
    notes = list(checks.of_file(hostile, contents, PYPI))
    set_notes = list(
        checks.of_set([distribution, *[hostile._replace(sha256=str(number)) for number in range(10)]], PYPI)
    )
    assert time.monotonic() - began < 5
    assert sorted(note.rule for note in notes) == ["classifier", "direct-dependency", "license-file", "project-url"]
    assert max(len(note.whole) for note in [*notes, *set_notes]) < 1000
    assert len(set_notes) < 10
