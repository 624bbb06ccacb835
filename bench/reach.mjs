/** What each measurement is meant to reach. Printed beside it; nothing is asserted, as machines differ. */
export const REACH = {
  cpuPerEvent: 'at most the floor',
  lostEvents: '0',
  senderRate: 'at least with the floor',
  lostLines: '0',
  memory: 'at most 128 MiB, flat',
  idle: 'at most 0.5 %',
  burst: 'at most 1 s',
  start: 'at most 300 ms',
};
