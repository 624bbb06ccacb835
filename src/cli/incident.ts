/**
 * The incident that `ctwatch demo` plays, as real TCP over the loopback of its private namespace:
 * a web service with steady visitors and a pool of connections to Redis's port; then the pool is lost, and every job opens a
 * connection of its own to port 6379 and closes it: four times as many as the visitors, each a TIME_WAIT entry for 120 s.
 */
import { connect, createServer, type Server } from 'node:net';

export const WEB_PORT = 8080;
export const REDIS_PORT = 6379;
const POOL_SIZE = 10;
const SLICE_MS = 20;

/** New connections per second: of the visitors all the time, of the jobs in the incident. */
export const VISITORS_PER_SECOND = 60;
export const JOBS_PER_SECOND = 4 * VISITORS_PER_SECOND;
/** When the pool is lost, and when everything ends, seconds after the start. */
export const INCIDENT_AT_SECONDS = 12;
export const DEMO_SECONDS = 54;

/** Answers whatever it is sent, as `PING` wants. */
function serve(port: number): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('data', () => socket.write('+PONG\r\n')).on('error', () => socket.destroy());
  });
  return new Promise((resolve) => server.listen(port, '127.0.0.1', 1024, () => resolve(server)));
}

/** Clients have some addresses of the loopback, so that none runs out of ports and opens a TIME_WAIT entry again. */
const CLIENTS = 16;
let requests = 0;

/** One request on a connection of its own; the client closes first, so the entry goes to TIME_WAIT. */
function requestOnce(port: number): void {
  const localAddress = `127.0.0.${2 + (requests++ % CLIENTS)}`;
  const socket = connect({ port, host: '127.0.0.1', localAddress }, () => socket.write('PING\r\n'));
  socket.once('data', () => socket.end()).on('error', () => socket.destroy());
}

/** A pool that reuses its connections: no new entry in the table, whatever the number of jobs. */
function openPool(): void {
  for (let i = 0; i < POOL_SIZE; i++) {
    const socket = connect(REDIS_PORT, '127.0.0.1', () => {
      setInterval(() => socket.write('PING\r\n'), 100);
    });
    socket.on('data', () => {}).on('error', () => socket.destroy());
  }
}

/** Opens `perSecond()` connections a second, evenly, whatever the timer's delays. */
function pace(port: number, perSecond: () => number): void {
  let due = 0;
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    due += (perSecond() * (now - last)) / 1000;
    last = now;
    for (; due >= 1; due--) requestOnce(port);
  }, SLICE_MS);
}

/** Plays it to its end, or until whoever started it is gone: standard input is a pipe from there. */
export async function runIncident(): Promise<void> {
  process.stdin.on('end', () => process.exit()).resume();
  await Promise.all([serve(WEB_PORT), serve(REDIS_PORT)]);
  openPool();
  let incident = false;
  pace(WEB_PORT, () => VISITORS_PER_SECOND);
  pace(REDIS_PORT, () => (incident ? JOBS_PER_SECOND : 0));
  setTimeout(() => {
    incident = true;
  }, INCIDENT_AT_SECONDS * 1000);
  await new Promise((resolve) => setTimeout(resolve, DEMO_SECONDS * 1000));
}
