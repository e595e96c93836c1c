/** Noticing that a run's workspace is lost. */
import { ActivityCancellationType, CancellationScope, isCancellation, log, proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import { ApplicationFailure, TimeoutFailure, TimeoutType, type Duration } from '@temporalio/common';
import { inChain } from './errors';
import type { HostActivities } from './names';
import type { Workspace } from './workspace';

function watching(ws: Workspace, wait: Duration, options: ActivityOptions): HostActivities {
  return proxyActivities<HostActivities>({
    taskQueue: ws.watchQueue,
    scheduleToStartTimeout: wait,
    // A host that swaps, or a server that is restarted, may lose some; then the next attempt finds the host well.
    heartbeatTimeout: '20 seconds',
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    ...options,
    retry: { initialInterval: '1 second', backoffCoefficient: 1, nonRetryableErrorTypes: ['WorkspaceLost'], ...options.retry },
  });
}

/**
 * Begins to watch `ws`, whose host is waited for that long when it is gone. `lost` is called with the reason
 * when it is lost, at most once. What is returned ends the watch: `lost` is not called any more.
 */
export function watch(ws: Workspace, wait: Duration, lost: (why: unknown) => void): () => void {
  if (ws.watchQueue === '') {
    return () => undefined;
  }
  const scope = new CancellationScope();
  let over = false;
  const ended = (err?: unknown): void => {
    if (over || scope.consideredCancelled) {
      return;
    }
    if (isLost(err) || timeoutOf(err)?.timeoutType === TimeoutType.SCHEDULE_TO_START) {
      lost(err);
    } else {
      log.warn('A workspace is not watched any more; should its host be lost, that is not noticed', { path: ws.path, cause: String(err) });
    }
  };
  const longerThanRuns = '365 days';
  scope.run(() => watching(ws, wait, { startToCloseTimeout: longerThanRuns }).watch_workspace(ws.path)).then(ended, ended);
  return () => {
    over = true;
    scope.cancel();
  };
}

/**
 * Returns why `ws` is lost, if it is, where that made what was done there fail with `err`. What looks like any timeout may be
 * that of a host of which nobody has noticed yet that it is gone.
 */
export async function whyLost(ws: Workspace, wait: Duration, err: unknown): Promise<unknown> {
  const timeout = timeoutOf(err);
  if (isLost(err)) {
    return err;
  }
  if (timeout === undefined) {
    return undefined;
  }
  if (ws.watchQueue === '') {
    return timeout.timeoutType === TimeoutType.SCHEDULE_TO_START ? err : undefined; // nobody can be asked
  }
  // A look takes a moment. A frozen host may be handed some of which nobody hears again.
  const probe = watching(ws, wait, { startToCloseTimeout: '10 seconds', retry: { maximumAttempts: 5 } });
  try {
    await probe.watch_workspace(ws.path, true);
  } catch (said) {
    if (isCancellation(said)) {
      throw said;
    }
    return isLost(said) || timeoutOf(said) !== undefined ? said : undefined;
  }
  return undefined;
}

/** Says what went wrong, without Temporal's own frame. */
export function reason(lost: unknown): string {
  const app = inChain(lost, (e) => e instanceof ApplicationFailure);
  const timeout = timeoutOf(lost);
  return app?.message ?? (timeout === undefined ? String(lost) : `its host did not answer (${timeout.timeoutType})`);
}

function timeoutOf(err: unknown): TimeoutFailure | undefined {
  return inChain(err, (e) => e instanceof TimeoutFailure);
}

// Whether a WorkspaceLost is among err and what caused it.
function isLost(err: unknown): boolean {
  return inChain(err, (e): e is ApplicationFailure => e instanceof ApplicationFailure && e.type === 'WorkspaceLost') !== undefined;
}
