// Every event that a test causes in its own process is held to the catalogue, and every result of a command to the
// contract.

import { checkResults } from '../../src/commands/contract/results.ts';
import { checkBodies } from '../../src/domain/events.ts';

checkBodies();
checkResults();
