// withWorkspace, where a workspace is lost.
import { cordonFailure, type Workspace } from '@cordonlabs/temporal';
import { ActivityFailure, CancelledFailure, TimeoutFailure } from '@temporalio/common';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { before, describe, it } from 'node:test';
import { until } from './cordon';
import { Hosts } from './hosts';
import { cordon, exists, root, temporal } from './house';
import { everything, scheduled } from './temporal';
import { at, type Step } from './workflows';

let count = 0;

async function begin(hosts: Hosts, rounds: string[], more: Partial<Step> = {}): Promise<[WorkflowHandle, string]> {
  const runId = `run${++count}`;
  return [await temporal.start('steps', hosts.queue, { targetId: 'h1', rounds, runId, ...more }), runId];
}

async function runs(handle: WorkflowHandle): Promise<string[]> {
  const been = (await handle.result()) as Workspace[];
  await temporal.replay('', [handle]);
  return been.map((ws) => ws.runId);
}

async function failure(handle: WorkflowHandle): Promise<unknown> {
  const err = await handle.result().then(
    () => assert.fail('it did not fail'),
    (err: unknown) => err,
  );
  assert.ok(err instanceof WorkflowFailedError, String(err));
  await temporal.replay('', [handle]);
  return err.cause;
}

describe('a workflow that was under way before the package noticed', () => {
  it('goes on as it began', async () => {
    const history = path.join(root, 'test', 'histories', 'before-watches.json');
    await temporal.replayHistory('typescript-1', JSON.parse(fs.readFileSync(history, 'utf8')));
  });
});

describe('withWorkspace, of which a host says', { concurrency: true }, () => {
  const hosts = new Hosts('rounds');
  const cleaned = (run: string) => hosts.cleaned.filter(([, where]) => where === `/${run}` || where.startsWith(`/${run}-`)).sort();
  const seen = (paths: ReadonlySet<string>, run: string) => until(`/${run} is seen`, () => paths.has(`/${run}`));

  before(() => {
    hosts.choice = [];
    return hosts.poll();
  });

  it('nothing: it ends well, or for a reason of its own', async () => {
    const [well, run] = await begin(hosts, ['return']);
    const [fails, other] = await begin(hosts, ['fail']);
    assert.deepEqual(await runs(well), [run]);
    assert.deepEqual(cleaned(run), [['@h1', `/${run}`, false]]);
    assert.equal(((await failure(fails)) as Error).message, 'on purpose');
    assert.deepEqual(cleaned(other), [['@h1', `/${other}`, true]]);
  });

  it('that it is lost, by an activity: the body is run again, in one of another name', async () => {
    const [handle, run] = await begin(hosts, ['lost', 'return']);
    assert.deepEqual(await runs(handle), [run, `${run}-2`]);
    assert.deepEqual(cleaned(run), [['@h1', `/${run}`, false], ['@h1', `/${run}-2`, false]]);
  });

  it('that it is lost, again and again', async () => {
    const [handle, run] = await begin(hosts, ['lost'], { hosts: 3 });
    const err = cordonFailure(await failure(handle));
    assert.deepEqual([err?.type, err?.nonRetryable], ['WorkspaceLost', true]);
    assert.equal(err?.message, 'the run lost its workspace on 3 hosts, one after the other, the last time for: gone');
    assert.deepEqual(cleaned(run), ['', '-2', '-3'].map((n) => ['@h1', `/${run}${n}`, false]));
  });

  it('that it is lost, by the watch', async () => {
    const [again, run] = await begin(hosts, ['wait', 'return']);
    const [lingers, other] = await begin(hosts, ['linger']);
    for (const name of [run, other]) {
      await seen(hosts.watched, name);
      hosts.gone.add(`/${name}`);
    }
    assert.deepEqual(await runs(again), [run, `${run}-2`]);
    assert.deepEqual(await runs(lingers), [other]); // all is done
    assert.deepEqual(cleaned(other), [['@h1', `/${other}`, false]]);
  });

  it('not a word', async () => {
    const [handle, run] = await begin(hosts, ['wait', 'return'], { targetId: 'h0' });
    assert.deepEqual(await runs(handle), [run, `${run}-2`]);
    assert.deepEqual(cleaned(run), [['@h1', `/${run}-2`, false]]);
  });

  it('something else: the body goes on', async () => {
    const [handle, run] = await begin(hosts, ['wait']);
    hosts.broken.add(`/${run}`);
    await seen(hosts.ended, run);
    await handle.signal('goOn');
    assert.deepEqual(await runs(handle), [run]);
  });

  it('that it is there, though an activity takes too long', async () => {
    const [handle, run] = await begin(hosts, ['slow'], { heartbeat: 1 });
    const err = await failure(handle);
    assert.ok(err instanceof ActivityFailure && err.cause instanceof TimeoutFailure, String(err));
    assert.ok(hosts.probed.has(`/${run}`));
    assert.deepEqual(cleaned(run), [['@h1', `/${run}`, true]]);
  });

  it('that it is not there, when an activity took too long', async () => {
    const [handle, run] = await begin(hosts, ['slow', 'return'], { heartbeat: 1 });
    hosts.broken.add(`/${run}`);
    await seen(hosts.ended, run);
    hosts.gone.add(`/${run}`);
    assert.deepEqual(await runs(handle), [run, `${run}-2`]);
    assert.ok(hosts.probed.has(`/${run}`));
  });

  it('nothing, and the workflow is cancelled', async () => {
    const [handle, run] = await begin(hosts, ['wait']);
    await seen(hosts.watched, run);
    await handle.cancel();
    assert.ok((await failure(handle)) instanceof CancelledFailure);
    assert.deepEqual(cleaned(run), [['@h1', `/${run}`, false]]);
    await seen(hosts.ended, run); // nobody watches what nobody has
  });

  it('where the run is best placed', async () => {
    const warm = new Hosts('warm');
    warm.choice = ['@nobody', '@h2'];
    await warm.poll('@h2');
    const [placed, run] = await begin(warm, ['return']);
    assert.deepEqual(await runs(placed), [run]);
    assert.deepEqual(warm.acquired, [['@h2', run]]);
    // The host that was lost is passed over.
    warm.choice = ['@h2', '@h1'];
    warm.acquired = [];
    const [moved, other] = await begin(warm, ['lost', 'return']);
    assert.deepEqual(await runs(moved), [other, `${other}-2`]);
    assert.deepEqual(warm.acquired, [['@h2', other], ['@h1', `${other}-2`]]);
    // One without room is asked once.
    warm.full = '@h2';
    warm.acquired = [];
    const [aside, third] = await begin(warm, ['return']);
    assert.deepEqual(await runs(aside), [third]);
    assert.deepEqual(warm.acquired, [['@h2', third], ['@h1', third]]);
  });

  it('nothing of all this, for it is of yesterday', async () => {
    const old = new Hosts('yesterday');
    await old.poll();
    const [gone, run] = await begin(old, ['brief', 'return'], { targetId: 'h0' });
    const [late] = await begin(old, ['slow'], { heartbeat: 1 });
    assert.deepEqual(await runs(gone), [run, `${run}-2`]);
    assert.deepEqual(old.cleaned.filter(([, where]) => where.startsWith(`/${run}`)), [['@h1', `/${run}-2`, false]]);
    assert.ok((await failure(late)) instanceof ActivityFailure);
    for (const handle of [gone, late]) {
      assert.ok((await everything(handle)).every((a) => a.name !== 'watch_workspace'));
    }
  });

  it('nothing any more, for it was killed', async () => {
    const bridge = path.join(cordon.dir('bridge'), 'bridge.yaml');
    fs.writeFileSync(bridge, 'activities:\n  work: {run: [sleep, "300"]}\n  nap: {run: [sleep, "7"]}\n');
    const host = (vertical: string, cache: string, env: Record<string, string> = {}) =>
      cordon.worker({ vertical, serve: 'activities', cache, env: { CORDON_TOOL_BRIDGE: bridge, WORKER_HOST_WAIT: '4s', ...env } });
    const first = host('several', 'cache-killed');
    host('narrow', 'cache-narrow', { MAX_CONCURRENT_ACTIVITIES: '1' });
    await Promise.all([temporal.worker('several-queue'), temporal.worker('narrow-queue')]);
    const start = (queue: string, rounds: string[], more: Partial<Step> = {}) =>
      temporal.start('steps', queue, { targetId: 'project', rounds, ...more });
    // One slot: what does not work there waits for its turn.
    const naps = [await start('narrow-queue', ['nap'], { heartbeat: 30 }), await start('narrow-queue', ['nap'], { heartbeat: 30 })];
    // The activity's timeout comes first, or the watch's.
    const asked = await start('several-queue', ['work', 'inventory_files']);
    const watched = await start('several-queue', ['work', 'inventory_files'], { attempts: 1000, mode: 'copy-on-write' });
    const taken = await start('narrow-queue', ['wait', 'inventory_files']);
    for (const run of [asked, watched]) {
      await until('it works', async () => (await scheduled(run))[1]?.name === 'work');
    }
    host('several', 'cache-other');
    await first.kill();
    const [here] = await until('there is a workspace', async () => {
      const been = await taken.query(at);
      return been.length > 0 && been;
    });
    fs.rmSync(path.dirname(here!.path), { recursive: true });

    for (const run of [asked, watched]) {
      const [before, after, ...more] = (await run.result()) as Workspace[];
      assert.deepEqual(more, []);
      assert.notEqual(after!.host, before!.host);
      assert.equal(after!.runId, `${run.firstExecutionRunId}-2`);
      assert.ok(after!.path.startsWith(cordon.dir('cache-other')) && !exists(after!.path));
    }
    for (const nap of naps) {
      assert.equal(((await nap.result()) as Workspace[]).length, 1, 'a host that is busy was given up');
    }
    assert.equal(((await taken.result()) as Workspace[]).length, 2);
    await temporal.replay('', [asked, watched, taken, ...naps]);
  });
});
