// Who holds a lock on a file, by the kernel's own list, which everybody may read (proc_locks(5)).

/** The processes that hold a lock of flock(2) on the file with this device and number, as `/proc/locks` shows them. */
export function lockHolders(locks: string, { dev, ino }: { dev: number; ino: number }): number[] {
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  const place = `${twoDigits(major)}:${twoDigits(minor)}:${ino}`;
  return locks.split('\n').flatMap((line) => {
    const [, kind, , , pid, where] = line.trim().split(/\s+/);
    return kind === 'FLOCK' && where === place ? [Number(pid)] : [];
  });
}

const twoDigits = (value: number): string => value.toString(16).padStart(2, '0');
