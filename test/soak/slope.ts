// Whether something grows: a straight line through what was measured, by least squares, and how sure its slope is.

export type Point = { x: number; y: number };
/** `error`: the standard error of the slope; both in units of y per unit of x. */
export type Slope = { slope: number; error: number };

export function slopeOf(points: readonly Point[]): Slope {
  const { length } = points;
  if (length < 3) return { slope: 0, error: Infinity };
  const meanX = points.reduce((sum, { x }) => sum + x, 0) / length;
  const meanY = points.reduce((sum, { y }) => sum + y, 0) / length;
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const slope = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
  const rest = points.reduce((sum, { x, y }) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (length - 2) / spread) };
}
