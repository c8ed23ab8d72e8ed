"""Meetings and their recordings after the manner of Wordloop: people, and an engine that fetches audio for itself.

`x-auth-kind` tells the two apart. A user sees what is theirs; a service sees everything, as Wordloop's document says of
its token. Users come from Clerk's webhooks by an upsert that may happen any number of times. What it keeps is in
memory; /control is for tests, which ask it directly.
"""

from typing import Any
from uuid import uuid4

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from clerk_webhook import Event, full_name, primary_email
from trusted_headers import Anybody, Caller, Service, User

app = FastAPI()

# By Clerk's id, as the document's `users` table is.
users: dict[str, dict[str, Any]] = {}
# Clerk never gives an id again.
deleted: set[str] = set()
meetings: dict[str, dict[str, Any]] = {}


class Meeting(BaseModel):
    title: str = Field(max_length=200)


class Transcript(BaseModel):
    text: str = Field(max_length=100_000)


def visible(meeting: dict[str, Any], who: Caller) -> bool:
    match who.kind:
        case "service":
            return bool(who.service)
        case "user":
            return bool(who.clerk_user_id) and meeting["owner"] == who.clerk_user_id
        case _:
            return False


def told(who: Caller) -> dict[str, Any]:
    return {"kind": who.kind, "user": who.clerk_user_id, "service": who.service}


@app.get("/users/me")
def me(who: User) -> dict[str, Any]:
    return {**told(who), "email": who.email, "name": who.name, "synchronised": who.clerk_user_id in users}


@app.get("/meetings")
def list_meetings(who: Anybody) -> dict[str, Any]:
    return {**told(who), "meetings": [meeting for meeting in meetings.values() if visible(meeting, who)]}


@app.post("/meetings", status_code=201)
def record_meeting(new: Meeting, who: User) -> dict[str, Any]:
    meeting = {"id": str(uuid4()), "title": new.title, "owner": who.clerk_user_id, "transcript": None}
    meetings[meeting["id"]] = meeting
    return meeting


@app.get("/meetings/{meeting}/audio")
def audio(meeting: str, who: Anybody) -> dict[str, Any]:
    """What the engine pulls. A meeting of somebody else is none at all."""
    found = meetings.get(meeting)
    if found is None or not visible(found, who):
        raise HTTPException(404, "Not found")
    return {**told(who), "audio": f"audio of {found['title']}"}


@app.put("/internal/meetings/{meeting}/transcript")
def transcribe(meeting: str, transcript: Transcript, who: Service) -> dict[str, Any]:
    if meeting not in meetings:
        raise HTTPException(404, "Not found")
    meetings[meeting]["transcript"] = transcript.text
    return {**told(who), "meeting": meetings[meeting]}


@app.post("/webhooks/clerk")
def webhook(event: Event) -> dict[str, Any]:
    """Inserts or updates by user id. Events arrive twice and in any order, so no older state
    replaces a newer one."""
    data, known = event["data"], users.get(event["data"]["id"])
    match event["type"]:
        case "user.created" | "user.updated" if data["id"] not in deleted:
            if known is None or data["updated_at"] >= known["updated_at"]:
                users[data["id"]] = {
                    "email": primary_email(data),
                    "name": full_name(data),
                    "updated_at": data["updated_at"],
                }
        case "user.deleted":
            deleted.add(data["id"])
            users.pop(data["id"], None)
    return {"received": event["type"], "users": len(users)}


@app.get("/control")
def control() -> dict[str, Any]:
    return {"users": users, "meetings": meetings}
