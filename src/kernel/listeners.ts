/**
 * Who else listens to conntrack events: each listener makes every namespace of the host build them.
 * Procfs, read once for `ctwatch doctor`; the layout is that of netlink_native_seq_show() in af_netlink.c.
 */
import { readFileSync } from 'node:fs';

const NETLINK_NETFILTER = 12;
/** NFNLGRP_CONNTRACK_NEW, _UPDATE and _DESTROY. */
const CONNTRACK_GROUPS = 0b111;

export interface Listener {
  /** Netlink port: the pid of the process for its first socket, else a random number. */
  readonly portid: number;
  /** Events it lost for want of buffer. */
  readonly drops: number;
}

/** The sockets of this namespace that are subscribed to conntrack events; empty when procfs cannot be read. */
export function readListeners(): Listener[] {
  let text: string;
  try {
    text = readFileSync('/proc/net/netlink', 'utf8');
  } catch {
    return [];
  }
  return parseListeners(text);
}

/** Parses `sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode` lines. */
export function parseListeners(text: string): Listener[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(
      ([, eth, , groups]) =>
        Number(eth) === NETLINK_NETFILTER && (Number.parseInt(groups ?? '0', 16) & CONNTRACK_GROUPS) !== 0,
    )
    .map(([, , portid, , , , , , drops]) => ({ portid: Number(portid), drops: Number(drops) }));
}
