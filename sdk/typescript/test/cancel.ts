// withWorkspace, cancelled at each point.
import { CancelledFailure } from '@temporalio/common';
import { WorkflowFailedError } from '@temporalio/client';
import assert from 'node:assert/strict';
import * as path from 'node:path';
import { before, describe, it } from 'node:test';
import { cacheA, cacheB, exists, queueA, queueB, routing, temporal } from './house';
import { until } from './cordon';
import { scheduled } from './temporal';
import * as tools from './tools';

const slow = 'slow-queue';

function isCancelled(err: unknown): boolean {
  assert.ok(err instanceof WorkflowFailedError && err.cause instanceof CancelledFailure, String(err));
  return true;
}

describe('withWorkspace, cancelled', () => {
  before(() => temporal.worker(slow, { activities: { acquire_workspace: tools.acquire_workspace } }));

  it('while the target is fetched: the fetch stops, and nothing is left', async () => {
    const run = await temporal.start('works', queueA, { targetId: 'large' }, {});
    await until('the fetch is under way', async () => {
      const [activity] = (await run.describe()).raw.pendingActivities ?? [];
      return activity?.heartbeatDetails?.payloads?.length;
    });
    await run.cancel();
    await assert.rejects(run.result(), isCancelled);
    // A fetch that had gone on would have completed, after 40 s.
    assert.deepEqual((await scheduled(run)).map((a) => [a.name, a.outcome]), [['acquire_workspace', 'cancelled']]);
    assert.ok(!exists(path.join(cacheA, 'large', run.firstExecutionRunId)));
    await temporal.replay('', [run]);
  });

  it('while the target is fetched, too late to stop that: what was acquired is given back', async () => {
    const run = await temporal.start('works', slow, { targetId: 'project' }, { activity: 'work' });
    const workspace = path.join(cacheA, 'project', run.firstExecutionRunId, 'workspace');
    await until('the workspace is there', () => exists(workspace));
    await run.cancel();
    await until('the cancellation is on its way', async () => {
      const { events } = await run.fetchHistory();
      return events?.some((e) => e.activityTaskCancelRequestedEventAttributes);
    });
    tools.answer();
    await assert.rejects(run.result(), isCancelled);
    const [acquire, cleanup, ...more] = await scheduled(run);
    assert.equal(acquire?.outcome, 'completed');
    assert.deepEqual([cleanup?.name, cleanup?.args, cleanup?.outcome], ['cleanup_cache', [workspace, 'isolated', false], 'completed']);
    assert.deepEqual(more, [], 'the body was run');
    assert.ok(!exists(path.dirname(workspace)));
    await temporal.replay('', [run]);
  });

  it('while an activity works there: that is over before the workspace goes', async () => {
    const run = await temporal.start('works', queueB, { targetId: 'project' }, { activity: 'work' });
    const workspace = path.join(cacheB, 'project', run.firstExecutionRunId, 'workspace');
    await until('the tool works', () => tools.begun.has(workspace));
    await run.cancel();
    await assert.rejects(run.result(), isCancelled);
    assert.equal(tools.ended.get(workspace), true);
    const [, tool, cleanup] = await scheduled(run);
    assert.deepEqual([tool?.outcome, cleanup?.outcome, cleanup?.args[2]], ['cancelled', 'completed', false]);
    assert.ok(!exists(path.dirname(workspace)));
    await temporal.replay(routing, [run]);
  });

  it('not at all, but its body left an activity running: that is over before the workspace goes, too', async () => {
    const run = await temporal.start('works', queueB, { targetId: 'project' }, { leave: true });
    const workspace = path.join(cacheB, 'project', run.firstExecutionRunId, 'workspace');
    await until('the tool works', () => tools.begun.has(workspace));
    await run.signal('goOn');
    assert.deepEqual(await run.result(), [workspace, null]);
    assert.equal(tools.ended.get(workspace), true);
    assert.ok(!exists(path.dirname(workspace)));
    await temporal.replay(routing, [run]);
  });
});
