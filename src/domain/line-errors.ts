// Why a line could not be opened, in words that name the remedy: an installer reads them on site, with the adapter in
// hand.

import { OperatingError } from './errors.ts';
import { memberOf } from './named.ts';

/** What to do about a device that cannot be opened, by what the kernel said of it. */
const OPENING_REMEDIES: readonly [RegExp, OperatingError['type'], string][] = [
  [
    /No such (file|device)|ENOENT|ENXIO|ENODEV/,
    'controller_offline',
    'there is no such device. Is the adapter plugged in? ls -l /dev/serial/by-id /dev/serial/by-path shows what is there',
  ],
  [
    /Permission denied|EACCES/,
    'not_permitted',
    'this user may not open it. Add the user to the group that owns the device (dialout on Debian: usermod -aG dialout USER) and start anew',
  ],
  [
    /Operation not permitted|EPERM/,
    'not_permitted',
    'the service may not open it. Allow the device in the unit (DeviceAllow=) and start anew',
  ],
  [
    /Cannot lock port/,
    'controller_offline',
    'another program has locked it: a second Lintel, a terminal program, or another bus of this facility with the same port. fuser -v names the program',
  ],
  [/busy|EBUSY/, 'controller_offline', 'another program holds it. fuser -v names the program'],
  [
    /Inappropriate ioctl|ENOTTY/,
    'invalid_input',
    'this is no serial device. Give the path of one, best from /dev/serial/by-id',
  ],
  [
    /Input\/output error|EIO/,
    'controller_offline',
    'no hardware answers behind it. It may be a port that this machine does not have; try the others',
  ],
];

/** What to tell of a device that could not be opened, from what the operating system or the binding said. */
export function explainOpening(path: string, said: string): OperatingError {
  const reason = said.replaceAll(path, '');
  for (const [pattern, type, remedy] of OPENING_REMEDIES) {
    if (pattern.test(reason)) return new OperatingError(type, `cannot open ${path}: ${remedy}`);
  }
  return new OperatingError('controller_offline', `cannot open ${path}: ${said}`);
}

const CONNECTING_REMEDIES: Readonly<Record<string, string>> = {
  ECONNREFUSED:
    'refused. The converter is there but does not listen on this port, or serves another client already: check its mode (TCP server) and port',
  ENOTFOUND: 'the name is not known. Give the IP address, so that doors do not depend on name service',
  EAI_AGAIN: 'name service does not answer. Give the IP address, so that doors do not depend on it',
  EHOSTUNREACH: 'the host does not answer. Check its power, cable and address',
  ENETUNREACH: 'no route to its network. Check the address and cable of this gateway',
};

/** The same of a converter that could not be reached, from the error of its socket or deadline. */
export function explainConnecting(path: string, error: unknown): OperatingError {
  if (error instanceof OperatingError) {
    return new OperatingError(error.type, `${error.message}. Check its power, cable and address`);
  }
  const code = codeOf(error);
  return new OperatingError(
    'controller_offline',
    `cannot connect to ${path}: ${memberOf(CONNECTING_REMEDIES, code) ?? code}`,
  );
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : messageOf(error);
