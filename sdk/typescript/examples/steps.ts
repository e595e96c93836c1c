import { cleanupCache, getTarget, uploadResults } from '@cordonlabs/temporal';
import { proxyActivities, workflowInfo } from '@temporalio/workflow';

const { inventory_files } = proxyActivities<{ inventory_files(request: { path: string }): Promise<object> }>({
  startToCloseTimeout: '1 hour',
  heartbeatTimeout: '30 seconds',
});

/** The same without withWorkspace, on one host. */
export async function inventory(targetId: string): Promise<string> {
  const path = await getTarget(targetId, { mode: 'copy-on-write' });
  try {
    return await uploadResults(workflowInfo().workflowId, await inventory_files({ path }));
  } finally {
    await cleanupCache(path);
  }
}
