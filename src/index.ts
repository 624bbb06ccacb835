/** The library: the public names, nothing else. */
export type { BurstSnapshot, BurstTransition } from './analysis/bursts/burst.js';
export type { DestinationBurst } from './analysis/bursts/destination-bursts.js';
export type { Forecast } from './analysis/forecast/forecast.js';
export type { DestinationOwners, OwnerShare } from './analysis/owners/owner-shares.js';
export type { RateSnapshot, WindowedRate } from './analysis/rates.js';
export type { TableSnapshot } from './analysis/table.js';
export type { Talker } from './analysis/talkers.js';
export { type ConntrackWatch, type WatchOptions, watchConntrack } from './cli/watch.js';
export { formatAddress } from './model/address.js';
export { type EventBatch, type EventColumns, PRESENT } from './model/batch.js';
export { CtwatchError, ERRORS, type ErrorCode } from './model/errors.js';
export { type CtEvent, type EventLine, type EventOf, eventSchema } from './model/events.js';
export type { Owner } from './model/owner.js';
export type { BatchRecord, BatchSource, HostFacts, Instant, SourceRecord } from './model/record.js';
export type { Reload, SettingsChange } from './model/reload.js';
export type { SettingsInput } from './model/settings.js';
export type { TickObservation } from './pipeline/observed.js';
