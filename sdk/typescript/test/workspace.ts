// withWorkspace, on the ways that lead out of it.
import { ApplicationFailure } from '@temporalio/common';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import assert from 'node:assert/strict';
import * as path from 'node:path';
import { describe, it } from 'node:test';
import { cacheA, cordon, exists, queueA, temporal } from './house';
import { until } from './cordon';
import { scheduled } from './temporal';

describe('withWorkspace', () => {
  it('runs activities where the workspace is, and cleans up there', async () => {
    const run = await temporal.start('works', queueA, { targetId: 'project' }, { activity: 'inventory_files' });
    const [workspace, inventory] = (await run.result()) as [string, { tool?: string }];
    assert.ok(inventory.tool, JSON.stringify(inventory));
    assert.ok(!exists(path.dirname(workspace)));
    const [acquire, tool, cleanup, ...more] = await scheduled(run);
    assert.deepEqual([acquire?.name, acquire?.queue], ['acquire_workspace', queueA]);
    assert.ok(tool?.queue.startsWith(`${queueA}@`), tool?.queue);
    assert.deepEqual([cleanup?.name, cleanup?.queue, cleanup?.args], ['cleanup_cache', tool?.queue, [workspace, 'isolated', false]]);
    assert.deepEqual(more, []);
    await temporal.replay('', [run]);
  });

  it('ends the hold on a shared tree, and leaves that', async () => {
    const run = await temporal.start('works', queueA, { targetId: 'project', mode: 'shared' }, { wait: true });
    await until('the workspace is there', async () => (await scheduled(run))[0]?.outcome === 'completed');
    const holds = async () => {
      const entries = JSON.parse(await cordon.run('cache', 'ls', '--cache-dir', cacheA, '--json')) as { holders?: { run_id: string }[] }[];
      return entries.flatMap((e) => e.holders ?? []).filter((h) => h.run_id === run.firstExecutionRunId).length;
    };
    assert.equal(await holds(), 1);
    await run.signal('goOn');
    const [workspace] = (await run.result()) as [string];
    assert.equal(await holds(), 0);
    assert.ok(exists(workspace));
  });

  it('cleans up after an error, which is thrown on, and says that the run fails', async () => {
    const run = await temporal.start('works', queueA, { targetId: 'project' }, { fail: 'on purpose' });
    await assert.rejects(run.result(), failure('MyOwn', 'on purpose'));
    const [, cleanup] = await scheduled(run);
    assert.deepEqual([cleanup?.name, cleanup?.args[2], cleanup?.outcome], ['cleanup_cache', true, 'completed']);
    assert.ok(!exists(String(cleanup?.args[0])));
    await temporal.replay('', [run]);
  });

  it('leaves a failed run\'s workspace where its metadata says keep_on_failure', async () => {
    const run = await temporal.start('KeptWorkflow', queueA, { targetId: 'project' });
    await assert.rejects(run.result(), failure('MyOwn', 'on purpose'));
    const [, cleanup] = await scheduled(run);
    assert.ok(exists(String(cleanup?.args[0])));
  });

  it('has nothing to give back where there is no such target', async () => {
    const run = await temporal.start('works', queueA, { targetId: 'no-such-target' }, {});
    await assert.rejects(run.result(), (err) => err instanceof WorkflowFailedError);
    assert.deepEqual((await scheduled(run)).map((a) => a.name), ['acquire_workspace']);
  });

  it('cleans up before the workflow continues as new', async () => {
    const run = await temporal.start('works', queueA, { targetId: 'project' }, { again: true });
    const first = await run.describe();
    const [workspace] = (await run.result()) as [string];
    const before = temporal.client.workflow.getHandle(run.workflowId, first.runId);
    const [, cleanup] = await scheduled(before);
    assert.deepEqual([cleanup?.args[2], cleanup?.outcome], [false, 'completed']);
    assert.notEqual(cleanup?.args[0], workspace); // each run has one of its own
    assert.ok(!exists(String(cleanup?.args[0])) && !exists(workspace));
  });

  it('keeps the workspace for a run whose code has to be mended', async () => {
    const run = await temporal.start('works', queueA, { targetId: 'project' }, { bug: true });
    await until('the bug is met', async () => (await run.fetchHistory()).events?.some((e) => e.workflowTaskFailedEventAttributes));
    await run.signal('goOn');
    const [workspace] = (await run.result()) as [string];
    assert.deepEqual((await scheduled(run)).map((a) => a.name), ['acquire_workspace', 'cleanup_cache']);
    assert.ok(!exists(workspace));
    await temporal.replay('', [run]);
  });

  it('has any host of the queue clean up where its own is gone, and fails nothing where there is none', async () => {
    const lost = cordon.worker({ vertical: 'pair', serve: 'activities', cache: 'cache-lost' });
    await temporal.worker('pair-queue');
    const helped = await temporal.start('works', 'pair-queue', { targetId: 'project', hostTimeout: '1 second' }, { wait: true });
    const alone = await temporal.start('cleansUp', 'pair-queue', 'project', { hostTimeout: '1 second', scheduleToStartTimeout: '1 second' });
    for (const run of [helped, alone]) {
      await until('the workspace is there', async () => (await scheduled(run))[0]?.outcome === 'completed');
    }
    await lost.kill();
    const cleanups = async (run: WorkflowHandle) => (await scheduled(run)).slice(1).map((a) => [a.queue.replace(/@.*/, '@'), a.outcome]);
    await Promise.all([helped.signal('goOn'), alone.signal('goOn')]);
    assert.equal(await alone.result(), null);
    assert.deepEqual(await cleanups(alone), [['pair-queue@', 'timed out'], ['pair-queue', 'timed out']]);

    cordon.worker({ vertical: 'pair', serve: 'activities', cache: 'cache-left' });
    assert.ok(await helped.result());
    assert.deepEqual(await cleanups(helped), [['pair-queue@', 'timed out'], ['pair-queue', 'completed']]);
    await temporal.replay('', [helped, alone]);
  });
});

/** A test that an error is a workflow's failure of a type. */
function failure(type: string, message: string): (err: unknown) => boolean {
  return (err) => {
    assert.ok(err instanceof WorkflowFailedError && err.cause instanceof ApplicationFailure, String(err));
    assert.deepEqual([err.cause.type, err.cause.message], [type, message]);
    return true;
  };
}
