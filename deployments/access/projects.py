"""Who may use a project: its members, of whom the first owns it; and the admins of its tenant, who look after it."""

from collections.abc import Mapping
from dataclasses import dataclass

from deployments.access.errors import NotAllowed
from deployments.access.principal import Principal
from store import ConversationMeta, Store
from store.principals import tenant_name_of, tenant_of
from store.records import project_id_of

MAX_MEMBERS = 1000


class UnknownProject(Exception):
    """There is no project of that name for the principal."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class ConcealedProject(UnknownProject):
    """There is such a project of the tenant, and the principal must not know that; answered as if there were none."""

    def __init__(self, name: str, project_id: str) -> None:
        super().__init__(name)
        self.tenant = tenant_name_of(project_id)


@dataclass(frozen=True, slots=True)
class Project:
    """A project as one of its members, or an admin, sees it; `members` are all with their roles."""

    id: str
    members: Mapping[str, str]
    may_manage: bool


async def use_project(store: Store, principal: Principal, name: str) -> None:
    """Let a conversation be of this project, which is made if there is none. Raises UnknownProject for no member."""
    project_id = project_id_of(principal.id, name)
    if await store.projects.use(project_id, principal.id) is None:
        raise ConcealedProject(name, project_id)


async def may_use_project(store: Store, principal: Principal, conversation: ConversationMeta) -> bool:
    """Whether a conversation of the principal's may be of the project of this one."""
    if conversation.project is None or project_id_of(principal.id, conversation.project) != conversation.project_id:
        return False
    return await store.projects.role(str(conversation.project_id), principal.id) is not None


async def find_project(store: Store, principal: Principal, name: str, tenant: str | None) -> Project:
    """The project of a tenant (None: the principal's). Raises UnknownProject for all who have nothing to do with it."""
    project_id = project_id_of(principal.id, name) if tenant is None else f"{tenant}/{name}"
    members = await store.projects.members(project_id)
    is_own_tenant = tenant in (None, principal.tenant)
    is_admin = principal.administers(tenant or principal.tenant)
    if not members:
        raise UnknownProject(name)
    if not (is_admin or (is_own_tenant and principal.id in members)):
        raise ConcealedProject(name, project_id)
    return Project(project_id, members, is_admin or members[principal.id] == "owner")


async def add_to_project(store: Store, project: Project, principal: str) -> bool:
    """Make a principal a member; False: there is no room. Raises NotAllowed, UnknownProject."""
    require_management(project)
    if tenant_of(project.id) != tenant_of(principal):
        raise NotAllowed("members are of the project's tenant")
    added = await store.projects.add(project.id, principal, MAX_MEMBERS)
    if added is None:
        raise UnknownProject(project.id)
    return added


async def hand_over_project(store: Store, project: Project, principal: str) -> bool:
    """Make a member the owner; False: it is no member. Raises NotAllowed, UnknownProject."""
    require_management(project)
    done = await store.projects.hand_over(project.id, principal)
    if done is None:
        raise UnknownProject(project.id)
    return done


def require_management(project: Project) -> None:
    """Raises NotAllowed."""
    if not project.may_manage:
        raise NotAllowed("the members of a project are its owner's business, and an admin's")
