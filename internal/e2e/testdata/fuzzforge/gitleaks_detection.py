"""Look for credentials in a project."""

from datetime import timedelta
from typing import Any, Dict

from temporalio import workflow
from temporalio.common import RetryPolicy


@workflow.defn
class GitleaksDetectionWorkflow:
    @workflow.run
    async def run(
        self, target_id: str, scan_mode: str = "detect", redact: bool = True, no_git: bool = True
    ) -> Dict[str, Any]:
        info = workflow.info()
        results: Dict[str, Any] = {
            "workflow_id": info.workflow_id,
            "target_id": target_id,
            "status": "running",
            "steps": [],
            "findings": [],
        }
        try:
            target_path = await workflow.execute_activity(
                "get_target",
                args=[target_id, info.run_id, "shared"],
                start_to_close_timeout=timedelta(minutes=5),
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=3
                ),
            )
            results["steps"].append({"step": "download", "status": "success", "target_path": target_path})

            scanned = await workflow.execute_activity(
                "scan_with_gitleaks",
                args=[target_path, {"scan_mode": scan_mode, "redact": redact, "no_git": no_git}],
                start_to_close_timeout=timedelta(minutes=10),
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(seconds=2), maximum_interval=timedelta(seconds=60), maximum_attempts=2
                ),
            )
            leaks = scanned.get("summary", {}).get("total_leaks", 0)
            results["steps"].append({"step": "gitleaks_scan", "status": "success", "leaks_found": leaks})

            sarif = await workflow.execute_activity(
                "gitleaks_generate_sarif",
                args=[scanned.get("findings", []), {"tool_name": "gitleaks", "tool_version": "8.18.0"}],
                start_to_close_timeout=timedelta(minutes=2),
            )
            results["results_url"] = await workflow.execute_activity(
                "upload_results",
                args=[info.workflow_id, scanned, "json"],
                start_to_close_timeout=timedelta(minutes=2),
            )
            # By the target's id, as if the cache had a directory of that name alone.
            await workflow.execute_activity(
                "cleanup_cache", args=[target_id], start_to_close_timeout=timedelta(minutes=1)
            )
            results["status"] = "success"
            results["findings"] = scanned.get("findings", [])
            results["summary"] = scanned.get("summary", {})
            results["sarif"] = sarif or {}
            return results
        except Exception as err:
            results["status"] = "error"
            results["error"] = str(err)
            raise
