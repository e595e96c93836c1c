import { ContinueAsNew, isCancellation, log } from '@temporalio/workflow';
import { TemporalFailure, type Duration } from '@temporalio/common';
import { acquireWorkspace, cleanupCache, type TargetOptions } from './activities';
import type { Workspace } from './workspace';

/** Options of {@link withWorkspace}: those of {@link acquireWorkspace}, and more. */
export interface WithWorkspaceOptions extends TargetOptions {
  targetId: string;
  /** How long the workspace's host is waited for when it is to clean up; default: a minute. See {@link cleanupCache}. */
  hostTimeout?: Duration;
}

/**
 * Runs `body` with a workspace of a target, which is cleaned up when that is over: by a
 * result, by `continueAsNew`, by an error that fails the workflow (the worker is told, so
 * that keep_on_failure of its metadata.yaml works), and by a cancellation, during the fetch as
 * well. Activities of {@link Workspace.proxyActivities} that still run are cancelled and waited
 * for before the cleanup, and that runs to its end whoever cancels.
 *
 * It is not after an error that Temporal does not take for a failure, which is every one but its
 * own (TemporalFailure). Such an error means that the code has to be mended, and that the run
 * then goes on from where it was: with its workspace, and a history that says nothing of a
 * cleanup. Should the workflow catch it outside of the body, or declare it in `failureExceptionTypes`,
 * the worker's sweep removes the workspace after the run.
 *
 * @returns what `body` does.
 * @throws what `body` does; and an ActivityFailure where there is no workspace.
 */
export async function withWorkspace<R>(options: WithWorkspaceOptions, body: (ws: Workspace) => Promise<R>): Promise<R> {
  const { targetId, hostTimeout, ...asked } = options;
  const ws = await acquireWorkspace(targetId, asked);

  const giveBack = async (runFailed: boolean) => {
    await ws.idle();
    const kept = await cleanupCache(ws, { runFailed, hostTimeout });
    if (kept !== null) {
      log.warn('The workspace of this failed run stays', { kept, host: ws.host });
    }
  };

  let result: R;
  try {
    result = await body(ws);
  } catch (err) {
    if (err instanceof ContinueAsNew || isCancellation(err)) {
      await giveBack(false);
    } else if (err instanceof TemporalFailure) {
      await giveBack(true);
    }
    throw err;
  }
  await giveBack(false);
  return result;
}
