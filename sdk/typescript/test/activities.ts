// The wrappers of the activities.
import { cordonErrorType, finalErrorTypes, retriedErrorTypes } from '@cordonlabs/temporal';
import { ApplicationFailure } from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { cacheA, exists, queueA, root, temporal } from './house';
import { scheduled } from './temporal';

describe('wrappers', () => {
  it('getTarget returns the run\'s own workspace, with the contract\'s timeouts', async () => {
    const run = await temporal.start('get', queueA, 'project', {});
    assert.equal(await run.result(), path.join(cacheA, 'project', await runId(run), 'workspace'));
    const [get] = await scheduled(run);
    assert.deepEqual(get, {
      name: 'get_target', queue: queueA, args: ['project', null, null],
      startToClose: 300, heartbeat: 30, attempts: 3, outcome: 'completed',
    });
  });

  it('getTarget takes a run, a mode, and Temporal\'s own options', async () => {
    const run = await temporal.start('get', 'calls', 'project', {
      runId: 'named', mode: 'copy-on-write', taskQueue: queueA, startToCloseTimeout: '7 minutes', heartbeatTimeout: undefined,
    });
    assert.equal(await run.result(), path.join(cacheA, 'project', 'named', 'workspace'));
    const [get] = await scheduled(run);
    assert.deepEqual(get?.args, ['project', 'named', 'copy-on-write']);
    assert.deepEqual([get?.queue, get?.startToClose, get?.heartbeat], [queueA, 420, 30]);
  });

  it('cleanupCache removes a run\'s own workspace and leaves a shared one', async () => {
    for (const [mode, stays] of [['isolated', false], ['shared', true]] as const) {
      const run = await temporal.start('getAndCleanUp', queueA, 'project', mode);
      const [workspace, kept] = (await run.result()) as [string, string | null];
      assert.equal(kept, null);
      assert.equal(exists(workspace), stays, workspace);
      const cleanup = (await scheduled(run))[1];
      assert.deepEqual(cleanup?.args, [workspace, mode, false]);
      assert.deepEqual([cleanup?.startToClose, cleanup?.attempts], [60, 3]);
    }
  });

  it('acquireWorkspace says where the workspace is', async () => {
    const ws = await temporal.execute<Record<string, unknown>>('acquires', queueA, 'project', { runId: 'acquired' });
    const host = String(ws.host);
    assert.ok(host);
    assert.deepEqual(ws, {
      path: path.join(cacheA, 'project', 'acquired', 'workspace'),
      taskQueue: `${queueA}@${host}`, host, targetId: 'project', runId: 'acquired', mode: 'isolated', driver: '', writable: true,
      watchQueue: `${queueA}@${host}.watch`, hostWaitSeconds: 60,
    });
    const shared = await temporal.execute<Record<string, unknown>>('acquires', queueA, 'project', { mode: 'shared' });
    assert.deepEqual([shared.mode, shared.writable], ['shared', false]);
    const view = await temporal.execute<Record<string, unknown>>('acquires', queueA, 'project', { mode: 'copy-on-write' });
    assert.ok(['overlay', 'snapshot', 'reflink', 'copy'].includes(String(view.driver)), String(view.driver));
  });

  it('uploadResults stores the object and returns its URL', async () => {
    const url = await temporal.execute<string>('uploads', queueA, 'flow/1', { b: 1, a: 'ü' });
    assert.equal(fs.readFileSync(fileURLToPath(url), 'utf8'), '{\n  "b": 1,\n  "a": "ü"\n}');
    assert.match(await temporal.execute<string>('uploads', queueA, 'flow-2', { version: '2.1.0' }, 'sarif'), /\/flow-2\/results\.sarif$/);
  });

  it('an error keeps its type, in the workflow and for its client', async () => {
    await assert.rejects(temporal.execute('get', queueA, 'no-such-target', {}), (err) => {
      assert.ok(err instanceof WorkflowFailedError);
      assert.equal(cordonErrorType(err), 'TargetNotFound');
      return true;
    });
    await assert.rejects(temporal.execute('missing', queueA, 'no-such-target'), (err) => {
      assert.ok(err instanceof WorkflowFailedError && err.cause instanceof ApplicationFailure);
      assert.deepEqual([err.cause.type, err.cause.nonRetryable], ['TargetNotFound', true]);
      assert.match(err.cause.message, /no-such-target/);
      return true;
    });
    assert.equal(cordonErrorType(ApplicationFailure.create({ type: 'ToolFailed' })), 'ToolFailed');
    for (const other of [undefined, 'TargetNotFound', new Error('x'), ApplicationFailure.create({ type: 'MyOwn' })]) {
      assert.equal(cordonErrorType(other), undefined);
    }
  });

  it('know the errors that workers have', () => {
    const source = fs.readFileSync(path.join(root, '..', '..', 'error.go'), 'utf8');
    const kinds = [...source.matchAll(/^\t\w+ +Kind = "(\w+)"$/gm)].map(([, kind]) => kind!);
    const final = /^func \(k Kind\) Retryable[^:]*case ([^:]*):/m.exec(source)![1]!.split(', ');
    assert.deepEqual([...finalErrorTypes].sort(), final.sort());
    assert.deepEqual([...finalErrorTypes, ...retriedErrorTypes].sort(), kinds.sort());
  });
});

async function runId(handle: { describe(): Promise<{ runId: string }> }): Promise<string> {
  return (await handle.describe()).runId;
}
