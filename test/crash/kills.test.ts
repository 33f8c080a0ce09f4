// A sample of what `npm run crash` does a thousand times.

import { describe, expect, it } from 'vitest';
import { killAgain } from './kills/kills.ts';
import { Model, thing, type Card } from './kills/model.ts';

const KILLS = 20;

describe('an agent that is killed again and again under load', { timeout: 1_200_000 }, () => {
  it('loses nothing that it acknowledged, does nothing twice, lets in who may and nobody else', async () => {
    const { kills, disks, presented, commands } = await killAgain(20, KILLS, { isNight: false });
    expect(Object.values(kills).reduce((sum, count) => sum + count, 0)).toBe(KILLS);
    expect(disks).toBe(KILLS / 10);
    expect(presented.denied + presented.granted).toBeGreaterThan(0);
    expect(commands.ok).toBeGreaterThan(0);
  });
});

describe('the model beside it', () => {
  const card: Card = {
    ...{ kind: 'card', id: '1', person: 'jane', number: 7, doors: ['lobby'], isOneTime: true, isUsed: false },
  };
  const withCard = (): Model => {
    const model = new Model();
    model.people.set('jane', { isSuspended: false });
    model.holdings.set(thing(card), { ...card });
    return model;
  };

  it('knows who may, and is certain of it as long as nothing is under way', () => {
    const model = withCard();
    expect(model.opens(7, 'lobby')).toBe('yes');
    expect([model.opens(7, 'workshop'), model.opens(8, 'lobby')]).toEqual(['no', 'no']);
    model.touch(['jane'], 1);
    expect([model.opens(7, 'lobby'), model.opens(7, 'workshop')]).toEqual(['unsure', 'no']);
    model.touch(['jane'], -1);
    model.people.set('jane', { isSuspended: true });
    expect(model.opens(7, 'lobby')).toBe('no');
  });

  it('takes a card that works once for used up when the door has opened, and for doubtful when nobody saw', () => {
    const model = withCard();
    const held = model.holdings.get(thing(card));
    if (held?.kind === 'card') held.isUsed = 'unsure';
    expect(model.opens(7, 'lobby')).toBe('unsure');
    if (held?.kind === 'card') held.isUsed = true;
    expect(model.opens(7, 'lobby')).toBe('no');
  });
});
