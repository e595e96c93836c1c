/** How a run has its target on disk. */
export type Mode = 'isolated' | 'shared' | 'copy-on-write';

/** How the view of a copy-on-write workspace was made; '' for other modes. */
export type Driver = '' | 'overlay' | 'snapshot' | 'reflink' | 'copy';

/** What the activity acquire_workspace returns. */
export interface AcquiredWorkspace {
  path: string;
  task_queue: string;
  host: string;
  target_id: string;
  run_id: string;
  mode: Mode;
  driver: Driver;
  writable: boolean;
  /** Where watch_workspace is called for it; not from older workers, and not over a socket. */
  watch_queue?: string;
  /** How long the host's workers want to be waited for when they are gone; as that. */
  host_wait_seconds?: number;
}

/** The storage activities as a Cordon worker has them, for `proxyActivities`. */
export interface StorageActivities {
  get_target(targetId: string, runId?: string | null, mode?: Mode | null): Promise<string>;
  acquire_workspace(targetId: string, runId?: string | null, mode?: Mode | null): Promise<AcquiredWorkspace>;
  /** The worker's null arrives as undefined: so Temporal's TypeScript reads it. */
  cleanup_cache(path: string, mode?: Mode | null, runFailed?: boolean | null): Promise<string | null | undefined>;
  upload_results(workflowId: string, results: object, format?: 'json' | 'sarif' | null): Promise<string>;
}

/** What a Cordon worker has besides, for this package alone. */
export interface HostActivities {
  /** The queues of the hosts on which the workspace is best made, the best first. Older workers do not know it. */
  choose_hosts(targetId: string, runId?: string | null, mode?: Mode | null): Promise<string[]>;
  /** Goes on for as long as the host has the workspace; with `once`, until it has looked. */
  watch_workspace(path: string, once?: boolean): Promise<void>;
}

/** Their names: what a worker with `--serve storage` has. */
export const storageActivityNames: ReadonlySet<string> = new Set<keyof StorageActivities>([
  'get_target',
  'acquire_workspace',
  'cleanup_cache',
  'upload_results',
]);
