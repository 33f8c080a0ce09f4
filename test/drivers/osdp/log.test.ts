// What a reader's report is called in the log, once secrets are left out of it.

import { expect, it } from 'vitest';
import { REPLIES, replyLabel } from '../../../drivers/osdp/replies.ts';
import { redactFields } from '../../../src/ops/redact.ts';

it('a report is told by its name or number, and a code stays out', () => {
  const told = (code: number): unknown => redactFields({ reply: replyLabel(code), code });
  expect(told(REPLIES.RAW.code)).toEqual({ reply: 'RAW', code: '[redacted]' });
  expect(told(0x0b)).toEqual({ reply: '0x0B', code: '[redacted]' });
});
