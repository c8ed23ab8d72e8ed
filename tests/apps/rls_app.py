"""Memories, vectors and streamed answers after the manner of AINative, on PostgreSQL with row-level security.

Its queries never ask whose row it is, on purpose: what keeps users apart are the policies of the database, driven by
the headers of the gate. docs/recipes/postgres-row-level-security.md quotes this file. It stands behind the gate in the
end-to-end test `row_level_security`, which speaks to /control directly; no gate has a route to there.
"""

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from psycopg import Connection, Error
from psycopg.errors import InsufficientPrivilege
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool
from pydantic import BaseModel, Field

from trusted_headers import Caller, User

app = FastAPI()

# One connection for all users, one after the other: what leaked from one to the next would be seen.
pool = ConnectionPool(
    os.environ["DATABASE_URL"], min_size=1, max_size=1, timeout=20, kwargs={"row_factory": dict_row}, open=True
)


@contextmanager
def transaction_of(who: Caller) -> Iterator[Connection]:
    """A transaction in which the database knows who asks, and forgets it at the end."""
    with pool.connection() as connection, connection.transaction():
        connection.execute(
            "SELECT set_config('app.user_id', %s, true), set_config('app.org_id', %s, true)",
            (who.user_id, who.org_id or ""),
        )
        yield connection


@app.exception_handler(InsufficientPrivilege)
def refused_by_a_policy(_: Request, error: Error) -> JSONResponse:
    """A row of another user or tenant, or of none. Why is for the log, not for the client."""
    return JSONResponse({"detail": "Forbidden", "sqlstate": error.sqlstate}, 403)


class Memory(BaseModel):
    content: str = Field(max_length=10_000)
    entity_name: str = Field(max_length=200)
    # What no app should take from a client. This one does, and the database refuses.
    user_id: str | None = None


class Vector(BaseModel):
    document: str = Field(max_length=10_000)
    org_id: str | None = None


class Search(BaseModel):
    query: str = Field(max_length=1_000)
    top_k: int = Field(default=5, ge=1, le=100)


@app.post("/api/v1/public/memory/v2/remember")
def remember(memory: Memory, who: User) -> dict[str, Any]:
    with transaction_of(who) as connection:
        row = connection.execute(
            "INSERT INTO app.memories (user_id, entity_name, content)"
            " VALUES (coalesce(%s, app.user_id()), %s, %s) RETURNING id, user_id",
            (memory.user_id, memory.entity_name, memory.content),
        ).fetchone()
    return row or {}


@app.get("/api/v1/public/memory/v2/memories")
def memories(who: User) -> list[dict[str, Any]]:
    with transaction_of(who) as connection:
        return connection.execute("SELECT id, user_id, content FROM app.memories ORDER BY content").fetchall()


@app.get("/api/v1/public/memory/v2/memories/{memory}")
def memory(memory: UUID, who: User) -> dict[str, Any]:
    with transaction_of(who) as connection:
        row = connection.execute("SELECT id, user_id, content FROM app.memories WHERE id = %s", (memory,)).fetchone()
    if row is None:
        raise HTTPException(404, "Not found")
    return row


@app.post("/api/v1/public/memory/v2/memories/{memory}/give")
def give(memory: UUID, to: str, who: User) -> dict[str, int]:
    """Makes a memory another user's: refused for one's own, without effect on any other."""
    with transaction_of(who) as connection:
        given = connection.execute("UPDATE app.memories SET user_id = %s WHERE id = %s", (to, memory))
        return {"changed": given.rowcount}


@app.delete("/api/v1/public/memory/v2/memories")
def forget(who: User) -> dict[str, int]:
    """Deletes every row that it can reach."""
    with transaction_of(who) as connection:
        return {"deleted": connection.execute("DELETE FROM app.memories").rowcount}


@app.post("/api/v1/zerodb/vectors")
def upsert(vector: Vector, who: User) -> dict[str, Any]:
    with transaction_of(who) as connection:
        row = connection.execute(
            "INSERT INTO app.vectors (org_id, document) VALUES (coalesce(%s, app.org_id()), %s)"
            " RETURNING id, org_id, user_id",
            (vector.org_id, vector.document),
        ).fetchone()
    return row or {}


@app.post("/api/v1/zerodb/vectors/search")
def search(search: Search, who: User) -> list[dict[str, Any]]:
    with transaction_of(who) as connection:
        return connection.execute(
            "SELECT id, org_id, user_id, document FROM app.vectors ORDER BY"
            " ts_rank(to_tsvector('simple', document), plainto_tsquery('simple', %s)) DESC, document LIMIT %s",
            (search.query, search.top_k),
        ).fetchall()


@app.delete("/api/v1/zerodb/vectors")
def clear(who: User) -> dict[str, int]:
    """Deletes every row that it can reach."""
    with transaction_of(who) as connection:
        return {"deleted": connection.execute("DELETE FROM app.vectors").rowcount}


class Completion(BaseModel):
    # Streams are told apart by the name of their model.
    model: str = Field(max_length=100)
    messages: list[dict[str, str]]


class Word(BaseModel):
    """The next word of a stream; none ends it."""

    content: str | None = None


# Bound: how long a stream waits for its next word.
LONGEST_SILENCE_SECONDS = 60.0
words: dict[str, asyncio.Queue[Word]] = defaultdict(lambda: asyncio.Queue(maxsize=1_000))


@app.post("/api/v1/chat/completions")
async def complete(completion: Completion, who: User) -> StreamingResponse:
    """Streams one event for each word that the test releases."""

    async def events() -> AsyncIterator[str]:
        yield f"data: {json.dumps({'user': who.user_id})}\n\n"
        while True:
            word = await asyncio.wait_for(words[completion.model].get(), LONGEST_SILENCE_SECONDS)
            if word.content is None:
                break
            yield f"data: {json.dumps({'choices': [{'delta': {'content': word.content}}]})}\n\n"
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@app.post("/control/streams/{model}/release")
async def release(model: str, word: Word) -> None:
    words[model].put_nowait(word)
