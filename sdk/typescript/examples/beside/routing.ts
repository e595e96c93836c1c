import { StorageRouting } from '@cordonlabs/temporal/interceptors';

export const interceptors = () => ({
  outbound: [new StorageRouting({ taskQueue: 'desk-storage', toolQueue: (host) => `desk-queue@${host}` })],
});
