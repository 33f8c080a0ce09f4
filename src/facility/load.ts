// From a file on disk to a Facility, or to everything that is wrong with it at once. Section by section: a mistake in
// one never hides a mistake in another, and the checks across sections work with whatever could be understood.

import { readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import type { DriverModule, PreparedController } from '../domain/driver-module.ts';
import type { ControllerSetup, Facility } from '../domain/facility.ts';
import type { ConfigProblem } from '../domain/ports.ts';
import { checkAreas } from './area-check.ts';
import { buildFacility } from './build.ts';
import { checkBareNumbers, checkGuessing, checkSecrets, checkUse } from './doubts.ts';
import { checkEntrances, kindOf, whichName, type KnownControllers } from './entrance-check.ts';
import { entranceSchemas, type UnderstoodEntrance } from './entrance-schema.ts';
import { checkLifts } from './lift-check.ts';
import { checkModes } from './mode-check.ts';
import { checkMqtt } from './mqtt-check.ts';
import { checkManagers } from './managers.ts';
import { Report, type ShownProblem } from './report.ts';
import { controllerShape, siteSchema } from './schema.ts';
import { whyUnread } from './file-errors.ts';
import { assumedShape, isMapping, readShape, section, valueAt } from './shape.ts';
import { NAME_FORM, NAME_WORDS } from './values.ts';
import { quoted, readText as readTextOf } from '../domain/outside-text.ts';
import { meantWord } from '../domain/words.ts';
import { readYaml, type KeyPath } from './yaml-source.ts';

export type Loaded = {
  /** Null when a problem is an error. */
  facility: Facility | null;
  /** In the order of the file. */
  problems: ShownProblem[];
};

const MAX_BYTES = 1024 * 1024;

/** Reads and checks a facility file. Never throws for what the file says, nor for a file that cannot be read. */
export function loadFacility(file: string, drivers: readonly DriverModule[]): Loaded {
  const text = readText(file);
  if (typeof text !== 'string') return { facility: null, problems: [text] };
  return loadFacilityText(text, file, drivers);
}

/** The same for a text that is there already; `file` says where it belongs, for messages and relative paths. */
export function loadFacilityText(text: string, file: string, drivers: readonly DriverModule[]): Loaded {
  const source = readYaml(text.startsWith('\uFEFF') ? text.slice(1) : text);
  const report = new Report(file, source);
  const facility = new Reader(resolve(file), drivers, report).read(source.value);
  const problems = report.problems();
  return { facility: problems.some((problem) => problem.severity === 'error') ? null : facility, problems };
}

class Reader {
  readonly #file: string;
  readonly #folder: string;
  readonly #drivers: readonly DriverModule[];
  readonly #report: Report;

  constructor(file: string, drivers: readonly DriverModule[], report: Report) {
    this.#file = file;
    this.#folder = dirname(file);
    this.#drivers = drivers;
    this.#report = report;
  }

  /** Null when something is missing that a Facility cannot be without; what it was is in the report. */
  read(root: unknown): Facility | null {
    if (!isMapping(root)) {
      this.#report.error(
        [],
        root === null ? 'the file is empty' : 'this is no facility file',
        'Begin with `facility: NAME`; the examples in config/ are made to be copied.',
      );
      return null;
    }
    const site = readShape(siteSchema, root, [], this.#report);
    checkMqtt(root, this.#report);
    checkSecrets(root, this.#folder, this.#report);

    const buses = this.#buses(section(root, 'buses'));
    const controllers = this.#controllers(section(root, 'controllers'), buses);
    const known: KnownControllers = new Map(
      [...controllers].map(([name, setup]) => [name, setup?.capabilities ?? null]),
    );
    const entrances = section(root, 'entrances');
    const claim = checkEntrances(entrances, section(root, 'lifts'), known, this.#report);
    checkLifts(root, this.#report);
    checkModes(root, known, claim, this.#report);
    checkAreas(root, this.#report);
    checkManagers(root, entrances, this.#report);
    const understood = this.#entrances(entrances);
    this.#checkScheduleClocks(root, known);
    checkUse(root, this.#report);
    checkGuessing(root, this.#report);
    if (site === null) return null;
    const facility = buildFacility({
      file: this.#file,
      site,
      buses: [...buses.values()].flatMap((bus) =>
        bus.config === null ? [] : [{ name: bus.name, driver: bus.module?.name ?? '', config: bus.config }],
      ),
      controllers: [...controllers.values()].filter((controller) => controller !== null),
      entrances: understood,
    });
    checkBareNumbers(facility, this.#report);
    return facility;
  }

  // ---- buses --------------------------------------------------------------------------------------------------------

  #buses(stated: Readonly<Record<string, unknown>>): Map<string, Bus> {
    const buses = new Map<string, Bus>();
    const lines = new Map<string, { bus: string; line: string }>();
    for (const [name, value] of Object.entries(stated)) {
      const path = ['buses', name];
      this.#checkName(name, path);
      const bus = this.#bus(name, value, path);
      buses.set(name, bus);
      this.#checkLine(bus, path, lines);
    }
    return buses;
  }

  #bus(name: string, value: unknown, path: KeyPath): Bus {
    const unknown: Bus = { name, module: null, config: null, assumed: null };
    if (!isMapping(value)) {
      this.#report.error(path, 'a bus needs its keys', 'Write for example `{driver: …, port: /dev/serial/by-id/…}`.');
      return unknown;
    }
    const { driver, ...own } = value;
    const module = this.#drivers.find((one) => one.name === driver);
    if (module === undefined) {
      this.#unknownDriver(driver, [...path, 'driver']);
      return unknown;
    }
    const config = readShape(module.busSchema, own, path, this.#report, { keys: ['driver'] });
    return { name, module, config, assumed: config ?? assumedShape(module.busSchema, own) };
  }

  #unknownDriver(driver: unknown, path: KeyPath): void {
    const names = this.#drivers.map((one) => one.name);
    if (driver === undefined) {
      this.#report.error(path, 'this key is missing', `Add driver: one of ${names.join(', ')}.`, 'key');
      return;
    }
    const meant = typeof driver === 'string' ? meantWord(driver, names) : '';
    const what =
      typeof driver === 'string' ? `there is no driver "${quoted(driver)}"` : 'a driver is named by its name';
    this.#report.error(path, what, meant || `Drivers are: ${names.join(', ')}.`);
  }

  /** One bus for each physical line: two that open the same port would take each other's answers. */
  #checkLine(bus: Bus, path: KeyPath, lines: Map<string, { bus: string; line: string }>): void {
    const port = valueAt(bus.config, ['port']);
    const host = valueAt(bus.config, ['host']);
    const line =
      typeof port === 'string'
        ? port.replace(/^tcp:\/\//, '')
        : typeof host === 'string'
          ? `${host}:${shownPort(port)}`
          : null;
    if (line === null) return;
    const device = deviceBehind(line);
    const first = lines.get(device);
    if (first === undefined) lines.set(device, { bus: bus.name, line });
    else
      this.#report.error(
        [...path, typeof port === 'string' ? 'port' : 'host'],
        `the bus ${first.bus} is on ${quoted(line)} already${first.line === line ? '' : `: ${quoted(first.line)} is the same device`}`,
        'Put the controllers of one line on one bus.',
      );
  }

  // ---- controllers --------------------------------------------------------------------------------------------------

  #controllers(
    stated: Readonly<Record<string, unknown>>,
    buses: ReadonlyMap<string, Bus>,
  ): Map<string, ControllerSetup | null> {
    const controllers = new Map<string, ControllerSetup | null>();
    const onBus = new Map<string, PreparedController[]>();
    for (const [name, value] of Object.entries(stated)) {
      const path = ['controllers', name];
      this.#checkName(name, path);
      const controller = this.#controller(name, value, path, buses);
      controllers.set(name, controller);
      if (controller !== null) onBus.set(controller.bus, [...(onBus.get(controller.bus) ?? []), controller]);
    }
    for (const bus of buses.values()) {
      const understood = onBus.get(bus.name) ?? [];
      const isEmpty = !Object.values(stated).some((controller) => valueAt(controller, ['bus']) === bus.name);
      // A bus none of whose controllers could be understood is not an empty one.
      if (bus.module === null || bus.assumed === null || (understood.length === 0 && !isEmpty)) continue;
      this.#place(certain(bus, bus.module.checkBus(bus.name, bus.assumed, understood)), []);
    }
    return controllers;
  }

  #controller(name: string, value: unknown, path: KeyPath, buses: ReadonlyMap<string, Bus>): ControllerSetup | null {
    if (!isMapping(value)) {
      this.#report.error(path, 'a controller needs its keys', 'Write at least `{bus: NAME}`, with the name of a bus.');
      return null;
    }
    const { common, own } = split(value);
    const shared = readShape(controllerCommon, common, path, this.#report);
    const busName = value['bus'];
    if (typeof busName !== 'string') return null;
    const bus = buses.get(busName);
    if (bus === undefined) {
      this.#report.error(
        [...path, 'bus'],
        `there is no bus "${quoted(busName)}"`,
        whichName(busName, [...buses.keys()], 'buses'),
      );
      return null;
    }
    if (bus.module === null) return null;
    const config = readShape(bus.module.controllerSchema, own, path, this.#report, {
      keys: Object.keys(controllerShape),
    });
    const understood = config ?? assumedShape(bus.module.controllerSchema, own);
    if (understood === null || bus.assumed === null) return null;
    const { problems, controller } = bus.module.prepare(name, bus.assumed, understood, this.#folder);
    if (config !== null) this.#place(certain(bus, problems), path);
    if (controller === null) return null;
    this.#checkUseless(value, path, controller);
    return {
      ...controller,
      bus: busName,
      driver: bus.module.name,
      foreignSlots: shared?.foreign_slots ?? 'report',
      cardFormats: shared?.card_formats ?? [],
    };
  }

  #checkUseless(
    value: Readonly<Record<string, unknown>>,
    path: KeyPath,
    { name, capabilities }: PreparedController,
  ): void {
    const { slots, readers } = capabilities;
    if (value['foreign_slots'] !== undefined && slots === null) {
      this.#report.warn(
        [...path, 'foreign_slots'],
        `${name} holds no credentials, so this has no effect`,
        'Leave it out.',
        'key',
      );
    }
    if (value['card_formats'] !== undefined && slots === null && readers.length === 0) {
      this.#report.warn(
        [...path, 'card_formats'],
        `${name} reads and holds no cards, so this has no effect`,
        'Leave it out.',
        'key',
      );
    }
  }

  /**
   * Schedules are those of the building's wall clock: a controller that shows another would let people in by that one.
   */
  #checkScheduleClocks(root: unknown, controllers: KnownControllers): void {
    const building = valueAt(root, ['time_zone']);
    if (typeof building !== 'string') return;
    for (const [name, capabilities] of controllers) {
      const shown = capabilities?.slots?.schedules?.timeZone;
      if (shown === undefined || shown === building) continue;
      this.#report.error(
        ['controllers', name, 'schedule_zones'],
        `the clock of ${name} is to show the time of ${shown}, and schedules are those of ${quoted(building)}`,
        `Write \`time_zone: ${quoted(building)}\` at ${name} as well.`,
      );
    }
  }

  /** A driver's findings, at the right line: `base` is what their paths count from. */
  #place(problems: readonly ConfigProblem[], base: KeyPath): void {
    for (const problem of problems) {
      const path = [...base, ...problem.path];
      if (problem.severity === 'error') this.#report.error(path, problem.message, problem.remedy);
      else this.#report.warn(path, problem.message, problem.remedy);
    }
  }

  // ---- entrances ----------------------------------------------------------------------------------------------------

  #entrances(stated: Readonly<Record<string, unknown>>): UnderstoodEntrance[] {
    const understood: UnderstoodEntrance[] = [];
    for (const [name, value] of Object.entries(stated)) {
      const path = ['entrances', name];
      this.#checkName(name, path);
      if (!isMapping(value)) {
        this.#report.error(path, 'an entrance needs its keys', `Add ${WHICH_KIND}.`);
      } else if (kindOf(value) === 'controller') {
        const entrance = readShape(entranceSchemas.controller, value, path, this.#report, CONTROLLER_HINTS);
        if (entrance !== null) understood.push({ kind: 'controller', name, value: entrance });
      } else if (kindOf(value) === 'floor') {
        const entrance = readShape(entranceSchemas.floor, value, path, this.#report, FLOOR_HINTS);
        if (entrance !== null) understood.push({ kind: 'floor', name, value: entrance });
      } else {
        const entrance = readShape(entranceSchemas.gateway, value, path, this.#report, GATEWAY_HINTS);
        if (entrance !== null) understood.push({ kind: 'gateway', name, value: entrance });
      }
    }
    return understood;
  }

  // ---- the whole ----------------------------------------------------------------------------------------------------

  #checkName(name: string, path: KeyPath): void {
    if (NAME_FORM.test(name)) return;
    this.#report.error(
      path,
      `"${quoted(name)}" cannot be a name: it stands in topics and paths`,
      `Write ${NAME_WORDS}.`,
      'key',
    );
  }
}

/**
 * One serial adapter has several paths (by-id, by-path, ttyUSB0), links to one device. What is not plugged in stands
 * for itself.
 */
function deviceBehind(line: string): string {
  if (!isAbsolute(line)) return line;
  try {
    return realpathSync(line);
  } catch {
    return line;
  }
}

const shownPort = (port: unknown): string => (typeof port === 'number' ? String(port) : 'its usual port');

/** `assumed`: the configuration, or what it may have been meant to be, to check by what stands on the bus. */
type Bus = { name: string; module: DriverModule | null; config: unknown; assumed: unknown };

/** Of a bus that is only assumed, mistakes alone are told: whether it is fast enough, say, nobody knows yet. */
const certain = (bus: Bus, problems: readonly ConfigProblem[]): readonly ConfigProblem[] =>
  bus.config === null ? problems.filter(({ severity }) => severity === 'error') : problems;

const controllerCommon = z.strictObject(controllerShape);

const WHICH_KIND =
  'readers and a strike (Lintel decides), or controller and door (the controller decides), or lift and release (a floor of a lift)';
const GATEWAY_HINTS = {
  of: { door: `An entrance has ${WHICH_KIND}: add controller, or leave door out.` },
};
const CONTROLLER_HINTS = {
  of: { readers: `An entrance has ${WHICH_KIND}: leave out either readers or controller.` },
};

const NO_LEAF = 'A floor has no door that Lintel sees: leave it out, or make an entrance of its own of that door.';
const AT_LIFT = 'It is the same at all floors of a lift: write it there, under `lifts`.';
const FLOOR_HINTS = {
  of: {
    ...{ rex: 'Nobody is locked in by a floor: an exit button belongs to a door.', contact: NO_LEAF },
    ...{
      strike: 'A floor of a lift has `release` in its place.',
      second_lock: 'A floor has `second_release` in its place.',
    },
    ...{ readers: AT_LIFT, factors: AT_LIFT, factor_schedules: AT_LIFT, feedback: AT_LIFT },
    ...{ controller: 'Lintel decides about the floors of a lift: name the board under `release`.', door: NO_LEAF },
    ...{ exit_readers: 'Whoever is in the cabin leaves no room by it: leave it out.' },
    ...{ encoder: 'Name the reader as encoder of a door.', guest_room: 'A floor is for all guests: leave it out.' },
  },
};

function split(value: Readonly<Record<string, unknown>>): {
  common: Record<string, unknown>;
  own: Record<string, unknown>;
} {
  const entries = Object.entries(value);
  const isCommon = ([key]: [string, unknown]): boolean => Object.hasOwn(controllerShape, key);
  return {
    common: Object.fromEntries(entries.filter(isCommon)),
    own: Object.fromEntries(entries.filter((entry) => !isCommon(entry))),
  };
}

// ---- the file -------------------------------------------------------------------------------------------------------

function readText(file: string): string | ShownProblem {
  const unreadable = (message: string, remedy: string): ShownProblem => ({
    severity: 'error',
    file,
    line: 1,
    column: 1,
    key: '',
    message,
    remedy,
  });
  try {
    if (statSync(file).size > MAX_BYTES) return unreadable('the file is larger than 1 MiB', 'Name a facility file.');
    const bytes = readFileSync(file);
    const { text, flaw } = readTextOf(bytes);
    return flaw === undefined
      ? text
      : { ...unreadable(`the file ${flaw.problem}`, 'Save it as UTF-8.'), line: flaw.line };
  } catch (error) {
    const [message = '', remedy = ''] = whyUnread(error).split('. Remedy: ');
    return unreadable(`the file cannot be read: ${message}`, `${capital(remedy)}.`);
  }
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
