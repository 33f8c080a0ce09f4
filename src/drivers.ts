// Every driver there is. Only what composes the whole knows this list: the agent, the command line, and the generator
// of the facility file's schema.

import { modbusDriver } from '../drivers/modbus/driver.ts';
import { osdpDriver } from '../drivers/osdp/driver.ts';
import { soyalDriver } from '../drivers/soyal/driver.ts';
import { uartDriver } from '../drivers/uart/driver.ts';
import type { DriverModule } from './domain/driver-module.ts';

export const DRIVERS: readonly DriverModule[] = [modbusDriver, osdpDriver, soyalDriver, uartDriver];
