// How a driver describes itself to the facility file: the schema of its own keys, what a controller can do, and how a
// bus is made. It lives in the domain because the facility file composes its schema from these modules without knowing
// any driver.

import type { z } from 'zod';
import type { OperationPorts, Operations } from './operations.ts';
import type { Capabilities, ConfigProblem, Driver, DriverContext } from './ports.ts';

/**
 * A controller of the facility file after its schema has filled in the defaults, with what the driver made of it (a
 * profile, say).
 */
export type PreparedController = { name: string; config: unknown; capabilities: Capabilities; prepared: unknown };

export type PrepareResult = {
  problems: ConfigProblem[];
  /** Null when a problem is an error. */
  controller: PreparedController | null;
};

/**
 * One kind of bus. `busSchema` and `controllerSchema` are strict zod objects with descriptions and defaults, without
 * the keys every bus or controller has (`driver`; `bus`, `card_formats`, `foreign_slots`); the facility file's schema
 * is composed of them. A refinement may say its remedy in `params: { remedy }`.
 */
export type DriverModule = {
  readonly name: string;
  readonly busSchema: z.ZodObject;
  readonly controllerSchema: z.ZodObject;
  /**
   * Reads what the controller's configuration refers to (a profile file, relative to `baseFolder`), checks it against
   * its bus, and says what the device can do.
   */
  prepare(name: string, busConfig: unknown, controllerConfig: unknown, baseFolder: string): PrepareResult;
  /**
   * Checks that need all controllers of one bus (two on one unit, a bus too slow for its inputs). Paths are relative to
   * the facility file.
   */
  checkBus(busName: string, busConfig: unknown, controllers: readonly PreparedController[]): ConfigProblem[];
  create(
    busName: string,
    busConfig: unknown,
    controllers: readonly PreparedController[],
    context: DriverContext,
  ): Driver;
  /** What its devices keep that nobody can read over the line, and somebody should look at: `lintel doctor` says it. */
  readonly unseen?: { says: string; remedy: string };
  /** What an operator may do with its devices; a driver without it has nothing of the kind. */
  operations?(ports: OperationPorts): Operations;
};
