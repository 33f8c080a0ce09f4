// What acceptance is asked, and what it looks at: a credential as it would be stored, against the building, its
// policies, what others hold already, and the form that a controller's own record has.

import type { Policy } from '../domain/facility.ts';
import type { SlotContent } from '../domain/ports.ts';
import type { Site, SiteEntrance } from '../domain/site.ts';
import type { Store } from '../store/store.ts';

/** What of the store acceptance asks: how things stand, or how they would. */
export type Standing = {
  reach: Pick<Store['reach'], 'overlappingCode' | 'overlappingAnywhere' | 'codesAt' | 'codesAtAny' | 'followingCodes'>;
  credentials: Pick<Store['credentials'], 'overlappingCard'>;
  targets: Pick<Store['targets'], 'countOf' | 'mostAtOnce'> & {
    ofCredential(credentialKey: number): readonly { controller: string }[];
  };
  foreignSlots: Pick<Store['foreignSlots'], 'of'>;
  schedules: { byKey(scheduleKey: number): { schedule_key: number; content: string } | undefined };
  zones: Pick<Store['zones'], 'hasRoom'>;
  secrets: Pick<Store['secrets'], 'codeHash'>;
};

export type Ground = {
  store: Standing;
  site: Site;
  policy: Pick<Policy, 'pinSpace'>;
  controllers: {
    /**
     * Puts a credential into the form of a controller's own record and throws it away; throws `OperatingError` when the
     * record cannot hold it.
     */
    encode(controller: string, content: SlotContent): void;
  };
};

/** `scheduleKey` null: at all times. */
export type PathTerms = { entranceKey: number; scheduleKey: number | null; endsAtMs: number | null };

export type Wanted = {
  /** `NOT_STORED` for one that is not stored yet. */
  credentialKey: number;
  entrances: readonly SiteEntrance[];
  /** It has no list: its user may be given any entrance at any time. */
  followsUser: boolean;
  /** By which ways it opens doors of controllers; null: by its own list. */
  paths: readonly PathTerms[] | null;
  startsAtMs: number | null;
  endsAtMs: number | null;
  /** Canonical, and its keyed hash; null for a code. */
  card: { canonical: string; hash: Buffer } | null;
  /** In the clear for as long as it is judged, and its keyed hash; null for a card. */
  code: { digits: string; hash: Buffer } | null;
  /** How often it opens in all; null: any number of times. */
  maxUses: number | null;
  /** It is typed under threat. */
  isDuress: boolean;
  /** Its weekly schedule; null: none. */
  scheduleKey: number | null;
};

export const NOT_STORED = -1;

export const keysOf = (entrances: readonly SiteEntrance[]): number[] => entrances.map(({ entranceKey }) => entranceKey);
