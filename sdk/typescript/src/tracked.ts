import { proxyActivities, type ActivityInterfaceFor, type ActivityOptions } from '@temporalio/workflow';

/**
 * Is `proxyActivities`, and keeps what it schedules in `running` until that is over, so that
 * somebody may wait for all of it.
 */
export function trackedActivities<A>(options: ActivityOptions, running: Set<Promise<unknown>>): ActivityInterfaceFor<A> {
  type Call = (...args: unknown[]) => Promise<unknown>;

  const track = (call: Call): Call => (...args) => {
    const promise = call(...args);
    running.add(promise);
    const over = () => void running.delete(promise);
    promise.then(over, over);
    return promise;
  };
  const calls = proxyActivities<Record<string, Call>>(options);
  return new Proxy({} as never, {
    get(_, name: string) {
      const call = calls[name] as Call & { executeWithOptions?: Call };
      return Object.assign(track(call), call.executeWithOptions && { executeWithOptions: track(call.executeWithOptions) });
    },
  });
}
