import type { ActivityOptions } from '@temporalio/workflow';

/** Returns what is given, and of the defaults what is not given or undefined. */
export function withDefaults(defaults: ActivityOptions, given: ActivityOptions): ActivityOptions {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...defaults, ...Object.fromEntries(set) };
}
