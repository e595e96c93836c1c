// What all tests share: one Cordon, one connection to its Temporal.
import * as fs from 'node:fs';
import * as path from 'node:path';
import { Cordon } from './cordon';
import { Temporal } from './temporal';
import { look, work } from './tools';

export const cordon = new Cordon();
export let temporal: Temporal;

/** The queue of workflow workers alone, and of a Cordon worker: topology A. */
export const queueA = 'alone-queue';
/** The cache of that worker. */
export const cacheA = cordon.dir('cache-a');

/** The queue of workers with workflows and tools; the storage activities are beside them: topology B. */
export const queueB = 'beside-queue';
export const storageB = 'beside-storage';
export const cacheB = cordon.dir('cache-b');
/** The interceptors of its workers. */
export const routing = '@cordonlabs/temporal/interceptors';

export async function open(): Promise<void> {
  await cordon.start();
  temporal = await Temporal.connect(cordon.address);
  const kept = path.join(cordon.dir('workflows'), 'kept');
  fs.mkdirSync(kept);
  fs.writeFileSync(
    path.join(kept, 'metadata.yaml'),
    'name: kept\nvertical: alone\nworkflow_class: KeptWorkflow\nkeep_on_failure: true\n',
  );
  cordon.worker({
    vertical: 'alone',
    serve: 'activities',
    cache: 'cache-a',
    // What is not small takes a while.
    env: { CORDON_WORKFLOWS: cordon.dir('workflows'), CACHE_FETCH_LIMIT: '100KB/s' },
  });
  cordon.worker({ vertical: 'beside', serve: 'storage', cache: 'cache-b' });
  cordon.worker({ vertical: 'desk', serve: 'storage', cache: 'cache-desk' });
  await Promise.all([
    cordon.put('project'),
    cordon.put('large', 4_000_000),
    temporal.worker(queueA),
    temporal.worker('calls'),
    temporal.worker(queueB, { activities: { look, work }, interceptors: routing }),
  ]);
}

export async function close(): Promise<void> {
  await temporal.stop();
  await cordon.stop();
}

/** The package's directory. */
export const root = path.dirname(require.resolve('@cordonlabs/temporal/package.json'));

/** Whether something is there. */
export function exists(name: string): boolean {
  return fs.existsSync(name);
}
