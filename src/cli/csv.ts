// Cells and lines of CSV (RFC 4180), which people open in a spreadsheet.

/** A spreadsheet takes what begins so for a formula, and carries it out; a number to be called is none. */
const defused = (cell: string): string =>
  /^[=\-@\t\r]/.test(cell) || /^\+(?![\d ()-]+$)/.test(cell) ? `'${cell}` : cell;

/** Without its end. */
export const csvRow = (cells: readonly string[]): string =>
  cells
    .map(defused)
    .map((cell) => (/[",;\r\n\t]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell))
    .join(',');
