"""The straight line from what was asked for to what became of it; the only module that touches the process."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from types import FrameType
from typing import NamedTuple, NoReturn

from entrypoint import __version__

if __name__ == "__main__" and sys.argv[1:] == ["--version"]:  # needs nothing of what is imported below
    sys.stdout.write(f"publish-action {__version__}\n")
    raise SystemExit

gc.disable()  # what is imported stays: looking through it for garbage takes a tenth of the time, now and later
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would look for them in all that is installed

import httpx  # noqa: TC002 - the client needs it anyway

from entrypoint import attestations, client, credentials, index, plan, report, upload
from entrypoint.attestations import Attesting
from entrypoint.credentials import Context, Credential, Surroundings, providers, static
from entrypoint.credentials.exchange import Exchange
from entrypoint.distribution import Collection, Distribution, collect
from entrypoint.errors import CredentialError, Note, PublishError, gather, leaves
from entrypoint.index import Located
from entrypoint.inputs import Inputs, deprecated, remarks
from entrypoint.patience import Clock, Patience
from entrypoint.plan import Lenience, Plan, bytes_shown
from entrypoint.report import Ledger, annotation, outputs, summary
from entrypoint.runner import Runner
from entrypoint.stock import Inventory, Stock
from entrypoint.threads import Inbox, side_by_side
from entrypoint.upload import Api, Listener, Outcome, Standing

gc.freeze()
gc.enable()

DRY = "It takes a credential to read this index, and this dry run has none: what is there already is not known."


class Stopped(BaseException):
    """A signal asked this program to end."""


def main() -> NoReturn:
    """Run as the action's container, as `python -m entrypoint`, or for a person at a terminal."""
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]  # stdout is a TextIOWrapper
    arguments = sys.argv[1:]
    status = run(os.environ, Runner(os.environ, sys.stdout), flags=_flags(arguments) if arguments else {})
    with suppress(BrokenPipeError):
        sys.stdout.flush()
    # Everything is written. Taking 600 modules apart would cost a seventh of the time of a small upload.
    os._exit(status)


class Outside(NamedTuple):
    """What comes from outside: environment, flags, network and time."""

    environ: Mapping[str, str]
    flags: Mapping[str, str]
    transport: httpx.BaseTransport | None
    clock: Clock


def run(
    environ: Mapping[str, str],
    runner: Runner,
    transport: httpx.BaseTransport | None = None,
    *,
    flags: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> int:
    """Publish what was asked for, report what became of it, and give the exit status.

    0: every file is published · 1: something was sent and something failed · 2: nothing was sent · 128 + signal.
    """
    ledger = Ledger()
    outside = Outside(environ, flags or {}, transport, clock or Clock())
    with _signals(ledger):
        with suppress(Stopped):
            with _entered(ledger, runner):
                _publish(outside, runner, ledger)
            ledger.closed = True
        return _report(ledger, runner)


def _publish(outside: Outside, runner: Runner, ledger: Ledger) -> None:
    """Walk the line: inputs, distributions, index, credential, plan, publish, confirm."""
    inputs = _inputs(outside, runner)
    ledger.notes += remarks(outside.environ, outside.flags)
    collection = ledger.collection = collect(inputs.packages_dir, runner.workspace)
    ledger.notes += collection.notes
    located, _ = gather(lambda: _located(inputs, runner), collection.check)
    ledger.index = located.index
    ledger.notes += located.notes

    patience = Patience(inputs.retries, outside.clock)
    log = runner.log if inputs.verbose else None
    urls = (*located.index.urls, *credentials.urls(inputs, outside.environ))
    with client.connect(outside.environ, urls, timeout=inputs.timeout, log=log, transport=outside.transport) as http:
        exchange = Exchange(http, patience, inputs.timeout, runner.mask, runner.log)
        around = Surroundings(outside.environ, runner.workspace, tuple(collection.projects), ledger.notes.append)
        context = Context.of(located, inputs, around, exchange)
        who = _who(context, collection, ledger)
        with closing(who.credential):
            stock = Stock(located.index, http, who.credential if who.credential.reads else None, patience)
            planned = ledger.plan = _planned(context, collection, who, stock, outside.clock)
            ledger.notes += [*stock.notes, *planned.notes]
            _announce(planned, who.credential, runner)
            with _hashes_told(planned, runner) if inputs.print_hash else nullcontext():
                planned.check()
                ledger.settled = "dry-run" if inputs.dry_run else "publish"
                if inputs.dry_run:
                    planned.hash_all()
                    return
                api = _api(context, planned, who, ledger)
                parallel = inputs.parallel or located.index.parallel
                try:
                    upload.publish(planned, api, stock, patience, parallel, _listener(ledger, runner))
                finally:
                    runner.clear()
            if inputs.wait_for_index:
                _confirm(ledger, runner, stock, outside.clock, inputs.wait_for_index)


def _inputs(outside: Outside, runner: Runner) -> Inputs:
    inputs = Inputs.read(outside.environ, outside.flags)
    if inputs.token:
        runner.mask(inputs.token)
    for alias, name in deprecated(outside.environ):
        runner.log(f"Input `{alias}` is deprecated: write `{name}`.")
    return inputs


def _located(inputs: Inputs, runner: Runner) -> Located:
    located = index.locate(name=inputs.index, url=inputs.url, check_url=inputs.simple_url, workspace=runner.workspace)
    if secret := located.password or located.user:  # some indexes take a token as the user name of the URL
        runner.mask(secret)
    return located


class Who(NamedTuple):
    """Who publishes, or why nobody can."""

    credential: Credential
    attesting: Attesting
    refusal: PublishError | None
    known: bool
    """Whether there is a credential: a dry run goes on without."""


def _who(context: Context, collection: Collection, ledger: Ledger) -> Who:
    """Find the credential, and decide about attestations; nothing is asked yet."""
    ledger.notes += static.doubts(context)
    try:
        credential = credentials.resolve(context, providers.in_order())
    except CredentialError as error:
        if not context.inputs.dry_run:
            return Who(credentials.nobody(context, "none"), Attesting(context), error, known=False)
        # Most dry runs are those of pull requests, which may have no credential.
        ledger.notes.append(Note.of("notice", error.saying(" Publishing would stop here.")))
        nobody = credentials.nobody(context, "none: this is a dry run")
        return Who(nobody, Attesting(context), None, known=False)
    attesting = attestations.choose(context, collection, publisher=credential.publisher)
    ledger.notes += attesting.notes
    return Who(credential, attesting, attesting.refusal, known=True)


def _planned(context: Context, collection: Collection, who: Who, stock: Stock, clock: Clock) -> Plan:
    """Read the files and the index, and settle what is done with each file."""
    inputs, index_ = context.inputs, context.index
    lenience = Lenience(strict=inputs.strict, verify_metadata=inputs.verify_metadata)
    examined, inventory = plan.look(
        lambda there: plan.examine(index_, collection.found, lenience, there),
        lambda: _inventory(stock, collection.projects, who, dry=inputs.dry_run),
        at_once=who.credential.lasting or not who.credential.reads,
    )
    return plan.make(
        index_,
        examined,
        inventory,
        stock,
        lenience,
        skip_existing=inputs.skip_existing,
        attest=who.attesting.decision.sign,
        now=clock.now(),
    )


def _inventory(stock: Stock, projects: list[str], who: Who, *, dry: bool) -> Inventory:
    """Read the index, unless that is of no use or would take what a dry run does not take."""
    if who.refusal:
        known = stock.take(projects) if stock.public else Inventory({})
        return known._replace(problems=(who.refusal, *known.problems))
    unknown = Inventory(dict.fromkeys(projects), why=DRY)
    if dry and who.credential.reads and not who.credential.lasting:
        return unknown
    known = stock.take(projects)
    if dry and not who.known and any(isinstance(each, CredentialError) for each in known.problems):
        return unknown
    return known


def _api(context: Context, planned: Plan, who: Who, ledger: Ledger) -> Api:
    """Attest what is to be sent, and sign in; give what takes it."""
    sending = planned.files("upload")
    attested, notes = who.attesting.attest(sending)
    ledger.notes += notes
    if sending:
        who.credential.sign_in()
    required = who.attesting.decision.required
    return Api(context.index, context.exchange.http, who.credential, attested, required=required)


def _listener(ledger: Ledger, runner: Runner) -> Listener:
    def started(distribution: Distribution) -> None:
        runner.log(f"  sending   {distribution.found.filename}  ({bytes_shown(distribution.found.size)})")
        ledger.started(distribution)

    def ended(outcome: Outcome) -> None:
        ledger.ended(outcome)
        runner.log(report.progress(outcome))

    def beat(standing: Standing) -> None:
        if not runner.draws:
            runner.log(f"  {standing}")

    def moved(standing: Standing) -> None:
        runner.draw(str(standing), standing.share)

    return Listener(started, ended, runner.log, beat, moved)


def _confirm(ledger: Ledger, runner: Runner, stock: Stock, clock: Clock, seconds: float) -> None:
    """Wait for the index in another thread, so that a signal is heard."""
    outcomes, inbox = list(ledger.outcomes.values()), Inbox()
    say = inbox.relay(runner.log)
    ((better, notes),) = side_by_side(lambda _: upload.confirm(outcomes, stock, clock, seconds, say), [None], 1, inbox)
    for outcome in better:
        ledger.ended(outcome)
    ledger.notes += notes


def _announce(planned: Plan, credential: Credential, runner: Runner) -> None:
    for line in planned.lines():
        runner.log(line)
    if credential.said:
        runner.log(credential.said)


@contextmanager
def _hashes_told(planned: Plan, runner: Runner) -> Iterator[None]:
    """Write the hashes into the log when the block ends, however it does: those of large files are known by then."""
    try:
        yield
    finally:
        with runner.group("Hashes"):
            for each in planned.distributions():
                runner.log(f"{each.found.filename}\n  sha256       {each.sha256}")
                if blake2b := each.blake2b.known:
                    runner.log(f"  blake2b-256  {blake2b}")


def _report(ledger: Ledger, runner: Runner) -> int:
    """Tell everybody who listens, each in their own way."""
    told = report.make(ledger, runner.redact)
    annotations = annotation.selected(told) if runner.in_actions else annotation.at_terminal(told)
    for level, title, message, path in annotations:
        runner.annotate(level, title, message, path=path)
    values, cut = outputs.outputs(told)
    for sentence in cut:
        runner.annotate("warning", "An output was cut", f"{sentence} `publish-report.json` has everything.")
    with _best_effort(runner):
        runner.set_outputs(values)
    with _best_effort(runner):
        runner.write_summary(summary.summary(told))
    with _best_effort(runner):
        runner.write_report(outputs.document(told))
    runner.log(f"{annotation.headline(told)}. {annotation.state_of_things(told)}")
    return told.exit_status


@contextmanager
def _entered(ledger: Ledger, runner: Runner) -> Iterator[None]:
    """Enter into the ledger what ends the block: problems that a user can solve, or a bug of ours."""
    try:
        yield
    except* PublishError as group:
        ledger.problems += (problem for problem in leaves(group) if isinstance(problem, PublishError))
    except* Exception as group:  # noqa: BLE001 - what is known is reported all the same
        import traceback  # noqa: PLC0415 - for a bug of ours only

        ledger.crash = repr(next(leaves(group)))
        runner.log(traceback.format_exc())


@contextmanager
def _best_effort(runner: Runner) -> Iterator[None]:
    """Go on when one of GitHub's files cannot be written: the others and the log still tell."""
    try:
        yield
    except OSError as error:
        runner.annotate("warning", "The report is incomplete", f"{error.filename}: {error.strerror}.")


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """Read what a person typed; the action has no arguments."""
    from entrypoint import arguments as terminal  # noqa: PLC0415 - argparse costs a container 10 ms for nothing

    try:
        return terminal.parse(arguments)
    except PublishError as error:
        sys.stderr.write(f"error: {error}\n  {error.tip}\n")
        sys.exit(report.NOTHING_SENT)


@contextmanager
def _signals(ledger: Ledger) -> Iterator[None]:
    """Let the first SIGINT or SIGTERM raise `Stopped`, unless the ledger is closed; a report is not disturbed."""

    def stop(number: int, _frame: FrameType | None) -> None:
        if not ledger.closed:
            ledger.closed = True
            ledger.stopped_by = signal.Signals(number)
            raise Stopped

    before = {each: signal.signal(each, stop) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


if __name__ == "__main__":
    main()
