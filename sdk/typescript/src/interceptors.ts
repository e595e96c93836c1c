/**
 * The storage activities on a queue of their own, beside a worker in TypeScript that has tools.
 * The module itself is what a worker's `interceptors.workflowModules` takes.
 */
import {
  workflowInfo,
  type ActivityInput,
  type Next,
  type WorkflowInterceptors,
  type WorkflowOutboundCallsInterceptor,
} from '@temporalio/workflow';
import { storageActivityNames, type HostActivities } from './names';

/** What Cordon's worker has, and the worker beside it has not. */
const cordons: ReadonlySet<string> = new Set<string>([
  ...storageActivityNames,
  ...(['choose_hosts', 'watch_workspace'] satisfies (keyof HostActivities)[]),
]);

/** Options of {@link StorageRouting}. */
export interface StorageRoutingOptions {
  /** The queue of Cordon's worker; default: `x-storage` where the workflow's own is `x-queue`, or `x`. */
  taskQueue?: string;
  /**
   * Where activities go that {@link Workspace.proxyActivities} schedules, given the host's id;
   * default: the workflow's own queue. Cordon's worker at the host's queue has none but the storage
   * activities, so that with several hosts the author's worker polls one more for each host.
   */
  toolQueue?: (host: string) => string;
}

/**
 * Sends the storage activities of workflows to the Cordon worker beside theirs, `cordon
 * worker --serve storage`, and leaves all others to the workflow's own queue. Workflows need no change. A
 * queue that their author gave stays.
 *
 * It never throws: a workflow that is replayed elsewhere is on a queue of another name there.
 */
export class StorageRouting implements WorkflowOutboundCallsInterceptor {
  constructor(private readonly options: StorageRoutingOptions = {}) {}

  async scheduleActivity(input: ActivityInput, next: Next<WorkflowOutboundCallsInterceptor, 'scheduleActivity'>): Promise<unknown> {
    const taskQueue = this.route(input.activityType, input.options.taskQueue);
    return next({ ...input, options: { ...input.options, taskQueue } });
  }

  private route(activityType: string, given: string | undefined): string | undefined {
    const own = workflowInfo().taskQueue;
    const storage = this.options.taskQueue ?? `${own.replace(/-queue$/, '')}-storage`;
    if (cordons.has(activityType)) {
      return given ?? storage;
    }
    if (given?.startsWith(`${storage}@`)) {
      return this.options.toolQueue?.(given.slice(storage.length + 1)) ?? own;
    }
    return given;
  }
}

/** What Temporal's workers ask an interceptor module for. */
export function interceptors(): WorkflowInterceptors {
  return { outbound: [new StorageRouting()] };
}
