// What is said of a parameter that is wrong: what was expected, never what stands there, for it may be a PIN.

import type { Complaint } from './wording.ts';

export function complaintText(complaint: Complaint): string {
  if (complaint.what === 'unknown_key') return 'not a parameter of this command';
  if (complaint.what === 'said') return complaint.message;
  return `${complaint.what === 'missing' ? 'is missing: ' : ''}expected ${complaint.expected}`;
}
