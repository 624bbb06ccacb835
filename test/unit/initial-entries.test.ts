import { describe, expect, it } from 'vitest';
import { type InitialView, initialParts } from '../../src/analysis/forecast/initial-entries.js';

const VIEW: InitialView = {
  isDumped: true,
  closingAt: () => 600,
  renewedAt: () => 300,
  unassuredAt: () => 0,
  expiredSince: (seconds) => 10 * seconds,
};

describe('initialParts', () => {
  it('takes what is neither closing nor active as expired, as far as so many have', () => {
    expect(initialParts(VIEW, 1000, 60)).toEqual({ closing: 600, renewed: 300, expired: 100 });
    expect(initialParts(VIEW, 1000, 5)).toEqual({ closing: 600, renewed: 350, expired: 50 });
  });

  it('has none expired when even active ones are missing', () => {
    expect(initialParts(VIEW, 800, 60)).toEqual({ closing: 600, renewed: 200, expired: 0 });
    expect(initialParts(VIEW, 500, 60)).toEqual({ closing: 500, renewed: 0, expired: 0 });
  });
});
