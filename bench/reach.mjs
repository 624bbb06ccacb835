/** What each measurement is meant to reach. Printed beside it; nothing is asserted, as machines differ. */
export const REACH = {
  cpuPerEvent: 'at most 0.9 of the floor',
  lostEvents: '0',
  senderRate: 'at least with the floor',
  lostLines: '0',
  memory: 'at most 90 MB, flat',
  idle: 'at most 0.2 %',
  burst: 'at most 2 s',
  start: 'at most 200 ms',
  census: 'at most 1.5 s',
  censusMemory: 'at most 60 MiB',
  owners: 'at most 2 %',
  recordCpu: 'at most 0.3 us',
  recordBytes: 'at most 12',
  forecastEvent: 'at most 100 ns',
  forecast: 'at most 4 ms',
  replayRate: 'at least 2,000,000/s',
};
