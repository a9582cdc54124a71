"""The report: the same facts for everybody, whatever stopped the run."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import jsonschema
import pytest

from entrypoint.distribution import Collection, Distribution, Found, releases
from entrypoint.errors import Note, PublishError, Refused, Unavailable
from entrypoint.index import Index, locate
from entrypoint.metadata import CoreMetadata
from entrypoint.plan import Plan, Step
from entrypoint.report import Ledger, Report, make, progress
from entrypoint.report.annotation import SHOWN, selected, state_of_things
from entrypoint.report.outputs import FILES_LIMIT, document, outputs
from entrypoint.report.summary import summary
from entrypoint.simple import absent
from entrypoint.stock import Look, Match
from entrypoint.threads import Once
from entrypoint.upload import Outcome, State
from tests.line import declared_outputs, schema
from tests.rendered import PARSER

PYPI = locate(name="pypi", url=None, workspace=Path()).index


def distribution(name: str, filename: str | None = None) -> Distribution:
    """Make a distribution that is on no disk."""
    path = Path("/w/dist") / (filename or f"{name}-1.0-py3-none-any.whl")
    found = Found(path, f"dist/{path.name}", "wheel", name, "1.0", "py3", 1000)
    fields = {"metadata-version": ("2.1",), "name": (name,), "version": ("1.0",)}
    return Distribution(found, CoreMetadata(fields, ""), "c" * 64, "a" * 64, Once.of("b" * 64))


def ledger(*files: Distribution, index: Index | None = PYPI) -> Ledger:
    """Give what is known before anything is sent."""
    known = Ledger()
    known.index, known.collection = index, Collection(tuple(each.found for each in files), (), ())
    if index:
        steps = {each.found.path: Step(each, "upload", Look(Match.ABSENT)) for each in files}
        known.plan = Plan(index, releases(files), steps, {}, (), (), skip_existing=False, made=datetime.now(UTC))
    return known


def told(known: Ledger, redact: Callable[[str], str] = str) -> Report:
    """Draw up the report, and check what holds for each: schema, outputs, annotations within GitHub's limit."""
    report = make(known, redact)
    jsonschema.validate(json.loads(document(report)), schema())
    values, _ = outputs(report)
    assert set(values) == declared_outputs()
    assert sum(len(text) for text in values.values()) < 500_000
    assert all(text.isascii() for text in (values["files"], values["releases"]))
    levels = [each.level for each in selected(report)]
    assert all(levels.count(level) <= SHOWN for level in ("error", "warning", "notice"))
    assert len(summary(report).encode()) < 2**20
    return report


A, B, C = distribution("a"), distribution("b"), distribution("c")
NO = Refused("No", "the index said no", "ask it")


def failed(each: Distribution, detail: str = "no") -> Outcome:
    """Make a refusal."""
    return Outcome(each, "failed", Refused("No", detail, "ask"), status=400, attempts=1, seconds=0.5)


@pytest.mark.parametrize(
    ("outcomes", "problems", "stopped_by", "status", "outcome"),
    [
        ([Outcome(A, "uploaded", attempts=1), Outcome(B, "accepted", attempts=1)], [], None, 0, "published"),
        ([Outcome(A, "already-present"), Outcome(B, "skipped")], [], None, 0, "unchanged"),
        ([Outcome(A, "uploaded", attempts=1), Outcome(B, "already-present")], [], None, 0, "published"),
        ([Outcome(A, "uploaded", attempts=1), failed(B)], [], None, 1, "failed"),
        ([failed(A), Outcome(B, "not-attempted")], [], None, 1, "failed"),
        ([Outcome(A, "conflict"), Outcome(B, "not-attempted")], [], None, 2, "failed"),
        ([], [NO], None, 2, "failed"),
        ([Outcome(A, "uploaded", attempts=1)], [], signal.SIGTERM, 143, "failed"),
        ([], [], signal.SIGINT, 130, "failed"),
    ],
)
def test_exit_status(
    outcomes: Sequence[Outcome],
    problems: Sequence[PublishError],
    stopped_by: signal.Signals | None,
    status: int,
    outcome: str,
) -> None:
    """The exit status and the outcome are those of the contract, and every file has a state."""
    known = ledger(A, B)
    known.problems += problems
    known.stopped_by = stopped_by
    for each in outcomes:
        known.ended(each)
    report = told(known)
    assert (report.exit_status, report.outcome) == (status, outcome)
    assert len(report.files) == 2
    assert all(file["state"] != "not-attempted" or file["reason"] or outcomes for file in report.files)


def test_nothing_is_known() -> None:
    """A run that ended at its first step is reported, too."""
    known = Ledger()
    known.problems.append(NO)
    report = told(known)
    assert (report.exit_status, report.index_name, report.files) == (2, "", [])
    assert "the index said no" in summary(report)


def test_a_bug() -> None:
    """A bug of ours is an error with what to do, and never a success."""
    known = ledger(A)
    known.crash = "ZeroDivisionError()"
    report = told(known)
    assert report.exit_status == 2
    assert "bug" in report.remarks[0]["title"]


def test_what_to_do_next() -> None:
    """With a release half out the report says how many files are public, to run the job again, and by which day."""
    one, two = distribution("a"), distribution("a", "a-1.0-py2-none-any.whl")
    known = ledger(one, two)
    known.settled = "publish"
    known.ended(Outcome(one, "uploaded", attempts=1))
    known.ended(Outcome(two, "failed", Unavailable("No answer", "it is down", "wait"), attempts=5))
    day = datetime.now(UTC) + timedelta(days=14)
    said = "1 of 2 files is public. Not published: a-1.0-py2-none-any.whl. Run the job again to send the rest. "
    said += f"PyPI closes a 1.0 on {day:%Y-%m-%d}."
    report = told(known)
    assert state_of_things(report) == said
    assert said.replace("_", r"\_").partition(".whl")[2].strip(" .") in summary(report)


@pytest.mark.parametrize("compared", [True, False])
def test_what_is_public_is_not_guessed(compared: bool) -> None:
    """Of files that were not sent it is said how many are public only where the index was read."""
    known = ledger(A)
    known.problems.append(NO)
    assert known.plan
    known.plan = replace(known.plan, projects={"a": absent("a") if compared else None})
    said = state_of_things(told(known))
    assert said.startswith(
        "0 of 1 file is public, none by this run." if compared else "None of 1 file was sent; what the index has"
    )


def test_what_to_put_right_first() -> None:
    """What stays wrong has to be put right before the job is run again, and no day is named where nothing is public."""
    known = ledger(A)
    known.settled = "publish"
    known.ended(failed(A))
    assert state_of_things(told(known)).endswith("then run the job again: it sends only what is missing.")


def test_a_problem_belongs_to_its_file() -> None:
    """The file with a problem is `failed` with its reason, the others are `not-attempted`."""
    known = ledger(A, B)
    known.problems.append(Refused("x", "the reason", "tip", path=B.found.shown))
    assert [(file["state"], file["reason"]) for file in told(known).files] == [
        ("not-attempted", "Not sent: something else was wrong, and nothing is sent before all is right."),
        ("failed", "the reason"),
    ]


@pytest.mark.parametrize("state", get_args(State))
def test_every_state_is_told(state: State) -> None:
    """Each state has its sign in the summary, its count in the outputs and its line in the log."""
    known = ledger(A)
    known.ended(Outcome(A, state, reason="because", attempts=1))
    report = told(known)
    text = state.replace("-", " ")
    assert f"{text} |" in summary(report).replace("\N{NO-BREAK SPACE}", " ")
    values, _ = outputs(report)
    assert sum(int(values[key]) for key in ("uploaded", "already-present", "skipped", "failed")) == (state != "planned")
    assert text in progress(Outcome(A, state)).replace("-", " ")


@pytest.mark.parametrize("number", [0, 1, 2, 9, 10, 11, 200])
def test_annotations(number: int) -> None:
    """At most ten errors: with several the first sums up, and past ten the last counts the rest."""
    files = [distribution(f"p{each}") for each in range(number)]
    known = ledger(*files)
    for each in files:
        known.ended(failed(each, f"no to {each.found.filename}"))
    errors = [each for each in selected(told(known)) if each.level == "error"]
    assert len(errors) == min(number + (number > 1), SHOWN)
    if number > 1:
        assert f"0 of {number} files" in errors[0].message
    shown = sum("no to" in each.message for each in errors)
    if number + 1 > SHOWN:
        assert errors[-1].message.startswith(f"{number - shown} more")
    else:
        assert shown == number


def test_messages_say_it_all() -> None:
    """A message holds file, reason and tip, for titles are not in the log."""
    known = ledger(A)
    known.ended(failed(A, "because of x"))
    (error,) = selected(told(known))
    assert error.path == A.found.shown
    assert all(word in error.message for word in (A.found.shown, "because of x", "ask"))


def test_secrets_go_before_texts_are_cut() -> None:
    """A secret that lies across the place where a text is cut leaves no piece behind."""
    known = ledger(A)
    known.ended(failed(A, "x" * 995 + "hunter2hunter2" + "y" * 100))
    report = told(known, lambda text: text.replace("hunter2hunter2", "***"))
    for text in (summary(report), document(report), *outputs(report)[0].values()):
        assert "hunter" not in text


def test_a_long_summary() -> None:
    """With 5,000 files of long hostile names the summary stays below GitHub's limit, says so, and is one good table."""
    hostile = "|`<b>_*[x](y)&" * 15
    files = [distribution(f"p{each}", f"{each}{hostile}.whl") for each in range(5000)]
    known = ledger(*files)
    for each in files:
        known.ended(failed(each, hostile * 100))
    text = summary(told(known))
    assert "more files do not fit here" in text
    tokens = PARSER.parse(text)
    assert sum(token.type == "table_open" for token in tokens) == 1
    rows = [index for index, token in enumerate(tokens) if token.type == "tr_open"]
    assert len(rows) > 200
    inline = {child.type for token in tokens for child in token.children or []}
    assert not inline & {"html_inline", "image"}
    ours = {"<details><summary>All 5000 files: 5000 failed</summary>", "</details>"}
    assert {token.content.strip() for token in tokens if token.type == "html_block"} == ours


@pytest.mark.parametrize(("number", "form"), [(3, "full"), (2000, "short"), (5000, "empty")])
def test_the_output_files(number: int, form: str) -> None:
    """The output `files` holds full records, or short ones, or none with a warning; the report has everything."""
    files = [distribution(f"p{each}", f"p{each}-{'x' * 30}-1.0-py3-none-any.whl") for each in range(number)]
    known = ledger(*files)
    for each in files:
        known.ended(Outcome(each, "uploaded", attempts=1))
    report = told(known)
    values, cut = outputs(report)
    records = json.loads(values["files"])
    assert len(values["files"]) < FILES_LIMIT
    assert len(records) == (0 if form == "empty" else number)
    assert bool([sentence for sentence in cut if "`files`" in sentence]) == (form == "empty")
    if form != "empty":
        assert set(records[0]) == (set(report.files[0]) if form == "full" else {"filename", "state", "sha256"})
    assert values["uploaded"] == str(number)
    assert len(json.loads(document(report))["files"]) == number


def test_notes_are_told_by_level() -> None:
    """Notes keep their level; notices are not among what there is to do."""
    known = ledger(A)
    known.notes += [Note("warning", "W", "careful", tip="look"), Note("notice", "N", "by the way")]
    known.ended(Outcome(A, "uploaded", attempts=1))
    report = told(known)
    assert [each.level for each in selected(report)] == ["warning", "notice", "notice"]
    assert "careful" in summary(report)
    assert "by the way" not in summary(report)


def test_what_is_alike_is_told_once() -> None:
    """Causes that differ in their files alone are one; what the table does not say is not lost, nor is a block."""
    known = ledger(A, B, C)
    known.problems += [
        Refused("No `x`", f"no to {name}", "ask", path=each.found.shown) for name, each in (("a", A), ("b", B))
    ]
    known.problems.append(
        Refused("Other", "a thing " * 60 + "at last", "do it", block="1\n2", links=("https://a.example/",))
    )
    known.notes += [Note("warning", "W", f"careful with {each}", each, "look") for each in ("a", "b", "b")]
    text = summary(told(known))
    head, _, rest = text.partition("| File |")
    what = f"**Cause:** No `x` (`{A.found.shown}` and 1 more): no to a 1 more cause is below."
    assert what in head
    assert head.index("**Cause:**") < head.index("**Next step:** ask Then run the job again") < head.index("Releases: ")
    assert rest.count("- **No `x`.** ask (") == 1
    assert "at last do it\n\n  ```\n  1\n  2\n  ```\n" in rest
    assert rest.count("<https://a.example/>") == 1
    assert [rest.count(f"**W.** careful with {each} look") for each in "ab"] == [1, 1]


def test_a_block_is_shown_at_once() -> None:
    """What the next step speaks of stands behind it, and not a second time below."""
    known = ledger(A)
    known.problems.append(Refused("No", "it said no", "paste this", block="gcloud x", links=("https://a.example/",)))
    head, _, rest = summary(told(known)).partition("| File |")
    assert "gcloud x" in head.partition("**Next step:** paste this")[2]
    assert "<https://a.example/>" in head
    assert "gcloud" not in rest
    assert "https" not in rest.partition("#### What to do")[2]


def test_the_first_release_by_name() -> None:
    """`name`, `version` and `url` are those of the first release by name."""
    known = ledger(B, A)
    known.ended(Outcome(A, "uploaded", attempts=1))
    values, _ = outputs(told(known))
    assert (values["name"], values["version"], values["url"]) == ("a", "1.0", "https://pypi.org/project/a/1.0/")
