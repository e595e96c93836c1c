import { log } from '@temporalio/workflow';
import { ApplicationFailure, type Duration } from '@temporalio/common';
import type { TargetOptions } from './activities';
import { Stay } from './stay';
import { reason } from './watch';
import type { Workspace } from './workspace';

/** Options of {@link withWorkspace}: those of {@link acquireWorkspace}, and more. */
export interface WithWorkspaceOptions extends TargetOptions {
  targetId: string;
  /**
   * How long the workspace's host is waited for when its workers are gone, before the run goes elsewhere and before others may
   * clean up; default: what its workers are set to, or a minute.
   */
  hostTimeout?: Duration;
  /** How many workspaces are tried before the run fails with a WorkspaceLost; default: 5. */
  hosts?: number;
}

/**
 * Runs `body` with a workspace of a target, which is cleaned up when that is over: by a
 * result, by `continueAsNew`, by an error that fails the workflow (the worker is told, so
 * that keep_on_failure of its metadata.yaml works), and by a cancellation, during the fetch as
 * well. Activities of {@link Workspace.proxyActivities} that still run are cancelled and waited
 * for before the cleanup, and that runs to its end whoever cancels.
 *
 * Where the workspace is lost, `body` is cancelled and, once it is over, run again with a fresh one on another
 * host. So it keeps nothing from one run to the next but what it means to. A workspace is lost when its host is gone and does not
 * come back within `hostTimeout`, when its host does not have it any more, and when an activity says so (WorkspaceLost). That an activity
 * takes too long on a host that is there, or waits for its turn, is the body's own affair.
 *
 * It is not cleaned up after an error that Temporal does not take for a failure, which is every one but its
 * own (TemporalFailure). Such an error means that the code has to be mended, and that the run
 * then goes on from where it was: with its workspace, and a history that says nothing of a
 * cleanup. Should the workflow catch it outside of the body, or declare it in `failureExceptionTypes`,
 * the worker's sweep removes the workspace after the run.
 *
 * @returns what `body` does.
 * @throws what `body` does; an ActivityFailure where there is no workspace; and an ApplicationFailure, WorkspaceLost, where one was
 * lost on `hosts` hosts.
 */
export async function withWorkspace<R>(options: WithWorkspaceOptions, body: (ws: Workspace) => Promise<R>): Promise<R> {
  const { targetId, hostTimeout, hosts = 5, ...asked } = options;
  const stay = new Stay(targetId, hostTimeout, asked);
  for (let tried = 1; ; tried++) {
    const ws = await stay.acquire();
    const { ended, lost } = await stay.work(ws, body);
    if (lost === undefined) {
      if ('err' in ended) {
        throw ended.err;
      }
      return ended.result;
    }
    log.warn('A workspace is lost, another one is acquired', { path: ws.path, host: ws.host, cause: reason(lost) });
    if (tried >= hosts) {
      await stay.giveUp();
      throw ApplicationFailure.create({
        type: 'WorkspaceLost',
        nonRetryable: true,
        message: `the run lost its workspace on ${tried} hosts, one after the other, the last time for: ${reason(lost)}`,
        cause: lost instanceof Error ? lost : undefined,
      });
    }
  }
}
