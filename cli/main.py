"""`pipeline`: the commands, wired to what they do."""

from __future__ import annotations

import typer

from cli.commands.dataset import dataset_app
from cli.commands.dead_letters import dead_letters
from cli.commands.demo import demo
from cli.commands.history import history
from cli.commands.jobs import jobs
from cli.commands.rejected import rejected
from cli.commands.resend import resend
from cli.commands.results import results
from cli.commands.run import run
from cli.commands.status import status
from cli.commands.stop import stop
from cli.commands.units import units
from cli.commands.upload import upload
from cli.exit_codes import EPILOG
from cli.verify.command import verify

app = typer.Typer(
    name="pipeline",
    help="Start runs of the data pipeline and look at them, on AWS (--stack) or the local cloud.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command(epilog=EPILOG)(demo)
app.command(epilog=EPILOG)(run)
app.command(epilog=EPILOG)(status)
app.command(epilog=EPILOG)(results)
app.command(epilog=EPILOG)(history)
app.command(epilog=EPILOG)(units)
app.command(epilog=EPILOG)(jobs)
app.command(epilog=EPILOG)(rejected)
app.command(epilog=EPILOG)(resend)
app.command(epilog=EPILOG)(stop)
app.command(epilog=EPILOG)(upload)
app.command(epilog=EPILOG)(verify)
app.command("dead-letters", epilog=EPILOG)(dead_letters)
app.add_typer(dataset_app, name="dataset")

if __name__ == "__main__":
    app(prog_name="pipeline")
