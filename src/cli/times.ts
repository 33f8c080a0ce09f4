// Instants as people at a door read them: in the building's time zone, with the offset, so that nobody has to ask which
// one it is.

/** `2026-03-01 11:40:00 +01:00`, in this time zone, or in the machine's own where it is null or not known. */
export function localTime(atMs: number, timeZone: string | null): string {
  const parts = new Map(
    formatter(timeZone)
      .formatToParts(atMs)
      .map(({ type, value }) => [type, value]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? '';
  const offset = part('timeZoneName').replace('GMT', '') || '+00:00';
  return `${part('year')}-${part('month')}-${part('day')} ${part('hour')}:${part('minute')}:${part('second')} ${offset}`;
}

const made = new Map<string | null, Intl.DateTimeFormat>();

function formatter(timeZone: string | null): Intl.DateTimeFormat {
  const known = made.get(timeZone);
  if (known !== undefined) return known;
  const options = {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  } as const;
  const one = (zone: string | null): Intl.DateTimeFormat =>
    new Intl.DateTimeFormat('en-GB', zone === null ? options : { ...options, timeZone: zone });
  let fresh: Intl.DateTimeFormat;
  try {
    fresh = one(timeZone);
  } catch {
    fresh = one(null); // a zone that this machine's tables do not have
  }
  made.set(timeZone, fresh);
  return fresh;
}

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** The same for a text; null when it is no instant. */
export function localTimeOf(text: string, timeZone: string | null): string | null {
  return RFC_3339.test(text) ? localTime(Date.parse(text), timeZone) : null;
}
