// Codes: PINs of 4 to 12 digits, chosen by the caller or generated.

import { generateCode } from '../../acceptance/codes.ts';
import { refusalOfTrivial } from '../../acceptance/pin-quality.ts';
import { refused } from '../../domain/errors.ts';
import { PIN_FORM } from '../../domain/pin.ts';
import { codeContext } from '../credential-object.ts';
import { NO_SECRET, type CreateParams, type Factor } from './factor.ts';

export const CODE: Factor = {
  method: 'code',
  given: (_room, params) => chosenCode(params),
  generate: (room, wanted) => generateCode(room, room.random, wanted),
  refusalOf: ({ policy }, code) => refusalOfTrivial(policy, code),
  changed(_room, params) {
    if (params.card_number !== undefined) {
      throw refused('invalid_input', 'card_number', 'this credential is a code, it has no card');
    }
    return params.code ?? null;
  },
  columns: ({ store }, acsCredentialId, code) => ({
    ...NO_SECRET,
    code_hash: store.secrets.codeHash(code),
    code_sealed: store.secrets.seal(code, codeContext(acsCredentialId)),
    code_length: code.length,
  }),
  holds: ({ store }, row, code) => row.code_hash?.equals(store.secrets.codeHash(code)) === true,
  open: ({ store }, row) =>
    row.code_sealed === null ? null : store.secrets.open(row.code_sealed, codeContext(row.acs_credential_id)),
  held: ({ code_hash: hash }, code) => ({
    card: null,
    code: code === null || hash === null ? null : { digits: code, hash },
  }),
};

function chosenCode(params: CreateParams): string | null {
  if (params.card_number !== undefined) throw refused('invalid_input', 'card_number', 'only for access_method card');
  if (params.code === undefined) return null;
  if (!PIN_FORM.test(params.code)) throw refused('invalid_input', 'code', 'digits only, 4 to 12 of them');
  return params.code;
}
