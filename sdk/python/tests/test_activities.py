"""The functions, and the arguments of CONTRACT §1.1 as Python sends them: by a queue and by a socket."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from conftest import Place
from cordon import Cordon
from flows import Calls, Functions, Gone
from temporalio.client import Client

OWN = "(the calling run)"


def workflow_id(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


async def test_each_function(client: Client, place: Place, target: str, cordon: Cordon) -> None:
    name = workflow_id("functions")
    got = await client.execute_workflow(Functions.run, target, id=name, task_queue=place.queue)
    own, cow = place.cache / target / got["run"] / "workspace", place.cache / target / "cow" / "workspace"
    assert got["path"] == str(own)
    assert got["shared"] == str(place.cache / target / "workspace")
    ws = got["workspace"]
    assert ws == {
        "path": str(cow),
        "queue": f"{place.queue}@{ws['host']}",
        "common": place.queue,
        "host": ws["host"],
        "target": target,
        "run": "cow",
        "mode": "copy-on-write",
        "writable": True,
    }
    assert ws["host"] and got["driver"] in ("overlay", "snapshot", "reflink", "copy")
    assert got["url"] == f"file://{cordon.store}/results/{name}/results.json"
    assert Path(got["url"].removeprefix("file://")).read_text() == '{\n  "a": [],\n  "b": 1\n}'
    assert got["sarif"] == f"file://{cordon.store}/results/another/results.sarif"
    assert got["cleaned"] == [None, None, None]
    assert not own.exists() and not cow.exists() and Path(got["shared"]).exists()
    assert got["error"] == ["TargetNotFound", False, True]


async def test_a_cleanup_whose_host_is_gone_goes_to_any_other(client: Client, place: Place, target: str) -> None:
    path = await client.execute_workflow(Gone.run, target, id=workflow_id("gone"), task_queue=place.queue)
    assert not os.path.exists(path)


GETS: list[tuple[str, list[Any], str, str]] = [
    # what; the arguments, where T is the target's id; the run of the path, or the error and what it says
    ("one argument", ["T"], OWN, ""),
    ("two arguments", ["T", "r2"], "r2", ""),
    ("three arguments", ["T", "r3", "copy-on-write"], "r3", ""),
    ("more arguments", ["T", "r5", "isolated", {"x": 1}, 7], "r5", ""),
    ("nulls", ["T", None, None], OWN, ""),
    ("an empty run", ["T", "", "isolated"], OWN, ""),
    ("one object", [{"target_id": "T", "run_id": "r6", "workspace_isolation": "isolated"}], "r6", ""),
    ("one object with less and more", [{"target_id": "T", "run_id": None, "x": []}], OWN, ""),
    ("nothing", [], "InvalidArgument", "target_id"),
    ("a null target", [None], "InvalidArgument", "target_id"),
    ("a number", [42], "InvalidArgument", "target_id"),
    ("bytes", [b"T"], "InvalidArgument", "target_id"),
    ("a list for the run", ["T", ["x"]], "InvalidArgument", "run_id"),
    ("an object for the mode", ["T", "r", {"mode": 1}], "InvalidArgument", "workspace_isolation"),
    ("an unknown mode", ["T", "r", "private"], "InvalidArgument", "workspace_isolation"),
    ("an id that climbs", ["a/../b"], "InvalidArgument", "target_id"),
    ("a reserved run", ["T", "shared"], "InvalidArgument", "run_id"),
    ("one object of wrong types", [{"target_id": "T", "run_id": 7}], "InvalidArgument", "run_id"),
    ("a target that is not stored", ["no-such-target"], "TargetNotFound", "no-such-target"),
]


def with_target(args: list[Any], target: str) -> list[Any]:
    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: put(item) for key, item in value.items()}
        return target if value == "T" else value

    return [put(arg) for arg in args]


@pytest.mark.parametrize("activity", ["get_target", "acquire_workspace"])
async def test_arguments_of_a_fetch(client: Client, place: Place, target: str, activity: str) -> None:
    calls = [(activity, with_target(args, target)) for _, args, _, _ in GETS]
    handle = await client.start_workflow(Calls.run, calls, id=workflow_id("gets"), task_queue=place.queue)
    answers = await handle.result()
    wrong = []
    for (what, _, want, says), got in zip(GETS, answers, strict=True):
        if not says:
            run = handle.result_run_id if want == OWN else want
            path = got["ok"]["path"] if activity == "acquire_workspace" and "ok" in got else got.get("ok")
            good = path == str(place.cache / target / str(run) / "workspace")
        else:
            good = got.get("type") == want and got["non_retryable"] and says in got["message"]
        if not good:
            wrong.append((what, got))
    assert not wrong


async def test_a_cleanup_of_anything_is_null(client: Client, place: Place, target: str) -> None:
    own, shared = place.cache / target / "mine" / "workspace", place.cache / target / "workspace"
    kept: list[tuple[str, list[Any]]] = [
        ("cleanup_cache", args)
        for args in (
            [],
            [None, None],
            [42, []],
            [target],
            [str(shared)],
            [str(shared), "isolated"],
            [str(shared.parent), "shared"],
            [f"{own}/../../..", "isolated"],
            ["/etc", "isolated", True],
            [{"target_path": str(shared), "run_failed": "maybe"}],
        )
    ]
    get: list[tuple[str, list[Any]]] = [("get_target", [target, "mine"]), ("get_target", [target, "mine", "shared"])]
    handle = await client.start_workflow(Calls.run, get + kept, id=workflow_id("cleanups"), task_queue=place.queue)
    assert (await handle.result())[2:] == [{"ok": None}] * len(kept)
    assert own.exists() and shared.exists()

    last: list[tuple[str, list[Any]]] = [("cleanup_cache", [str(own), "shared", None, 1, 2])] * 2
    again = await client.execute_workflow(Calls.run, last, id=workflow_id("cleanups"), task_queue=place.queue)
    assert again == [{"ok": None}] * 2
    assert not own.exists() and shared.exists()
