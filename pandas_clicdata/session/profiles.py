"""Profiles: named credentials in a TOML file of the user, and the refresh token that is replaced there."""

from __future__ import annotations

import os
import re
import shlex
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pandas_clicdata.errors import DeadlineExceeded, InputError, NotConnected
from pandas_clicdata.session import references
from pandas_clicdata.session.arguments import AUTO, DEFAULT_URL
from pandas_clicdata.session.credentials import GIVEN, NEEDS, AuthorizationCode, Secret, credentials_of
from pandas_clicdata.session.wire import LOG_IN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from tomlkit import TOMLDocument

    from pandas_clicdata.session.credentials import Credentials

DEFAULT = "default"  # the profile to use if there is no other source of credentials
CONFIG = "CLICDATA_CONFIG"  # the variable that names another file

_SETTINGS = ("auth_method", "url", "api_version", "ca_bundle", "logged_in")  # plain text, never a reference
_KNOWN = (*_SETTINGS, *GIVEN)
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_READABLE_BY_OTHERS = 0o077
_KEPT = {"keyring": Secret("clicdata")}  # the place in the keyring for the secrets of a profile that is written
_PATIENCE = 60.0  # seconds to wait for other processes that write the file
_TRIES, _PAUSE = 40, 0.05  # to rename, and seconds between them

Table = dict[str, Any]  # a profile as it is in the file; texts that may be secret are `Secret`


@dataclass(frozen=True)
class Profile:
    """The arguments of a session that a profile holds, and where its refresh token is kept."""

    credentials: Credentials
    store: RefreshTokens | None
    url: str | None
    api_version: str | None
    ca_bundle: str | None

    def completed(
        self, url: str, api_version: str | None, ca_bundle: str | os.PathLike[str] | None
    ) -> tuple[str, str | None, str | os.PathLike[str] | None]:
        """Return these arguments, with the settings of the profile in place of defaults."""
        return (
            self.url or url if url is DEFAULT_URL else url,
            self.api_version if api_version is AUTO else api_version,
            ca_bundle or self.ca_bundle,
        )


def path_of_config() -> Path:
    """Return the path of the file, whether it exists or not."""
    if named := os.environ.get(CONFIG):
        return Path(named).expanduser()
    from platformdirs import user_config_dir

    return Path(user_config_dir("clicdata", appauthor=False, roaming=True)) / "config.toml"


def check_name(name: object) -> str:
    """Return the name of a profile, or raise `InputError`."""
    if not isinstance(name, str):
        raise InputError(f"profile must be text, not {type(name).__name__}")
    if not _NAME.fullmatch(name):
        raise InputError(f"profile must be a name of letters, digits, - and _, not {name!r}")
    return name


def load(name: object, auth_method: str | None, given: Mapping[str, object]) -> Profile:
    """Return a profile with its secrets looked up, or raise `NotConnected`; InputError if credentials are given too."""
    if doubled := [key for key, value in given.items() if value is not None]:
        raise InputError(f"profile= has all credentials: leave out {' and '.join(doubled)}")
    name, path = check_name(name), path_of_config()
    table = _table(path, name)
    if isinstance(table, str):
        raise NotConnected(f"profile {name}: {table}")
    method = auth_method or table.get("auth_method")
    held = {key: _looked_up(name, key, table[key]) for key in NEEDS.get(method or "", GIVEN) if key in table}
    credentials = _credentials(method, held)
    if isinstance(credentials, str):
        raise NotConnected(f"profile {name} in {path}: {credentials}")
    store = RefreshTokens(path, name, table) if isinstance(credentials, AuthorizationCode) else None
    version = table.get("api_version", AUTO)
    version = None if version.lower() == "none" else version
    return Profile(credentials, store, table.get("url"), version, table.get("ca_bundle"))


def _credentials(auth_method: str | None, held: Mapping[str, Secret]) -> Credentials | str:
    """Return credentials, or why there are none."""
    try:
        return credentials_of(auth_method, {name: held[name].reveal() if name in held else None for name in GIVEN})
    except InputError as error:
        return str(error)


def problem(name: str, auth_method: str | None = None) -> str | None:
    """Return why a profile can't be used; None if the file shows no reason. No secret is looked up."""
    path = path_of_config()
    table = _table(path, check_name(name))
    if isinstance(table, str):
        return table
    method = auth_method or table.get("auth_method")
    held = {key: value if isinstance(value, Secret) else Secret("looked up later") for key, value in table.items()}
    found = _credentials(method, {key: held[key] for key in NEEDS.get(method or "", GIVEN) if key in held})
    return f"in {path}: {found}" if isinstance(found, str) else None


def held(name: str) -> Table:
    """Return a profile, empty if there is none. Raise `NotConnected` if it can't be used, or the file not written."""
    path = Path(os.path.realpath(path_of_config()))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path, _PATIENCE):
        tables = _tables(path) if path.exists() else {}
        found = {} if not isinstance(tables, str) and name not in tables else _table(path, name)
    if isinstance(found, str):
        raise NotConnected(f"profile {name}: {found}")
    return found


def save(
    name: str,
    settings: Mapping[str, str | None],
    secrets: Mapping[str, Secret],
    *,
    keyring: bool = False,
    keep: Collection[str] = (),
) -> Path:
    """Write a profile, and return the path of its file.

    With ``keyring``, the secrets are written into the keyring, else into the file, as plain text. A secret that was in
    the keyring stays there. Other settings of the profile are removed, except those in ``keep``. Comments and other
    profiles don't change. The file is replaced as a whole, so that no other process sees a part of it.
    """
    check_name(name)
    path = Path(os.path.realpath(path_of_config()))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    values: dict[str, Any] = {key: value for key, value in settings.items() if value is not None}
    values["logged_in"] = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    with _locked(path, _PATIENCE):
        before = _table(path, name)
        failed = None
        for key, secret in secrets.items():
            place = before.get(key) if isinstance(before, dict) else None
            place = place if isinstance(place, dict) and "keyring" in place else _KEPT if keyring else None
            values[key] = place or secret
            failed = failed or (references.write(place, f"{name}.{key}", secret) if place else None)
        failed = failed or _change(path, name, values, keep=keep)
    if failed:
        raise NotConnected(f"profile {name}: {failed}")
    return path


class RefreshTokens:
    """The refresh token of a profile. Each token works once, so one process at a time reads, renews and writes it."""

    def __init__(self, path: Path, name: str, table: Table) -> None:
        self._path, self._name = Path(os.path.realpath(path)), name  # a link stays a link
        self._table = table

    @property
    def advice(self) -> str:
        """The advice to the user if the service refuses the token."""
        return f"Log in again: clicdata login --profile {self._name}"

    @contextmanager
    def locked(self, seconds: float) -> Iterator[Secret]:
        """Lock out all other processes, and yield the newest token."""
        with _locked(self._path, seconds):
            table = _table(self._path, self._name)
            if isinstance(table, str):
                raise NotConnected(f"profile {self._name}: {table}")
            if "refresh_token" not in table or _rest(table) != _rest(self._table):  # it may be another account
                raise NotConnected(
                    f"profile {self._name} was changed in {self._path} since this session was opened: open it again"
                )
            newest = _looked_up(self._name, "refresh_token", table["refresh_token"])
            if failed := self._written(newest):  # a request would use the token up, and the new one would be lost
                raise NotConnected(
                    f"profile {self._name}: a new refresh token can't be stored: {failed}. Nothing was sent"
                )
            yield newest

    def write(self, token: Secret) -> None:
        """Write a new token durably. Call this within `locked`."""
        if failed := self._written(token):
            raise NotConnected(f"profile {self._name}: the new refresh token is lost, because {failed}. {self.advice}")

    def _written(self, token: Secret) -> str | None:
        kept = self._table["refresh_token"]
        if isinstance(kept, dict):
            return references.write(kept, f"{self._name}.refresh_token", token)
        return _change(self._path, self._name, {"refresh_token": token}, keep=_KNOWN)


def _rest(table: Table) -> Table:
    return {key: value for key, value in table.items() if key != "refresh_token"}


def _looked_up(name: str, key: str, value: Any) -> Secret:
    try:
        return references.resolve(value, f"{name}.{key}")
    except NotConnected as error:
        raise NotConnected(f"profile {name}: {key}: {error}") from None


# ---------------------------------------------------------------------------------------------------------
# The file


def _table(path: Path, name: str) -> Table | str:
    """Return a profile, or why there is none."""
    tables = _tables(path)
    if isinstance(tables, str):
        return tables
    if name not in tables:
        return f"not in {path}, which has {', '.join(tables) or 'no profile'}"
    table = tables[name]
    if not isinstance(table, dict):
        return f"in {path} it must begin with the line [{name}]"
    problems = [found for key, value in table.items() if (found := _problem(key, value))]
    return f"in {path}: {'; '.join(problems)}" if problems else table


def _problem(key: str, value: object) -> str | None:
    """Return why a setting can't be used; None if it can."""
    if key not in _KNOWN:
        close = get_close_matches(key.lower(), _KNOWN, 1)
        return (
            f"there is no setting {key}: {f'did you mean {close[0]}?' if close else 'there are ' + ', '.join(_KNOWN)}"
        )
    if key in _SETTINGS:
        return None if isinstance(value, str) else f"{key} must be text"
    if key == "refresh_token" and isinstance(value, dict) and "keyring" not in value:
        return "refresh_token is replaced at each use: it must be text in this file, or be in a keyring"
    found = references.problem(value)
    return f"{key}: {found}" if found else None


def _tables(path: Path) -> dict[str, Any] | str:
    """Return all profiles, or why there are none. No error is raised here, as a traceback would show the file."""
    document = _document(path)
    return document if isinstance(document, str) else {name: _hidden(one) for name, one in document.unwrap().items()}


def _hidden(value: Any, key: str = "") -> Any:
    """Return a value of the file, with a `Secret` in place of each text that may be secret."""
    if isinstance(value, dict):
        return {name: _hidden(one, name) for name, one in value.items()}
    return Secret(value) if isinstance(value, str) and key not in _SETTINGS else value


def _document(path: Path) -> TOMLDocument | str:
    """Return the file as it is written, or why it can't be used."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and mode & _READABLE_BY_OTHERS:
                return f"{path} can be read by others: run  chmod 600 {shlex.quote(str(path))}"
            content = file.read().decode()
    except FileNotFoundError:
        return f"there is no file {path}"
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    except UnicodeDecodeError:
        return f"{path} is not UTF-8"
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        return tomlkit.parse(content)
    except ParseError as error:
        return f"{path} is not TOML: see line {error.line}, column {error.col}"
    except TOMLKitError as error:
        return f"{path} is not TOML: {type(error).__name__}"


def _change(path: Path, name: str, values: Mapping[str, Any], *, keep: Collection[str]) -> str | None:
    """Write values into a profile, and remove others that are not in ``keep``. Return the reason of a failure."""
    import tomlkit

    document = _document(path) if path.exists() else tomlkit.document()
    if isinstance(document, str):
        return document
    if not isinstance(document.get(name), dict):
        document[name] = tomlkit.table()
    table: Any = document[name]
    for key in [key for key in table if key not in keep and key not in values]:
        del table[key]
    for key, value in values.items():
        table[key] = _plain(value)
    failed = _replace(path, tomlkit.dumps(document))
    return f"{path} can't be written: {failed}" if failed else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        import tomlkit

        table = tomlkit.inline_table()
        table.update({key: _plain(one) for key, one in value.items()})
        return table
    return value.reveal() if isinstance(value, Secret) else value


def _replace(path: Path, content: str) -> str | None:
    """Replace a file durably by one that only its owner can read. Return the reason of a failure."""
    temporary = path.with_name(f".{path.name}.new")  # may exist after a process was killed
    try:
        temporary.unlink(missing_ok=True)
        number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(number, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123  # a descriptor
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            _rename(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        return error.strerror or type(error).__name__
    if os.name == "posix":
        with suppress(OSError):  # some file systems can't sync a folder
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    return None


def _rename(temporary: Path, path: Path) -> None:
    """Rename a file. On Windows, this fails while another process reads the old file."""
    for _ in range(_TRIES):
        with suppress(PermissionError):
            os.replace(temporary, path)  # noqa: PTH105
            return
        time.sleep(_PAUSE)
    os.replace(temporary, path)  # noqa: PTH105


@contextmanager
def _locked(path: Path, seconds: float) -> Iterator[None]:
    """Lock out all other processes and threads. Raise before anything is sent if the file can't be replaced."""
    from filelock import FileLock, Timeout

    lock = FileLock(f"{path}.lock", timeout=max(0.0, seconds), mode=0o600)
    failed = ""
    try:
        lock.acquire()
    except Timeout:
        failed = "busy"
    except (OSError, NotImplementedError) as error:
        failed = f"{path}.lock can't be locked: {getattr(error, 'strerror', None) or error}"
    if failed == "busy":
        message = f"{LOG_IN}: another process kept {path}.lock for {seconds:.0f} seconds"
        raise DeadlineExceeded(message, sent="no", operation=LOG_IN)
    if failed:
        raise NotConnected(failed)
    try:
        if not os.access(path.parent, os.W_OK):
            raise NotConnected(f"{path} can't be replaced: the folder is not writable")
        yield
    finally:
        lock.release()
