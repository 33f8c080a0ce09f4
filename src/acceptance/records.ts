// A credential on trial: put into the form of the record of each controller concerned, and thrown away. What a device
// could not hold is found out when the command comes, by the very code that would write it.

import { OperatingError, paramError, type ApiError } from '../domain/errors.ts';
import type { SlotCapabilities, SlotContent } from '../domain/ports.ts';
import type { SiteEntrance } from '../domain/site.ts';
import { keysOf, type Ground, type Wanted } from './ground.ts';

type OnTrial = Pick<Wanted, 'entrances' | 'startsAtMs' | 'endsAtMs' | 'maxUses'> & {
  card: { canonical: string } | null;
  code: { digits: string } | null;
};

/** Why a controller of its entrances could not hold it; null when each can. */
export function refusalOfRecord(ground: Ground, credential: OnTrial): ApiError | null {
  const { site } = ground;
  const { entrances } = credential;
  for (const [name, doors] of site.controllersOf(keysOf(entrances))) {
    const slots = site.slotController(name)?.slots;
    if (slots === undefined) continue;
    const own = entrances.filter(({ controller }) => controller === name);
    for (const content of contents(credential, slots, own, doors)) {
      const error = tryRecord(ground, name, content, credential.card !== null);
      if (error !== null) return error;
    }
  }
  return null;
}

function tryRecord(ground: Ground, name: string, content: SlotContent, isCard: boolean): ApiError | null {
  const error = refusal(ground, name, content);
  if (error === null) return null;
  const param = toBlame(ground, name, content) ?? (isCard ? 'card_number' : 'code');
  return paramError(error.type, param, `${name}: ${error.message}`);
}

/** The end of the window without which the record would hold the rest; null when it is not the window. */
function toBlame(ground: Ground, name: string, content: SlotContent): 'starts_at' | 'ends_at' | null {
  const holds = (other: Partial<SlotContent>): boolean => refusal(ground, name, { ...content, ...other }) === null;
  if (content.endsAtMs !== null && holds({ endsAtMs: null })) return 'ends_at';
  if (content.startsAtMs !== null && holds({ startsAtMs: null })) return 'starts_at';
  return null;
}

function refusal({ controllers }: Ground, name: string, content: SlotContent): OperatingError | null {
  try {
    controllers.encode(name, content);
    return null;
  } catch (error) {
    if (error instanceof OperatingError) return error;
    throw error;
  }
}

/** The records it may come to lie in: alone, and beside somebody's card or code where a door asks for both. */
function contents(
  { card, code, startsAtMs, endsAtMs, maxUses }: OnTrial,
  slots: SlotCapabilities,
  entrances: readonly SiteEntrance[],
  doors: readonly number[],
): SlotContent[] {
  const common = {
    startsAtMs: slots.windows === 'from-until' ? startsAtMs : null,
    endsAtMs: slots.windows === 'none' ? null : endsAtMs,
    oneTimeUse: maxUses === 1,
    doors,
  };
  const isAlone =
    entrances.some(({ factors }) => factors !== 'card_and_code') && (card !== null || slots.pinWithoutCard);
  const isPaired = entrances.some(({ factors }) => factors === 'card_and_code');
  const [beside, pin] = [card?.canonical ?? sampleCard(slots), code?.digits ?? samplePin(slots)];
  const alone = { ...common, card: card?.canonical ?? null, pin: code?.digits ?? null, cardAndPin: false };
  return [
    ...(isAlone ? [alone] : []),
    ...(isPaired && beside !== null && pin !== null ? [{ ...common, card: beside, pin, cardAndPin: true }] : []),
  ];
}

const SAMPLE_CARDS = ['H10301:1:1', 'H10302:1', 'H10306:1:1', 'uid:04A1B2C3'];

const sampleCard = ({ cardFormats }: SlotCapabilities): string | null =>
  SAMPLE_CARDS.find((card) => cardFormats.includes(card.slice(0, card.indexOf(':')))) ?? null;

/** Keeps every rule that a device may have for its codes. */
const samplePin = ({ pin }: SlotCapabilities): string | null =>
  pin === null ? null : '246246246246'.slice(0, pin.lengths[0] ?? 0);
