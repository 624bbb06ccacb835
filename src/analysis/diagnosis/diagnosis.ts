/**
 * Names what fills the table, or says that it is unclear: Bayes' rule over what can be seen of the suspect.
 *
 *   confidence(d) ~ prior(d) * product over the symptoms seen: P(symptom | d) ^ TEMPER        unclear: every symptom equally likely
 *
 * Each rule of `ILLNESSES` says which part of such incidents shows a symptom; what it does not name shares the rest. A symptom that
 * is not known changes nothing, and one that a rule hardly knows speaks against it. Symptoms are not independent, so each weighs
 * less than it would (TEMPER). A diagnosis is of one suspect: when none accounts for most of the growth it is unclear.
 * docs/diagnosis.md gives the reason for each rule and how often they were right.
 * Source: Hand and Yu, "Idiot's Bayes: not so stupid after all?" (International Statistical Review 2001).
 */
import type { DiagnosisCode } from '../../model/events.js';
import { describeSymptoms } from './diagnosis-evidence.js';
import { type Suspect, SYMPTOMS, type SymptomName, type Symptoms, symptomsOf } from './symptoms.js';

export interface Diagnosis {
  readonly code: DiagnosisCode;
  /** Probability that the code is right as the rules have it, 0..1; of `unclear`, that none of the others is. */
  readonly confidenceRatio: number;
  /** What was seen, as sentences. */
  readonly evidence: readonly string[];
}

interface Illness {
  /** Of what is asked about, before anything is seen. */
  readonly prior: number;
  /** Part of such incidents that shows a value of a symptom. Values left out share the rest. */
  readonly shows: { readonly [S in SymptomName]?: Readonly<Partial<Record<(typeof SYMPTOMS)[S][number], number>>> };
}

/** Not of a source: one destination is behind it. */
const destination = { destination: 0.97 } as const;

/** The rules. */
export const ILLNESSES: Readonly<Record<Exclude<DiagnosisCode, 'unclear'>, Illness>> = {
  /** A client opens a connection for each job and closes it: answered, soon over, from one client or few. */
  connection_churn: {
    prior: 0.25,
    shows: {
      subject: destination,
      transport: { tcp: 0.97, dns: 0.01 },
      partners: { one: 0.6, few: 0.35, many: 0.04 },
      stage: { over: 0.86, established: 0.06, mixed: 0.06 },
      hold: { released: 0.95 },
      pace: { surge: 0.6 },
      leaving: { leaves: 0.8 },
      idleness: { in_use: 0.995 },
      sockets: { within_threads: 0.7 },
    },
  },
  /** Connections are opened and never closed: answered, still established, and none leaves. */
  connection_leak: {
    prior: 0.1,
    shows: {
      subject: destination,
      transport: { tcp: 0.97 },
      partners: { one: 0.6, few: 0.35, many: 0.04 },
      stage: { established: 0.96, mixed: 0.03 },
      hold: { held: 0.97 },
      pace: { surge: 0.4 },
      leaving: { stays: 0.9 },
      idleness: { in_use: 0.995 },
      sockets: { beyond_threads: 0.9 },
    },
  },
  /** Many clients want a service at once: answered, by many sources that come again. */
  traffic_spike: {
    prior: 0.2,
    shows: {
      subject: destination,
      transport: { tcp: 0.85, udp: 0.13 },
      partners: { many: 0.7, once: 0.25, few: 0.04 },
      stage: { over: 0.45, established: 0.35, answered: 0.1, mixed: 0.09 },
      hold: { held: 0.4 },
      pace: { surge: 0.95 },
      leaving: { leaves: 0.85 },
      idleness: { in_use: 0.995 },
      sockets: { within_threads: 0.5 },
    },
  },
  /** Half of a handshake from invented addresses: nobody completes it, hardly an address comes again. */
  syn_flood: {
    prior: 0.05,
    shows: {
      subject: destination,
      transport: { tcp: 0.99 },
      partners: { once: 0.8, many: 0.15 },
      stage: { half_open: 0.5, unanswered: 0.45 },
      hold: { held: 0.05 },
      pace: { surge: 0.97 },
      leaving: { leaves: 0.8 },
      idleness: { in_use: 0.995 },
    },
  },
  /** One source tries many destinations, most of which do not answer. */
  scan: {
    prior: 0.05,
    shows: {
      subject: { source: 0.97 },
      transport: { tcp: 0.7, udp: 0.15, other: 0.12 },
      partners: { once: 0.85, many: 0.13 },
      stage: { unanswered: 0.85, mixed: 0.1, over: 0.01, established: 0.01, answered: 0.01 },
      pace: { surge: 0.8 },
      leaving: { leaves: 0.85 },
      idleness: { in_use: 0.995 },
    },
  },
  /** One destination stopped answering: its clients, which come again, wait and try again. */
  dead_backend: {
    prior: 0.1,
    shows: {
      subject: destination,
      transport: { tcp: 0.97, dns: 0.01 },
      partners: { one: 0.45, few: 0.35, many: 0.19 },
      stage: { unanswered: 0.95, mixed: 0.03 },
      hold: { held: 0.3 },
      pace: { surge: 0.5 },
      leaving: { leaves: 0.8 },
      idleness: { in_use: 0.995 },
    },
  },
  /** Questions to a name server, each an entry of its own. */
  dns_storm: {
    prior: 0.05,
    shows: {
      subject: { destination: 0.8 },
      transport: { dns: 0.99 },
      partners: { one: 0.5, few: 0.3, many: 0.15 },
      stage: { unanswered: 0.4, answered: 0.5 },
      pace: { surge: 0.9 },
      leaving: { leaves: 0.85 },
      idleness: { in_use: 0.995 },
    },
  },
  /** Datagrams, each from a port of its own. Answers prove nothing: syslog and statsd have none. */
  udp_storm: {
    prior: 0.05,
    shows: {
      subject: { destination: 0.8 },
      transport: { udp: 0.98 },
      partners: { one: 0.55, few: 0.3, many: 0.1 },
      stage: { unanswered: 0.6, answered: 0.35 },
      pace: { surge: 0.9 },
      leaving: { leaves: 0.85 },
      idleness: { in_use: 0.995 },
    },
  },
  /** Nothing happens any more, but the timeout of ESTABLISHED is days: peers that vanished without a FIN. */
  timeout_artefact: {
    prior: 0.05,
    shows: {
      subject: destination,
      transport: { tcp: 0.97 },
      stage: { established: 0.6, over: 0.2 },
      hold: { held: 0.6 },
      pace: { steady: 0.95 },
      idleness: { idle: 0.97 },
    },
  },
};

const UNCLEAR_PRIOR = 0.1;
/** Weight of each symptom: about two thirds of them say something that the others did not. */
const TEMPER = 0.7;
/** Least that a rule gives to a value it hardly knows: one reading may always be wrong. */
const FLOOR = 0.005;
/** Below this no code is told. */
const CONFIDENCE_MIN = 0.6;
/** Part of the growth that one suspect must account for. */
export const SUSPECT_SHARE_RATIO = 0.4;

/** Judges a suspect that accounts for `shareRatio` of what fills the table; undefined: there is none. Pure. */
export function diagnose(suspect: Suspect | undefined, shareRatio: number): Diagnosis {
  if (suspect === undefined || shareRatio < SUSPECT_SHARE_RATIO) {
    const most = Math.round(shareRatio * 100);
    const evidence = suspect === undefined ? [] : [`no destination or source accounts for more than ${most} % of it`];
    return { code: 'unclear', confidenceRatio: 1 - shareRatio, evidence };
  }
  const symptoms = symptomsOf(suspect);
  const scores = scoresOf(symptoms);
  const total = [...scores.values()].reduce((sum, score) => sum + score, 0);
  let best: DiagnosisCode = 'unclear';
  for (const [code, score] of scores) if (score > (scores.get(best) ?? 0)) best = code;
  const confidence = (scores.get(best) ?? 0) / total;
  const evidence = describeSymptoms(suspect, symptoms);
  if (best !== 'unclear' && confidence >= CONFIDENCE_MIN) return { code: best, confidenceRatio: confidence, evidence };
  return { code: 'unclear', confidenceRatio: best === 'unclear' ? confidence : 1 - confidence, evidence };
}

/** Prior times tempered likelihood, by code; they do not add up to 1. */
function scoresOf(symptoms: Symptoms): ReadonlyMap<DiagnosisCode, number> {
  const seen = Object.entries(symptoms) as [SymptomName, string][];
  const scores = new Map<DiagnosisCode, number>();
  for (const [code, { prior, shows }] of Object.entries(ILLNESSES) as [DiagnosisCode, Illness][]) {
    const likelihood = seen.reduce((product, [name, value]) => product * likelihoodOf(name, value, shows[name]), 1);
    scores.set(code, prior * likelihood ** TEMPER);
  }
  const uniform = seen.reduce((product, [name]) => product / SYMPTOMS[name].length, 1);
  scores.set('unclear', UNCLEAR_PRIOR * uniform ** TEMPER);
  return scores;
}

/** Part of the incidents that show this value; evenly shared where a rule says nothing. */
function likelihoodOf(name: SymptomName, value: string, shows: Readonly<Record<string, number>> = {}): number {
  const named = shows[value];
  if (named !== undefined) return Math.max(FLOOR, named);
  const values = Object.values(shows);
  const rest = 1 - values.reduce((sum, part) => sum + part, 0);
  return Math.max(FLOOR, rest / Math.max(1, SYMPTOMS[name].length - values.length));
}
