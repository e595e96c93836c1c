// Tool activities of the tests' own, as a worker beside Cordon's has them.
import { Context } from '@temporalio/activity';
import * as fs from 'node:fs';
import { cacheA, cordon, exists, queueA } from './house';

/** The workspaces in which `work` has begun. */
export const begun = new Set<string>();

/** Whether the workspace was there when `work` ended, by its path. */
export const ended = new Map<string, boolean>();

/** Lists a directory. */
export async function look(workspace: string): Promise<string[]> {
  return fs.readdirSync(workspace);
}

/** Works until it is cancelled, and then takes its time to stop. */
export async function work(workspace: string): Promise<void> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), 100);
  begun.add(workspace);
  try {
    await context.cancelled;
  } finally {
    clearInterval(beat);
    await new Promise((r) => setTimeout(r, 500));
    ended.set(workspace, exists(workspace));
  }
}

/** Lets the calls of {@link acquire_workspace} answer that wait to. */
export let answer: () => void;

/**
 * Is a worker that gets a workspace, a real one of topology A's, and is slow to tell: a
 * cancellation does not stop it.
 */
export async function acquire_workspace(targetId: string): Promise<object> {
  const { runId } = Context.current().info.workflowExecution!;
  const workspace = await cordon.run('get', targetId, '--run', runId, '--store', cordon.store, '--cache-dir', cacheA);
  await new Promise<void>((resolve) => (answer = resolve));
  return { path: workspace, task_queue: queueA, host: 'h', target_id: targetId, run_id: runId, mode: 'isolated', driver: '', writable: true };
}
