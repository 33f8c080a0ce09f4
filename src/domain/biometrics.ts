// What can be read of a person: which finger, hand, iris or face, and in which form a reader gives it. A template is what
// a reader makes of it; nobody but readers of that form can read it, and Lintel never looks into it.

/** In the order of OSDP, which numbers them from 0. */
export const BIOMETRIC_TYPES = [
  'unspecified',
  'right_thumb',
  'right_index_finger',
  'right_middle_finger',
  'right_ring_finger',
  'right_little_finger',
  'left_thumb',
  'left_index_finger',
  'left_middle_finger',
  'left_ring_finger',
  'left_little_finger',
  'right_iris',
  'right_retina',
  'left_iris',
  'left_retina',
  'face',
  'right_hand',
  'left_hand',
] as const;
export type BiometricType = (typeof BIOMETRIC_TYPES)[number];

/**
 * `default`: the maker's own; `ansi_378`: minutiae as ANSI/INCITS 378 has them, for readers of several makers. A raw
 * picture is not among them: nobody needs one to compare.
 */
export const BIOMETRIC_FORMATS = ['default', 'ansi_378'] as const;
export type BiometricFormat = (typeof BIOMETRIC_FORMATS)[number];

/** A finger and its spare, the same of the other hand, or one of them for a threat. All of them may be tried at a door. */
export const MOST_BIOMETRICS = 4;

/** What a reader may make of one; by BIOREADR, one frame holds it. */
export const MOST_TEMPLATE_BYTES = 2_048;

/** What a reader is told about the fingers that it is asked for. */
export type BiometricTerms = {
  type: BiometricType;
  format: BiometricFormat;
  /** The least score, 1 to 255, with which somebody is taken for the person. */
  threshold: number;
  /** The least quality of a template that is kept, in the reader's own measure. */
  quality: number;
  /** How long somebody has to put the finger there. */
  presentMs: number;
};

export type BiometricTemplate = { type: BiometricType; format: BiometricFormat; template: Buffer };

export type BiometricReading =
  | { outcome: 'read'; quality: number; template: Buffer }
  /** Nobody put a finger there, or the reader could not read it. */
  | { outcome: 'nothing' | 'unreadable' };

export type BiometricMatch = { outcome: 'compared'; score: number } | { outcome: 'nothing' | 'unreadable' };

/**
 * Fingers, faces and the like at a reader, one question at a time. Calls reject with an `OperatingError` where the
 * reader is away, refuses, or is asked already; `interrupted` where `over` was aborted.
 */
export type BiometricDevice = {
  readonly terms: BiometricTerms;
  /** Why nobody can be read there now, for people; null: somebody can. */
  problem(): string | null;
  read(reader: number, type: BiometricType, timeoutMs: number, over: AbortSignal): Promise<BiometricReading>;
  match(reader: number, enrolled: BiometricTemplate, timeoutMs: number, over: AbortSignal): Promise<BiometricMatch>;
};
