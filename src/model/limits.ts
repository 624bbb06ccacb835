/** Every bound of the program with its reason. Beyond one there is a counter and an event, never silence or growth. */

/** Beat of the pipeline while events come, seconds: a 4x burst at 100/s is visible after one beat, four beats a second cost nothing. */
export const TICK_SECONDS = 0.25;

/** Beat while no event comes, seconds: nothing can start, and an idle host is not to be woken. */
export const IDLE_TICK_SECONDS = 1;

/** Age of a forecast above which it is made anew although nothing has happened, seconds. */
export const FORECAST_REUSE_SECONDS = 10;

/** How often the suspects are looked at anew, seconds: as often as the table is read. */
export const FINDINGS_SECONDS = 1;

/** How often the table's size and the per-CPU counters are asked for, seconds (under 10 us of kernel time an answer). */
export const STATS_SECONDS = 1;

/** Default receive buffer of each event socket, bytes asked for; the kernel doubles it: 52,428 events of 1,280 bytes. */
export const RECV_BUFFER_BYTES = 32 * 1024 * 1024;

/** Largest receive buffer that can be asked for, bytes. */
export const RECV_BUFFER_BYTES_MAX = 2 ** 30;

/** Kernel memory that one queued event occupies (skb truesize), whatever its kind. */
export const EVENT_TRUESIZE_BYTES = 1280;

/** Rows of one batch: 4 drains' worth at 200,000 events/s; three quarters may be NEW. */
export const BATCH_ROWS = 8192;

/** Rows of one batch when each of them becomes a line: 9 ms, since a turn is a batch at least and whoever asks waits for three. */
export const FLOW_BATCH_ROWS = 2048;

/** Least time between two dumps of the table, seconds: one that lists nothing keeps a core busy for 0.1 s with 260,000 entries. */
export const DUMP_SECONDS_MIN = 5;

/** Least time between two censuses while an alert fires, seconds: each keeps a core busy for up to 1 s with 260,000 entries. */
export const CENSUS_SECONDS_MIN = 60;

/** Least time between two censuses while an alert is only near, seconds: a table may stay there for days. */
export const CENSUS_NEAR_SECONDS = 300;

/** Sources, and destinations, that a census tells apart: 5 MB each. Entries come in the order of a hash, so whoever has 0.01 % is there. */
export const CENSUS_KEYS_MAX = 2 ** 17;

/** Combinations of all that a census counts by, 10 MB: every entry of a table of the usual size may be one of its own. */
export const CENSUS_GROUPS_MAX = 2 ** 18;

/** Rows of each list in a `census` line. */
export const CENSUS_LISTED = 10;

/** Age up to which what a census counted is told of the table, seconds: two that nobody asked for are a minute apart. */
export const CENSUS_FRESH_SECONDS = 120;

/** Owners that a census tells apart. */
export const CENSUS_OWNERS_MAX = 4096;

/** Answers that a dump on demand waits for in vain, 2 s each, before it is told as failed. */
export const DUMP_TIMEOUTS_MAX = 5;

/** Rate at which a drain interval may fill half of the receive buffer, events a second: about what one core can make. */
export const DRAIN_EVENTS_PER_SECOND = 100_000;

/** Longest and shortest time between two drains while events come, ms. A timer of Node.js costs 0.2 ms of CPU when it fires. */
export const DRAIN_INTERVAL_MAX_MS = 25;
export const DRAIN_INTERVAL_MIN_MS = 2;

/** Empty drains in a row before the source goes back to waiting for readability. */
export const EMPTY_DRAINS_BEFORE_IDLE = 2;

/** How long one turn drains before timers, output and requests get theirs, ms: whoever asks waits for two or three turns. */
export const DRAIN_TURN_MS = 10;

/** Destinations that the space-saving summary watches: any with over 1/256 of the new entries is found. */
export const TALKERS_MAX = 256;

/** Destinations with a burst detector of their own, 8 KiB each: the false-alarm allowance is divided by their number. */
export const DESTINATIONS_WATCHED_MAX = 32;

/** Destinations whose past bursts are remembered to recognise periodic ones. */
export const DESTINATION_RECURRENCES_MAX = 64;

/** Part of the false-alarm allowance that the total has; the destinations share the rest. */
export const TOTAL_ALLOWANCE_RATIO = 0.75;

/** Time between two marks of the usual rates, seconds: the third last is older than the longest window of a burst, 8 s. */
export const TALKERS_MARK_SECONDS = 4;

/** New entries per second below which a destination is not listed: it has stopped. */
export const TALKER_RATE_MIN = 0.05;

/** Destinations listed in a `sample`. */
export const TOP_LISTED = 5;

/** New flows whose owners may be asked for in a second, in one request for each drain: 6 us of kernel time each. */
export const OWNER_LOOKUPS_PER_SECOND = 200;
export const OWNER_LOOKUPS_PER_SECOND_MAX = 1000;

/** How often the source waits for the next new flow to ask for it at once, a second: 0.2 ms of CPU each. */
export const OWNER_PROBES_PER_SECOND = 10;

/** Part of the questions that goes to flows asked for at once; the rest to every kind of traffic, however rare. */
export const OWNER_FRESH_RATIO = 0.75;

/** How long a flow that was picked may wait for its question, seconds: what is asked for too late is not there any more. */
export const OWNER_PICK_SECONDS = 0.25;

/** CPU time for reading /proc/PID/fd in the long run, as a part of one core, and what may be spent at once, seconds. */
export const OWNER_KNOWN_CPU_RATIO = 0.005;
export const OWNER_SCAN_CPU_RATIO = 0.002;
export const OWNER_CPU_SECONDS = 0.3;

/** Entries of a dump's chunk that are asked for, and the CPU time that `who` may spend on processes, seconds: it runs once. */
export const OWNER_CHUNK_ENTRIES = 256;
export const OWNER_WHO_CPU_SECONDS = 1;

/** Going through all processes in one question, seconds of CPU: it holds one of the four threads that read files. */
export const OWNER_SCAN_SLICE_SECONDS = 0.02;

/** After a question that failed none is asked for so long, seconds: a kernel that does not answer costs a worker for two each. */
export const OWNER_RETRY_SECONDS = 60;

/** A budget's owner that nobody was told to be is told as missing after so long, seconds, and so many flows with an owner. */
export const OWNER_UNSEEN_SECONDS = 600;
export const OWNER_UNSEEN_FLOWS_MIN = 100;

/** Sockets whose process is still looked for, and how long, seconds: all processes of a large host, a slice at a time. */
export const OWNER_PENDING_MAX = 256;
export const OWNER_PENDING_SECONDS = 5;

/** Pairs of destination and owner that are counted, beside what could not be told: four times the destinations watched. */
export const OWNER_COUNTERS_MAX = 1024;

/** Processes whose names and units are remembered. */
export const OWNER_PROCESSES_MAX = 1024;

/** Longest name of a process, unit, container or user that is told, characters: systemd allows 255, the kernel 15 for a process. */
export const OWNER_TEXT_CHARS = 256;

/** Flow classes with residence times of their own; the rest share one per protocol. */
export const CLASSES_MAX = 28;

/** Destination ports of the initial dump whose closings are kept apart, 100 bytes each; the rest count for their protocol alone. */
export const CLOSING_PORTS_MAX = 4096;

/** Flows followed from NEW to DESTROY for their residence time; beyond it the sampling is halved. */
export const TRACKED_FLOWS_MAX = 65_536;

/** Text waiting for a reader of standard output, bytes; beyond it lines are dropped and counted. */
export const OUTPUT_QUEUE_BYTES = 8 * 1024 * 1024;

/** Part of the queue that `flow` lines may take, so that a burst of them never costs an alert. */
export const OUTPUT_QUEUE_FLOW_RATIO = 0.75;

/** How long the last lines may wait for a reader at the end, ms. */
export const OUTPUT_END_TIMEOUT_MS = 2000;

/** Size at which a file of lines is rotated, bytes: ten of them hold 3 million flow lines, and fill no disk unseen. */
export const OUTPUT_ROTATE_BYTES = 100_000_000;

/** How often a file that cannot be written is tried again, ms: a disk is full for minutes. */
export const OUTPUT_RETRY_MS = 1000;

/** Upper bound of `--assume-max`: nf_conntrack_max is an unsigned 32-bit number. */
export const ENTRIES_MAX = 0xffff_ffff;

/** Age after which the last reading of the table is no longer shown, seconds: five readings missed. */
export const TABLE_STALE_SECONDS = 5;

/** When the first sample is due, seconds after the start: long enough for a rate, short enough for `--once`. */
export const FIRST_SAMPLE_SECONDS = 1;

/** How often changes are played while the table fills, seconds: two more projections, 3 ms each. */
export const WHAT_IF_SECONDS = 5;

/** Part of its limit that the table must be heading for before changes are played. */
export const WHAT_IF_RATIO = 0.8;

/** Budgets of the configuration: each is compared with every event whose port one of them has. */
export const BUDGETS_MAX = 64;

/** Share of the new entries from which a destination is named as a culprit, 0..1. */
export const CULPRIT_SHARE_RATIO = 0.1;

/** Flows that a recording remembers to write a DESTROY as a number: 16 bits; 5.5 MB on either side. */
export const FLOWS_REMEMBERED = 65_536;

/** Addresses that a recording remembers: more would cost more bits a row than they save. */
export const ADDRESSES_REMEMBERED = 16_384;

/** Rows of a recorded batch that are believed: 128 live batches. A damaged number must not ask for all memory. */
export const RECORDED_ROWS_MAX = 2 ** 20;

/** Encoded bytes of a block before it is compressed and written: about 30,000 events, 100 KB in the file. */
export const RECORDED_BLOCK_BYTES = 256 * 1024;

/** Age at which a block is written although it is not full, seconds: what a crash can cost. */
export const RECORDED_BLOCK_SECONDS = 5;

/** Largest block that is believed when a recording is read. A block ends with the batch that fills it. */
export const RECORDED_BLOCK_BYTES_MAX = 256 * 1024 * 1024;

/** Encoded bytes that may wait for a slow disk; beyond it events are left out of the recording, and counted. */
export const RECORDING_QUEUE_BYTES = 16 * 1024 * 1024;

/** Files that are kept of one rotated by size, the current one included. */
export const FILES_KEPT = 10;

/** Blocks of a recording that are read and inflated ahead of the replay, about 0.5 MB each. */
export const REPLAY_BLOCKS_AHEAD = 4;

/** Rows of a conn.log that wait to be put in the order of their start: about 60 MB; a smaller log is sorted as a whole. */
export const ZEEK_ROWS_AHEAD = 65_536;

/** A longer time without any connection is passed in one step, seconds: a log may have holes of months. */
export const ZEEK_GAP_SECONDS = 86_400;

/** net.netfilter.nf_conntrack_max as the kernel sets it on a host with more than 4 GiB. */
export const KERNEL_ENTRIES_MAX = 262_144;

/** Look-ups of young flows in a second, in one request: 10 us of kernel time each, and enough to know a share within 10 % in a minute. */
export const LOOKUPS_PER_SECOND = 64;

/**
 * Ages at which a picked flow is looked up, seconds after its NEW. After 2 s a handshake has been answered or has not, a short connection
 * is closing, and UDP can be a stream. After 15 s what was reset (10 s) is gone, and what was unanswered (30 s) is not yet.
 */
export const LOOKUP_AGES_SECONDS = [2, 15] as const;

/** Evidence of critical alerts that is kept in the state directory; the oldest goes first. A file is about 0.3 MB. */
export const EVIDENCE_FILES_MAX = 20;
export const EVIDENCE_BYTES_MAX = 50_000_000;

/** Files of evidence that wait for a slow disk: as many as there are alerts that an incident makes critical. */
export const EVIDENCE_FILES_WAITING_MAX = 4;

/** Samples in a piece of evidence: of the last ten minutes, one a second while an alert fires. */
export const EVIDENCE_SECONDS = 600;
export const EVIDENCE_SAMPLES_MAX = 700;

/** A census so long after a critical alert still belongs to it, seconds: one comes at most once a minute. */
export const EVIDENCE_CENSUS_SECONDS = 70;

/** Least time between two sentences for `systemctl status`, seconds: each is a message to the service manager. */
export const STATUS_SECONDS = 0.9;

/** Share of the whole from which a destination or an owner has metrics of its own: whoever comes and goes below it makes no series. */
export const METRIC_SHARE_RATIO_MIN = 0.05;

/** Owners with metrics of their own; destinations are `TOP_LISTED` at most. */
export const METRIC_OWNERS_MAX = 10;

/** Longest sentence of an alert in a label, characters: what is usual is under 400. */
export const METRIC_SENTENCE_CHARS = 1000;

/** Connections for metrics at a time: a scraper has one, and each may hold an answer of 20 KB. */
export const SCRAPE_CONNECTIONS_MAX = 16;

/** Answers a second: a scraper wants one in seconds. With an answer of 0.3 ms a storm takes a hundredth of the thread. */
export const SCRAPES_PER_SECOND_MAX = 20;

/** How long a client may take to ask, to read, and between two questions, ms. */
export const SCRAPE_TIMEOUT_MS = 5000;

/** Head of a request, bytes: that of Prometheus has 400. */
export const SCRAPE_HEADER_BYTES_MAX = 8192;

/** Age of the last tick from which the pipeline counts as stuck, seconds: ten of an idle host. */
export const TICK_AGE_SECONDS_MAX = 10;

/** How often an address in use is tried again, ms: the process before may take seconds to end, and a try costs next to nothing. */
export const LISTEN_RETRY_MS = 2000;

/** Alerts that wait for a collector, 4 KB each: those of hours. */
export const OTLP_ALERTS_MAX = 1000;

/** Alerts in one push, so that what waited is sent in pieces that a collector takes. */
export const OTLP_ALERTS_PER_PUSH = 100;

/** How soon an alert is pushed, ms: those of one moment go together. */
export const OTLP_ALERT_DELAY_MS = 250;

/** How long after its timeout a push is given up from outside, ms: an answer may trickle for ever. */
export const OTLP_GRACE_MS = 500;

/** Longest path of a unix socket, bytes: sun_path less the zero at its end. */
export const SOCKET_PATH_BYTES_MAX = 107;

/** Longest request on the control socket, bytes; the only one there is has 24. */
export const CONTROL_REQUEST_BYTES_MAX = 1024;

/** How long a connection to the control socket may last, ms: who asks has the request ready. */
export const CONTROL_CONNECTION_MS = 2000;

/** Connections to the control socket that are open at once; for one more the oldest goes. A few descriptors of 1,024. */
export const CONTROL_CONNECTIONS_MAX = 64;

/** Answers on the control socket in a second, 0.2 ms of CPU each: a monitoring system asks once a minute. */
export const CONTROL_ANSWERS_PER_SECOND = 50;

/** Longest answer that `check` reads, bytes: every alert and budget firing at once makes a tenth of it. */
export const CONTROL_ANSWER_BYTES_MAX = 1_000_000;

/** How long `check` waits for an answer, seconds, unless told otherwise: the plugins' own default. */
export const CHECK_TIMEOUT_SECONDS = 10;

/** Age of the daemon's reading from which on `check` believes nothing of it, seconds; one comes every second at least. */
export const CHECK_STALE_SECONDS = 10;

/** Time between two tries of `check` to connect while the socket's queue is full, ms. */
export const CHECK_RETRY_MS = 50;

/** Heap and arrays may grow by so much, garbage included, before all of it is collected: less than V8 lets them. */
export const HEAP_GROWTH_BYTES_MAX = 8 * 1024 * 1024;
/** Not more often, seconds: at 20 ms each that is 0.2 % of a core. */
export const HEAP_COLLECT_SECONDS = 10;
