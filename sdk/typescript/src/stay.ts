import { CancellationScope, ContinueAsNew, isCancellation, log, patched, workflowInfo } from '@temporalio/workflow';
import { TemporalFailure, type Duration } from '@temporalio/common';
import { acquireWorkspace, cleanupCache, hostWait, type TargetOptions } from './activities';
import { place } from './place';
import { watch, whyLost } from './watch';
import { Workspace } from './workspace';

// Runs whose history has no such mark were under way before this package noticed. They go on as they began.
const patch = 'cordon: notice that a workspace is lost';

/** How the work at a workspace has ended. */
export type Ended<R> = { result: R } | { err: unknown };

/** The workspaces of one step of a run: another one, elsewhere, where one is lost. */
export class Stay {
  private readonly caller = CancellationScope.current();
  private readonly notices = patched(patch);
  private readonly lost: Workspace[] = [];

  constructor(
    private readonly targetId: string,
    private readonly hostTimeout: Duration | undefined,
    private readonly options: TargetOptions,
  ) {}

  /**
   * Acquires the next workspace. It is of a name of its own, so that it is fresh even on a host that was lost and
   * is back.
   */
  async acquire(): Promise<Workspace> {
    if (!this.notices) {
      return acquireWorkspace(this.targetId, this.options);
    }
    const options = { ...this.options };
    if (this.lost.length > 0) {
      options.runId = `${options.runId || workflowInfo().runId}-${this.lost.length + 1}`;
    }
    try {
      return await place(this.targetId, this.lost, options);
    } catch (err) {
      if (err instanceof TemporalFailure) {
        await this.giveUp();
      }
      throw err;
    }
  }

  /**
   * Runs `body` at `ws` until it is over, and does what is due then. Where it has failed because the workspace is lost, the
   * result is why. Then all is left as it is, for the next workspace or for {@link giveUp}.
   */
  async work<R>(ws: Workspace, body: (ws: Workspace) => Promise<R>): Promise<{ ended: Ended<R>; lost?: unknown }> {
    const wait = hostWait(ws, this.hostTimeout);
    const scope = new CancellationScope();
    let lost: unknown;
    const leave = (why: unknown): void => {
      lost = why;
      scope.cancel();
    };
    const unwatch = this.notices ? watch(ws, wait, leave) : () => undefined;
    const ended = await scope.run(() => body(ws)).then(
      (result): Ended<R> => ({ result }),
      (err: unknown): Ended<R> => ({ err }),
    );
    unwatch();
    const failed = 'err' in ended;
    const again = failed && ended.err instanceof ContinueAsNew;
    const stopped = failed && (again || isCancellation(ended.err));
    if (failed && !stopped && !(ended.err instanceof TemporalFailure)) {
      return { ended }; // the code has to be mended, and goes on from here then
    }
    const mendable = failed && !again && !this.caller.consideredCancelled;
    if (mendable && this.notices) {
      lost ??= await whyLost(ws, wait, ended.err).catch(async (cancelled: unknown) => {
        await this.giveBack(ws, false);
        throw cancelled;
      });
    }
    if (lost === undefined) {
      await this.giveBack(ws, failed && !stopped);
      return { ended };
    }
    this.lost.push(ws);
    await ws.idle();
    if (mendable && !this.caller.consideredCancelled) {
      return { ended, lost };
    }
    await this.giveUp();
    return { ended };
  }

  /** Ends the run's claims on hosts that were lost, those that are back; of the others their sweep does it. */
  async giveUp(): Promise<void> {
    // Asked of these hosts alone: another one may have a workspace of the run under the same path.
    const once = { scheduleToStartTimeout: '2 seconds', retry: { maximumAttempts: 1 } } as const;
    await Promise.all(this.lost.map((ws) => cleanupCache(ws, { ...once, taskQueue: ws.taskQueue })));
  }

  private async giveBack(ws: Workspace, runFailed: boolean): Promise<void> {
    const swept = this.giveUp();
    await ws.idle();
    const kept = await cleanupCache(ws, { runFailed, hostTimeout: this.hostTimeout });
    if (kept !== null) {
      log.warn('The workspace of this failed run stays', { kept, host: ws.host });
    }
    await swept;
  }
}
