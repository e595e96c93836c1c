import { readdir } from 'node:fs/promises';

/** Counts the files of a project. */
export async function count(path: string): Promise<number> {
  return (await readdir(path, { recursive: true })).length;
}
