/**
 * Cordon's storage activities as functions to call in workflows. Options of Temporal's
 * own go with each and beat the defaults.
 *
 * This is workflow code: it is deterministic, and what it schedules is in the histories of
 * workflows that are under way.
 */
import { ActivityCancellationType, CancellationScope, log, proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import type { Duration } from '@temporalio/common';
import type { Mode, StorageActivities } from './names';
import { withDefaults } from './options';
import { Workspace } from './workspace';

// 2 s and 8 s: a server that is restarted is back by then.
const retry = { initialInterval: '2 seconds', backoffCoefficient: 4, maximumAttempts: 3 } as const;

const fetching: ActivityOptions = {
  startToCloseTimeout: '5 minutes', // of one attempt; a fetch that takes longer goes on, and the next one joins it
  heartbeatTimeout: '30 seconds', // workers heartbeat every second or two: one that has not for this long is gone
  retry,
  // Whoever cancels has to know whether there is a claim to give back.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
};

const cleaning: ActivityOptions = {
  startToCloseTimeout: '1 minute',
  // How long anybody is waited for. After that the worker's sweep, which finds what closed
  // runs have left, is the surer way.
  scheduleToStartTimeout: '5 minutes',
  retry,
};

/** How long the host of `ws` is waited for when its workers are gone, unless it is given. */
export function hostWait(ws: Workspace, given?: Duration): Duration {
  return given ?? (ws.hostWaitSeconds > 0 ? ws.hostWaitSeconds * 1000 : '1 minute');
}

function activities(defaults: ActivityOptions, given: ActivityOptions): StorageActivities {
  return proxyActivities<StorageActivities>(withDefaults(defaults, given));
}

/** Options of {@link getTarget} and {@link acquireWorkspace}. */
export interface TargetOptions extends ActivityOptions {
  /** Whose workspace it is; default: the calling run's. */
  runId?: string;
  /** Default: isolated. What the calling workflow's metadata.yaml says beats it, where the worker knows that. */
  mode?: Mode;
}

/**
 * Fetches a target and returns the absolute path of the run's workspace. The same run
 * asking again gets the same path. Any host whose worker polls the queue may be the one
 * that has it.
 *
 * A caller who is cancelled waits until the worker has stopped fetching, some seconds. If the
 * fetch was faster than the cancellation, what it claimed is cleaned up.
 *
 * @throws ActivityFailure; see {@link cordonErrorType}.
 */
export function getTarget(targetId: string, options: TargetOptions = {}): Promise<string> {
  const { runId, mode, ...rest } = options;
  return claimed(activities(fetching, rest).get_target(targetId, runId ?? null, mode ?? null), (path) =>
    cleanupCache(path, { mode, taskQueue: rest.taskQueue }),
  );
}

/**
 * Is {@link getTarget}, and says on which host the workspace is, so that later activities
 * can go there. {@link cleanupCache} gives it back; {@link withWorkspace} does that by itself.
 *
 * @throws ActivityFailure; see {@link cordonErrorType}.
 */
export function acquireWorkspace(targetId: string, options: TargetOptions = {}): Promise<Workspace> {
  const { runId, mode, ...rest } = options;
  const acquired = activities(fetching, rest).acquire_workspace(targetId, runId ?? null, mode ?? null);
  return claimed(acquired.then((from) => new Workspace(from)), cleanupCache);
}

/**
 * Is {@link acquireWorkspace}, of a host that takes it at once or not at all: a busy one is left alone,
 * and one that has no room does not try again.
 */
export function acquireSoon(targetId: string, options: TargetOptions): Promise<Workspace> {
  const policy = options.retry ?? retry;
  const nonRetryableErrorTypes = [...(options.retry?.nonRetryableErrorTypes ?? []), 'NoSpace'];
  return acquireWorkspace(targetId, { ...options, scheduleToStartTimeout: '2 seconds', retry: { ...policy, nonRetryableErrorTypes } });
}

// Waits for a fetch. What it claimed for a caller who is cancelled is given back.
async function claimed<T>(fetch: Promise<T>, giveBack: (claim: T) => Promise<unknown>): Promise<T> {
  const caller = CancellationScope.current();
  const claim = await fetch;
  if (caller.consideredCancelled) {
    await giveBack(claim);
    await caller.cancelRequested; // which throws
  }
  return claim;
}

/** Options of {@link cleanupCache}. */
export interface CleanupOptions extends ActivityOptions {
  /** For who reads the history: what is done depends on what the cache recorded about the path. */
  mode?: Mode;
  /** The run is about to fail. Where its metadata.yaml says keep_on_failure, its workspace stays then. */
  runFailed?: boolean;
  /** How long the host of a {@link Workspace} is waited for, before any other may; default: what its workers are set to, or a minute. */
  hostTimeout?: Duration;
}

/**
 * Ends the run's claim on a workspace, or on the path of one: a tree of its own is removed, a
 * shared one stays. The result is null, or `"{path} until {time}"` where the workspace of a
 * failed run is kept.
 *
 * A {@link Workspace} is cleaned up on its host. Where that takes nothing for `hostTimeout`,
 * any worker of the queue may do it: another host leaves alone what it does not know, but the
 * same disk may be on a host of another id.
 *
 * It never throws an error of the activity, which is logged: what is left is for the worker's sweep. It
 * comes to its end even if the caller is cancelled.
 */
export function cleanupCache(workspace: Workspace | string, options: CleanupOptions = {}): Promise<string | null> {
  const { mode, runFailed = false, hostTimeout, ...rest } = options;
  const isPath = typeof workspace === 'string';
  const attempts: ActivityOptions[] =
    isPath || rest.taskQueue !== undefined
      ? [rest]
      : [
          { ...rest, taskQueue: workspace.taskQueue, scheduleToStartTimeout: hostWait(workspace, hostTimeout) },
          { ...rest, taskQueue: workspace.commonTaskQueue },
        ];
  const [path, knownMode] = isPath ? [workspace, mode] : [workspace.path, mode ?? workspace.mode];
  return CancellationScope.nonCancellable(async () => {
    for (const attempt of attempts) {
      try {
        return (await activities(cleaning, attempt).cleanup_cache(path, knownMode ?? null, runFailed)) ?? null;
      } catch (err) {
        log.warn('cleanup_cache failed; the sweep will remove what is left', { path, taskQueue: attempt.taskQueue, cause: cause(err) });
      }
    }
    return null;
  });
}

function cause(err: unknown): string {
  return String(err instanceof Error ? (err.cause ?? err) : err);
}

/** Options of {@link uploadResults}. */
export interface UploadOptions extends ActivityOptions {
  /** Default: json. */
  format?: 'json' | 'sarif';
}

/**
 * Stores an object as the results of a workflow, and returns its URL.
 *
 * @throws ActivityFailure; see {@link cordonErrorType}.
 */
export function uploadResults(workflowId: string, results: object, options: UploadOptions = {}): Promise<string> {
  const { format, ...rest } = options;
  return activities(fetching, rest).upload_results(workflowId, results, format ?? null);
}
