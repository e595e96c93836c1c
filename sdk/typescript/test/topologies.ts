// Workers in TypeScript beside a Cordon worker.
import assert from 'node:assert/strict';
import * as path from 'node:path';
import { before, describe, it } from 'node:test';
import { cacheA, cacheB, cordon, queueA, queueB, root, routing, storageB, temporal } from './house';
import { scheduled } from './temporal';
import * as tools from './tools';

describe('topology A: workflows here, all activities there, one queue', () => {
  it('no activity is missed by its worker', async () => {
    const runs = await Promise.all(
      Array.from({ length: 8 }, () => temporal.start('works', queueA, { targetId: 'project', mode: 'copy-on-write' }, { activity: 'inventory_files' })),
    );
    for (const run of runs) {
      const [workspace] = (await run.result()) as [string];
      assert.ok(workspace.startsWith(cacheA));
      assert.deepEqual((await scheduled(run)).map((a) => a.outcome), ['completed', 'completed', 'completed']);
    }
  });
});

describe('topology B: the storage activities on a queue of their own', () => {
  const odd = 'odd';
  const configured = 'configured';

  before(async () => {
    await temporal.worker(odd, { interceptors: routing });
    await temporal.worker(configured, { interceptors: path.join(root, 'build', 'examples', 'beside', 'routing.js') });
  });

  it('routes them, and keeps the tools', async () => {
    const run = await temporal.start('works', queueB, { targetId: 'project' }, { activity: 'look' });
    const [workspace, files] = (await run.result()) as [string, string[]];
    assert.ok(workspace.startsWith(cacheB));
    assert.deepEqual(files, ['main.py']);
    const [acquire, tool, cleanup] = await scheduled(run);
    assert.deepEqual([acquire?.queue, tool?.queue], [storageB, queueB]);
    assert.ok(cleanup?.queue.startsWith(`${storageB}@`), cleanup?.queue);
  });

  it('routes each of them', async () => {
    const queues = async (...[type, ...args]: [string, ...unknown[]]) => {
      const run = await temporal.start(type, queueB, ...args);
      await run.result();
      return (await scheduled(run)).map((a) => [a.name, a.queue]);
    };
    assert.deepEqual(await queues('getAndCleanUp', 'project', 'shared'), [['get_target', storageB], ['cleanup_cache', storageB]]);
    assert.deepEqual(await queues('uploads', 'beside', {}), [['upload_results', storageB]]);
  });

  it('leaves a queue that the author gave', async () => {
    assert.ok((await temporal.execute<string>('get', queueB, 'project', { taskQueue: queueA })).startsWith(cacheA));
  });

  it('takes a queue of any name', async () => {
    cordon.worker({ vertical: 'any', 'task-queue': 'odd-storage', serve: 'storage', cache: 'cache-b' });
    assert.ok((await temporal.execute<string>('get', odd, 'project', {})).startsWith(cacheB));
  });

  it('goes to the queues that it is told', async () => {
    const ws = await temporal.execute<{ host: string }>('acquires', configured, 'project', {});
    await temporal.worker(`desk-queue@${ws.host}`, { activities: { look: tools.look } });
    const run = await temporal.start('works', configured, { targetId: 'project' }, { activity: 'look' });
    await run.result();
    assert.deepEqual((await scheduled(run)).map((a) => a.queue), ['desk-storage', `desk-queue@${ws.host}`, `desk-storage@${ws.host}`]);
  });
});
