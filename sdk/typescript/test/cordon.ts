// A real Cordon for the tests: the program, its Temporal, its workers.
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

/** Far more than anything here takes. */
export const patience = 120_000;

/** Waits until `holds` returns something. */
export async function until<T>(what: string, holds: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (const end = Date.now() + patience; ; await new Promise((r) => setTimeout(r, 50))) {
    const got = await holds();
    if (got !== undefined && got !== false) {
      return got;
    }
    if (Date.now() > end) {
      throw new Error(`waited in vain until ${what}`);
    }
  }
}

/** A program that runs until it is stopped. */
class Program {
  log = '';

  constructor(readonly child: ChildProcess) {
    child.stderr?.on('data', (text) => (this.log += text));
  }

  async stop(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill(signal);
      await once(this.child, 'exit');
    }
  }
}

/** What a worker is started with: flags without their dashes, and more in its environment. */
export interface WorkerOptions {
  vertical: string;
  'task-queue'?: string;
  serve?: string;
  cache: string;
  env?: Record<string, string>;
}

export class Cordon {
  private readonly home = fs.mkdtempSync(path.join(os.tmpdir(), 'cordon-typescript-'));
  private readonly programs: Program[] = [];
  private readonly binary = process.env.CORDON_TEST_BINARY ?? '';
  readonly store = path.join(this.home, 'data', 'store');
  address = '';

  constructor() {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => process.exit(1));
    }
    process.once('exit', () => this.programs.forEach((p) => p.child.kill('SIGINT')));
  }

  /** Starts `cordon dev`. */
  async start(): Promise<void> {
    if (this.binary === '') {
      throw new Error('CORDON_TEST_BINARY names no cordon; build one: go build -o bin/cordon ./cmd/cordon');
    }
    const { child } = this.spawn(['dev', '--data', path.join(this.home, 'data'), '--port', '0', '--ui-port', '0', '--json']);
    for await (const text of linesUntilBrace(child)) {
      this.address = (JSON.parse(text) as { temporal: string }).temporal;
    }
    if (this.address === '') {
      throw new Error(`cordon dev printed no addresses:\n${this.log()}`);
    }
  }

  /** Starts a worker, and returns how to kill it. */
  worker({ cache, env, ...flags }: WorkerOptions): { kill(): Promise<void> } {
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]);
    const program = this.spawn(['worker', '--address', this.address, '--store', this.store, '--cache-dir', this.dir(cache), ...args], env);
    return { kill: () => program.stop('SIGKILL') };
  }

  /** Starts a worker of Temporal's TypeScript in a process of its own. */
  node(script: string): { kill(): Promise<void> } {
    const program = this.spawn([script], { TEMPORAL_ADDRESS: this.address }, process.execPath);
    return { kill: () => program.stop('SIGKILL') };
  }

  /** Runs a command to its end and returns what it prints. */
  async run(...args: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(this.binary, args, { env: this.env() });
    return stdout.trim();
  }

  /** Stores a project of one file of so many bytes as a target. */
  async put(id: string, bytes = 10): Promise<void> {
    const project = path.join(this.dir('projects'), id);
    fs.mkdirSync(project, { recursive: true });
    const noise = Buffer.alloc(bytes);
    for (let i = 0; i < bytes; i++) {
      noise[i] = Math.random() * 256;
    }
    fs.writeFileSync(path.join(project, 'main.py'), noise);
    await this.run('targets', 'put', project, '--id', id, '--data', path.join(this.home, 'data'));
  }

  /** Makes a directory of the tests' own. */
  dir(name: string): string {
    const dir = path.join(this.home, name);
    fs.mkdirSync(dir, { recursive: true });
    return dir;
  }

  log(): string {
    return this.programs.map((p) => `${p.child.spawnargs.join(' ')}\n${p.log}`).join('\n');
  }

  async stop(): Promise<void> {
    await Promise.all(this.programs.reverse().map((p) => p.stop('SIGINT')));
    // What shared workspaces, and those of killed workers, left mounted.
    const mounts = fs.readFileSync('/proc/self/mounts', 'utf8').split('\n').map((line) => line.split(' ')[1] ?? '');
    for (const mount of mounts.filter((m) => m.startsWith(this.home)).reverse()) {
      execFileSync('umount', [mount]);
    }
    fs.rmSync(this.home, { recursive: true, force: true });
  }

  private env(more: Record<string, string> = {}): NodeJS.ProcessEnv {
    return { HOME: this.home, PATH: process.env.PATH, ...more };
  }

  private spawn(args: string[], env?: Record<string, string>, program = this.binary): Program {
    const child = spawn(program, args, { env: this.env(env), cwd: this.home, stdio: ['ignore', 'pipe', 'pipe'] });
    const started = new Program(child);
    this.programs.push(started);
    return started;
  }
}

// Yields the JSON object that a program prints over several lines, then lets it print on.
async function* linesUntilBrace(child: ChildProcess): AsyncGenerator<string> {
  let text = '';
  for await (const line of createInterface({ input: child.stdout! })) {
    text += line;
    if (line === '}') {
      yield text;
      break;
    }
  }
  child.stdout!.resume();
}
