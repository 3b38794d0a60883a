"""`pipeline demo`, which is `make run`: a local cloud, sample data, one message, and the report."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from cli.client.deployment import Deployment, running_cloud
from cli.client.messages import read_message
from cli.client.sending import send
from cli.client.spark import check_spark
from cli.client.wheel import upload_stand_in
from cli.commands.upload import upload_code, upload_sample
from cli.documents.base import print_document
from cli.exit_codes import FAILED, INTERRUPTED, NOT_FOUND, SUCCEEDED, CommandFailed
from cli.options import JsonOption
from cli.views.printing import make_console
from cli.views.progress import show_progress
from cli.views.report import Report, make_report, print_report, report_document

ROOT: Final = Path(__file__).resolve().parents[2]
DEFAULT_MESSAGE: Final = ROOT / "events" / "run.json"
_DEFAULT_TIMEOUT: Final = 600.0
_ENDS: Final = (
    "it ends with the report; to try the commands that this prints, keep it: make run ARGS=--keep"
)
_HAS_ENDED: Final = (
    "The local cloud has ended. To keep one running: make local, or make run ARGS=--keep"
)
_KEEPS: Final = "The local cloud that was used keeps running."


class Permissions(Enum):
    """What happens to a call that the template does not grant (the local cloud's `Mode`)."""

    ENFORCE = "enforce"
    WARN = "warn"
    OFF = "off"


def demo(
    message_file: Annotated[
        str | None,
        typer.Argument(
            help="File with the message to send; - reads standard input. Default: events/run.json."
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the sample data: the same seed gives the same rows.")
    ] = 1,
    port: Annotated[int, typer.Option(help="Port of the local cloud; 0 takes a free one.")] = 4566,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep the local cloud running after the report, until Ctrl-C."),
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds after which to give up waiting for the run.")
    ] = _DEFAULT_TIMEOUT,
    state_dir: Annotated[
        Path, typer.Option(help="Folder for logs and temporary files of the local cloud.")
    ] = ROOT / ".local",
    permissions: Annotated[
        Permissions,
        typer.Option(
            help="Calls that the template does not grant: enforce denies them, warn lists them at"
            " the end, off allows them."
        ),
    ] = Permissions.ENFORCE,
    json_output: JsonOption = False,
) -> None:
    """Run the whole pipeline on this machine and show what happened.

    Starts a local cloud from template.yaml, uploads sample data, sends one message, follows its run
    and shows the history, the counts, stored items, the warehouse and rejected rows. To try
    commands on that local cloud, keep it running: --keep, then type them in another terminal.
    Where one runs already (make local), that one is used, and keeps running.
    """
    body = read_message(message_file or str(DEFAULT_MESSAGE))
    check_spark(body)
    signal.signal(signal.SIGTERM, _as_interrupt)
    talk = make_console(stderr=json_output)
    try:
        running = running_cloud(state_dir)
        with _cloud(running, state_dir, port, permissions.value, talk) as deployment:
            if not running and not keep:
                talk.print(_ENDS, soft_wrap=True)
            upload_code(deployment.client("s3"), deployment.output("CodeBucketName"))
            upload_stand_in(deployment.client("s3"), deployment.output("CodeBucketName"))
            upload_sample(deployment, seed)
            talk.print("uploaded dataset contracts, job scripts and sample data")
            sent = send(deployment, body, checked=False)  # a refusal is part of the demo
            talk.print(
                f"sent message {sent.message_id} to {sent.queue_url}:"
                f" run {sent.run_id or 'whose id is not yet generated'}",
                soft_wrap=True,
            )
            snapshot = show_progress(talk, sent.follower.watch(timeout))
            stays = keep or running is not None
            report = make_report(deployment, snapshot, ends=not stays)
            if json_output:
                print_document(report_document(report))
            else:
                print_report(talk, report)
            if keep and not running:
                _keep(deployment, talk)
        talk.print(_KEEPS if running else _HAS_ENDED, soft_wrap=True)
    except KeyboardInterrupt:
        raise CommandFailed("interrupted; the local cloud is stopped", INTERRUPTED) from None
    raise typer.Exit(_exit_code(report))


@contextlib.contextmanager
def _cloud(
    running: Deployment | None, state_dir: Path, port: int, permissions: str, talk: Console
) -> Iterator[Deployment]:
    """The local cloud that runs already, else one for the length of the block."""
    if running is None:
        with _local_cloud(state_dir, port, permissions, talk) as deployment:
            yield deployment
        return
    talk.print(f"using the local cloud that runs already, on {running.endpoint_url}")
    with contextlib.closing(running):
        yield running


@contextlib.contextmanager
def _local_cloud(
    state_dir: Path, port: int, permissions: str, talk: Console
) -> Iterator[Deployment]:
    """A local cloud with the template deployed, for the length of the block.

    Raises:
        CommandFailed: it cannot start.
    """
    # Only here: the other commands work where the local cloud is not installed.
    from local.local_cloud.cloud import CloudError, LocalCloud
    from local.local_cloud.http.front import FrontError
    from local.local_cloud.permissions.denial import denial_report
    from local.local_cloud.substrate import SubstrateError
    from local.local_cloud.template.intrinsics import TemplateError

    cloud = LocalCloud(ROOT / "template.yaml", state_dir, port=port, permissions=permissions)
    talk.print("starting the local cloud")
    try:
        cloud.start()
    except (CloudError, FrontError, SubstrateError, TemplateError) as error:
        raise CommandFailed(f"the local cloud cannot start: {error}", NOT_FOUND) from error
    try:
        talk.print(f"it listens on {cloud.endpoint_url}")
        talk.print(_without_effect(cloud.warnings), style="dim")
        deployment = _deployment(cloud)
        with contextlib.closing(deployment):
            yield deployment
    finally:
        for line in denial_report(cloud.permissions.denials()):
            talk.print(line, markup=False, highlight=False, soft_wrap=True)
        cloud.stop()


def _deployment(cloud: Any) -> Deployment:
    return Deployment(
        outputs=cloud.outputs, parameters=cloud.parameters, endpoint_url=cloud.endpoint_url
    )


def _without_effect(warnings: Sequence[str]) -> str:
    """What of the template has no effect here, in short; `make local` names every property."""
    reasons = dict.fromkeys(warning.partition(": AWS::")[0] for warning in warnings)
    return "On this machine: " + ("; ".join(reasons) or "everything has its effect")


def _exit_code(report: Report) -> int:
    """The run's, or FAILED where it succeeded but its counts do not add up."""
    code = report.snapshot.exit_code
    return FAILED if code == SUCCEEDED and not report.adds_up else code


def _keep(deployment: Deployment, talk: Console) -> None:
    """Wait for Ctrl-C, which here is the ordinary way to end and no interruption."""
    talk.print(f"the local cloud keeps running on {deployment.endpoint_url}; Ctrl-C ends it")
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            signal.pause()


def _as_interrupt(_signal: int, _frame: FrameType | None) -> None:
    """A termination takes the same way out as Ctrl-C, so that nothing is left running."""
    raise KeyboardInterrupt
