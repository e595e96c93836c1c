"""Look through a project's code and report in SARIF."""

from datetime import timedelta
from typing import Any, Dict, Optional

from temporalio import workflow
from temporalio.common import RetryPolicy

TWICE = RetryPolicy(
    initial_interval=timedelta(seconds=2), maximum_interval=timedelta(seconds=60), maximum_attempts=2
)


@workflow.defn
class SecurityAssessmentWorkflow:
    @workflow.run
    async def run(
        self,
        target_id: str,
        scanner_config: Optional[Dict[str, Any]] = None,
        analyzer_config: Optional[Dict[str, Any]] = None,
        reporter_config: Optional[Dict[str, Any]] = None,
    ) -> Dict[str, Any]:
        info = workflow.info()
        scanner = scanner_config or {
            "patterns": ["*"],
            "check_sensitive": True,
            "calculate_hashes": False,
            "max_file_size": 10485760,
        }
        analyzer = analyzer_config or {
            "file_extensions": [".py", ".js", ".java", ".php", ".rb", ".go"],
            "check_secrets": True,
            "check_sql": True,
            "check_dangerous_functions": True,
        }
        reporter = reporter_config or {"include_code_flows": False}
        steps = []

        target_path = await workflow.execute_activity(
            "get_target",
            args=[target_id, info.run_id, "shared"],
            start_to_close_timeout=timedelta(minutes=5),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30), maximum_attempts=3
            ),
        )
        steps.append({"step": "download_target", "status": "success", "target_path": target_path})

        scanned = await workflow.execute_activity(
            "scan_files",
            args=[target_path, scanner],
            start_to_close_timeout=timedelta(minutes=10),
            retry_policy=TWICE,
        )
        files = scanned.get("summary", {}).get("total_files", 0)
        steps.append({"step": "file_scanning", "status": "success", "files_scanned": files})

        analyzed = await workflow.execute_activity(
            "analyze_security",
            args=[target_path, analyzer],
            start_to_close_timeout=timedelta(minutes=15),
            retry_policy=TWICE,
        )
        steps.append(
            {
                "step": "security_analysis",
                "status": "success",
                "findings": analyzed.get("summary", {}).get("total_findings", 0),
            }
        )

        sarif = await workflow.execute_activity(
            "generate_sarif_report",
            args=[scanned, analyzed, reporter, target_path],
            start_to_close_timeout=timedelta(minutes=5),
        )
        steps.append({"step": "report_generation", "status": "success"})
        total = len(sarif["runs"][0].get("results", []))

        results_url = await workflow.execute_activity(
            "upload_results",
            args=[info.workflow_id, sarif, "sarif"],
            start_to_close_timeout=timedelta(minutes=2),
        )
        # The directory around the workspace, which is what some clean up.
        await workflow.execute_activity(
            "cleanup_cache",
            args=[target_path.rsplit("/", 1)[0], "shared"],
            start_to_close_timeout=timedelta(minutes=1),
        )
        return {
            "workflow_id": info.workflow_id,
            "target_id": target_id,
            "status": "success",
            "steps": steps,
            "sarif": sarif,
            "summary": {"total_findings": total, "files_scanned": files},
            "results_url": results_url,
        }
