"""``schedule``, ``dashboard``, ``user`` and ``team``: commands for everything in the account except data sets."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import click

from pandas_clicdata import Dashboard, Schedule, Team, User
from pandas_clicdata.commands.console import Console, Group, pass_console
from pandas_clicdata.commands.files import STDIO, Source, Target
from pandas_clicdata.commands.options import (
    dry_run_option,
    id_or_name,
    name_option,
    parse_share,
    source_argument,
    timeout_option,
)
from pandas_clicdata.commands.outcome import Exit

if TYPE_CHECKING:
    from collections.abc import Callable

_FAILED = ("failed", "error")  # C: the words for the status of a run that failed (O18)


@click.group(cls=Group)
def schedule() -> None:
    """List and run schedules."""


@schedule.command("list")
@pass_console
def list_schedules(console: Console) -> None:
    """List the schedules."""
    shown = ["rec_id", "name", "enabled", "last_run_date", "last_status", "next_run_date"]
    listed = Schedule(session=console.session).get_schedule()
    console.show("schedules", listed if console.as_json else listed[shown])


@schedule.command("run")
@click.argument("schedule", metavar="SCHEDULE")
@name_option("SCHEDULE")
@click.option("--wait", is_flag=True, help="Wait for the end of the run.")
@timeout_option
@pass_console
def run_schedule(console: Console, /, schedule: str, is_name: bool, wait: bool, timeout: float) -> Exit:
    """Run SCHEDULE, an id or a name, now.

    With --wait, the exit code is 1 if the run failed, and 3 if it goes on after --timeout.
    """
    found = id_or_name(schedule, is_name=is_name)
    response = Schedule(session=console.session).trigger_schedule(found, wait, timeout)
    if not wait:
        console.result({"response": response}, f"schedule {schedule}: the run was accepted")
        return Exit.DONE
    status = str(response.get("last_status"))
    has_failed = status.casefold() in _FAILED
    code = Exit.REFUSED if has_failed else Exit.DONE
    console.result(
        {"ok": not has_failed, "exit_code": int(code), "schedule": response}, f"schedule {schedule}: {status}"
    )
    return code


@click.group(cls=Group)
def dashboard() -> None:
    """List dashboards, and save pictures of them."""


@dashboard.command("list")
@pass_console
def list_dashboards(console: Console) -> None:
    """List the dashboards."""
    console.show("dashboards", Dashboard(session=console.session).get_dashboard())


@dashboard.command()
@click.argument("dashboard", metavar="DASHBOARD")
@name_option("DASHBOARD")
@click.option(
    "-o", "--output", type=click.Path(), required=True, metavar="FILE", help="The picture: FILE.png; - is stdout."
)
@pass_console
def snapshot(console: Console, /, dashboard: str, is_name: bool, output: str) -> Exit:
    """Save a picture of DASHBOARD, an id or a name, as it is now."""
    found = id_or_name(dashboard, is_name=is_name)
    which: Any = {"name": found} if isinstance(found, str) else {"rec_id": found}
    endpoint = Dashboard(session=console.session)
    if output == STDIO:
        if console.as_json:
            raise click.UsageError("--json writes an object to stdout, and -o - the picture: leave one out.")
        console.write(base64.b64decode(endpoint.get_dashboard_snapshot(**which, output="base64")))
        return Exit.DONE
    Target(output, "picture")
    file = endpoint.save_dashboard_snapshot(**which, path=output, overwrite=True)
    console.result({"file": str(file)}, f"dashboard {dashboard}: picture written to {file}")
    return Exit.DONE


@click.group(cls=Group)
def user() -> None:
    """List the users of the account, or make them equal to the users in a file."""


@user.command("list")
@pass_console
def list_users(console: Console) -> None:
    """List the users."""
    console.show("users", User(session=console.session).get_user())


def _most(name: str, option: str) -> Callable[[Any], Any]:
    return click.option(
        option,
        name,
        callback=parse_share,
        metavar="N",
        help="The most users to go, as a number or a share like 10%; else do nothing. "
        "Default: ten, or a tenth if that is more.",
    )


@user.command("sync")
@source_argument
@click.option("--deactivate", is_flag=True, help="Delete the users that FILE lacks.")
@_most("max_deactivated", "--max-deactivated")
@dry_run_option
@pass_console
def sync_users(console: Console, /, source: Source, **options: Any) -> Exit:
    """Make the users of the account equal to the users in FILE.

    FILE has a column email_address. It may have first_name, last_name, license and, for new users, password.
    """
    frame, _ = source.read({}, None, all_text=True)
    return console.finish(User(session=console.session).sync_users(frame, **options))


@click.group(cls=Group)
def team() -> None:
    """List the teams, and change their users."""


@team.command("list")
@pass_console
def list_teams(console: Console) -> None:
    """List the teams."""
    console.show("teams", Team(session=console.session).get_team())


@team.command("users")
@pass_console
def list_team_users(console: Console) -> None:
    """List the users of each team."""
    console.show("users", Team(session=console.session).get_team_users())


@team.command()
@click.argument("team", metavar="TEAM")
@click.argument("user", metavar="USER")
@name_option("TEAM")
@pass_console
def add(console: Console, /, team: str, user: str, is_name: bool) -> Exit:
    """Add USER, an id or a mail address, to TEAM, an id or a name."""
    endpoint = Team(session=console.session)
    response = endpoint.add_user(id_or_name(team, is_name=is_name), id_or_name(user))
    console.result({"response": response}, f"{user} was added to the team {team}")
    return Exit.DONE


@team.command()
@click.argument("team", metavar="TEAM")
@click.argument("user", metavar="USER")
@name_option("TEAM")
@pass_console
def remove(console: Console, /, team: str, user: str, is_name: bool) -> Exit:
    """Remove USER, an id or a mail address, from TEAM, an id or a name."""
    endpoint = Team(session=console.session)
    response = endpoint.remove_user(id_or_name(team, is_name=is_name), id_or_name(user))
    console.result({"response": response}, f"{user} was removed from the team {team}")
    return Exit.DONE


@team.command("sync")
@source_argument
@click.argument("team", metavar="TEAM")
@name_option("TEAM")
@click.option("--remove", is_flag=True, help="Remove the users that FILE lacks from the team.")
@_most("max_removed", "--max-removed")
@dry_run_option
@pass_console
def sync_team(console: Console, /, source: Source, team: str, is_name: bool, **options: Any) -> Exit:
    """Make the users of TEAM, an id or a name, equal to the users in FILE.

    FILE has a column email_address.
    """
    frame, _ = source.read({}, None, all_text=True)
    endpoint = Team(session=console.session)
    return console.finish(endpoint.sync_users(id_or_name(team, is_name=is_name), frame, **options))


COMMANDS = (schedule, dashboard, user, team)
