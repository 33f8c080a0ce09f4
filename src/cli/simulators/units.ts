// Units on a line as people write them: `1`, `1,2`, `1-20`, `1,4-6`.

const HIGHEST = 255;
const PART = /^([0-9]{1,3})(?:-([0-9]{1,3}))?$/;

/** Ascending, each once; null for what is no such list. */
export function parseUnits(text: string): number[] | null {
  const units = new Set<number>();
  for (const part of text.split(',')) {
    const [, from, to = from] = PART.exec(part) ?? [];
    if (from === undefined || Number(from) > Number(to) || Number(to) > HIGHEST) return null;
    for (let unit = Number(from); unit <= Number(to); unit++) units.add(unit);
  }
  return [...units].sort((a, b) => a - b);
}

/** The shortest way to write them. */
export function unitsText(units: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < units.length;) {
    const from = i;
    while (units[i + 1] === (units[i] ?? 0) + 1) i++;
    const [first, last] = [units[from], units[i]];
    parts.push(i - from >= 2 ? `${first ?? ''}-${last ?? ''}` : units.slice(from, i + 1).join(','));
    i++;
  }
  return parts.join(',');
}
