import { ActivityCancellationType, type ActivityInterfaceFor, type ActivityOptions } from '@temporalio/workflow';
import type { AcquiredWorkspace, Driver, Mode } from './names';
import { withDefaults } from './options';
import { RunningActivities } from './running';

/** A run's workspace of a target, and where it is. It may be an activity's argument, which then has the data. */
export class Workspace {
  /** Absolute; of the directory, or of the file where the target is no archive. */
  readonly path: string;
  /** Polled by the workers of the workspace's host alone, with the activities of the worker that made it. */
  readonly taskQueue: string;
  /** The host's id. */
  readonly host: string;
  readonly targetId: string;
  readonly runId: string;
  /** The one that holds, which may be another than was asked for. */
  readonly mode: Mode;
  readonly driver: Driver;
  /** Whether the run may write there. */
  readonly writable: boolean;
  /** Where the host is asked whether it still has the workspace; '' where nobody can be asked. */
  readonly watchQueue: string;
  /** How long the host's workers want to be waited for when they are gone; 0: they do not say. */
  readonly hostWaitSeconds: number;

  readonly #activities = new RunningActivities();

  /** {@link acquireWorkspace} and {@link withWorkspace} make it of the activity's answer. */
  constructor(from: AcquiredWorkspace) {
    this.path = from.path;
    this.taskQueue = from.task_queue;
    this.host = from.host;
    this.targetId = from.target_id;
    this.runId = from.run_id;
    this.mode = from.mode;
    this.driver = from.driver;
    this.writable = from.writable;
    this.watchQueue = from.watch_queue ?? '';
    this.hostWaitSeconds = from.host_wait_seconds ?? 0;
  }

  /** The queue of all hosts' workers that {@link taskQueue} is one host's part of. */
  get commonTaskQueue(): string {
    const suffix = `@${this.host}`;
    return this.taskQueue.endsWith(suffix) ? this.taskQueue.slice(0, -suffix.length) : this.taskQueue;
  }

  /**
   * Is Temporal's `proxyActivities`, for activities that run on the workspace's host. Give them a
   * `heartbeatTimeout`: without one, an activity that has begun on a host which dies is waited for as long as it
   * may take. They need no `scheduleToStartTimeout`: a host that is busy is waited for, one that is gone is noticed.
   *
   * An activity that is cancelled is waited for, because its workspace must not go while
   * it still works there; `cancellationType` says otherwise.
   */
  proxyActivities<A>(options: ActivityOptions): ActivityInterfaceFor<A> {
    const here: ActivityOptions = {
      taskQueue: this.taskQueue,
      cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    };
    return this.#activities.proxy<A>(withDefaults(here, options));
  }

  /** Cancels the activities of {@link proxyActivities} that still run, and resolves when all are over. */
  idle(): Promise<void> {
    return this.#activities.stop();
  }
}
