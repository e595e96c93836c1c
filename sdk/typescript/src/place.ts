import { isCancellation, log, proxyActivities } from '@temporalio/workflow';
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { acquireSoon, acquireWorkspace, type TargetOptions } from './activities';
import type { HostActivities } from './names';
import type { Workspace } from './workspace';

/**
 * Acquires a workspace on a host that has the target, or on any; on one that had one of `lost` only
 * where there is no other.
 */
export async function place(targetId: string, lost: readonly Workspace[], options: TargetOptions): Promise<Workspace> {
  for (const taskQueue of await choose(targetId, options)) {
    if (lost.some((ws) => ws.taskQueue === taskQueue)) {
      continue;
    }
    try {
      return await acquireSoon(targetId, { ...options, taskQueue });
    } catch (err) {
      const cause = err instanceof ActivityFailure ? err.cause : undefined;
      if (cause === undefined || isCancellation(err) || (cause instanceof ApplicationFailure && cause.nonRetryable)) {
        throw err;
      }
      log.info('A host that is preferred does not take the run, another one may', { taskQueue, cause: String(cause) });
    }
  }
  return acquireWorkspace(targetId, options);
}

// The queues of the hosts on which the run is best placed; none where that cannot be learnt.
async function choose(targetId: string, { runId, mode, taskQueue }: TargetOptions): Promise<string[]> {
  const { choose_hosts } = proxyActivities<HostActivities>({
    taskQueue,
    // It is a handful of calls to Temporal, and a run that has no answer goes to any host.
    startToCloseTimeout: '5 seconds',
    scheduleToCloseTimeout: '10 seconds',
    retry: { maximumAttempts: 1 },
  });
  try {
    const queues: unknown = await choose_hosts(targetId, runId ?? null, mode ?? null);
    return Array.isArray(queues) ? queues.filter((queue) => typeof queue === 'string') : [];
  } catch (err) {
    if (isCancellation(err)) {
      throw err;
    }
    return []; // from a worker that does not know it, too; what is wrong, acquire_workspace says
  }
}
