import { cordonFailure, uploadResults, withWorkspace } from '@cordonlabs/temporal';
import { workflowInfo } from '@temporalio/workflow';

interface Tools {
  scan_secrets(request: { path: string }): Promise<{ findings: number }>;
}

/** Looks for secrets in a stored target, and returns where the result is. */
export async function secrets(targetId: string): Promise<string> {
  try {
    return await withWorkspace({ targetId, mode: 'shared' }, async (ws) => {
      const tools = ws.proxyActivities<Tools>({ startToCloseTimeout: '1 hour', heartbeatTimeout: '30 seconds' });
      const found = await tools.scan_secrets({ path: ws.path });
      return uploadResults(workflowInfo().workflowId, { targetId, findings: found.findings });
    });
  } catch (err) {
    throw cordonFailure(err) ?? err;
  }
}
