"""`pipeline console`: the page, served on this machine."""

from __future__ import annotations

import webbrowser
from typing import Annotated

import typer

from cli.client.deployment import find_deployment
from cli.options import RegionOption, StackOption


def console(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; 0 takes a free one.")
    ] = 0,
    open_it: Annotated[
        bool, typer.Option("--open", help="Open the page in the browser, too.")
    ] = False,
    stack: StackOption = None,
    region: RegionOption = None,
) -> None:
    """Serve the page: the runs of a deployment live, with what can be done about them.

    It is served on 127.0.0.1 until Ctrl-C, with your own credentials; the address that is printed
    holds a token that is made anew at each start. docs/console.md describes the page.
    """
    # Only here: the other commands do without a server.
    from cli.page.server import PageServer
    from cli.page.source import Source

    if stack:
        find_deployment(stack, region)  # a wrong name is better said here; a cloud may come later
    server = PageServer(Source(lambda: find_deployment(stack, region)), port)
    typer.echo(f"The page: {server.address}\nCtrl-C stops it.")
    if open_it:
        webbrowser.open(server.address)
    server.serve()
