// What keeps a file from being read or made, and what to do about it. A secret has advice of its own: who may read it
// matters as much as where it is.

import { memberOf } from '../domain/named.ts';

type Reasons = Readonly<Record<string, string>>;

const READING: Reasons = {
  ENOENT: 'there is no such file. Remedy: correct the path',
  EACCES: 'access is denied. Remedy: let the user that runs this read it',
  EISDIR: 'it is a folder. Remedy: name the file in it',
  ENOTDIR: 'a part of the path is no folder. Remedy: correct the path',
};
const READING_SECRETS: Reasons = {
  ...READING,
  ENOENT: 'there is no such file. Remedy: create it with mode 0400, or correct the path',
  EACCES: 'access is denied. Remedy: let it belong to the user that runs Lintel, with mode 0400',
};
const MAKING: Reasons = {
  EEXIST: 'it exists already, and nothing is overwritten. Remedy: name another file, or move that one away',
  ENOENT: 'its folder does not exist. Remedy: make the folder, or correct the path',
  EACCES: 'access is denied. Remedy: name a folder that you may write to',
  EROFS: 'the disk can only be read. Remedy: name a folder that you may write to',
  ENOSPC: 'the disk is full. Remedy: free space, or name a file elsewhere',
  ENOTDIR: READING['ENOTDIR'] ?? '',
};

const said = (reasons: Reasons, error: unknown): string => {
  const code =
    error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error';
  return memberOf(reasons, code) ?? `${code}. Remedy: look at the path and its permissions`;
};

/** Why a file cannot be read, with its remedy. */
export const whyUnread = (error: unknown): string => said(READING, error);
/** The same for one that holds a secret. */
export const whySecretUnread = (error: unknown): string => said(READING_SECRETS, error);
/** Why a new file cannot be made, with its remedy. */
export const whyUnmade = (error: unknown): string => said(MAKING, error);
