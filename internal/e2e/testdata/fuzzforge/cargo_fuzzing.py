"""Fuzz a Rust project with cargo-fuzz.

It is written the short way: get_target is given the id alone, cleanup_cache the path
alone, and the defaults of both do the rest.
"""

from datetime import timedelta
from typing import Any, Dict, Optional

from temporalio import workflow
from temporalio.common import RetryPolicy


@workflow.defn
class CargoFuzzingWorkflow:
    @workflow.run
    async def run(
        self,
        target_id: str,
        target_name: Optional[str] = None,
        max_iterations: int = 1000000,
        timeout_seconds: int = 1800,
        sanitizer: str = "address",
    ) -> Dict[str, Any]:
        workflow_id = workflow.info().workflow_id
        results: Dict[str, Any] = {"workflow_id": workflow_id, "target_id": target_id, "status": "running", "steps": []}

        target_path = await workflow.execute_activity(
            "get_target",
            target_id,
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=3
            ),
        )
        results["steps"].append({"step": "download_target", "status": "success", "target_path": target_path})

        config = {
            "target_name": target_name,
            "max_iterations": max_iterations,
            "timeout_seconds": timeout_seconds,
            "sanitizer": sanitizer,
        }
        fuzzed = await workflow.execute_activity(
            "fuzz_with_cargo",
            args=[target_path, config],
            start_to_close_timeout=timedelta(seconds=timeout_seconds + 120),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
        summary = fuzzed.get("summary", {})
        results["steps"].append(
            {
                "step": "fuzzing",
                "status": "success",
                "executions": summary.get("total_executions", 0),
                "crashes": summary.get("crashes_found", 0),
            }
        )

        try:
            results["results_url"] = await workflow.execute_activity(
                "upload_results",
                args=[workflow_id, fuzzed, "json"],
                start_to_close_timeout=timedelta(minutes=2),
            )
        except Exception as err:
            workflow.logger.warning("the results were not uploaded: %s", err)
            results["results_url"] = None
        await workflow.execute_activity("cleanup_cache", target_path, start_to_close_timeout=timedelta(minutes=1))

        results.update(status="success", findings=fuzzed.get("findings", []), summary=summary, sarif=fuzzed.get("sarif") or {})
        return results
