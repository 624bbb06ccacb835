/**
 * What ctwatch said of an incident on the real kernel, held against what the kernel then did. Pure.
 *
 * The expired share has two truths. A dump at the very end collects what has expired: count before minus count after. And
 * where all flows share one timeout T, an entry is live for exactly T, so at any second
 *
 *   expired(t) = count(t) - background - (births until t - births until t - T)
 */

/** One `sample` line. `newTotal`: NEW events so far, lost ones included. */
export interface KernelSample {
  readonly atSeconds: number;
  readonly count: number;
  readonly newTotal: number;
  readonly expired?: number;
  readonly secondsToFull?: number;
  readonly low?: number;
  readonly high?: number;
}

export interface KernelRunInput {
  readonly incident: string;
  readonly kind: 'fills' | 'never';
  readonly max: number;
  readonly onsetAtSeconds: number;
  readonly samples: readonly KernelSample[];
  /** When `time_to_full` fired as a warning or worse, and resolved. */
  readonly alerts: readonly { readonly atSeconds: number; readonly firing: boolean; readonly critical: boolean }[];
  /** Where what is live can be computed. */
  readonly flows?: { readonly timeoutSeconds: number; readonly background: number };
  readonly reap?: Reap;
}

/** The last dump: when it was, and the counts right before and after it. */
export interface Reap {
  readonly atSeconds: number;
  readonly before: number;
  readonly after: number;
}

export interface KernelRunScore {
  readonly incident: string;
  readonly kind: 'fills' | 'never';
  /** From the onset. */
  readonly fillSeconds?: number;
  /** Highest part of max reached before a sweep that put it off: near 1, nobody could know on which side of it the table fills. */
  readonly missedRatio?: number;
  /** Of the time to full, relative, at those of `KERNEL_HORIZONS_SECONDS` that the event was old enough for. */
  readonly errors: readonly { readonly horizonSeconds: number; readonly error: number | 'never' }[];
  readonly leadRatio?: number;
  /** Seconds since the onset with an interval told, and those in which it held the truth. */
  readonly toldSeconds: number;
  readonly insideSeconds: number;
  readonly warnings: number;
  readonly criticals: number;
  /** Mean over the seconds of |predicted - true| expired entries as a share of count, and the highest true share seen. */
  readonly expired?: {
    readonly seconds: number;
    readonly meanError: number;
    readonly bias: number;
    readonly highest: number;
  };
  /** Shares of count at the last dump; `computed` from births, where that can be done: it shows that both truths agree. */
  readonly reaped?: { readonly predicted: number; readonly measured: number; readonly computed?: number };
}

export const KERNEL_HORIZONS_SECONDS = [15, 30, 60] as const;
const ONSET_GRACE_SECONDS = 2;
const INTERVAL_GRACE_SECONDS = 5;

export function scoreKernelRun(input: KernelRunInput): KernelRunScore {
  const { incident, kind, samples, alerts, onsetAtSeconds } = input;
  const fullAt = fullAtSeconds(input);
  const before = samples.filter(({ atSeconds }) => atSeconds < (fullAt ?? Infinity));
  const intervals = fullAt === undefined ? [] : intervalsOf(before, onsetAtSeconds, fullAt);
  const lead = fullAt === undefined ? undefined : leadRatioOf(input, fullAt);
  const missedRatio = fullAt === undefined ? undefined : missedRatioOf(before, onsetAtSeconds, input.max);
  const expired = expiredErrors(input);
  const reaped = reapedShares(input);
  const events = fullAt === undefined ? alerts : alerts.filter(({ atSeconds }) => atSeconds < fullAt);
  return {
    incident,
    kind,
    ...(fullAt !== undefined && { fillSeconds: fullAt - onsetAtSeconds }),
    ...(missedRatio !== undefined && { missedRatio }),
    errors: fullAt === undefined ? [] : errorsOf(before, onsetAtSeconds, fullAt),
    ...(lead !== undefined && { leadRatio: lead }),
    toldSeconds: intervals.length,
    insideSeconds: intervals.filter((isInside) => isInside).length,
    warnings: events.filter(({ firing, critical }) => firing && !critical).length,
    criticals: events.filter(({ firing, critical }) => firing && critical).length,
    ...(expired && { expired }),
    ...(reaped && { reaped }),
  };
}

/** The highest count since the onset after which it fell, over max. */
function missedRatioOf(before: readonly KernelSample[], onsetAt: number, max: number): number | undefined {
  let highest = 0;
  before.forEach(({ atSeconds, count }, i) => {
    const next = before[i + 1];
    if (atSeconds >= onsetAt && next !== undefined && next.count < count) highest = Math.max(highest, count);
  });
  return highest > 0 ? highest / max : undefined;
}

/** When count reached max, between the two samples around it. */
function fullAtSeconds({ samples, max }: KernelRunInput): number | undefined {
  const at = samples.findIndex(({ count }) => count >= max);
  const full = samples[at];
  const last = samples[at - 1];
  if (full === undefined || last === undefined) return undefined;
  return last.atSeconds + ((max - last.count) / (full.count - last.count)) * (full.atSeconds - last.atSeconds);
}

function errorsOf(before: readonly KernelSample[], onsetAt: number, fullAt: number): KernelRunScore['errors'] {
  return KERNEL_HORIZONS_SECONDS.flatMap((horizonSeconds) => {
    if (horizonSeconds > fullAt - onsetAt - ONSET_GRACE_SECONDS) return [];
    const sample = before.findLast(({ atSeconds }) => atSeconds <= fullAt - horizonSeconds);
    if (sample?.secondsToFull === undefined) return { horizonSeconds, error: 'never' };
    const left = fullAt - sample.atSeconds;
    return { horizonSeconds, error: Math.abs(sample.secondsToFull - left) / left };
  });
}

function intervalsOf(before: readonly KernelSample[], onsetAt: number, fullAt: number): boolean[] {
  return before.flatMap(({ atSeconds, secondsToFull, low, high }) => {
    if (atSeconds < onsetAt + INTERVAL_GRACE_SECONDS || secondsToFull === undefined) return [];
    const left = fullAt - atSeconds;
    return [left >= (low ?? 0) && left <= (high ?? Infinity)];
  });
}

/** Of the warning that was on when the table got full. */
function leadRatioOf({ alerts, onsetAtSeconds }: KernelRunInput, fullAt: number): number {
  let since: number | undefined;
  for (const { atSeconds, firing } of alerts) {
    if (atSeconds > fullAt) break;
    since = firing ? (since ?? atSeconds) : undefined;
  }
  if (since === undefined) return 0;
  return Math.min(1, (fullAt - since) / (fullAt - onsetAtSeconds));
}

function expiredErrors({ samples, flows }: KernelRunInput): KernelRunScore['expired'] {
  const first = samples[0];
  if (flows === undefined || first === undefined) return undefined;
  let seconds = 0;
  let error = 0;
  let bias = 0;
  let highest = 0;
  for (const sample of samples) {
    if (sample.atSeconds < first.atSeconds + flows.timeoutSeconds + 1 || sample.expired === undefined) continue;
    const ratio = expiredRatio(samples, sample, flows);
    const difference = sample.expired / sample.count - ratio;
    seconds += 1;
    error += Math.abs(difference);
    bias += difference;
    highest = Math.max(highest, ratio);
  }
  return seconds === 0 ? undefined : { seconds, meanError: error / seconds, bias: bias / seconds, highest };
}

function expiredRatio(
  samples: readonly KernelSample[],
  { atSeconds, count, newTotal }: KernelSample,
  { timeoutSeconds, background }: NonNullable<KernelRunInput['flows']>,
): number {
  const live = background + newTotal - newTotalAt(samples, atSeconds - timeoutSeconds);
  return Math.max(0, 1 - live / count);
}

/** Between two samples along a straight line. */
function newTotalAt(samples: readonly KernelSample[], atSeconds: number): number {
  const next = samples.findIndex((sample) => sample.atSeconds >= atSeconds);
  const b = samples[next];
  const a = samples[next - 1] ?? b;
  if (a === undefined || b === undefined) return 0;
  if (a === b) return b.newTotal;
  return a.newTotal + ((b.newTotal - a.newTotal) * (atSeconds - a.atSeconds)) / (b.atSeconds - a.atSeconds);
}

function reapedShares({ reap, samples, flows }: KernelRunInput): KernelRunScore['reaped'] {
  const last = samples.at(-1);
  if (reap === undefined || last?.expired === undefined || reap.before <= 0) return undefined;
  return {
    predicted: last.expired / last.count,
    measured: (reap.before - reap.after) / reap.before,
    ...(flows && {
      computed: expiredRatio(samples, { ...last, atSeconds: reap.atSeconds, count: reap.before }, flows),
    }),
  };
}
