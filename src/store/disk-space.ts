// How much room a disk has, for whoever is not root.

import { statfsSync } from 'node:fs';

export type DiskSpace = {
  /** Bytes. */
  free: number;
  total: number;
  /** How many more files fit; null: this file system does not count them. */
  freeFiles: number | null;
  /** The magic number of its kind (statfs(2)). */
  type: number;
};

/** Of the disk that a folder lies on; throws what the system says where it is not there. */
export function diskSpace(folder: string): DiskSpace {
  const { bavail, blocks, bsize, ffree, files, type } = statfsSync(folder);
  return { free: bavail * bsize, total: blocks * bsize, freeFiles: files === 0 ? null : ffree, type };
}
