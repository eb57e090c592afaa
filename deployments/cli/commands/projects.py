"""`raylogue projects`: who is in a project of the tenant, and who owns it."""

from typing import Annotated

import typer
from rich.console import Console

from deployments.cli.options import UrlOption, open_client

projects = typer.Typer(name="projects", help="Show and change who is in a project.", no_args_is_help=True)

ProjectArgument = Annotated[str, typer.Argument(metavar="PROJECT", help="Its name, as conversations have it.")]
PrincipalArgument = Annotated[str, typer.Argument(metavar="PRINCIPAL", help="Such as acme/ada.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", help="Whose project it is, for operators.")]


@projects.command()
def members(project: ProjectArgument, tenant: TenantOption = None, url: UrlOption = None) -> None:
    """Print the owner, and then the other members."""
    with open_client(url) as client:
        found = client.project_members(project, tenant)
    for name, role in ((found["owner"], "owner"), *((member, "member") for member in found["members"])):
        if name is not None:
            typer.echo(f"{name}\t{role}")


@projects.command()
def add(
    project: ProjectArgument, principal: PrincipalArgument, tenant: TenantOption = None, url: UrlOption = None
) -> None:
    """Make a principal of the tenant a member."""
    with open_client(url) as client:
        client.add_to_project(project, principal, tenant)
    _confirm(f"{principal} is in {project}")


@projects.command()
def remove(
    project: ProjectArgument, principal: PrincipalArgument, tenant: TenantOption = None, url: UrlOption = None
) -> None:
    """End a membership, or leave by yourself."""
    with open_client(url) as client:
        client.remove_from_project(project, principal, tenant)
    _confirm(f"{principal} is not in {project}")


@projects.command("hand-over")
def hand_over(
    project: ProjectArgument, principal: PrincipalArgument, tenant: TenantOption = None, url: UrlOption = None
) -> None:
    """Make a member the owner; the one before stays a member, and may leave."""
    with open_client(url) as client:
        client.hand_over_project(project, principal, tenant)
    _confirm(f"{project} belongs to {principal}")


def _confirm(text: str) -> None:
    Console(stderr=True).print(f"[green]✓[/] {text}", highlight=False)
