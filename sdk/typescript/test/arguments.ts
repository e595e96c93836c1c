// CONTRACT §1.1, from TypeScript: what an activity makes of any arguments.
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import * as path from 'node:path';
import { cacheA, exists, queueA, temporal } from './house';
import type { Answer } from './workflows';

const id = 'project';
const own = (run: string) => path.join(cacheA, id, run, 'workspace');
const shared = () => path.join(cacheA, id, 'workspace');

interface Case {
  name: string;
  args: () => unknown[];
  /** What comes back, given the calling run's id. */
  want?: (runId: string) => unknown;
  /** The argument that an InvalidArgument names. */
  wrong?: string;
}

const targets: Case[] = [
  { name: 'one argument', args: () => [id], want: own },
  { name: 'two arguments', args: () => [id, 'r2'], want: () => own('r2') },
  { name: 'three arguments', args: () => [id, 'r3', 'shared'], want: shared },
  { name: 'copy-on-write', args: () => [id, 'r4', 'copy-on-write'], want: () => own('r4') },
  { name: 'five arguments', args: () => [id, 'r5', 'isolated', { x: 1 }, 7], want: () => own('r5') },
  { name: 'nulls', args: () => [id, null, null], want: own },
  { name: 'undefined', args: () => [id, undefined, undefined], want: own },
  { name: 'an empty run id', args: () => [id, '', 'isolated'], want: own },
  { name: 'one object', args: () => [{ target_id: id, run_id: 'r6', workspace_isolation: 'isolated' }], want: () => own('r6') },
  { name: 'one object of nulls but one', args: () => [{ target_id: id, run_id: null }], want: own },
  { name: 'nothing', args: () => [], wrong: 'target_id' },
  { name: 'a null target', args: () => [null], wrong: 'target_id' },
  { name: 'a number for the target', args: () => [42], wrong: 'target_id' },
  { name: 'bytes for the target', args: () => [new Uint8Array([1])], wrong: 'target_id' },
  { name: 'a list for the run', args: () => [id, ['x']], wrong: 'run_id' },
  { name: 'a boolean for the run', args: () => [id, true], wrong: 'run_id' },
  { name: 'an object for the mode', args: () => [id, 'r', { mode: 1 }], wrong: 'workspace_isolation' },
  { name: 'an unknown mode', args: () => [id, 'r', 'private'], wrong: 'workspace_isolation' },
  { name: 'one object of the wrong type', args: () => [{ target_id: id, run_id: 7 }], wrong: 'run_id' },
  { name: 'an id that climbs', args: () => ['a/../b'], wrong: 'target_id' },
  { name: 'a reserved run id', args: () => [id, 'shared'], wrong: 'run_id' },
];

const uploads: Case[] = [
  { name: 'two arguments', args: () => ['w1', { a: 1 }], want: () => 'w1/results.json' },
  { name: 'nulls', args: () => ['w2', {}, null], want: () => 'w2/results.json' },
  { name: 'another format', args: () => ['w3', {}, 'xml'], want: () => 'w3/results.json' },
  { name: 'sarif, and more', args: () => ['w4', {}, 'sarif', 5], want: () => 'w4/results.sarif' },
  { name: 'one object', args: () => [{ workflow_id: 'w5', results: {}, results_format: 'sarif' }], want: () => 'w5/results.sarif' },
  { name: 'nothing', args: () => [], wrong: 'workflow_id' },
  { name: 'no results', args: () => ['w'], wrong: 'results' },
  { name: 'a list for the results', args: () => ['w', [1]], wrong: 'results' },
  { name: 'a number for the format', args: () => ['w', {}, 1], wrong: 'results_format' },
];

/** Makes all calls of a table, and compares what each came to. */
function table(activity: string, cases: Case[], seen: (got: unknown) => unknown): void {
  describe(`arguments of ${activity}`, () => {
    let answers: Answer[];
    let runId: string;
    before(async () => {
      const run = await temporal.start('calls', 'calls', queueA, cases.map((c) => [activity, c.args()]));
      runId = run.firstExecutionRunId;
      answers = (await run.result()) as Answer[];
    });
    for (const [i, c] of cases.entries()) {
      it(c.name, () => {
        const got = answers[i]!;
        if (c.want) {
          assert.deepEqual(seen(got.ok), c.want(runId), JSON.stringify(got));
          return;
        }
        assert.deepEqual([got.type, got.nonRetryable], ['InvalidArgument', true], JSON.stringify(got));
        assert.ok(got.message?.includes(c.wrong!), `${got.message} does not name ${c.wrong}`);
      });
    }
  });
}

table('get_target', targets, (got) => got);
table('acquire_workspace', targets, (got) => (got as { path: string }).path);
table('upload_results', uploads, (got) => String(got).split('/results/')[1]);

// It never fails, and what it does not know it leaves alone.
describe('arguments of cleanup_cache', () => {
  const left: { name: string; args: () => unknown[] }[] = [
    { name: 'a shared path with the default mode', args: () => [shared()] },
    { name: 'a shared path called isolated', args: () => [shared(), 'isolated'] },
    { name: 'a bare target id', args: () => [id] },
    { name: 'the parent of a shared path', args: () => [path.dirname(shared()), 'shared'] },
    { name: 'a path that climbs', args: () => [`${own('r6')}/../../r5/workspace`] },
    { name: 'nothing', args: () => [] },
    { name: 'nulls', args: () => [null, null, null] },
    { name: 'wrong types', args: () => [42, [], 'x'] },
  ];
  const removed: { name: string; args: () => unknown[]; path: () => string }[] = [
    { name: 'one argument', args: () => [own('r2')], path: () => own('r2') },
    { name: 'two arguments', args: () => [own('r4'), 'copy-on-write'], path: () => own('r4') },
    { name: 'five arguments', args: () => [own('r5'), 'isolated', false, 2, 3], path: () => own('r5') },
    { name: 'one object', args: () => [{ target_path: own('r6'), run_failed: true }], path: () => own('r6') },
  ];
  const cleanUp = (cases: { args: () => unknown[] }[]) =>
    temporal.execute<Answer[]>('calls', 'calls', queueA, cases.map((c) => ['cleanup_cache', c.args()]));

  it(`leaves alone: ${left.map((c) => c.name).join(', ')}`, async () => {
    const answers = await cleanUp(left);
    assert.deepEqual(answers, left.map(() => ({}))); // null, which Temporal's TypeScript reads as undefined
    for (const there of [shared(), ...removed.map((c) => c.path())]) {
      assert.ok(exists(there), there);
    }
  });
  it(`removes: ${removed.map((c) => c.name).join(', ')}; and does not mind the same again`, async () => {
    for (let i = 0; i < 2; i++) {
      assert.deepEqual(await cleanUp(removed), removed.map(() => ({})));
      for (const c of removed) {
        assert.ok(!exists(path.dirname(c.path())), c.name);
      }
    }
  });
});
