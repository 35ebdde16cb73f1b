"""``login`` and ``whoami``: write a profile, and show the account and the user."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import TYPE_CHECKING, Any

import click

from pandas_clicdata.commands.console import Command, Console, pass_console
from pandas_clicdata.commands.outcome import printable
from pandas_clicdata.errors import NotConnected
from pandas_clicdata.session import login as browser
from pandas_clicdata.session import manager, profiles
from pandas_clicdata.session.credentials import NEEDS, Secret
from pandas_clicdata.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODE = "authorization_code"
_CLEAR = ("client_id", "username")  # not secret: shown while typed, and allowed as an option


@click.command(cls=Command)
@click.option("--auth-method", "method", type=click.Choice(sorted(NEEDS)), default=_CODE, help=f"Default: {_CODE}.")
@click.option("--client-id", metavar="ID", help="The id of an API app; in ClicData: Account > API Apps.")
@click.option("--username", metavar="NAME", help="The name of a user, for basic.")
@click.option("--url", metavar="URL", help="The URL of the service, if it isn't the usual one.")
@click.option("--keyring", is_flag=True, help="Keep the secrets in the keyring of the system, not in the file.")
@click.option("--scope", metavar="NAMES", help="The scopes to allow, with blanks between them.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="The local port for the browser; default: any.",
)
@click.option("--paste", is_flag=True, help="Paste the code; for a machine without a browser.")
@click.option("--redirect-uri", metavar="URI", help="With --paste: the address that the API app allows.")
@click.option("--seconds", type=click.FloatRange(1), default=300.0, help="Seconds to wait for the browser (300).")
@pass_console
def login(
    console: Console,
    method: str,
    client_id: str | None,
    username: str | None,
    url: str | None,
    keyring: bool,
    scope: str | None,
    port: int,
    paste: bool,
    redirect_uri: str | None,
    seconds: float,
) -> None:
    """Log in, and write a profile that later calls use.

    A page of ClicData opens in the browser. Log in there, and the profile gets a refresh token. Each later log-in
    replaces it. With another --auth-method, the profile gets the credentials that you type. Nothing is written before
    ClicData accepts them.

    The name of the profile comes from --profile, else from CLICDATA_PROFILE, else it is "default". If the profile
    exists, its API app is used again. Missing settings come from the environment, or you type them at a terminal. No
    option takes a secret.
    """
    if paste and not sys.stdin.isatty():
        raise click.UsageError("--paste needs a terminal")
    name = profiles.check_name(console.profile or os.environ.get(manager.PROFILE) or profiles.DEFAULT)
    profiles.check_file()
    given = {"client_id": client_id, "username": username, "url": url}
    keep = method == _CODE and client_id is None and _is_app(name)
    found = {} if keep else _asked_for([key for key in NEEDS[method] if key != "refresh_token"], given)
    url = url or (None if keep else os.environ.get(manager.ENVIRONMENT["url"]))
    elsewhere: dict[str, Any] = {} if url is None else {"url": url}
    if method == _CODE:
        source: dict[str, Any] = {"profile": name} if keep else found
        with Session(auth_method="client_credentials", **source, **elsewhere) as app:
            found["refresh_token"] = _refresh_token(console, app, scope, port, paste, redirect_uri, seconds).reveal()
    else:
        with Session(auth_method=method, **found, **elsewhere) as session:
            session.check()
    settings = {"auth_method": method, **elsewhere, **{key: found[key] for key in _CLEAR if key in found}}
    secrets = {key: Secret(text) for key, text in found.items() if key not in _CLEAR}
    path = profiles.save(name, settings, secrets, keyring=keyring, keep=keep)
    console.note(f"The profile {name} is in {path}")
    with Session(profile=name) as session:
        _show(console, {"profile": name, **session.check()})


@click.command(cls=Command)
@pass_console
def whoami(console: Console) -> None:
    """Log in, and show the account, the user, the API app, the URL and the way to log in."""
    _show(console, console.session.check())


def _show(console: Console, found: Mapping[str, str | None]) -> None:
    if console.as_json:
        console.result(found)
    else:
        console.write(
            "".join(f"{key}\t{printable(text or '', blanks=False)}\n" for key, text in found.items()).encode()
        )


def _is_app(name: str) -> bool:
    """Return whether a profile has an API app with its secret."""
    try:
        Session(profile=name, auth_method="client_credentials").close()
    except NotConnected:
        return False
    return True


def _asked_for(names: list[str], given: Mapping[str, str | None]) -> dict[str, Any]:
    """Return each setting: the option, else the variable of the environment, else what the user types."""
    found = {}
    for name in names:
        variable = manager.ENVIRONMENT[name]
        text = given.get(name) or os.environ.get(variable)
        if not text and not sys.stdin.isatty():
            option = f", or give --{name.replace('_', '-')}" if name in _CLEAR else ""
            raise click.UsageError(f"{name} is missing: set {variable}{option}")
        found[name] = text or click.prompt(name, hide_input=name not in _CLEAR, err=True)
    return found


def _refresh_token(
    console: Console, app: Session, scope: str | None, port: int, paste: bool, redirect_uri: str | None, seconds: float
) -> Secret:
    if paste:

        def ask(page: str) -> str:
            console.note(
                f"Open this page, log in, and copy the address that the browser shows at the end:\n\n  {page}\n"
            )
            return str(click.prompt("Address or code", err=True))

        return browser.refresh_token_by_paste(app, ask, scope=scope, redirect_uri=redirect_uri or browser.NOWHERE)

    def open_page(page: str) -> None:
        console.note(f"Log in on this page, which opens in a browser:\n\n  {page}\n")
        if not webbrowser.open(page):
            console.note("No browser was found here. Open the page on this machine, or begin again with --paste.")

    return browser.refresh_token_by_browser(app, open_page, scope=scope, port=port, seconds=seconds)


COMMANDS = (login, whoami)
