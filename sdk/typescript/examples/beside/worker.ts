import { NativeConnection, Worker } from '@temporalio/worker';
import * as activities from './activities';

async function main(): Promise<void> {
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS ?? 'localhost:7233' }),
    taskQueue: 'desk-queue',
    workflowsPath: require.resolve('./workflows'),
    activities,
    interceptors: { workflowModules: ['@cordonlabs/temporal/interceptors'] },
  });
  await worker.run();
}

void main();
