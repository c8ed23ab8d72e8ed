"""Boards and agents after the manner of Mission Control: users that come into being when they first appear.

Who asks is read from the headers of the gate: people from `x-user-…`, agents from `x-service-name`. What it keeps is
in memory.
"""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from trusted_headers import Anybody, Caller, Service, User

app = FastAPI()

# By Clerk's id.
users: dict[str, dict[str, Any]] = {}
boards: list[dict[str, Any]] = []
# Roles in organizations, by organization and Clerk's id.
organizations: dict[str, dict[str, str | None]] = {}
# By the name of the agent.
reports: dict[str, list[str]] = {}


def synchronised(who: Caller) -> dict[str, Any]:
    """The user's record: made at the first request, afterwards kept in step as Mission Control's document says."""
    record = users.setdefault(
        who.clerk_user_id or "",
        {
            "id": who.user_id,
            "clerk_user_id": who.clerk_user_id,
            "email": who.email,
            "name": who.name,
            "preferred_name": None,
            "pronouns": None,
            "timezone": None,
            "notes": None,
            "context": None,
            "is_super_admin": False,
        },
    )
    # The app's own id may be given after the first visit.
    record["id"] = who.user_id
    # E-mail follows Clerk, the name only as long as there is none.
    record["email"] = who.email or record["email"]
    record["name"] = record["name"] or who.name
    record["is_super_admin"] = "super_admin" in who.flags
    if who.org_id:
        organizations.setdefault(who.org_id, {})[who.clerk_user_id or ""] = who.org_role
    return record


class Profile(BaseModel):
    """What users say about themselves; Clerk knows none of it."""

    name: str | None = Field(default=None, max_length=200)
    preferred_name: str | None = Field(default=None, max_length=200)
    pronouns: str | None = Field(default=None, max_length=50)
    timezone: str | None = Field(default=None, max_length=50)
    notes: str | None = Field(default=None, max_length=1_000)
    context: str | None = Field(default=None, max_length=1_000)


class Board(BaseModel):
    title: str = Field(max_length=200)


class Report(BaseModel):
    text: str = Field(max_length=1_000)


@app.post("/api/v1/auth/bootstrap")
def bootstrap(who: User) -> dict[str, Any]:
    return synchronised(who)


@app.get("/api/v1/users/me")
def me(who: User) -> dict[str, Any]:
    return synchronised(who)


@app.patch("/api/v1/users/me")
def change_me(profile: Profile, who: User) -> dict[str, Any]:
    record = synchronised(who)
    record.update(profile.model_dump(exclude_unset=True))
    return record


@app.get("/api/v1/organization")
def organization(who: User) -> dict[str, Any]:
    """The organization that the request is about, as far as its members have come by."""
    return {"id": who.org_id, "members": organizations.get(who.org_id or "", {})}


@app.get("/api/v1/boards")
def list_boards(who: Anybody) -> dict[str, Any]:
    """For users the boards of the organization that the request is about; for agents all."""
    seen = [board for board in boards if who.kind == "service" or board["scope"] == who.org_id]
    return {"user": who.user_id, "agent": who.service, "organization": who.org_id, "boards": seen}


@app.post("/api/v1/boards", status_code=201)
def create_board(new: Board, who: User) -> dict[str, Any]:
    board = {"title": new.title, "scope": who.org_id, "created_by": who.user_id}
    boards.append(board)
    return board


@app.get("/api/v1/agent/triage/tasks")
def tasks(who: Service) -> dict[str, Any]:
    return {"agent": who.service, "user": who.user_id, "reports": reports.get(who.service or "", [])}


@app.post("/api/v1/agent/reports", status_code=201)
def report(new: Report, who: Service) -> dict[str, Any]:
    reports.setdefault(who.service or "", []).append(new.text)
    return {"agent": who.service, "reports": len(reports[who.service or ""])}
