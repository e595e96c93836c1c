import { withWorkspace } from '@cordonlabs/temporal';
import type * as activities from './activities';

/** Counts the files of a stored target. */
export async function size(targetId: string): Promise<number> {
  return withWorkspace({ targetId, mode: 'shared' }, (ws) => {
    const { count } = ws.proxyActivities<typeof activities>({ startToCloseTimeout: '10 minutes' });
    return count(ws.path);
  });
}
