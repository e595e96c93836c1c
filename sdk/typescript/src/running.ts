import { CancellationScope, proxyActivities, type ActivityInterfaceFor, type ActivityOptions } from '@temporalio/workflow';

type Call = (...args: unknown[]) => Promise<unknown>;

/** The activities that are running of those that its proxies have scheduled. */
export class RunningActivities {
  readonly #running = new Map<Promise<unknown>, CancellationScope>();

  /** Is Temporal's `proxyActivities`. */
  proxy<A>(options: ActivityOptions): ActivityInterfaceFor<A> {
    const calls = proxyActivities<Record<string, Call>>(options);
    return new Proxy({} as never, {
      get: (_, name: string) => {
        const call = calls[name] as Call & { executeWithOptions?: Call };
        const { executeWithOptions } = call;
        return Object.assign(this.#kept(call), executeWithOptions && { executeWithOptions: this.#kept(executeWithOptions) });
      },
    });
  }

  /** Cancels those that are running, and resolves when all are over. */
  async stop(): Promise<void> {
    while (this.#running.size > 0) {
      for (const scope of this.#running.values()) {
        scope.cancel();
      }
      await Promise.allSettled(this.#running.keys());
    }
  }

  // Each has a scope of its own: what else is in its caller's is not to be cancelled with it.
  #kept(call: Call): Call {
    return (...args) => {
      const scope = new CancellationScope();
      const promise = scope.run(() => call(...args));
      this.#running.set(promise, scope);
      const over = () => void this.#running.delete(promise);
      promise.then(over, over);
      return promise;
    };
  }
}
