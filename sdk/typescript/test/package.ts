// The package as it is published, and its README.
import * as required from '@cordonlabs/temporal';
import * as interceptors from '@cordonlabs/temporal/interceptors';
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { cacheA, cordon, exists, queueA, root, temporal } from './house';

describe('the package', () => {
  it('has what its users need, and nothing else', async () => {
    const { stdout } = await promisify(execFile)('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], { cwd: root });
    const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const sources = fs.readdirSync(path.join(root, 'src')).map((name) => path.basename(name, '.ts'));
    const want = [...sources.flatMap((name) => [`lib/${name}.d.ts`, `lib/${name}.js`]), 'LICENSE', 'README.md', 'package.json'];
    assert.deepEqual(packed.files.map((f) => f.path).sort(), want.sort());
  });

  it('can be imported by modules of both kinds', async () => {
    const names = (module: object) => Object.keys(module).filter((name) => !['default', 'module.exports', '__esModule'].includes(name));
    assert.deepEqual(names(await import('@cordonlabs/temporal')).sort(), names(required).sort());
    assert.deepEqual(names(await import('@cordonlabs/temporal/interceptors')).sort(), names(interceptors).sort());
  });

  it('names no registry in its lock file', () => {
    assert.doesNotMatch(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8'), /"resolved"/);
  });
});

describe('the examples of the README', () => {
  const running: { kill(): void }[] = [];
  before(() => {
    cordon.worker({ vertical: 'web', serve: 'activities', cache: 'cache-web' });
    for (const worker of ['worker.js', 'beside/worker.js']) {
      running.push(cordon.node(path.join(root, 'build', 'examples', worker)));
    }
  });
  after(() => running.forEach((worker) => worker.kill()));

  it('are the files that are tested here', () => {
    const readme = fs.readFileSync(path.join(root, 'README.md'), 'utf8');
    const files = fs.readdirSync(path.join(root, 'examples'), { recursive: true }) as string[];
    const sources = files.filter((name) => name.endsWith('.ts'));
    assert.ok(sources.length > 0);
    for (const name of sources) {
      const text = fs.readFileSync(path.join(root, 'examples', name), 'utf8');
      assert.ok(readme.includes(`\`\`\`ts\n// ${name}\n${text}\`\`\`\n`), `${name} is not in the README as it is`);
    }
  });

  it('run: workflows here, activities there', async () => {
    const url = await temporal.execute<string>('secrets', 'web-queue', 'project');
    assert.deepEqual(JSON.parse(fs.readFileSync(new URL(url), 'utf8')), { targetId: 'project', findings: 0 });
    await assert.rejects(temporal.execute('secrets', 'web-queue', 'no-such-target'), (err) => required.cordonErrorType(err) === 'TargetNotFound');
  });

  it('run: step by step', async () => {
    const run = await temporal.start('inventory', queueA, 'project');
    const url = (await run.result()) as string;
    assert.match(fs.readFileSync(new URL(url), 'utf8'), /"tool": "inventory_files"/);
    assert.ok(!exists(path.join(cacheA, 'project', run.firstExecutionRunId)));
  });

  it('run: tools here, the storage activities there', async () => {
    assert.equal(await temporal.execute('size', 'desk-queue', 'project'), 1);
  });
});
