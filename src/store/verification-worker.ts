// The worker thread behind verification.ts: one database, one message.

import { parentPort, workerData } from 'node:worker_threads';
import { verify, type VerificationTask } from './verification.ts';

parentPort?.postMessage(verify(workerData as VerificationTask));
