import { ApplicationFailure } from '@temporalio/common';

/**
 * The errors of Cordon that Temporal does not retry: asking again would not help. After a WorkspaceLost
 * the run's step may succeed when it is begun anew, which {@link withWorkspace} does.
 */
export const finalErrorTypes = [
  'InvalidArgument',
  'TargetNotFound',
  'ArchiveRejected',
  'IntegrityMismatch',
  'PermissionDenied',
  'TargetTooLarge',
  'WorkspaceLost',
] as const;

/** The errors of Cordon that Temporal retries. ToolFailed is that of a command of the tool bridge. */
export const retriedErrorTypes = ['NoSpace', 'StorageUnavailable', 'Busy', 'ToolFailed'] as const;

/** What went wrong in an activity of Cordon: the `type` of its ApplicationFailure. */
export type CordonErrorType = (typeof finalErrorTypes)[number] | (typeof retriedErrorTypes)[number];

const known: ReadonlySet<string> = new Set([...finalErrorTypes, ...retriedErrorTypes]);

/**
 * Returns Cordon's own error in one that a workflow, or its client, caught: that itself, or
 * one that caused it, as those of activities, child workflows and workflows are. Its message
 * says what was asked, what was wrong and what to do. `undefined` where there is none: a
 * timeout, a cancellation, an error of somebody else.
 *
 * A workflow that throws it, and not the ActivityFailure around it, fails for good where a
 * retry would not help: Temporal looks at the outermost error alone when it decides whether
 * to try a workflow again.
 */
export function cordonFailure(err: unknown): ApplicationFailure | undefined {
  return inChain(err, (e): e is ApplicationFailure => e instanceof ApplicationFailure && known.has(e.type ?? ''));
}

/** Returns the first error among `err` and what caused it of which `is` holds. */
export function inChain<E extends Error>(err: unknown, is: (e: Error) => e is E): E | undefined {
  for (let e = err; e instanceof Error; e = e.cause) {
    if (is(e)) {
      return e;
    }
  }
  return undefined;
}

/** Returns the type of Cordon's own error in `err`, as {@link cordonFailure} finds it. */
export function cordonErrorType(err: unknown): CordonErrorType | undefined {
  return cordonFailure(err)?.type as CordonErrorType | undefined;
}
