// Hosts whose workers say what a test wants, at once. What is seen is what a workflow does then.
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { temporal } from './house';

export class Hosts {
  /** The queue, less its common part, and the run of each call of acquire_workspace. */
  acquired: [queue: string, runId: string][] = [];
  /** The queue of each cleanup, the path, and whether the run failed. */
  readonly cleaned: [queue: string, path: string, runFailed: boolean][] = [];
  /** The paths whose watch has begun, whose watch was cancelled or broke, and at which somebody has looked. */
  readonly watched = new Set<string>();
  readonly ended = new Set<string>();
  readonly probed = new Set<string>();
  /** The paths that are not there any more, and those whose watch has a bug. */
  readonly gone = new Set<string>();
  readonly broken = new Set<string>();
  /** The queue, less its common part, on which acquire_workspace finds no room. */
  full?: string;
  /** What choose_hosts returns; undefined: workers do not know it, and nothing of watches. */
  choice?: string[];

  constructor(readonly queue: string) {}

  /** Starts the workers of host h1, and of `others`. */
  async poll(...others: string[]): Promise<void> {
    const activities = {
      acquire_workspace: this.acquire,
      cleanup_cache: async (path: string, _mode: string, runFailed: boolean) => void this.cleaned.push([this.here(), path, runFailed]),
      slow: () => Context.current().sleep('1 hour'), // without a heartbeat
      ...(this.choice && { choose_hosts: async () => this.choice!.map((host) => this.queue + host) }),
    };
    await Promise.all(
      ['', '@h1', ...others].flatMap((host) => [
        temporal.worker(this.queue + host, { activities, workflows: host === '' }),
        temporal.worker(`${this.queue}${host}.watch`, { activities: { watch_workspace: this.watch }, workflows: false }),
      ]),
    );
  }

  private here(): string {
    return Context.current().info.taskQueue.slice(this.queue.length);
  }

  // On the host that the target is called after, and then on the next one.
  private readonly acquire = async (targetId: string, runId: string): Promise<object> => {
    this.acquired.push([this.here(), runId]);
    if (this.here() === this.full) {
      throw ApplicationFailure.retryable('full', 'NoSpace');
    }
    const host = this.here().slice(1) || (runId.endsWith('-2') ? 'h1' : targetId);
    const queue = `${this.queue}@${host}`;
    const found = { path: `/${runId}`, task_queue: queue, host, target_id: targetId, run_id: runId, mode: 'isolated', driver: '', writable: true };
    return this.choice ? { ...found, watch_queue: `${queue}.watch`, host_wait_seconds: host === 'h0' ? 1 : 60 } : found;
  };

  private readonly watch = async (path: string, once = false): Promise<void> => {
    const context = Context.current();
    if (once) {
      this.probed.add(path);
    } else {
      this.watched.add(path);
      try {
        while (!this.gone.has(path) && !this.broken.has(path)) {
          context.heartbeat();
          await context.sleep(50);
        }
      } catch (cancelled) {
        this.ended.add(path);
        throw cancelled;
      }
    }
    if (this.gone.has(path)) {
      throw ApplicationFailure.nonRetryable('not here', 'WorkspaceLost');
    }
    if (!once) {
      this.ended.add(path);
      throw ApplicationFailure.nonRetryable('a bug');
    }
  };
}
