"""`python -m local.local_cloud`: keeps the local cloud running until Ctrl-C."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer

from local.local_cloud.cloud import DEFAULT_PORT, LocalCloud
from local.local_cloud.http.front import FrontError
from local.local_cloud.permissions.denial import Denial, denial_report
from local.local_cloud.permissions.guard import Mode
from local.local_cloud.state import CloudError
from local.local_cloud.substrate import SubstrateError
from local.local_cloud.template.intrinsics import TemplateError

_REPOSITORY: Final = Path(__file__).resolve().parents[2]


def run(
    template: Annotated[Path, typer.Option(help="SAM or CloudFormation template.")] = _REPOSITORY
    / "template.yaml",
    port: Annotated[int, typer.Option(help="Port of the endpoint; 0 takes a free one.")] = (
        DEFAULT_PORT
    ),
    parameter: Annotated[
        list[str] | None,
        typer.Option(help="Template parameter, NAME=VALUE; may be given several times."),
    ] = None,
    state_dir: Annotated[Path, typer.Option(help="For logs and temporary files.")] = Path(".local"),
    redelivery_seconds: Annotated[
        float | None,
        typer.Option(help="When failed messages come again, instead of their visibility timeout."),
    ] = None,
    permissions: Annotated[
        Mode,
        typer.Option(
            help="enforce: deny calls that the template does not grant; warn: list them only;"
            " off: check nothing."
        ),
    ] = Mode.ENFORCE,
    page_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")
    ] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print endpoint, outputs and warnings as one JSON line.")
    ] = False,
) -> None:
    """Run an AWS of your own on this machine, with the template deployed, until Ctrl-C.

    Example: python -m local.local_cloud --parameter Environment=test

    Exit status: 0 after Ctrl-C or SIGTERM, 1 if it cannot start, 2 for wrong arguments.
    """
    cloud = LocalCloud(
        template,
        state_dir,
        port=port,
        parameters=_parameters(parameter or []),
        redelivery_seconds=redelivery_seconds,
        permissions=permissions.value,
        on_denial=_show_denial,
    )
    _end_by_signals()
    try:
        with cloud:
            if as_json:
                print(_as_json(cloud), flush=True)
            else:
                page = _start_page(state_dir, page_port)
                print(_guide(cloud, state_dir, page), flush=True)
            while True:
                signal.pause()
    except _Ended:
        if not as_json:
            print(_last_words(cloud), flush=True)
    except (CloudError, FrontError, SubstrateError, TemplateError) as error:
        print(f"the local cloud cannot start: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


def _start_page(state_dir: Path, port: int) -> str:
    """Serve the page of `pipeline console` beside the cloud; where it is, or why it is not."""
    # Only here: a cloud that a program starts (--json) does without a page.
    from cli.client.deployment import Deployment, running_cloud
    from cli.exit_codes import NOT_FOUND, CommandFailed
    from cli.page.server import PageServer
    from cli.page.source import Source

    def find() -> Deployment:
        """As its own description has it, which an update of the template writes anew."""
        deployment = running_cloud(state_dir)
        if deployment is None:
            raise CommandFailed(f"the local cloud of {state_dir} is not there", NOT_FOUND)
        return deployment

    try:
        server = PageServer(Source(find), port)
    except CommandFailed as error:
        return f"there is none: {error}"
    threading.Thread(target=server.serve, name="page", daemon=True).start()
    return server.address


def _show_denial(denial: Denial) -> None:
    """On standard error, where it does not disturb who reads the endpoint as JSON."""
    print(f"denied: {denial}", file=sys.stderr, flush=True)


def _last_words(cloud: LocalCloud) -> str:
    return "\n".join([*denial_report(cloud.permissions.denials()), "stopped"])


class _Ended(BaseException):
    """A signal asked for the end; passes through everything that handles errors."""


def _end_by_signals() -> None:
    """Let Ctrl-C and SIGTERM end the command in order, and a second one at once."""
    ended = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        if ended.is_set():
            raise KeyboardInterrupt
        ended.set()
        raise _Ended

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)


def _parameters(given: list[str]) -> dict[str, str]:
    for item in given:
        if "=" not in item:
            raise typer.BadParameter(f"{item!r} is not NAME=VALUE", param_hint="--parameter")
    return dict(item.split("=", 1) for item in given)


def _as_json(cloud: LocalCloud) -> str:
    return json.dumps(
        {
            "endpointUrl": cloud.endpoint_url,
            "environment": cloud.environment(),
            "outputs": cloud.outputs,
            "warnings": cloud.warnings,
        }
    )


def _guide(cloud: LocalCloud, state_dir: Path, page: str) -> str:
    exports = "\n".join(f"  export {name}={value}" for name, value in cloud.environment().items())
    width = max((len(name) for name in cloud.outputs), default=0)
    outputs = "\n".join(f"  {name:<{width}}  {value}" for name, value in cloud.outputs.items())
    warnings = "\n".join(f"  - {warning}" for warning in cloud.warnings)
    return f"""\
The local cloud is running at {cloud.endpoint_url}.

The page: {page}

In another terminal:

{exports}

{_examples(cloud)}

Outputs of the stack:
{outputs}

What of the template has no effect here:
{warnings or "  nothing"}

Logs: {state_dir}/logs, {state_dir}/local-cloud.log. Ctrl-C stops it and discards its data."""


def _examples(cloud: LocalCloud) -> str:
    aws = f"  aws --endpoint-url {cloud.endpoint_url}"
    lines = []
    if "DataProcessingQueueUrl" in cloud.outputs:
        lines.append("  .venv/bin/pipeline upload --sample   # it begins empty")
        lines.append("  .venv/bin/pipeline run events/run.json --wait")
    lines += [f"{aws} s3 ls", f"{aws} lambda list-functions"]
    if queue := cloud.outputs.get("DataProcessingQueueUrl"):
        lines.append(f"{aws} sqs send-message --queue-url {queue} \\")
        lines.append("      --message-body file://events/run.json")
    if function := cloud.outputs.get("PipelineFunctionArn"):
        lines.append(f"{aws} lambda list-durable-executions-by-function \\")
        lines.append(f"      --function-name {function.rpartition(':')[0] or function}")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(run)
