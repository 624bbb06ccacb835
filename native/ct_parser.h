// Turns one ctnetlink message into one record. Pure: bytes in, record out; no syscalls, no JavaScript.
//
// What a kernel leaves out or adds is no error: an unknown attribute, or one of an unexpected length, is skipped, an
// absent one leaves its `present` bit clear and its field 0. Of an attribute given twice the first usable one counts:
// where CTA_TIMESTAMP_EVENT is padded, a zero-length attribute of CTA_STATUS's number precedes it. Format:
// linux/netfilter/nfnetlink_conntrack.h; what is sent when: net/netfilter/nf_conntrack_netlink.c.

#ifndef CTWATCH_CT_PARSER_H_
#define CTWATCH_CT_PARSER_H_

#include <cstdint>

#include "column_layout.h"
#include "netlink_message.h"

namespace ctwatch {

// nlmsg_type of a NEW event and of a dumped entry, and of a DESTROY event.
inline constexpr std::uint16_t kEntryNew = 0x0100;
inline constexpr std::uint16_t kEntryDestroy = 0x0102;

// Any thread. Parses a message of the given type into `record`, which is overwritten. False, with the record unusable,
// when the message is of another type, is damaged, or has no usable original tuple.
bool ParseRecord(const NetlinkMessage& message, std::uint16_t type, CtRecord& record);

}  // namespace ctwatch

#endif  // CTWATCH_CT_PARSER_H_
