"""Artifact Registry: tokens age, the index is read first, duplicates go by digest, and nobody is asked too often."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable

import httpx
import pytest

from tests.distributions import make_sdist, make_wheel
from tests.google.job import SDIST, WHEEL, Job, Slow
from tests.line import Run, Waits
from tests.peers.scripted import Answer

UPLOADED = {WHEEL: "uploaded", SDIST: "uploaded"}
SOON = {"timeout": "7", "retries": "1"}


def digest(job: Job, name: str) -> str:
    """Give the sha256 of a file of the job."""
    return hashlib.sha256((job.dist / name).read_bytes()).hexdigest()


class TestAge:
    """How old a token may get."""

    @pytest.mark.parametrize(("seconds", "times"), [(100, 1), (245, 2), (400, 2)])
    def test_a_token_that_ages(self, job: Job, seconds: float, times: int) -> None:
        """Before each file it is looked at: one with less than a minute left is replaced, an older one is not sent."""
        waits = Waits()
        job.world.now = lambda: waits.clock.now().timestamp()

        def slowly(request: httpx.Request, go_on: Callable[[], httpx.Response]) -> httpx.Response:
            response = go_on()
            if request.method == "POST" and request.url.host == job.google.repository.host:
                waits.clock.sleep(seconds)
            return response

        ours = job.publish(clock=waits.clock, around=slowly)

        assert (ours.status, ours.states) == (0, UPLOADED)
        again = ["github", "sts"] * (times - 1)
        assert job.asked == ["github", "sts", "read", "upload", *again, "upload"]
        assert ours.raw.count("Credential: Google, by workload identity federation, principal://") == times

    def test_a_token_that_is_short_from_birth(self, job: Job) -> None:
        """Of a token that lives for less than a minute half has to be left: it is used, for there is no other."""
        job.world.github.token_life = 40
        ours = job.publish()

        assert (ours.status, job.asked) == (0, ["github", "sts", "read", "upload", "upload"])

    @pytest.mark.parametrize("inputs", [lambda job: job.keyless, lambda job: job.as_account])
    def test_once_refused(self, job: Job, inputs: Callable[[Job], dict[str, str]]) -> None:
        """A 401 brings one new token, with a new ID token, and that file once more; the next goes with the new one."""
        job.world.faults.set("registry-unauthenticated", 1)
        ours = job.publish(inputs(job))

        hops = job.asked[: job.asked.index("read")]
        assert job.asked == [*hops, "read", "upload", *hops, "upload", "upload"]
        assert (ours.status, ours.states) == (0, UPLOADED)
        assert len({each["jti"] for each in job.world.github.issued}) == 2
        sent = [entry.headers["authorization"] for entry in job.world.journal.entries if entry.path.endswith("python/")]
        assert [each == sent[0] for each in sent] == [True, False, False]
        assert ours.raw.count("The index does not take the token any more: another one is fetched.") == 1

    def test_for_ever_refused(self, job: Job) -> None:
        """A second 401 is the end: for all files, for they would fare no better."""
        job.world.faults.set("registry-unauthenticated", True)
        ours = job.publish()

        assert (ours.status, ours.states) == (1, {WHEEL: "failed", SDIST: "not-attempted"})
        assert job.asked == ["github", "sts", "read", "upload", "github", "sts", "upload"]
        assert ours.titles == ["Artifact Registry does not take the token"]
        (file, _) = ours.report["files"]
        assert (file["status"], file["attempts"]) == (401, 2)
        for told in ("answered 401", "user `oauth2accesstoken`", f"provider {job.google.provider.name}"):
            assert told in ours.reasons[WHEEL]

    def test_no_other_token(self, job: Job) -> None:
        """Where the new token is refused to us, that is what is said; the upload that was sent counts."""
        job.world.faults.set("registry-unauthenticated", True)
        job.world.faults.set("sts-pool-disabled", [None, True])
        ours = job.publish()

        assert (ours.status, ours.titles) == (1, ["Google does not know the provider"])
        assert ours.states == {WHEEL: "failed", SDIST: "not-attempted"}
        assert job.asked == ["github", "sts", "read", "upload", "github", "sts"]


class TestIndex:
    """Reading what is there."""

    @pytest.mark.parametrize(
        ("fault", "title"),
        [
            ("registry-index-unauthenticated", "Artifact Registry does not take the token"),
            ("registry-index-denied", "Artifact Registry does not allow it"),
            ("registry-no-repository", "Artifact Registry does not allow it"),
        ],
    )
    def test_an_index_that_may_not_be_read(self, job: Job, fault: str, title: str) -> None:
        """401 and 403 never mean "not there": nothing is sent."""
        job.world.faults.set(fault, True)
        ours = job.publish()

        assert (ours.status, ours.titles, job.asked) == (2, [title], ["github", "sts", "read"])
        assert set(ours.states.values()) == {"not-attempted"}
        assert job.google.repository.files == {}

    def test_a_new_project(self, job: Job) -> None:
        """404 is a project that was never uploaded: it is made by the first file."""
        ours = job.publish()

        assert ours.status == 0
        (page,) = (entry for entry in job.world.journal.entries if entry.method == "GET" and "simple" in entry.path)
        assert (page.path, page.status) == ("/octo-project/python/simple/demo/", 404)
        assert "has no project 'demo' yet" in ours.raw

    def test_one_token_reads_and_writes(self, job: Job) -> None:
        """The index is read with the token that the files are sent with."""
        job.publish()

        here = job.world.journal.to(job.google.repository.host)
        assert [entry.method for entry in here] == ["GET", "POST", "POST"]
        assert len({entry.headers["authorization"] for entry in here}) == 1

    @pytest.mark.parametrize("stale", [False, True])
    def test_a_second_run(self, job: Job, stale: bool) -> None:
        """What is there with the same digest is no error, even where the index shows it late and a 400 tells first."""
        job.publish()
        if stale:
            job.world.faults.set("registry-index-stale", 1)
        ours = job.publish()

        assert (ours.status, set(ours.states.values())) == (0, {"already-present"})
        looked = ["upload", "read"] * 2 if stale else []
        assert job.asked == ["github", "sts", "read", *looked]

    def test_a_conflict(self, job: Job) -> None:
        """Other content under the name is a conflict with both digests, known before anything is sent."""
        other = job.google.repository.put(WHEEL, b"other").sha256
        ours = job.publish()

        assert (ours.status, ours.titles) == (2, ["Other content under this name"])
        assert ours.states == {WHEEL: "conflict", SDIST: "not-attempted"}
        assert job.asked == ["github", "sts", "read"]
        assert digest(job, WHEEL) in ours.reasons[WHEEL]
        assert other in ours.reasons[WHEEL]

    def test_a_conflict_that_shows_late(self, job: Job) -> None:
        """Where the index did not show it, the 400 does not settle it: the digests do."""
        job.publish()
        make_wheel(job.dist, "demo", modules={"demo/other.py": "other = True\n"})
        job.world.faults.set("registry-index-stale", 1)
        ours = job.publish()

        assert (ours.status, ours.states) == (1, {WHEEL: "conflict", SDIST: "already-present"})
        assert digest(job, WHEEL) in ours.reasons[WHEEL]

    def test_an_index_without_hashes(self, job: Job) -> None:
        """Then the files are fetched, with the token, and compared."""
        for name in (WHEEL, SDIST):
            job.google.repository.put(name, (job.dist / name).read_bytes())
        job.world.faults.set("registry-index-no-hashes", True)
        ours = job.publish()

        assert (ours.status, set(ours.states.values())) == (0, {"already-present"})
        assert job.asked == ["github", "sts", "read", "read", "read"]


class TestCut:
    """Connections that are cut in the middle."""

    @pytest.mark.parametrize("early", [False, True])
    def test_a_large_duplicate(self, job: Job, early: bool) -> None:
        """A large file that is there is cut off without a word, or with a 400 before: its digest tells."""
        make_wheel(job.dist, "demo", filler=3_000_000)
        job.google.repository.large = 1_000_000
        job.publish()
        job.world.faults.set("registry-index-stale", 1)
        if early:
            job.world.faults.set("registry-large-400", True)
        ours = job.publish()

        # Whether it was a try of this run that stored it, a reset does not tell; the reset may overtake a 400, too.
        assert ours.status == 0
        assert ours.states[WHEEL] in {"uploaded", "already-present"}
        assert ours.report["files"][0]["remote_sha256"] == digest(job, WHEEL)
        assert job.asked[3:5] == ["upload", "read"]

    def test_a_large_conflict(self, job: Job) -> None:
        """The same with other content is a conflict, not a success."""
        make_wheel(job.dist, "demo", filler=3_000_000)
        job.google.repository.large = 1_000_000
        job.publish()
        make_wheel(job.dist, "demo", filler=3_000_000, modules={"demo/other.py": "other = True\n"})
        job.world.faults.set("registry-index-stale", 1)
        ours = job.publish()

        assert (ours.status, ours.states[WHEEL]) == (1, "conflict")
        assert digest(job, WHEEL) in ours.reasons[WHEEL]

    def test_stored_then_dropped(self, job: Job) -> None:
        """A file whose answer was lost is looked for, found and not sent again."""
        job.world.faults.set("registry-stored-then-dropped", 1)
        ours = job.publish()

        assert (ours.status, ours.states) == (0, UPLOADED)
        assert job.asked == ["github", "sts", "read", "upload", "read", "upload"]

    def test_cut_and_sent_again(self, job: Job) -> None:
        """A file that is not there after a cut is sent again."""
        job.world.faults.set("registry-cut", 1)
        ours = job.publish()

        assert (ours.status, ours.states) == (0, UPLOADED)
        assert job.asked == ["github", "sts", "read", "upload", "read", "upload", "upload"]


class TestPatience:
    """What is asked again, and how often."""

    def test_trouble_at_every_hop(self, job: Job) -> None:
        """5xx at each hop in a row delays the release, and no more: each is asked again, and nobody else."""
        for fault in (
            "github",
            "sts-unavailable",
            "iam-unavailable",
            "registry-index-unavailable",
            "registry-unavailable",
        ):
            job.world.faults.set(fault, 1)
        waits = Waits()
        ours = job.publish(job.as_account, clock=waits.clock)

        assert (ours.status, ours.states) == (0, UPLOADED)
        hops = ["github", "github", "sts", "sts", "iam", "iam", "read", "read"]
        # A 503 to an upload leaves open whether it was stored.
        assert job.asked == [*hops, "upload", "read", "upload", "upload"]
        assert len(waits.pauses) == 5

    @pytest.mark.parametrize(("fault", "name"), [("sts-too-many", "sts"), ("registry-too-many", "upload")])
    def test_when_to_come_back(self, job: Job, fault: str, name: str) -> None:
        """A 429 is asked again when it says, here after a second and not after the usual pause."""
        job.world.faults.set(fault, 1)
        waits = Waits()
        ours = job.publish(clock=waits.clock)

        assert (ours.status, job.asked.count(name)) == (0, 2 if name == "sts" else 3)
        (pause,) = waits.pauses
        assert 1 <= pause < 2.1

    @pytest.mark.parametrize(
        ("fault", "asked", "title"),
        [
            ("github", ["github"] * 5, "GitHub could not answer"),
            ("sts-unavailable", ["github", *["sts"] * 5], "Google's token service (STS) could not answer"),
            ("sts-html-error", ["github", *["sts"] * 5], "Google's token service (STS) could not answer"),
            ("iam-unavailable", ["github", "sts", *["iam"] * 5], "Google's IAM Credentials API could not answer"),
        ],
    )
    def test_an_outage(self, job: Job, fault: str, asked: list[str], title: str) -> None:
        """Who does not answer is asked as often as `retries` says, and not again for every project that is read."""
        make_wheel(job.dist, "other")
        make_wheel(job.dist, "third")
        job.world.faults.set(fault, True)
        waits = Waits()
        ours = job.publish(job.as_account, clock=waits.clock)

        assert (ours.status, ours.titles, job.asked) == (2, [title], asked)
        assert len(waits.pauses) == 4
        assert "Tried 5 times" in ours.raw
        assert "Run the job again to send the rest." in ours.raw

    def test_a_refusal_for_several_projects(self, job: Job) -> None:
        """Who is refused once is not asked again for the next project, and it is told once."""
        make_wheel(job.dist, "other")
        make_wheel(job.dist, "third")
        job.world.faults.set("sts-pool-disabled", True)
        ours = job.publish()

        assert (ours.status, job.asked) == (2, ["github", "sts"])
        assert ours.titles == ["Google does not know the provider"]

    @pytest.mark.parametrize(
        ("host", "asked", "said"),
        [
            ("pipelines.actions.githubusercontent.com", [], "No answer from GitHub"),
            ("sts.googleapis.com", ["github"], "No answer from Google's token service (STS)"),
            ("iamcredentials.googleapis.com", ["github", "sts"], "No answer from Google's IAM Credentials API"),
            ("us-central1-python.pkg.dev", ["github", "sts", "iam"], "No answer in time"),
        ],
    )
    def test_too_slow(self, job: Job, host: str, asked: list[str], said: str) -> None:
        """`timeout` holds at every hop, and `retries` too; nothing was sent yet."""
        slow = Slow("GET" if "python" in host else "", host)
        ours = job.publish(job.as_account | SOON, around=slow)

        assert (ours.status, ours.titles, job.asked) == (2, [said], asked)
        assert slow.waited == [7, 7]
        assert "made no progress for the time that `timeout` allows" in ours.raw

    def test_an_upload_that_is_too_slow(self, job: Job) -> None:
        """An upload without an answer leaves open what became of it: the index is asked."""
        slow = Slow("POST", job.google.repository.host)
        ours = job.publish(job.keyless | SOON, around=slow)

        assert (ours.status, set(ours.states.values())) == (1, {"failed"})
        assert slow.waited == [7] * 4
        assert job.asked == ["github", "sts", *["read"] * 5]
        assert set(ours.titles) == {"No answer in time"}
        assert "The simple index does not show the file." in ours.reasons[WHEEL]

    @pytest.mark.parametrize(
        ("fault", "asked", "title"),
        [
            ("github", ["github"], "GitHub sends us elsewhere"),
            ("sts-unavailable", ["github", "sts"], "Google's token service (STS) sends us elsewhere"),
            ("iam-unavailable", ["github", "sts", "iam"], "Google's IAM Credentials API sends us elsewhere"),
        ],
    )
    def test_sent_elsewhere(self, job: Job, fault: str, asked: list[str], title: str) -> None:
        """A redirect of an exchange is not followed: a secret would go along."""
        location = "https://evil.example/v1/token?session=very-secret-indeed"
        job.world.faults.set(fault, Answer(307, headers={"Location": location}))
        ours = job.publish(job.as_account)

        assert (ours.status, ours.titles, job.asked) == (2, [title], asked)
        assert "https://evil.example/v1/token" in ours.raw
        assert "very-secret-indeed" not in ours.raw

    def test_an_upload_is_not_sent_elsewhere(self, job: Job) -> None:
        """Nor is a redirect of an upload to another host."""
        job.world.faults.set("registry-unavailable", Answer(308, headers={"Location": "https://evil.example/"}))
        ours = job.publish()

        assert (ours.status, job.asked) == (1, ["github", "sts", "read", "upload"])
        assert "https://evil.example/" in ours.reasons[WHEEL]


class TestSideBySide:
    """Several projects at once."""

    def several(self, job: Job) -> None:
        """Make more projects."""
        for name in ("one", "two", "three"):
            make_wheel(job.dist, name)
            make_sdist(job.dist, name)

    def done(self, ours: Run) -> bool:
        """Tell whether everything was uploaded."""
        return ours.status == 0 and set(ours.states.values()) == {"uploaded"} and len(ours.states) == 8

    def test_one_token_for_all(self, job: Job) -> None:
        """Four projects share one token, from the first read to the last file."""
        self.several(job)
        ours = job.publish(job.as_account)

        assert self.done(ours)
        assert [job.asked.count(each) for each in ("github", "sts", "iam", "read", "upload")] == [1, 1, 1, 4, 8]

    def test_one_renewal_for_all(self, job: Job) -> None:
        """A token that is taken back while four projects are uploaded is renewed once, by whoever hears of it first."""
        self.several(job)
        lock = threading.Lock()
        revoked: list[bool] = []

        def revoke(request: httpx.Request, go_on: Callable[[], httpx.Response]) -> httpx.Response:
            with lock:
                if request.method == "POST" and request.url.host == job.google.repository.host and not revoked:
                    job.google.cloud.revoke()
                    revoked.append(True)
            return go_on()

        ours = job.publish(job.as_account, around=revoke)

        assert self.done(ours)
        assert [job.asked.count(each) for each in ("github", "sts", "iam", "read")] == [2, 2, 2, 4]
        assert 9 <= job.asked.count("upload") <= 12

    def test_not_allowed_to_one(self, job: Job) -> None:
        """A 403 holds for its project alone."""
        self.several(job)
        job.world.faults.set("registry-denied", 1)
        ours = job.publish()

        assert ours.status == 1
        assert sorted(ours.states.values()) == ["failed", "not-attempted", *["uploaded"] * 6]
        assert ours.titles == ["Artifact Registry does not allow it"]
