// Fingers, faces and the like of people, as far as they are listed and taken back; enrolled at a reader (encoders.ts).

import { z } from 'zod';
import { CREDENTIAL, id, system } from './fields.ts';
import { command } from './spec.ts';

const BIOMETRIC = 'bbbbbbbb-bbbb-bbbb-bbbb-bbbbbbbbbbbb';

export const BIOMETRICS = {
  'users/list_biometrics': command({
    summary:
      'The fingers, faces and the like that are enrolled of a person: which, how good, since when. Never a template.',
    params: z
      .strictObject({
        acs_user_id: id('Whose').optional(),
        acs_credential_id: id('Instead: of the person whose credential this is').optional(),
        acs_system_id: system,
      })
      .refine((given) => (given.acs_user_id === undefined) !== (given.acs_credential_id === undefined), {
        message: 'give acs_user_id or acs_credential_id, one of them',
        path: ['acs_user_id'],
      }),
    result: '`biometrics`',
    kind: 'reads',
    example: { acs_credential_id: CREDENTIAL },
  }),
  'users/remove_biometric': command({
    summary: 'Deletes one enrolled finger, face or the like, with its template; effective at once.',
    params: z.strictObject({ acs_biometric_id: id('Which'), acs_system_id: system }),
    result: '`{}`',
    kind: 'stores',
    revokes: true,
    example: { acs_biometric_id: BIOMETRIC },
  }),
} as const;
