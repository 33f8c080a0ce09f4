// What a credential is known by, one kind to a file: how it is read from a command, kept in its row, and what its doors
// ask of it. A further kind is a file beside these and a line in factors.ts.

import type { Wanted } from '../../acceptance/ground.ts';
import type { ApiError } from '../../domain/errors.ts';
import type { SiteEntrance } from '../../domain/site.ts';
import type { CredentialRow, NewCredential } from '../../store/credentials.ts';
import type { ParamsOf } from '../contract.ts';
import type { Room } from '../room.ts';

export type CreateParams = ParamsOf<'credentials/create'>;
/** `secret_revision` null: there is none any more, as a snapshot may have it. */
export type UpdateParams = Omit<ParamsOf<'credentials/update'>, 'secret_revision'> & {
  secret_revision?: number | null | undefined;
};

/** The columns of a row in which the secret of a credential lies. */
export type SecretColumns = Pick<
  CredentialRow,
  'card_hash' | 'card_sealed' | 'code_hash' | 'code_sealed' | 'code_length'
>;
export type Factor = {
  method: CredentialRow['access_method'];
  /** As a create gives it; null: it leaves the choice to us. Throws for what belongs to another kind, or is no secret. */
  given(room: Room, params: CreateParams): string | null;
  /** One of our own choice, that every door and controller concerned can take; null: this kind is given, or has none. */
  generate: ((room: Room, wanted: Omit<Wanted, 'card' | 'code'>) => string) | null;
  /** As an update changes it; null: it does not. Throws as `given` does. */
  changed(room: Room, params: UpdateParams): string | null;
  /** Why the facility wants no such secret, though it is well formed. */
  refusalOf(room: Room, secret: string | null): ApiError | null;
  columns(room: Room, acsCredentialId: string, secret: string): SecretColumns;
  /** Whether a row has this secret. */
  holds(room: Room, row: CredentialRow, secret: string): boolean;
  /** The secret of a row, opened; null: the row has none. */
  open(room: Room, row: CredentialRow): string | null;
  /** Why it cannot open at one of these entrances, whatever its secret; left out: it can at each. */
  refusalAt?(entrances: readonly SiteEntrance[]): ApiError | null;
  /** What acceptance is told of it: the secret in the clear, and as the row keeps it. */
  held(row: NewCredential, secret: string | null): Pick<Wanted, 'card' | 'code'>;
};

export const NO_SECRET: SecretColumns = {
  card_hash: null,
  card_sealed: null,
  code_hash: null,
  code_sealed: null,
  code_length: null,
};
