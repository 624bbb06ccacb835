import { describe, expect, it } from 'vitest';
import { PeakWindow } from '../../src/sinks/metrics/peak-window.js';

describe('PeakWindow', () => {
  it('keeps a peak for a minute at least, two at most, whoever asks', () => {
    const window = new PeakWindow();
    expect(window.peak(0)).toBeUndefined();
    window.observe(100, 1);
    window.observe(110, 9);
    window.observe(120, 2);
    expect([window.peak(130), window.peak(130)]).toEqual([9, 9]);
    window.observe(165, 3);
    expect(window.peak(170)).toBe(9);
    window.observe(226, 4);
    expect(window.peak(230)).toBe(4);
  });

  it('forgets what is older than that when nothing came since', () => {
    const window = new PeakWindow();
    window.observe(100, 5);
    expect(window.peak(230)).toBeUndefined();
  });
});
