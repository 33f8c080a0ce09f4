// Every event that a test causes in its own process is held to the catalogue.

import { checkBodies } from '../../src/domain/events.ts';

checkBodies();
