// The start of a process that imports what every agent here needs, opens a database and is done.

import Database from 'better-sqlite3';
import 'mqtt';
import 'serialport';
import 'zod';

new Database(':memory:').close();
process.stdout.write(`${JSON.stringify({ processMs: performance.now() })}\n`);
