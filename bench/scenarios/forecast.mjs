/** What the forecaster adds to an event, and what one forecast costs with every class in use. No kernel, no I/O. */
import { forecast } from '../../dist/analysis/forecast/forecast.js';
import { Lifetimes } from '../../dist/analysis/forecast/lifetimes.js';
import { createBatch, PRESENT } from '../../dist/model/batch.js';
import { REACH } from '../reach.mjs';
import { median } from '../statistics.mjs';

export const title = 'Forecast';

const EVENTS_PER_SECOND = 20_000;
const PORTS = 28;
const LIFE_SECONDS = 8;

export async function measure({ quick }) {
  const seconds = quick ? 40 : 120;
  const lifetimes = new Lifetimes({ buckets: 65_536 });
  const batch = createBatch(EVENTS_PER_SECOND);
  let eventNs = 0;
  const forecastMs = [];
  for (let second = 0; second < seconds; second++) {
    const ns = feed(lifetimes, batch, second);
    if (second < seconds / 2) continue;
    eventNs += ns;
    const began = cpuNs();
    forecast({
      table: { count: EVENTS_PER_SECOND * LIFE_SECONDS, max: 262_144, blind: 0 },
      lifetimes: lifetimes.view(),
      uptimeSeconds: second,
      burst: { pastDurationsSeconds: [] },
      lostRatio: 0,
    });
    forecastMs.push((cpuNs() - began) / 1e6);
  }
  return [
    {
      measure: `Forecaster, CPU per event (ticks included), ${EVENTS_PER_SECOND} new/s`,
      unit: 'ns',
      digits: 0,
      values: { ctwatch: eventNs / (EVENTS_PER_SECOND * seconds) },
      reach: REACH.forecastEvent,
    },
    {
      measure: 'One forecast, 32 classes, median',
      unit: 'ms',
      digits: 2,
      values: { ctwatch: median(forecastMs) },
      reach: REACH.forecast,
    },
  ];
}

/** One second: new flows over all ports, and the end of those of some seconds ago. Returns the nanoseconds it took. */
function feed(lifetimes, batch, second) {
  for (let row = 0; row < EVENTS_PER_SECOND; row++) write(batch.columns, row, second * EVENTS_PER_SECOND + row, true);
  const began = cpuNs();
  for (let row = 0; row < EVENTS_PER_SECOND; row++) lifetimes.observeNew(second, batch.columns, row);
  let ns = cpuNs() - began;
  if (second >= LIFE_SECONDS) {
    const first = (second - LIFE_SECONDS) * EVENTS_PER_SECOND;
    for (let row = 0; row < EVENTS_PER_SECOND; row++) write(batch.columns, row, first + row, false);
    const ends = cpuNs();
    for (let row = 0; row < EVENTS_PER_SECOND; row++) lifetimes.observeDestroy(second, batch.columns, row);
    ns += cpuNs() - ends;
  }
  const ticks = cpuNs();
  for (let tick = 1; tick <= 4; tick++) {
    lifetimes.advance({ atSeconds: second + tick / 4 - 1e-6, seconds: 0.25, newEvents: EVENTS_PER_SECOND / 4 });
  }
  return ns + (cpuNs() - ticks);
}

function write(columns, row, flow, isNew) {
  columns.id[row] = Math.imul(flow + 1, 0x9e3779b1) >>> 0;
  columns.protocol[row] = 6;
  columns.family[row] = 2;
  columns.originalSource.words[row * 4] = flow;
  columns.originalSourcePort[row] = 1024 + (flow % 60_000);
  // Scattered: the ids of one port must not all pass, or all fail, the mask that picks the flows to follow.
  columns.originalDestinationPort[row] = 1000 + ((Math.imul(flow + 1, 0x85ebca6b) >>> 16) % PORTS);
  columns.present[row] = PRESENT.originalTuple | PRESENT.id | (isNew ? PRESENT.timeout : 0);
}

/** CPU of this process: another one beside it costs nothing. */
function cpuNs() {
  const { user, system } = process.cpuUsage();
  return (user + system) * 1000;
}
