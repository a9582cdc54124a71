"""Inputs: what is accepted, what is refused, and that nothing secret is repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entrypoint.errors import InputError
from entrypoint.inputs import ALIASES, FALSE_AT_LAST, FOREIGN, INPUTS, Inputs, Secret, deprecated, remarks

DEFAULTS: Mapping[str, object] = {
    "packages-dir": ("dist",),
    "index": None,
    "repository-url": None,
    "check-url": None,
    "user": None,
    "password": None,
    "trusted-publishing": "auto",
    "google-workload-identity-provider": None,
    "google-service-account": None,
    "google-audience": None,
    "google-credentials-json": None,
    "keyring-provider": "disabled",
    "skip-existing": False,
    "verify-metadata": True,
    "strict": False,
    "attestations": "true",
    "sigstore-trust-config": None,
    "dry-run": False,
    "parallel": None,
    "wait-for-index": 0,
    "timeout": 300,
    "retries": 4,
    "verbose": True,
    "print-hash": True,
}


SECRET = frozenset({"password", "google-credentials-json", "repository-url", "check-url"})
"""Inputs that are a secret or may hold one."""


def read(**inputs: str) -> Inputs:
    """Read inputs as GitHub hands them over."""
    return Inputs.read({f"INPUT_{name.upper().replace('_', '-')}": text for name, text in inputs.items()})


def refused(environ: Mapping[str, str]) -> list[InputError]:
    """Give the errors of inputs that cannot be used."""
    with pytest.raises(ExceptionGroup) as caught:
        Inputs.read(environ)
    return [error for error in caught.value.exceptions if isinstance(error, InputError)]


def test_defaults() -> None:
    """Without any input, and with every one of them blank, each has its default."""
    blank = {f"INPUT_{name.upper()}": "  \n" for name in INPUTS}
    for inputs in (Inputs.read({}), Inputs.read(blank)):
        assert {name: getattr(inputs, each.field) for name, each in INPUTS.items()} == DEFAULTS


@pytest.mark.parametrize("name", ["strict", "verify-metadata", "verbose", "print-hash"])
@pytest.mark.parametrize(
    "text", ["true", "True", "TRUE", "yes", "on", "1", "false", "False", "no", "OFF", "0", " true "]
)
def test_booleans(name: str, text: str) -> None:
    """A boolean is one of eight words in any case."""
    inputs = Inputs.read({f"INPUT_{name.upper()}": text})
    assert getattr(inputs, INPUTS[name].field) is (text.strip().lower() in {"true", "yes", "on", "1"})


@pytest.mark.parametrize("text", ["y", "t", "2", "enabled", "none", "null", "truee"])
def test_no_booleans(text: str) -> None:
    """Anything else is an error that names the input and what was expected."""
    (error,) = refused({"INPUT_STRICT": text})
    assert "`strict`" in error.title
    assert repr(text) in error.detail
    assert "expected true or false" in error.detail


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("dist", ("dist",)),
        ("a b\n\n  c d/*.whl  \n", ("a b", "c d/*.whl")),
        ("one\r\ntwo\r\n", ("one", "two")),
        ("/github/workspace/dist", ("/github/workspace/dist",)),
    ],
)
def test_lines(text: str, lines: tuple[str, ...]) -> None:
    """`packages-dir` has one entry a line; spaces inside stay, blank lines and the last line end go."""
    assert read(packages_dir=text).packages_dir == lines


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("timeout", "10", 10),
        ("retries", "0", 0),
        ("parallel", "1", 1),
        ("parallel", "16", 16),
        ("timeout", "86400", 86_400),
        ("timeout", "1_000", 1000),
        ("timeout", "0012", 12),
        ("retries", "+5", 5),
        ("retries", "-0", 0),
        ("retries", "10.00", 10),
        ("wait-for-index", " 5\n", 5),
        ("wait-for-index", "0", 0),
        ("trusted-publishing", "auto", "auto"),
        ("trusted-publishing", "always", "always"),
        ("trusted-publishing", "never", "never"),
        ("keyring-provider", "disabled", "disabled"),
        ("keyring-provider", "subprocess", "subprocess"),
        ("attestations", "required", "required"),
        ("attestations", "False", "false"),
        ("attestations", "ON", "true"),
        ("skip-existing", "no", False),
        ("dry-run", "0", False),
        ("user", " bob ", "bob"),
        ("index", "testpypi", "testpypi"),
    ],
)
def test_accepted(name: str, text: str, value: object) -> None:
    """Each input takes its values, white space around them aside."""
    assert getattr(Inputs.read({f"INPUT_{name.upper()}": text}), INPUTS[name].field) == value


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("timeout", "0", "greater than or equal to 1"),
        ("timeout", "1.5", "integer"),
        ("timeout", "5 minutes", "integer"),
        ("retries", "-1", "greater than or equal to 0"),
        ("parallel", "17", "less than or equal to 16"),
        ("timeout", "86401", "it should be less than or equal to 86400."),
        ("wait-for-index", "-1.0", "it should be greater than or equal to 0."),
        ("wait-for-index", "604801", "it should be less than or equal to 604800."),
        ("trusted-publishing", "sometimes", "'auto', 'always' or 'never'"),
        ("trusted-publishing", "Auto", "it should be 'auto', 'always' or 'never'."),
        ("trusted-publishing", "true", "it should be 'auto', 'always' or 'never'."),
        ("attestations", "Required", "it should be 'true', 'required' or 'false'."),
        ("keyring-provider", "import", "'disabled' or 'subprocess'"),
        ("attestations", "maybe", "'true', 'required' or 'false'"),
        ("user", "a:b", "without colons"),
        ("user", "a\x00b", "control characters"),
    ],
)
def test_refused(name: str, text: str, expected: str) -> None:
    """A value that cannot be is an error with the input's name, what was seen and what was expected."""
    (error,) = refused({f"INPUT_{name.upper()}": text})
    assert error.title == f"Input `{name}` is not usable"
    assert expected in error.detail
    assert error.tip


@pytest.mark.parametrize("name", ["parallel", "wait-for-index", "timeout", "retries"])
@pytest.mark.parametrize(
    "text",
    [
        *("1e3", "0x10", "-", "+", "--5", "0-5", "1.", ".0", "1.5", "1.0_0", "1.0.0", "5,0", "5 5", "nan", "inf"),
        *("1_", "_1", "1__0", "0__5", "5\xa05", "5\x00", "\u200b5", "\uff11\uff12", "\u0663", "\udcff"),
    ],
)
def test_no_integers(name: str, text: str) -> None:
    """An integer has ASCII digits, and may have a sign, single underscores between digits and a fraction of zeros."""
    (error,) = refused({f"INPUT_{name.upper()}": text})
    expected = "it should be a valid integer, unable to parse string as an integer"
    assert error.detail == f"`{name}` is {text!r}: {expected}."


def test_thousands_of_digits() -> None:
    """A number that Python does not read is refused, and its beginning quoted."""
    (error,) = refused({"INPUT_RETRIES": "5" * 5000})
    expected = "Unable to parse input string as an integer, exceeded maximum size"
    assert error.detail == f"`retries` is '{'5' * 80}…': {expected}."


def test_order() -> None:
    """Bad inputs are told in the order of the document, wherever they were given; contradictions after them."""
    environ = {"INPUT_DRY-RUN": "x", "INPUT_VERIFY_METADATA": "x", "INPUT_USER": "a:b", "INPUT_GOOGLE-AUDIENCE": "x"}
    with pytest.raises(ExceptionGroup) as caught:
        Inputs.read(environ, {"retries": "x", "skip-existing": "x"})
    assert [str(error).partition(":")[0] for error in caught.value.exceptions] == [
        *(f"Input `{n}` is not usable" for n in ("user", "skip-existing", "verify-metadata", "dry-run", "retries")),
        "`google-audience` without `google-workload-identity-provider`",
    ]


def test_all_at_once() -> None:
    """Every bad input comes out in one go, contradictions included."""
    errors = refused(
        {
            "INPUT_STRICT": "maybe",
            "INPUT_TIMEOUT": "soon",
            "INPUT_DRY-RUN": "perhaps",
            "INPUT_INDEX": "pypi",
            "INPUT_REPOSITORY-URL": "https://index.example/",
            "INPUT_TRUSTED-PUBLISHING": "always",
            "INPUT_PASSWORD": "hunter2hunter2",
        }
    )
    told = " ".join(error.title for error in errors)
    for name in ("strict", "timeout", "dry-run", "index", "repository-url", "trusted-publishing", "password"):
        assert f"`{name}" in told
    assert "hunter2" not in " ".join(f"{error} {error.tip}" for error in errors)


@pytest.mark.parametrize(("alias", "name"), sorted(ALIASES.items()))
def test_aliases(alias: str, name: str) -> None:
    """A deprecated spelling counts where the one with hyphens is not given, and is told."""
    text = "https://index.example/" if name == "repository-url" else "false"
    by_alias = Inputs.read({f"INPUT_{alias.upper()}": text})
    assert by_alias == Inputs.read({f"INPUT_{name.upper()}": text})
    assert list(deprecated({f"INPUT_{alias.upper()}": text})) == [(alias, name)]
    other = "https://other.example/" if name == "repository-url" else "no"
    assert Inputs.read({f"INPUT_{alias.upper()}": "nonsense", f"INPUT_{name.upper()}": other}) == Inputs.read(
        {f"INPUT_{name.upper()}": other}
    )


def test_a_flag_beats_the_environment() -> None:
    """A flag wins over the variable of its name; an empty one does not."""
    assert Inputs.read({"INPUT_USER": "a"}, {"user": "b"}).user == "b"
    assert Inputs.read({"INPUT_USER": "a"}, {"user": ""}).user == "a"


def test_frozen() -> None:
    """Inputs do not change."""
    with pytest.raises(FrozenInstanceError):
        Inputs.read({}).user = "x"  # type: ignore[misc]  # that it cannot be done is what is tested


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).map(lambda text: f"s3cr3t{text}"))
def test_secrets_are_not_repeated(secret: str) -> None:
    """No secret input is in the text of the value, nor in any error about it or another one."""
    environ = {f"INPUT_{name.upper()}": secret for name in SECRET}
    inputs = Inputs.read(environ)
    for shown in (inputs, *(getattr(inputs, INPUTS[name].field) for name in SECRET)):
        assert "s3cr3t" not in f"{shown} {shown!r} {shown!s} {[shown]}"
    for error in refused(environ | {"INPUT_STRICT": "maybe"}):
        assert "s3cr3t" not in f"{error} {error.tip} {error!r} {error.__cause__!r}"


def test_secret() -> None:
    """A secret is equal to one that holds the same, and does not show in an error that holds it."""
    secret = Secret("s3cr3t")
    assert secret.reveal() == "s3cr3t"
    assert (secret == Secret("s3cr3t"), secret == Secret("other"), secret == "s3cr3t") == (True, False, False)
    assert len({secret, Secret("s3cr3t"), Secret("other")}) == 2
    assert {name for name, each in INPUTS.items() if each.secret} == SECRET
    assert str(ValueError(secret, read(password="s3cr3t"))).count("s3cr3t") == 0


def remarked(environ: Mapping[str, str]) -> list[str]:
    """Give the notices about an environment."""
    Inputs.read(environ)
    notes = list(remarks(environ))
    assert {note.level for note in notes} <= {"notice"}
    return [f"{note.title}: {note.detail} {note.tip}" for note in notes]


@pytest.mark.parametrize(("variable", "name"), FOREIGN.items())
def test_variables_of_other_tools(variable: str, name: str) -> None:
    """A notice names the variable and the input, but not the value; it is silent where the input is given."""
    assert Inputs.read({variable: "a value"}) == Inputs.read({})
    (note,) = remarked({variable: "a value"})
    assert variable in note
    assert f"`{name}`" in note
    assert "a value" not in note
    assert remarked({variable: ""}) == []
    assert remarked({variable: "a value", f"INPUT_{name.upper()}": "subprocess" if "keyring" in name else "true"}) == []


def test_a_flag_is_given_too() -> None:
    """What is given as a flag is not asked for because of a variable of another tool."""
    assert len(list(remarks({"TWINE_USERNAME": "a"}))) == 1
    assert list(remarks({"TWINE_USERNAME": "a"}, {"user": "b"})) == []
    assert len(list(remarks({"TWINE_USERNAME": "a"}, {"user": " "}))) == 1


def test_one_notice_for_all_variables() -> None:
    """They come in one notice, each input once; of the two ways to name an index one is enough."""
    (note,) = remarked(dict.fromkeys(FOREIGN, "x"))
    assert note.count("`password`") == 1
    (note,) = remarked(dict.fromkeys(FOREIGN, "x") | {"INPUT_INDEX": "pypi"})
    assert "UV_PUBLISH_URL" not in note
    assert "TWINE_REPOSITORY" not in note
    assert "UV_PUBLISH_CHECK_URL" in note


@pytest.mark.parametrize("name", FALSE_AT_LAST)
def test_words_for_false(name: str) -> None:
    """A word that others take for true is told; `false` and every word for true are not."""
    variable = f"INPUT_{name.upper()}"
    for text in ("no", "OFF", "0"):
        (note,) = remarked({variable: text})
        assert f"`{name}` is {text!r}" in note
    for text in ("false", "False", "true", "yes", "1", ""):
        assert remarked({variable: text}) == []
