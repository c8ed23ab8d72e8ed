"""What the gate says about a request, for the sample applications: all the auth code that they have.

The gate strips these names from what a client sends, so whatever is here was said by the gate. The names and their
encoding are those of docs/headers.md, under "What the app gets".
"""

from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import unquote

from fastapi import Depends, Header, HTTPException


@dataclass(frozen=True)
class Caller:
    """One header is one field; a header that is not there is None."""

    kind: str | None
    user_id: str | None
    clerk_user_id: str | None
    session_id: str | None
    email: str | None
    name: str | None
    access_status: str | None
    workspace_id: str | None
    workspace_role: str | None
    org_id: str | None
    org_role: str | None
    service: str | None
    flags: frozenset[str]


def caller(
    x_auth_kind: Annotated[str | None, Header()] = None,
    x_user_id: Annotated[str | None, Header()] = None,
    x_clerk_user_id: Annotated[str | None, Header()] = None,
    x_session_id: Annotated[str | None, Header()] = None,
    x_user_email: Annotated[str | None, Header()] = None,
    x_user_name: Annotated[str | None, Header()] = None,
    x_access_status: Annotated[str | None, Header()] = None,
    x_workspace_id: Annotated[str | None, Header()] = None,
    x_workspace_role: Annotated[str | None, Header()] = None,
    x_org_id: Annotated[str | None, Header()] = None,
    x_org_role: Annotated[str | None, Header()] = None,
    x_service_name: Annotated[str | None, Header()] = None,
    x_user_flags: Annotated[str, Header()] = "",
) -> Caller:
    return Caller(
        kind=x_auth_kind,
        user_id=x_user_id,
        clerk_user_id=x_clerk_user_id,
        session_id=x_session_id,
        email=text(x_user_email),
        name=text(x_user_name),
        access_status=x_access_status,
        workspace_id=x_workspace_id,
        workspace_role=x_workspace_role,
        org_id=x_org_id,
        org_role=x_org_role,
        service=x_service_name,
        flags=frozenset(flag.strip() for flag in x_user_flags.split(",") if flag.strip()),
    )


def text(value: str | None) -> str | None:
    """E-mail and name come percent-encoded: a header has room for ASCII only."""
    return None if value is None else unquote(value, errors="strict")


def expect(kind: Literal["user", "service", "webhook"], who: Caller) -> None:
    """Refuses a request that did not come through the gate as this kind of caller.

    The gate lets nothing else through to such a route. This is for the day on which somebody finds a way around it, or
    a route in its config is wrong.
    """
    named = who.service if kind == "service" else who.user_id
    if who.kind != kind or (kind != "webhook" and not named):
        raise HTTPException(401, "Not authenticated")


def user(who: Annotated[Caller, Depends(caller)]) -> Caller:
    expect("user", who)
    return who


def service(who: Annotated[Caller, Depends(caller)]) -> Caller:
    expect("service", who)
    return who


User = Annotated[Caller, Depends(user)]
Service = Annotated[Caller, Depends(service)]
Anybody = Annotated[Caller, Depends(caller)]
