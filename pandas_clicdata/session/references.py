"""Secrets that a profile names: in a keyring, from a command, in the environment, or as plain text."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import NotConnected
from pandas_clicdata.session.credentials import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = {"keyring": {"keyring", "username"}, "command": {"command"}, "env": {"env"}}
_PATIENCE = 60.0  # seconds for a command, which may ask for a passphrase in a window of its own


def resolve(value: Secret | Mapping[str, Any], owner: str) -> Secret:
    """Return the secret that a value names, or raise `NotConnected`. ``owner`` is its user name in a keyring."""
    if isinstance(value, Secret):
        return value
    return _from_keyring(value, owner) if "keyring" in value else _READ[next(iter(value))](value)


def problem(value: object) -> str | None:
    """Return why a value can't be a secret or a reference to one; None if it can. Nothing is looked up."""
    if isinstance(value, Secret):
        return None
    ways = '"text", { keyring = "SERVICE" }, { command = "PROGRAM ..." } or { env = "VARIABLE" }'
    if not isinstance(value, dict):
        return f"it must be {ways}"
    kinds = [kind for kind in _KEYS if kind in value]
    if len(kinds) != 1 or not value.keys() <= _KEYS[kinds[0]]:
        return f"it must be {ways}, and has the keys {', '.join(value)}"
    if all(isinstance(text, Secret) and text.reveal().strip() for text in value.values()):
        return _unsplit(value["command"]) if "command" in value else None
    return f"it must be {ways}, with text that is not empty"


def write(value: Mapping[str, Any], owner: str, secret: Secret) -> str | None:
    """Write a secret into the keyring at the place that a value names; return the reason of a failure."""
    try:
        import keyring

        keyring.set_password(*_place(value, owner), secret.reveal())
    except ImportError:
        return _NO_KEYRING
    except Exception as error:  # noqa: BLE001  # each backend has errors of its own
        return f"the keyring can't be written ({type(error).__name__}): unlock it, or keep the secret in the file"
    return None


_NO_KEYRING = "the library keyring is not installed: pip install keyring"


def _place(value: Mapping[str, Any], owner: str) -> tuple[str, str]:
    """Return the service and the user name in the keyring."""
    return value["keyring"].reveal(), value["username"].reveal() if "username" in value else owner


def _from_keyring(value: Mapping[str, Any], owner: str) -> Secret:
    service, username = _place(value, owner)
    failed, found = "", None
    try:
        import keyring

        text = keyring.get_password(service, username)
        found = Secret(text) if text else None
        del text
    except ImportError:
        failed = _NO_KEYRING
    except Exception as error:  # noqa: BLE001  # each backend has errors of its own
        advice = "unlock it, install one, or name the secret by { command = ... } or { env = ... }"
        failed = f"the keyring can't be read ({type(error).__name__}): {advice}"
    if found is None:
        raise NotConnected(failed or f"not in the keyring: store it with  keyring set {service} {username}")
    return found


def _from_environment(value: Mapping[str, Any]) -> Secret:
    name = value["env"].reveal()
    if not os.environ.get(name):
        raise NotConnected(f"the variable {name} is not set")
    return Secret(os.environ[name])


def _from_command(value: Mapping[str, Any]) -> Secret:
    """Run a command without a shell. No error shows its output, which may hold the secret."""
    found = _run(shlex.split(value["command"].reveal()))
    if isinstance(found, str):
        raise NotConnected(found)
    return found


def _run(command: list[str]) -> Secret | str:
    """Return the first line that a command prints, or why there is none."""
    try:
        done = subprocess.run(  # noqa: S603  # the command is the user's, from a file that only they can read
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_PATIENCE
        )
        first = done.stdout.split(b"\n")[0].rstrip(b"\r").decode()
    except subprocess.TimeoutExpired:
        return f"its command {command[0]} did not end within {_PATIENCE:.0f} seconds"
    except UnicodeDecodeError:
        return f"its command {command[0]} printed text that is not UTF-8"
    except OSError as error:
        return f"its command {command[0]} can't be run: {error.strerror}"
    if done.returncode:
        return f"its command {command[0]} ended with status {done.returncode}"
    return Secret(first) if first else f"its command {command[0]} printed nothing"


def _unsplit(command: Secret) -> str | None:
    try:
        shlex.split(command.reveal())
    except ValueError:
        return "its command has a quotation mark that is not closed"
    return None


_READ = {"command": _from_command, "env": _from_environment}
