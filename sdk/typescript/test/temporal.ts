// The side of Temporal's SDK: a client, workers, and what histories say.
import { Client, Connection, type WorkflowHandle, type WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker';
import type { History } from '@temporalio/common/lib/proto-utils';
import * as path from 'node:path';

// Of a workflow. The limits of its activities, which are looked at, are cut down to it.
const longest = '8 minutes';

/** One activity that a workflow scheduled. */
export interface Scheduled {
  name: string;
  queue: string;
  args: unknown[];
  startToClose: number; // seconds
  heartbeat: number;
  attempts: number;
  outcome: 'completed' | 'failed' | 'timed out' | 'cancelled' | 'open';
}

export class Temporal {
  private readonly bundles = new Map<string, Promise<WorkflowBundle>>();
  private readonly running: { worker: Worker; run: Promise<void> }[] = [];
  private count = 0;

  private constructor(
    readonly client: Client,
    private readonly connection: NativeConnection,
  ) {}

  static async connect(address: string): Promise<Temporal> {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    return new Temporal(new Client({ connection: await Connection.connect({ address }) }), await NativeConnection.connect({ address }));
  }

  /** Starts a worker, with the tests' workflows unless told otherwise: the bundler refuses what workflows may not import. */
  async worker(taskQueue: string, options: { activities?: object; interceptors?: string; workflows?: boolean } = {}): Promise<void> {
    const { activities, interceptors = '', workflows = true } = options;
    let bundle = this.bundles.get(interceptors);
    if (bundle === undefined) {
      bundle = bundleWorkflowCode({
        workflowsPath: path.join(__dirname, 'workflows.js'),
        workflowInterceptorModules: interceptors === '' ? [] : [interceptors],
        logger: new DefaultLogger('ERROR'),
      });
      this.bundles.set(interceptors, bundle);
    }
    const worker = await Worker.create({
      connection: this.connection,
      taskQueue,
      ...(workflows && { workflowBundle: await bundle }),
      ...(activities && { activities }),
      maxHeartbeatThrottleInterval: '200 milliseconds',
      shutdownForceTime: '10 seconds',
    });
    this.running.push({ worker, run: worker.run() });
  }

  start(type: string, taskQueue: string, ...args: unknown[]): Promise<WorkflowHandleWithFirstExecutionRunId> {
    return this.client.workflow.start(type, { taskQueue, args, workflowId: `typescript-${++this.count}`, workflowExecutionTimeout: longest });
  }

  async execute<R>(type: string, taskQueue: string, ...args: unknown[]): Promise<R> {
    return (await this.start(type, taskQueue, ...args)).result() as Promise<R>;
  }

  /** Runs histories again, with today's code. */
  async replay(interceptors: string, handles: WorkflowHandle[]): Promise<void> {
    const workflowBundle = await this.bundles.get(interceptors)!;
    for (const handle of handles) {
      await Worker.runReplayHistory({ workflowBundle, replayName: handle.workflowId }, await handle.fetchHistory());
    }
  }

  /** Runs a history again that was written down, with today's code. */
  async replayHistory(workflowId: string, history: unknown): Promise<void> {
    await Worker.runReplayHistory({ workflowBundle: await this.bundles.get('')!, replayName: workflowId }, history, workflowId);
  }

  async stop(): Promise<void> {
    for (const { worker } of this.running) {
      worker.shutdown();
    }
    await Promise.all(this.running.map(({ run }) => run));
    await this.client.connection.close();
    await this.connection.close();
  }
}

/** What activities a workflow scheduled, in order, but for those with which the package looks after hosts. */
export async function scheduled(handle: WorkflowHandle): Promise<Scheduled[]> {
  return (await everything(handle)).filter((a) => a.name !== 'choose_hosts' && a.name !== 'watch_workspace');
}

/** What activities a workflow scheduled, in order. */
export async function everything(handle: WorkflowHandle): Promise<Scheduled[]> {
  return activitiesOf(await handle.fetchHistory());
}

function activitiesOf(history: History): Scheduled[] {
  const byId = new Map<number, Scheduled>();
  for (const event of history.events ?? []) {
    const s = event.activityTaskScheduledEventAttributes;
    if (s) {
      byId.set(Number(event.eventId), {
        name: s.activityType?.name ?? '',
        queue: s.taskQueue?.name ?? '',
        args: (s.input?.payloads ?? []).map((p) => (p.data?.length ? (JSON.parse(Buffer.from(p.data).toString()) as unknown) : null)),
        startToClose: Number(s.startToCloseTimeout?.seconds ?? 0),
        heartbeat: Number(s.heartbeatTimeout?.seconds ?? 0),
        attempts: s.retryPolicy?.maximumAttempts ?? 0,
        outcome: 'open',
      });
    }
    const ends = [
      ['completed', event.activityTaskCompletedEventAttributes],
      ['failed', event.activityTaskFailedEventAttributes],
      ['timed out', event.activityTaskTimedOutEventAttributes],
      ['cancelled', event.activityTaskCanceledEventAttributes],
    ] as const;
    for (const [outcome, attributes] of ends) {
      if (attributes) {
        byId.get(Number(attributes.scheduledEventId))!.outcome = outcome;
      }
    }
  }
  return [...byId.values()];
}
