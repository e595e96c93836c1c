import { NativeConnection, Worker } from '@temporalio/worker';

async function main(): Promise<void> {
  const worker = await Worker.create({
    connection: await NativeConnection.connect({ address: process.env.TEMPORAL_ADDRESS ?? 'localhost:7233' }),
    taskQueue: 'web-queue',
    workflowsPath: require.resolve('./workflows'),
  });
  await worker.run();
}

void main();
