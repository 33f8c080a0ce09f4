// Hours of the building's wall clock, as a port: who is woken by one does what is due, and never believes that it was
// woken.

export type Cron = {
  /** Calls `run` whenever the wall clock of `timeZone` (IANA) fits the five fields of `expression`. */
  schedule(expression: string, timeZone: string, run: () => void): { stop(): Promise<void> };
};
