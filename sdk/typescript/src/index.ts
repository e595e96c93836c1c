/**
 * Workspaces of stored targets in Temporal workflows.
 *
 * @module
 */
export {
  acquireWorkspace,
  cleanupCache,
  getTarget,
  uploadResults,
  type CleanupOptions,
  type TargetOptions,
  type UploadOptions,
} from './activities';
export { cordonErrorType, cordonFailure, finalErrorTypes, retriedErrorTypes, type CordonErrorType } from './errors';
export { storageActivityNames, type AcquiredWorkspace, type Driver, type Mode, type StorageActivities } from './names';
export { withWorkspace, type WithWorkspaceOptions } from './with-workspace';
export { Workspace } from './workspace';
