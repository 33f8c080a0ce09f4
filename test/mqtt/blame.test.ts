import { describe, expect, it } from 'vitest';
import { Blame, type Sent } from '../../src/mqtt/blame.ts';

const sent = (key: string): Sent => ({ key, topic: `t/${key}`, bytes: 100, isShort: false });

describe('after a connection that ended behind messages', () => {
  it('they go one at a time until each has been answered', () => {
    const blame = new Blame(() => 0);
    blame.ended([sent('a'), sent('b')], false);
    blame.acknowledged(sent('a'));
    expect(blame.isCareful).toBe(true);
    blame.acknowledged(sent('b'));
    expect(blame.isCareful).toBe(false);
  });

  it('a gateway that is never idle does not send one at a time for ever for the sake of one that never comes again', () => {
    const blame = new Blame(() => 0);
    blame.ended([sent('a state that has changed since'), sent('b')], false);
    for (let i = 0; i < 50; i++) blame.acknowledged(sent(`older ${i}`));
    blame.acknowledged(sent('b'));
    let others = 0;
    while (blame.isCareful && others < 10_000) blame.acknowledged(sent(`other ${others++}`));
    expect(others).toBe(100);
  });

  it('one that ends each connection is found out all the same, however many others are answered in between', () => {
    const blame = new Blame(() => 0);
    for (let i = 0; i < 50; i++) blame.acknowledged(sent(`proven ${i}`));
    const verdicts = Array.from({ length: 3 }, (_, connection) => {
      for (let i = 0; i < 200; i++) blame.acknowledged(sent(`${connection} ${i}`));
      return blame.ended([{ ...sent('the one'), bytes: 1000 }, sent(`behind ${connection}`)], false);
    });
    expect(verdicts).toEqual([null, null, 'short']);
  });
});
