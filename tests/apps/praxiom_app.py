"""A product workspace after the manner of Praxiom: profiles, workspaces with roles, users made by webhooks.

It has no auth code beyond reading the headers of the gate, and one check that its document asks for: the signature of
webhooks. What it keeps is in memory. /control is for tests, which ask it directly.
"""

from hashlib import sha256
from typing import Any, Literal
from uuid import uuid4

from fastapi import FastAPI
from pydantic import BaseModel, Field

from clerk_webhook import Event, full_name, primary_email
from trusted_headers import Caller, User

app = FastAPI()

users: dict[str, dict[str, Any]] = {}
workspaces: dict[str, dict[str, Any]] = {}
# By workspace.
documents: dict[str, list[dict[str, Any]]] = {}
added: dict[str, list[str]] = {}

# What members read and write.
Collection = Literal["sources", "insights", "recommendations", "documents"]
events: list[str] = []


@app.get("/api/auth/me")
def me(who: User) -> dict[str, Any]:
    """The profile, in the shape of Praxiom's document."""
    founder = "founder" in who.flags
    return {
        "id": who.user_id,
        "email": who.email,
        "name": who.name,
        "clerkUserId": who.clerk_user_id,
        "accessStatus": who.access_status,
        "hasProductAccess": founder or who.access_status == "active",
        "isFounder": founder,
        "referralCode": sha256((who.user_id or "").encode()).hexdigest()[:8],
        "activatedAt": users.get(who.clerk_user_id or "", {}).get("activatedAt"),
    }


class Name(BaseModel):
    name: str = Field(max_length=200)


class Document(BaseModel):
    title: str = Field(max_length=200)


class NewMember(BaseModel):
    email: str = Field(max_length=200)


def told(who: Caller) -> dict[str, Any]:
    """The workspace and the role in it, as the gate names them."""
    return {"workspace": who.workspace_id, "role": who.workspace_role, "user": who.user_id}


@app.post("/api/workspaces", status_code=201)
def create_workspace(new: Name, who: User) -> dict[str, Any]:
    workspace = {"id": str(uuid4()), "name": new.name, "owner": who.user_id}
    workspaces[workspace["id"]] = workspace
    return workspace


@app.get("/api/workspaces/{workspace}")
def workspace_settings(workspace: str, who: User) -> dict[str, Any]:
    return {**told(who), "name": workspaces.get(workspace, {}).get("name")}


@app.patch("/api/workspaces/{workspace}")
def rename_workspace(workspace: str, new: Name, who: User) -> dict[str, Any]:
    workspaces.setdefault(workspace, {"id": workspace, "owner": None})["name"] = new.name
    return {**told(who), "name": new.name}


@app.delete("/api/workspaces/{workspace}")
def delete_workspace(workspace: str, who: User) -> dict[str, Any]:
    workspaces.pop(workspace, None)
    return {**told(who), "deletedDocuments": len(documents.pop(workspace, []))}


@app.get("/api/workspaces/{workspace}/members")
def members(workspace: str, who: User) -> dict[str, Any]:
    """Whoever wrote something here, and the one who asks."""
    authors = {document["author"] for document in documents.get(workspace, [])}
    return {**told(who), "members": sorted(authors | {who.user_id}), "added": added.get(workspace, [])}


@app.post("/api/workspaces/{workspace}/members", status_code=201)
def add_member(workspace: str, new: NewMember, who: User) -> dict[str, Any]:
    added.setdefault(workspace, []).append(new.email)
    return {**told(who), "added": added[workspace]}


@app.put("/api/workspaces/{workspace}/settings")
def change_settings(workspace: str, settings: dict[str, str], who: User) -> dict[str, Any]:
    return {**told(who), "settings": settings}


@app.get("/api/workspaces/{workspace}/{collection}")
def read_data(workspace: str, collection: Collection, who: User) -> dict[str, Any]:
    found = [document for document in documents.get(workspace, []) if document["collection"] == collection]
    return {**told(who), collection: found}


@app.post("/api/workspaces/{workspace}/{collection}", status_code=201)
def write_data(workspace: str, collection: Collection, new: Document, who: User) -> dict[str, Any]:
    document = {
        "collection": collection,
        "title": new.title,
        "author": who.user_id,
        "clerkAuthor": who.clerk_user_id,
    }
    documents.setdefault(workspace, []).append(document)
    return {**told(who), "document": document}


@app.post("/api/webhooks/clerk")
def webhook(event: Event) -> dict[str, Any]:
    kind, data = event["type"], event["data"]
    events.append(kind)
    match kind:
        case "user.created" | "user.updated":
            known = users.setdefault(data["id"], {"activatedAt": None})
            known.update(email=primary_email(data), name=full_name(data))
        case "user.deleted":
            users.pop(data["id"], None)
            # What a deleted user owned goes too.
            for workspace, written in documents.items():
                documents[workspace] = [document for document in written if document["clerkAuthor"] != data["id"]]
    return {"received": kind}


@app.get("/control")
def control() -> dict[str, Any]:
    return {"users": users, "workspaces": workspaces, "documents": documents, "events": events}
