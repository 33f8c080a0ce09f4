// Reads a secret from where the facility file says it is: a file of its own, or a systemd credential. What is read is
// never repeated in a message.

import { existsSync, readFileSync, statSync } from 'node:fs';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { OperatingError } from '../domain/errors.ts';
import type { SecretSource } from '../domain/facility.ts';
import { whySecretUnread } from './file-errors.ts';

const MAX_BYTES = 1024 * 1024;
/** Those that lintel@.service loads where they are sealed. */
export const UNIT_CREDENTIALS: ReadonlySet<string> = new Set([
  'lintel-master-key',
  'mqtt-password',
  'mqtt-ca',
  'mqtt-cert',
  'mqtt-key',
]);

export type Secret = {
  bytes: Buffer;
  /** For people, where the file can be read by others; null when it is kept well. */
  warning: string | null;
};

/**
 * The secret's bytes as they stand in the file. A relative path counts from `baseFolder`; a credential is found in
 * `$CREDENTIALS_DIRECTORY` of `env`. Throws `invalid_input` naming the place and the remedy.
 */
export function readSecret(source: SecretSource, baseFolder: string, env: NodeJS.ProcessEnv): Secret {
  if ('credential' in source) return { bytes: readCredential(source.credential, env), warning: null };
  const path = secretPath(source.file, baseFolder);
  return { bytes: readBytes(path), warning: openToOthers(path) };
}

/** A password: the bytes as text, without the line end that editors put there. */
export const secretText = (secret: Secret): string => secret.bytes.toString('utf8').replace(/\r?\n$/, '');

export const secretPath = (file: string, baseFolder: string): string =>
  isAbsolute(file) ? file : resolve(baseFolder, file);

/** What lies in systemd's folder is systemd's: nobody mends it there, so the remedy is where it comes from. */
function readCredential(name: string, env: NodeJS.ProcessEnv): Buffer {
  const folder = env['CREDENTIALS_DIRECTORY'] ?? '';
  const path = folder === '' ? null : join(folder, name);
  if (path !== null && existsSync(path)) return readBytes(path);
  const instance = basename((env['RUNTIME_DIRECTORY'] ?? '').split(':')[0] ?? '') || 'FACILITY';
  const load = UNIT_CREDENTIALS.has(name)
    ? ''
    : `, have the unit load it (systemctl edit lintel@${instance}: [Service] LoadCredentialEncrypted=${name}:%i.${name})`;
  throw new OperatingError(
    'invalid_input',
    `the credential ${name} is not there${path === null ? ': systemd handed none over' : ''}. Remedy, as root: systemd-creds encrypt --name=${name} - /etc/credstore.encrypted/${instance}.${name}${load}, then systemctl restart lintel@${instance}; or, without systemd, name a {file: …}`,
  );
}

function readBytes(path: string): Buffer {
  let bytes: Buffer;
  try {
    if (statSync(path).size > MAX_BYTES)
      throw new OperatingError('invalid_input', `${path} is larger than 1 MiB: no secret. Remedy: name the right file`);
    bytes = readFileSync(path);
  } catch (error) {
    if (error instanceof OperatingError) throw error;
    throw new OperatingError('invalid_input', `${path} cannot be read: ${whySecretUnread(error)}`);
  }
  if (bytes.length > 0) return bytes;
  throw new OperatingError('invalid_input', `${path} is empty. Remedy: write the secret into it`);
}

/**
 * Says so where a file with a secret can be read by others than its owner; null when not, or when that cannot be told.
 */
export function openToOthers(path: string): string | null {
  let mode: number;
  try {
    mode = statSync(path).mode;
  } catch {
    return null;
  }
  if ((mode & 0o077) === 0) return null;
  return `${path} can be read by others than its owner (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`;
}
