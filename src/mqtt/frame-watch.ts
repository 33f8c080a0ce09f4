// Looks at the lengths of what a broker sends before anybody gathers it: on 3.1.1 nothing keeps a broker from passing
// on a message of 256 MiB.

/**
 * Returns a function that is fed all bytes of a connection in order, and true once a packet says that it is larger than
 * `most`.
 */
export function frameWatch(most: number): (chunk: Buffer) => boolean {
  /** Bytes left of the packet's body; null while in its header. */
  let left: number | null = null;
  let length = 0;
  let headerBytes = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      if (left !== null) {
        const taken = Math.min(left, chunk.length - at);
        at += taken;
        left = left === taken ? null : left - taken;
        continue;
      }
      const byte = chunk[at++] ?? 0;
      headerBytes += 1;
      if (headerBytes === 1) continue;
      length += (byte & 0x7f) * 128 ** (headerBytes - 2);
      if (length > most) return true;
      // No length has so many bytes: whoever parses says so.
      if (headerBytes > 5) left = Infinity;
      if ((byte & 0x80) !== 0) continue;
      left = length === 0 ? null : length;
      length = 0;
      headerBytes = 0;
    }
    return false;
  };
}
