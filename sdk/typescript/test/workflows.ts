// The workflows of the tests. They use the package as others do: by its name.
import {
  acquireWorkspace,
  cleanupCache,
  cordonErrorType,
  cordonFailure,
  getTarget,
  uploadResults,
  withWorkspace,
  type CleanupOptions,
  type Mode,
  type TargetOptions,
  type WithWorkspaceOptions,
  type Workspace,
} from '@cordonlabs/temporal';
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { condition, continueAsNew, defineQuery, defineSignal, proxyActivities, setHandler, sleep } from '@temporalio/workflow';

export { inventory } from '../examples/steps';

const goOn = defineSignal('goOn');

/** What a call came to. */
export interface Answer {
  ok?: unknown;
  type?: string | null;
  message?: string;
  nonRetryable?: boolean | null;
}

/** Makes many calls, each an activity and its arguments, as somebody does who does not have the package. */
export async function calls(queue: string, all: [activity: string, args: unknown[]][]): Promise<Answer[]> {
  const activities = proxyActivities<Record<string, (...args: unknown[]) => Promise<unknown>>>({
    taskQueue: queue,
    startToCloseTimeout: '5 minutes',
    // Whether an error is retryable shows in whether it comes at once: a retry would
    // come only after the deadline.
    scheduleToCloseTimeout: '90 seconds',
    retry: { initialInterval: '100 seconds' },
  });
  return Promise.all(
    all.map(async ([activity, args]) => {
      try {
        return { ok: await activities[activity]!(...args) };
      } catch (err) {
        if (err instanceof ActivityFailure && err.cause instanceof ApplicationFailure) {
          return { type: err.cause.type ?? null, message: err.cause.message, nonRetryable: err.cause.nonRetryable ?? null };
        }
        return { type: String(err) };
      }
    }),
  );
}

export function get(targetId: string, options: TargetOptions): Promise<string> {
  return getTarget(targetId, options);
}

export async function getAndCleanUp(targetId: string, mode: Mode): Promise<[string, string | null]> {
  const path = await getTarget(targetId, { mode });
  return [path, await cleanupCache(path, { mode })];
}

export async function acquires(targetId: string, options: TargetOptions): Promise<Workspace> {
  return acquireWorkspace(targetId, options);
}

export function uploads(id: string, results: object, format?: 'json' | 'sarif'): Promise<string> {
  return uploadResults(id, results, { format });
}

/** Cleans up after itself, with limits of its own. */
export async function cleansUp(targetId: string, options: CleanupOptions): Promise<string | null> {
  const ws = await acquireWorkspace(targetId);
  await told();
  return cleanupCache(ws, options);
}

async function told(): Promise<void> {
  let yes = false;
  setHandler(goOn, () => void (yes = true));
  await condition(() => yes);
}

/** Says what kind of error a missing target is, then fails with it. */
export async function missing(targetId: string): Promise<void> {
  try {
    await getTarget(targetId);
  } catch (err) {
    if (cordonErrorType(err) === 'TargetNotFound') {
      throw cordonFailure(err);
    }
    throw err;
  }
}

/** What `works` is to do in its workspace. */
export interface Work {
  /** The activity that is run there, on the host's queue. */
  activity?: 'inventory_files' | 'look' | 'work';
  /** Waits for the signal. */
  wait?: boolean;
  /** Has a bug until the signal comes. */
  bug?: boolean;
  /** Then fails. */
  fail?: string;
  /** Then continues as new. */
  again?: boolean;
  /** Leaves an activity and a timer running. */
  leave?: boolean;
}

interface Tools {
  inventory_files(request: { path: string }): Promise<unknown>;
  look(path: string): Promise<unknown>;
  work(path: string): Promise<unknown>;
}

/** Works in a workspace, and returns where that was and what its activity said. */
export async function works(options: WithWorkspaceOptions, work: Work): Promise<[string, unknown]> {
  let told = false;
  setHandler(goOn, () => void (told = true));
  return withWorkspace(options, async (ws) => {
    const tools = ws.proxyActivities<Tools>({ startToCloseTimeout: '5 minutes', heartbeatTimeout: '30 seconds', retry: { maximumAttempts: 1 } });
    let said: unknown;
    switch (work.activity) {
      case 'inventory_files':
        said = await tools.inventory_files({ path: ws.path });
        break;
      case 'look':
      case 'work':
        said = await tools[work.activity](ws.path);
    }
    if (work.leave) {
      void tools.work(ws.path);
      void sleep('1 hour');
      await condition(() => told);
    }
    if (work.wait) {
      await condition(() => told);
    }
    if (work.bug && !told) {
      throw new TypeError('a bug');
    }
    if (work.fail) {
      throw ApplicationFailure.nonRetryable(work.fail, 'MyOwn');
    }
    if (work.again) {
      await continueAsNew<typeof works>(options, { ...work, again: false });
    }
    return [ws.path, said];
  });
}

/** The same under a class's name that a metadata.yaml knows. */
export function KeptWorkflow(options: WithWorkspaceOptions): Promise<[string, unknown]> {
  return works(options, { fail: 'on purpose' });
}

/** What is done in a workspace, round by round; what is last is done in all that follow. */
export interface Step extends WithWorkspaceOptions {
  /** The name of an activity, or return, wait, linger, lost, fail, brief. */
  rounds: string[];
  /** Of an activity; default: 1. */
  attempts?: number;
  /** Its heartbeat timeout in seconds; default: 5. */
  heartbeat?: number;
}

export const at = defineQuery<Workspace[]>('at');

/** Says in which workspaces it was. */
export async function steps({ rounds, attempts = 1, heartbeat = 5, ...options }: Step): Promise<Workspace[]> {
  const been: Workspace[] = [];
  let told = false;
  setHandler(goOn, () => void (told = true));
  setHandler(at, () => been);
  return withWorkspace(options, async (ws) => {
    been.push(ws);
    const what = rounds[Math.min(been.length, rounds.length) - 1]!;
    const brief = { startToCloseTimeout: '1 minute', heartbeatTimeout: heartbeat * 1000, retry: { initialInterval: '100 milliseconds', maximumAttempts: attempts } } as const;
    const tools = ws.proxyActivities<Record<string, (request: { path: string }) => Promise<unknown>>>(brief);
    switch (what) {
      case 'return':
        break;
      case 'wait':
        await condition(() => told);
        break;
      case 'linger': // has its own idea of a cancellation
        await sleep('1 hour').catch(() => undefined);
        break;
      case 'lost':
        throw ApplicationFailure.nonRetryable('gone', 'WorkspaceLost');
      case 'fail':
        throw ApplicationFailure.nonRetryable('on purpose', 'MyOwn');
      case 'brief': // nobody may take it in time
        await ws.proxyActivities<Record<'slow', (request: { path: string }) => Promise<unknown>>>({ ...brief, scheduleToStartTimeout: '1 second' }).slow({ path: ws.path });
        break;
      default:
        await tools[what]!({ path: ws.path });
    }
    return been;
  });
}
