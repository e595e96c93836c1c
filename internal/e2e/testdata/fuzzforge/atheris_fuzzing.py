"""Fuzz a Python project: fetch it, run Atheris in it, keep the results, tidy up."""

from datetime import timedelta
from typing import Any, Dict, Optional

from temporalio import workflow
from temporalio.common import RetryPolicy


@workflow.defn
class AtherisFuzzingWorkflow:
    @workflow.run
    async def run(
        self,
        target_id: str,
        target_file: Optional[str] = None,
        max_iterations: int = 1000000,
        timeout_seconds: int = 1800,
    ) -> Dict[str, Any]:
        info = workflow.info()
        results: Dict[str, Any] = {"workflow_id": info.workflow_id, "target_id": target_id, "status": "running", "steps": []}
        if max_iterations is None:
            max_iterations = 1000000
        if timeout_seconds is None:
            timeout_seconds = 1800

        # A fuzzer writes into the project: each run has a workspace of its own.
        target_path = await workflow.execute_activity(
            "get_target",
            args=[target_id, info.run_id, "isolated"],
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=3
            ),
        )
        results["steps"].append({"step": "download_target", "status": "success", "target_path": target_path})

        fuzzed = await workflow.execute_activity(
            "fuzz_with_atheris",
            args=[
                target_path,
                {"target_file": target_file, "max_iterations": max_iterations, "timeout_seconds": timeout_seconds},
            ],
            start_to_close_timeout=timedelta(seconds=timeout_seconds + 60),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=2), maximum_interval=timedelta(seconds=60), maximum_attempts=1
            ),
        )
        results["steps"].append(
            {
                "step": "fuzzing",
                "status": "success",
                "executions": fuzzed.get("summary", {}).get("total_executions", 0),
                "crashes": fuzzed.get("summary", {}).get("crashes_found", 0),
            }
        )

        results["results_url"] = await workflow.execute_activity(
            "upload_results",
            args=[info.workflow_id, fuzzed, "json"],
            start_to_close_timeout=timedelta(minutes=2),
        )
        await workflow.execute_activity(
            "cleanup_cache", args=[target_path, "isolated"], start_to_close_timeout=timedelta(minutes=1)
        )

        results["status"] = "success"
        results["findings"] = fuzzed.get("findings", [])
        results["summary"] = fuzzed.get("summary", {})
        return results
