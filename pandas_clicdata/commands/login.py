"""``login`` and ``whoami``: write a profile, and show the account and the user."""

from __future__ import annotations

import os
import sys
import webbrowser
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from pandas_clicdata.commands.console import Command, Console, is_terminal, pass_console
from pandas_clicdata.commands.outcome import printable
from pandas_clicdata.errors import NotConnected
from pandas_clicdata.session import login as browser
from pandas_clicdata.session import manager, profiles, references
from pandas_clicdata.session.credentials import NEEDS, Secret
from pandas_clicdata.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_CODE = "authorization_code"
_CLEAR = ("client_id", "username")  # not secret: shown while typed, and allowed as an option
_APP = ("client_id", "client_secret")
_WHERE = ("url", "api_version", "ca_bundle")  # what a profile keeps, whatever the way to log in


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
    exists, its URL and its API app are used again; --url and --client-id replace them. Missing settings come from the
    environment, or you type them at a terminal. No option takes a secret.
    """
    if paste and not is_terminal(sys.stdin):
        raise click.UsageError("--paste needs a terminal")
    name = profiles.check_name(console.profile or os.environ.get(manager.PROFILE) or profiles.DEFAULT)
    before = profiles.held(name)
    app = _app(name, before, NEEDS[method]) if client_id is None else {}
    given = {"client_id": client_id or app.get("client_id"), "username": username}
    typed = _asked_for([key for key in NEEDS[method] if key not in app and key != "refresh_token"], given)
    if url is None and not before:
        url = os.environ.get(manager.ENVIRONMENT["url"])
    where = {key: before[key] for key in _WHERE if key in before} | ({} if url is None else {"url": url})
    arguments: dict[str, Any] = {**app, **typed, **where}
    if where.get("api_version", "").lower() == "none":
        arguments["api_version"] = None
    if method == _CODE:
        with Session(auth_method="client_credentials", **arguments) as session:
            typed["refresh_token"] = _refresh_token(
                console, session, scope, port, paste, redirect_uri, seconds
            ).reveal()
    else:
        with Session(auth_method=method, **arguments) as session:
            session.check()
    settings = {"auth_method": method, "url": url, **{key: typed[key] for key in _CLEAR if key in typed}}
    secrets = {key: Secret(text) for key, text in typed.items() if key not in _CLEAR}
    path = profiles.save(name, settings, secrets, keyring=keyring, keep=(*_WHERE, *app))
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


def _app(name: str, profile: Mapping[str, Any], needs: Collection[str]) -> dict[str, str]:
    """Return the API app of a profile, as far as a way to log in needs it and it can be looked up."""
    found: dict[str, str] = {}
    with suppress(NotConnected):
        for key in _APP:
            if key in profile and key in needs:
                found[key] = references.resolve(profile[key], f"{name}.{key}").reveal()
    return found if "client_id" in found else {}


def _asked_for(names: list[str], given: Mapping[str, str | None]) -> dict[str, str]:
    """Return each setting: the option, else the variable of the environment, else what the user types.

    The environment supplies no secret of another API app or user than its own.
    """
    found: dict[str, str] = {}
    for name in names:
        variable, owner = manager.ENVIRONMENT[name], manager.OWNERS.get(name, name)
        its_own, used = os.environ.get(manager.ENVIRONMENT[owner]), found.get(owner) or given.get(owner)
        is_foreign = bool(its_own and used and its_own != used)
        text = given.get(name) or (None if is_foreign else os.environ.get(variable))
        if not text and not is_terminal(sys.stdin):
            option = f", or give --{name.replace('_', '-')}" if name in _CLEAR else ""
            foreign = f" with the {manager.ENVIRONMENT[owner]} of {used}" if is_foreign else ""
            raise click.UsageError(f"{name} is missing: set {variable}{foreign}{option}")
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
