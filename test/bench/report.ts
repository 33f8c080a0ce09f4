// One line per figure, the same for people and machines. Ratios come from one run; a figure without a target is printed
// beside for comparison.

export type Figure = {
  bench: string;
  figure: string;
  value: number;
  unit: string;
  /** What was promised, e.g. `>= 3000`; null: for comparison only. */
  target: string | null;
  holds: boolean | null;
};
export type Report = (figure: Figure) => void;

/** A figure held against `>= limit` or `<= limit`. */
export function against(
  bench: string,
  figure: string,
  value: number,
  unit: string,
  comparison: '>=' | '<=',
  limit: number,
): Figure {
  const holds = comparison === '>=' ? value >= limit : value <= limit;
  return { bench, figure, value: round(value), unit, target: `${comparison} ${round(limit)}`, holds };
}

export const beside = (bench: string, figure: string, value: number, unit: string): Figure => ({
  bench,
  figure,
  value: round(value),
  unit,
  target: null,
  holds: null,
});

const round = (value: number): number => Number(value.toPrecision(4));

export function percentile(values: readonly number[], fraction: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0;
}

export const median = (values: readonly number[]): number => percentile(values, 0.5);

export function asLine(figure: Figure): string {
  const verdict = figure.holds === null ? '' : figure.holds ? 'holds' : 'FAILS';
  return `${figure.bench.padEnd(12)} ${figure.figure.padEnd(62)} ${String(figure.value).padStart(10)} ${figure.unit.padEnd(8)} ${(figure.target ?? '').padEnd(12)} ${verdict}`;
}
